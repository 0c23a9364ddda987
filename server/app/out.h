// What people see: colour only on a terminal that wants it, tables with aligned columns, and one JSON value as indented
// lines. Data goes to stdout, messages to stderr.
#pragma once
#include "base/buf.h"
#include <stdio.h>

struct json;

enum out_style { OUT_PLAIN, OUT_BOLD, OUT_DIM, OUT_GREEN, OUT_RED, OUT_YELLOW, OUT_CYAN };
// The escape sequence of a style for that stream; "" where it is no terminal, NO_COLOR is set or TERM is dumb.
const char *out_style(FILE *stream, enum out_style style);
const char *out_reset(FILE *stream);

// Messages to stderr: "error: …", "note: …".
void out_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void out_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

// A table: cells are added row by row, then printed at once. Columns of numbers stand right.
#define OUT_COLUMNS_MAX 16
struct out_table {
  size_t columns;
  const char *headings[OUT_COLUMNS_MAX]; // lent
  bool right[OUT_COLUMNS_MAX];
  char **cells; // owned
  size_t count, cap;
};
void out_table_init(struct out_table *t);
void out_table_finish(struct out_table *t);
void out_table_column(struct out_table *t, const char *heading, bool right);
void out_table_cell(struct out_table *t, const char *text); // control characters become '?'
void out_table_print(struct out_table *t, FILE *stream, const char *indent);

// A scalar as text; "-" for null and what is missing; compact JSON for the rest.
void out_scalar(struct json *value, struct buf *out);
// An object: one line a member, objects inside as dotted names, lists of objects as tables below.
void out_object(struct json *object, FILE *stream);
