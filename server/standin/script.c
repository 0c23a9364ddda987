// The table of names.
#include "standin/script.h"
#include "base/mem.h"

static const struct {
  const char *name;
  enum script script;
  bool numbered;     // "name-<n>"
  int64_t otherwise; // the number of the bare name; -1: there is no bare name
} names[] = {
    {"hang", SCRIPT_HANG, false, 0},
    {"hang-head", SCRIPT_HANG_HEAD, false, 0},
    {"slow", SCRIPT_SLOW, true, -1},
    {"drip", SCRIPT_DRIP, true, 1000},
    {"reset", SCRIPT_RESET, false, 0},
    {"reset-mid", SCRIPT_RESET_MID, false, 0},
    {"cut", SCRIPT_CUT, false, 0},
    {"truncate", SCRIPT_TRUNCATE, false, 0},
    {"garbage", SCRIPT_GARBAGE, false, 0},
    {"html-error", SCRIPT_HTML_ERROR, false, 0},
    {"error", SCRIPT_ERROR, true, -1},
    {"error-mid", SCRIPT_ERROR_MID, false, 0},
    {"line-100mb", SCRIPT_BIG, false, 100 * 1024},
    {"huge", SCRIPT_BIG, false, 100 * 1024},
    {"big", SCRIPT_BIG, true, -1},
    {"endless", SCRIPT_ENDLESS, false, 0},
    {"bomb", SCRIPT_BOMB, false, 0},
    {"redirect", SCRIPT_REDIRECT, true, 0},
    {"nul", SCRIPT_NUL, false, 0},
    {"no-usage", SCRIPT_NO_USAGE, false, 0},
    {"usage-twice", SCRIPT_USAGE_TWICE, false, 0},
    {"usage-first", SCRIPT_USAGE_FIRST, false, 0},
    {"bad-usage", SCRIPT_BAD_USAGE, true, 0},
    {"long", SCRIPT_LONG, true, -1},
};

const char *const script_bad_counts[SCRIPT_BAD_COUNTS] = {
    "-5", "\"12\"", "1e400", "9223372036854775808", "null", "1.5", "{\"tokens\":12}", "[12]",
};

// The number at the end, taken off: "replay:x@12" with '@'.
static int64_t take_number(struct str *s, char mark) {
  const char *at = s->len ? memrchr(s->ptr, mark, s->len) : NULL;
  int64_t number;
  if (!at) return -1;
  size_t head = (size_t)(at - s->ptr);
  if (!str_to_i64((struct str){at + 1, s->len - head - 1}, &number) || number < 0) return -1;
  s->len = head;
  return number;
}

static bool drop_prefix(struct str *s, struct str prefix) {
  if (!str_starts(*s, prefix)) return false;
  s->ptr += prefix.len, s->len -= prefix.len;
  return true;
}

static struct script_call script_find(struct str name) {
  struct str head = name;
  int64_t number = take_number(&head, '-');
  for (size_t i = 0; i < ARRAY_LEN(names); i++) {
    struct str known = str_from(names[i].name);
    struct script_call call = {.script = names[i].script, .number = number, .split = -1, .cut = -1};
    if (names[i].numbered && number >= 0 && str_eq(head, known)) return call;
    call.number = names[i].otherwise;
    if (call.number >= 0 && str_eq(name, known)) return call;
  }
  return (struct script_call){.split = -1, .cut = -1};
}

struct script_call script_parse(struct str model) {
  if (drop_prefix(&model, STR("stand-in:"))) return script_find(model);
  if (!drop_prefix(&model, STR("replay:"))) return (struct script_call){.split = -1, .cut = -1};
  struct script_call call = {.script = SCRIPT_REPLAY};
  call.cut = take_number(&model, '!');
  call.split = take_number(&model, '@');
  call.name = model;
  return call;
}

void script_error(int64_t status, const char **ret_message, const char **ret_fields) {
  static const struct {
    int64_t status;
    const char *message, *fields;
  } errors[] = {
      {400, "Invalid value for 'stand-in'.",
       "\"type\":\"invalid_request_error\",\"param\":\"stand-in\",\"code\":\"invalid_value\""},
      {401, "Incorrect API key provided: stand-in.",
       "\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"invalid_api_key\""},
      {403, "Country, region, or territory not supported",
       "\"type\":\"request_forbidden\",\"param\":null,\"code\":\"unsupported_country_region_territory\""},
      {404, "The model `stand-in` does not exist or you do not have access to it.",
       "\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"model_not_found\""},
      {429, "Rate limit reached for requests.",
       "\"type\":\"requests\",\"param\":null,\"code\":\"rate_limit_exceeded\""},
      {503, "The engine is currently overloaded, please try again later.",
       "\"type\":\"server_error\",\"param\":null,\"code\":null"},
  };
  *ret_message = "The server had an error while processing your request. Sorry about that!";
  *ret_fields = "\"type\":\"server_error\",\"param\":null,\"code\":null";
  for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
    if (errors[i].status != status) continue;
    *ret_message = errors[i].message;
    *ret_fields = errors[i].fields;
  }
}

int script_redirect(int64_t number, const char **ret_line) {
  static const struct {
    int status;
    const char *line;
  } redirects[] = {
      {301, "Location: http://169.254.169.254/latest/meta-data/\r\n"},
      {307, "Location: file:///etc/passwd\r\n"},
      {308, "Location: ftp://127.0.0.1/\r\n"},
  };
  size_t at = (size_t)number % ARRAY_LEN(redirects);
  *ret_line = redirects[at].line;
  return redirects[at].status;
}
