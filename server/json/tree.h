// What this folder's files tell each other: the look over a text before a tree is built of it, and the shape of a
// value. jansson's names collide with the table's (both have a JSON_OBJECT), so tree.c alone includes it and answers in
// these.
#pragma once
#include "json/read.h"

enum json_shape { SHAPE_NULL, SHAPE_BOOL, SHAPE_INT, SHAPE_REAL, SHAPE_TEXT, SHAPE_ARRAY, SHAPE_OBJECT };
enum json_shape json_shape(const struct json *value);
bool json_truth(const struct json *value); // of a SHAPE_BOOL

// False, with the reason, where the text is not UTF-8, holds a NUL, or passes the depth or the number of values
// allowed.
bool json_prescan(struct str text, struct json_error *ret_error);
// Writes a reason and returns 1. A name that is too long for `param` is cut between characters.
int json_refuse(struct json_error *ret_error, struct str param, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
