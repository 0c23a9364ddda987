// Prints for people. Everything shown may come from outside, so control characters never reach the terminal.
#include "app/out.h"
#include "base/mem.h"
#include "json/read.h"
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#define OUT_TEXT_MAX (256 * 1024)
#define OUT_DEPTH 6

static bool colourful(FILE *stream) {
  const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
  return !(no && *no) && term && strcmp(term, "dumb") != 0 && isatty(fileno(stream));
}

const char *out_style(FILE *stream, enum out_style style) {
  static const char *const codes[] = {
      [OUT_PLAIN] = "",       [OUT_BOLD] = "\x1b[1m",    [OUT_DIM] = "\x1b[2m",  [OUT_GREEN] = "\x1b[32m",
      [OUT_RED] = "\x1b[31m", [OUT_YELLOW] = "\x1b[33m", [OUT_CYAN] = "\x1b[36m"};
  return colourful(stream) ? codes[style] : "";
}

const char *out_reset(FILE *stream) {
  return colourful(stream) ? "\x1b[0m" : "";
}

__attribute__((format(printf, 3, 0))) static void message(enum out_style style, const char *word, const char *format,
                                                          va_list args) {
  (void)fflush(stdout);
  (void)fprintf(stderr, "%s%s:%s ", out_style(stderr, style), word, out_reset(stderr));
  (void)vfprintf(stderr, format, args);
  (void)fputc('\n', stderr);
}

void out_error(const char *format, ...) {
  va_list args;
  va_start(args, format);
  message(OUT_RED, "error", format, args);
  va_end(args);
}

void out_note(const char *format, ...) {
  va_list args;
  va_start(args, format);
  message(OUT_YELLOW, "note", format, args);
  va_end(args);
}

// ---- tables

void out_table_init(struct out_table *t) {
  *t = (struct out_table){.columns = 0};
}

void out_table_finish(struct out_table *t) {
  for (size_t i = 0; i < t->count; i++) mem_free(t->cells[i]);
  mem_free(t->cells);
  *t = (struct out_table){.columns = 0};
}

void out_table_column(struct out_table *t, const char *heading, bool right) {
  if (t->columns == OUT_COLUMNS_MAX) return;
  t->headings[t->columns] = heading;
  t->right[t->columns++] = right;
}

void out_table_cell(struct out_table *t, const char *text) {
  if (t->count == t->cap) {
    t->cap = t->cap ? t->cap * 2 : 64;
    t->cells = mem_realloc(t->cells, t->cap * sizeof *t->cells);
  }
  char *copy = mem_strdup(text);
  for (char *c = copy; *c; c++)
    if ((unsigned char)*c < 0x20 || *c == 0x7F) *c = '?';
  t->cells[t->count++] = copy;
}

// Characters, not bytes: continuation bytes take no room.
static int text_width(const char *text) {
  int width = 0;
  for (; *text; text++) width += ((unsigned char)*text & 0xC0) != 0x80;
  return width;
}

static void cell_print(FILE *stream, const char *text, int width, bool right, bool last) {
  int room = width - text_width(text);
  if (right) (void)fprintf(stream, "%*s", room, "");
  (void)fputs(text, stream);
  if (!right && !last) (void)fprintf(stream, "%*s", room, "");
  if (!last) (void)fputs("  ", stream);
}

void out_table_print(struct out_table *t, FILE *stream, const char *indent) {
  int width[OUT_COLUMNS_MAX];
  if (t->columns == 0) return;
  for (size_t c = 0; c < t->columns; c++) {
    width[c] = text_width(t->headings[c]);
    for (size_t i = c; i < t->count; i += t->columns)
      if (text_width(t->cells[i]) > width[c]) width[c] = text_width(t->cells[i]);
  }
  (void)fprintf(stream, "%s%s", indent, out_style(stream, OUT_BOLD));
  for (size_t c = 0; c < t->columns; c++)
    cell_print(stream, t->headings[c], width[c], t->right[c], c + 1 == t->columns);
  (void)fprintf(stream, "%s\n", out_reset(stream));
  for (size_t i = 0; i < t->count; i++) {
    size_t c = i % t->columns;
    if (c == 0) (void)fputs(indent, stream);
    cell_print(stream, t->cells[i], width[c], t->right[c], c + 1 == t->columns);
    if (c + 1 == t->columns) (void)fputc('\n', stream);
  }
}

// ---- JSON for people

// json/read.h tells texts and integers; the rest shows by what it holds.
static bool is_object(struct json *v) {
  return json_count(v) > 0 && !json_at(v, 0);
}

