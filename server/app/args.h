// Arguments of one command: its options as a table, and what was given of them. Pure: nothing is printed and nothing ends.
#pragma once
#include "base/buf.h"

enum option_kind {
  OPTION_FLAG,
  OPTION_TEXT,
  OPTION_INT,
  OPTION_JSON, // a JSON object, given as text
  OPTION_BOOL,  // true or false
  OPTION_WORDS, // a list of texts, commas between them
  OPTION_MEASURED, // a whole number where --measure is requests, else an amount
  OPTION_FILE, // the file's text without its last line end; "-" reads stdin. For secrets, which are never arguments
  OPTION_ENV,  // the text of the environment variable of that name
  OPTION_RATE, // METER=CHARGE[/COST][@PER], many times
};
struct option {
  const char *name; // without the dashes
  enum option_kind kind;
  const char *value; // its word in the help: "AMOUNT"; NULL for a flag
  const char *field; // the API's member or query parameter; NULL: the command's own affair
  bool required;
  const char *help;
};

#define ARGS_VALUES_MAX 64
#define ARGS_WORDS_MAX 8
struct args {
  struct {
    const struct option *option;
    const char *text; // lent from argv; "" for a flag
  } values[ARGS_VALUES_MAX];
  size_t value_count;
  const char *words[ARGS_WORDS_MAX]; // what is not an option
  size_t word_count;
};

// "--name value", "--name=value", "--flag"; "--" ends the options; "-" is a word. Nothing is abbreviated. `common` are the
// options that every command takes. False with a sentence in ret_error.
bool args_parse(struct args *ret, const struct option *options, size_t count, const struct option *common,
                size_t common_count, int argc, char *const *argv, struct buf *ret_error);
// False with a sentence where one that is required is missing.
bool args_check_required(const struct args *a, const struct option *options, size_t count, struct buf *ret_error);
const char *args_text(const struct args *a, const char *name); // the last one given; NULL: none
bool args_flag(const struct args *a, const char *name);

// METER=CHARGE[/COST][@PER]. False with what is wrong in ret_error.
struct args_rate {
  struct str meter, charge, cost; // cost: len 0 where not given
  int64_t per;                    // 1000000 where not given
};
bool args_rate_parse(const char *text, struct args_rate *ret, struct buf *ret_error);
