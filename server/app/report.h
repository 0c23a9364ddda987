// A usage report for people.
#pragma once
#include <stdio.h>

struct json;
// The rows of a report as a table with a line of totals; what was counted of each meter stands in a column of its own.
void report_print(struct json *report, FILE *stream, const char *indent);
