// Reports for people.
#pragma once
#include <stdio.h>

struct json;
// The rows of a report as a table with a line of totals; what was counted of each meter stands in a column of its own.
void report_print(struct json *report, FILE *stream, const char *indent);
// Asks for the report at `path` with the command's options; --json and --csv are printed as they come. An exit code; where
// *ret is set there is more to print, and the caller owns it.
struct invocation;
int report_fetch(struct invocation *in, const char *path, struct json **ret);
