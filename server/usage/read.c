// A JSON event's members, by one table of names: CloudEvents' own, and in plain events also those that other systems have for
// the same. What is not in it is an extension attribute, and means nothing here.
#include "base/clock.h"
#include "base/fault.h"
#include "base/limits.h"
#include "crypto/crypto.h"
#include "base/mem.h"
#include "usage/internal.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum slot { SLOT_SPECVERSION, SLOT_ID, SLOT_SOURCE, SLOT_TYPE, SLOT_SUBJECT, SLOT_TIME, SLOT_CONTENT_TYPE, SLOT_DATA, SLOT_DATA_BASE64, SLOT_COUNT };
static const struct {
  const char *name;
  enum slot slot;
  bool plain; // understood in plain events only
} members[] = {
    {"specversion", SLOT_SPECVERSION, false},
    {"id", SLOT_ID, false},
    {"source", SLOT_SOURCE, false},
    {"type", SLOT_TYPE, false},
    {"subject", SLOT_SUBJECT, false},
    {"time", SLOT_TIME, false},
    {"datacontenttype", SLOT_CONTENT_TYPE, false},
    {"data", SLOT_DATA, false},
    {"data_base64", SLOT_DATA_BASE64, false},
    {"transaction_id", SLOT_ID, true},
    {"idempotency_key", SLOT_ID, true},
    {"identifier", SLOT_ID, true},
    {"code", SLOT_TYPE, true},
    {"event_name", SLOT_TYPE, true},
    {"event_type", SLOT_TYPE, true},
    {"customer", SLOT_SUBJECT, true},
    {"customer_id", SLOT_SUBJECT, true},
    {"external_customer_id", SLOT_SUBJECT, true},
    {"timestamp", SLOT_TIME, true},
    {"properties", SLOT_DATA, true},
    {"payload", SLOT_DATA, true},
};

struct gathered {
  const struct usage_reading *r;
  struct {
    const char *name;
    struct json *value;
  } at[SLOT_COUNT];
};

// ---- what every part of it needs

int usage_refuse(const struct usage_reading *r, const char *param, const char *format, ...) {
  va_list args;
  va_start(args, format);
  (void)snprintf(r->error->param, sizeof r->error->param, "%s", param);
  (void)vsnprintf(r->error->message, sizeof r->error->message, format, args);
  va_end(args);
  return 1;
}

int usage_text(const struct usage_reading *r, const char *param, struct str text, struct str *ret) {
  if (text.len == 0) return usage_refuse(r, param, "%s must not be empty.", param);
  if (str_utf8_count(text) > USAGE_TEXT_MAX) return usage_refuse(r, param, "%s must have at most %d characters.", param, USAGE_TEXT_MAX);
  if (str_has_control(text)) return usage_refuse(r, param, "%s must not hold control characters.", param);
  *ret = arena_str(r->arena, text);
  return 0;
}

static bool is_digits(struct str s) {
  for (size_t i = 0; i < s.len; i++)
    if (s.ptr[i] < '0' || s.ptr[i] > '9') return false;
  return s.len > 0;
}

static int time_refuse(const struct usage_reading *r, const char *param) {
  return usage_refuse(r, param, "%s must be a time as in RFC 3339, such as 2026-11-21T08:00:00Z, or seconds since 1970, such as 1795248000 or 1795248000.25.", param);
}

static int time_seconds(const struct usage_reading *r, const char *param, int64_t seconds, int64_t us) {
  if (seconds <= 0 || seconds > INT64_MAX / 2000000) return time_refuse(r, param);
  r->event->time = seconds * 1000000 + us;
  return 0;
}

// Digits, and up to nine more behind a point, of which six count.
static bool seconds_read(struct str text, int64_t *ret_seconds, int64_t *ret_us) {
  struct str whole = text, fraction = {0};
  const char *point = text.len ? memchr(text.ptr, '.', text.len) : NULL;
  if (point) {
    whole.len = (size_t)(point - text.ptr);
    fraction = (struct str){point + 1, text.len - whole.len - 1};
    if (!is_digits(fraction) || fraction.len > 9) return false;
  }
  *ret_us = 0;
  for (size_t i = 0; i < 6 && point; i++) *ret_us = *ret_us * 10 + (i < fraction.len ? fraction.ptr[i] - '0' : 0);
  return is_digits(whole) && str_to_i64(whole, ret_seconds);
}

int usage_time(const struct usage_reading *r, const char *param, struct str text) {
  int64_t at = 0, us = 0;
  if (seconds_read(text, &at, &us)) return time_seconds(r, param, at, us);
  if (!clock_parse(text.ptr, text.len, &at) || at <= 0) return time_refuse(r, param);
  r->event->time = at;
  return 0;
}

// ---- the members

// What is null was not given.
static int member_take(void *arg, const char *name, struct json *value) {
  struct gathered *g = arg;
  if (json_is_null(value)) return 0;
  for (size_t i = 0; i < ARRAY_LEN(members); i++) {
    if (strcmp(members[i].name, name) != 0) continue;
    if (members[i].plain && g->r->form != USAGE_PLAIN) return 0;
    enum slot slot = members[i].slot;
    if (g->at[slot].value) return usage_refuse(g->r, name, "%s and %s are names of one member: send one of them.", g->at[slot].name, name);
    g->at[slot].name = name;
    g->at[slot].value = value;
    return 0;
  }
  return 0;
}