static bool is_array(struct json *v) {
  return json_count(v) > 0 && json_at(v, 0);
}

struct joined {
  struct buf *out;
  bool begun;
};

// Depth is bounded by LIMIT_JSON_DEPTH.
static int member_join(void *arg, const char *name, struct json *value) {
  struct joined *j = arg;
  buf_printf(j->out, "%s%s=", j->begun ? " " : "", name);
  out_scalar(value, j->out);
  j->begun = true;
  return 0;
}

// Objects as "a=1 b=2", lists with commas between.
void out_scalar(struct json *value, struct buf *out) {
  struct str text;
  int64_t number;
  if (!value || json_is_null(value)) {
    buf_puts(out, "-");
  } else if (json_text(value, &text)) {
    buf_add_str(out, text.len > 0 ? text : STR("-"));
  } else if (json_int(value, &number)) {
    buf_printf(out, "%lld", (long long)number);
  } else if (is_object(value)) {
    (void)json_each(value, member_join, &(struct joined){out, false});
  } else if (is_array(value)) {
    for (size_t i = 0; i < json_count(value); i++) {
      if (i > 0) buf_puts(out, ", ");
      out_scalar(json_at(value, i), out);
    }
  } else {
    char *dump = json_dump(value); // true, false, and what is empty
    buf_puts(out, strcmp(dump, "{}") == 0 || strcmp(dump, "[]") == 0 ? "-" : dump);
    mem_free(dump);
  }
}

struct flat {
  struct out_table table; // name, value
  struct {
    char name[128];
    struct json *list;
  } lists[16]; // shown after the lines
  size_t list_count;
  char prefix[OUT_DEPTH][96];
  int depth;
};

static int flat_member(void *arg, const char *name, struct json *value) {
  struct flat *f = arg;
  char whole[200];
  (void)snprintf(whole, sizeof whole, "%s%s", f->prefix[f->depth], name);
  if (is_object(value) && f->depth + 1 < OUT_DEPTH) {
    f->depth++;
    (void)snprintf(f->prefix[f->depth], sizeof f->prefix[0], "%.90s.", whole);
    (void)json_each(value, flat_member, f);
    f->depth--;
    return 0;
  }
  if (is_array(value) && is_object(json_at(value, 0)) && f->list_count < ARRAY_LEN(f->lists)) {
    (void)snprintf(f->lists[f->list_count].name, sizeof f->lists[0].name, "%.120s", whole);
    f->lists[f->list_count++].list = value;
    return 0;
  }
  CLEANUP(buf_finish) struct buf text;
  buf_init(&text, OUT_TEXT_MAX);
  out_scalar(value, &text);
  out_table_cell(&f->table, whole);
  out_table_cell(&f->table, buf_cstr(&text));
  return 0;
}

static int heading_add(void *arg, const char *name, struct json *value) {
  struct str text;
  amount ignored;
  int64_t number;
  bool right = json_int(value, &number) || (json_text(value, &text) && amount_parse(text, &ignored));
  out_table_column(arg, name, right);
  return 0;
}

static void list_print(struct json *list, FILE *stream) {
  struct out_table t;
  out_table_init(&t);
  (void)json_each(json_at(list, 0), heading_add, &t);
  for (size_t i = 0; i < json_count(list); i++)
    for (size_t c = 0; c < t.columns; c++) {
      CLEANUP(buf_finish) struct buf text;
      buf_init(&text, OUT_TEXT_MAX);
      out_scalar(json_get(json_at(list, i), t.headings[c]), &text);
      out_table_cell(&t, buf_cstr(&text));
    }
  out_table_print(&t, stream, "  ");
  out_table_finish(&t);
}

void out_object(struct json *object, FILE *stream) {
  struct flat f = {.depth = 0};
  out_table_init(&f.table);
  out_table_column(&f.table, "", false);
  out_table_column(&f.table, "", false);
  (void)json_each(object, flat_member, &f);
  int width = 0;
  for (size_t i = 0; i < f.table.count; i += 2)
    if (text_width(f.table.cells[i]) > width) width = text_width(f.table.cells[i]);
  for (size_t i = 0; i + 1 < f.table.count; i += 2)
    (void)fprintf(stream, "%s%-*s%s  %s\n", out_style(stream, OUT_DIM), width, f.table.cells[i], out_reset(stream),
                  f.table.cells[i + 1]);
  for (size_t i = 0; i < f.list_count; i++) {
    (void)fprintf(stream, "%s%s%s\n", out_style(stream, OUT_DIM), f.lists[i].name, out_reset(stream));
    list_print(f.lists[i].list, stream);
  }
  out_table_finish(&f.table);
}
