// What a model's name asks for.
#pragma once
#include "base/str.h"

enum script {
  SCRIPT_NONE,
  SCRIPT_HANG,
  SCRIPT_HANG_HEAD,
  SCRIPT_SLOW,
  SCRIPT_DRIP,
  SCRIPT_RESET,
  SCRIPT_RESET_MID,
  SCRIPT_CUT,
  SCRIPT_TRUNCATE,
  SCRIPT_GARBAGE,
  SCRIPT_HTML_ERROR,
  SCRIPT_ERROR,
  SCRIPT_ERROR_MID,
  SCRIPT_BIG,
  SCRIPT_ENDLESS,
  SCRIPT_BOMB,
  SCRIPT_REDIRECT,
  SCRIPT_NUL,
  SCRIPT_NO_USAGE,
  SCRIPT_USAGE_TWICE,
  SCRIPT_USAGE_FIRST,
  SCRIPT_BAD_USAGE,
  SCRIPT_LONG,
  SCRIPT_REPLAY,
};

struct script_call {
  enum script script;
  int64_t number;     // of slow-<n> and its like
  struct str name;    // of the recording
  int64_t split, cut; // offsets into it; -1: none
};

// SCRIPT_NONE where the name asks for nothing, or for something unknown.
struct script_call script_parse(struct str model);
// The standard error of a status; both are static.
void script_error(int64_t status, const char **ret_message, const char **ret_fields);
extern const char *const script_bad_counts[]; // raw JSON, by number
#define SCRIPT_BAD_COUNTS 8
// The head of redirect-<n>: its status, and its Location as a whole line.
int script_redirect(int64_t number, const char **ret_line);