static int text_member(const struct gathered *g, enum slot slot, const char *known_as, bool required, struct str *ret) {
  struct str text;
  if (!g->at[slot].value) return required ? usage_refuse(g->r, known_as, "%s is missing.", known_as) : 0;
  if (json_text(g->at[slot].value, &text)) return usage_text(g->r, g->at[slot].name, text, ret);
  return usage_refuse(g->r, g->at[slot].name, "%s must be a string.", g->at[slot].name);
}

static int version_check(const struct gathered *g) {
  struct str version = {0};
  if (text_member(g, SLOT_SPECVERSION, "specversion", g->r->form == USAGE_CLOUDEVENT, &version)) return 1;
  if (!version.ptr || str_eq(version, STR("1.0"))) return 0;
  return usage_refuse(g->r, "specversion", "specversion must be \"1.0\".");
}

static int time_member(const struct gathered *g) {
  const char *name = g->at[SLOT_TIME].name;
  struct json *value = g->at[SLOT_TIME].value;
  struct str text;
  int64_t seconds;
  char digits[JSON_FRACTION_MAX];
  if (!value) return 0;
  if (json_text(value, &text)) return usage_time(g->r, name, text);
  if (json_int(value, &seconds)) return time_seconds(g->r, name, seconds, 0);
  if (json_fraction(value, digits)) return usage_time(g->r, name, str_from(digits));
  return time_refuse(g->r, name);
}

// "application/json", "text/json; charset=utf-8", "application/vnd.app+json".
static bool is_json_type(struct str type) {
  struct str base = type;
  (void)str_split(&type, ';', &base);
  base = str_trim(base);
  size_t len = base.len;
  return len > 5 && str_eq_nocase((struct str){base.ptr + len - 4, 4}, STR("json")) && (base.ptr[len - 5] == '/' || base.ptr[len - 5] == '+');
}

static int content_type_check(const struct gathered *g) {
  struct str type = {0};
  if (text_member(g, SLOT_CONTENT_TYPE, "datacontenttype", false, &type)) return 1;
  if (!type.ptr || is_json_type(type)) return 0;
  return usage_refuse(g->r, "datacontenttype", "datacontenttype must be application/json: quantities are read from JSON.");
}

// JSON inside of Base64. *ret is the caller's.
static int data_decode(const struct gathered *g, struct json **ret) {
  struct str text;
  struct json_error why;
  size_t len = 0;
  if (!json_text(g->at[SLOT_DATA_BASE64].value, &text)) return usage_refuse(g->r, "data_base64", "data_base64 must be a string.");
  char *bytes = arena_alloc(g->r->arena, text.len + 1);
  if (!crypto_base64_read(text, bytes, text.len + 1, &len)) return usage_refuse(g->r, "data_base64", "data_base64 is not Base64.");
  if (json_parse((struct str){bytes, len}, ret, &why) == 0) return 0;
  return usage_refuse(g->r, "data_base64", "data_base64 must hold JSON: %s", why.message);
}

static int data_member(const struct gathered *g) {
  CLEANUP(json_finishp) struct json *decoded = NULL;
  if (!g->at[SLOT_DATA_BASE64].value) return usage_data(g->r, g->at[SLOT_DATA].name ? g->at[SLOT_DATA].name : "data", g->at[SLOT_DATA].value);
  if (g->at[SLOT_DATA].value) return usage_refuse(g->r, "data_base64", "%s and data_base64 are one member: send one of them.", g->at[SLOT_DATA].name);
  return data_decode(g, &decoded) || usage_data(g->r, "data_base64", decoded);
}

static int event_read(const struct usage_reading *r, struct json *root) {
  struct gathered g = {.r = r};
  struct usage_event *e = r->event;
  bool whole = r->form == USAGE_CLOUDEVENT;
  if (json_each(root, member_take, &g) || version_check(&g)) return 1;
  if (text_member(&g, SLOT_ID, "id", true, &e->id) || text_member(&g, SLOT_SOURCE, "source", whole, &e->source)) return 1;
  if (!whole && !g.at[SLOT_TYPE].value)
    return usage_refuse(r, "type", "type is missing: it names what was done, such as \"chat\" or a meter; code, event_name and event_type are understood too.");
  if (text_member(&g, SLOT_TYPE, "type", true, &e->type) || text_member(&g, SLOT_SUBJECT, "subject", false, &e->customer)) return 1;
  if (e->customer.len) e->customer_from = arena_strdup(r->arena, str_from(g.at[SLOT_SUBJECT].name));
  if (!e->source.len) e->source = STR(USAGE_SOURCE_DEFAULT);
  return time_member(&g) || content_type_check(&g) || data_member(&g);
}

int usage_read(struct arena *arena, const struct usage_words *words, enum usage_form form, struct str text, struct usage_event *ret,
               struct usage_error *ret_error) {
  CLEANUP(json_finishp) struct json *root = NULL;
  struct usage_reading r = {arena, words, form, ret, ret_error};
  struct json_error why;
  *ret = (struct usage_event){0};
  if (text.len > LIMIT_EVENT) return usage_refuse(&r, "", "An event may have at most %d bytes.", LIMIT_EVENT);
  if (json_parse(text, &root, &why) != 0) return usage_refuse(&r, why.param, "This is not JSON that can be taken: %s", why.message);
  if (text.ptr[0] != '{') return usage_refuse(&r, "", "An event is a JSON object.");
  return event_read(&r, root);
}
