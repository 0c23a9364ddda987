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
#define MEMBER(name, slot, plain) {name, sizeof(name) - 1, slot, plain}
static const struct {
  const char *name;
  size_t len;
  enum slot slot;
  bool plain; // understood in plain events only
} members[] = {
    MEMBER("specversion", SLOT_SPECVERSION, false),
    MEMBER("id", SLOT_ID, false),
    MEMBER("source", SLOT_SOURCE, false),
    MEMBER("type", SLOT_TYPE, false),
    MEMBER("subject", SLOT_SUBJECT, false),
    MEMBER("time", SLOT_TIME, false),
    MEMBER("datacontenttype", SLOT_CONTENT_TYPE, false),
    MEMBER("data", SLOT_DATA, false),
    MEMBER("data_base64", SLOT_DATA_BASE64, false),
    MEMBER("transaction_id", SLOT_ID, true),
    MEMBER("idempotency_key", SLOT_ID, true),
    MEMBER("identifier", SLOT_ID, true),
    MEMBER("code", SLOT_TYPE, true),
    MEMBER("event_name", SLOT_TYPE, true),
    MEMBER("event_type", SLOT_TYPE, true),
    MEMBER("customer", SLOT_SUBJECT, true),
    MEMBER("customer_id", SLOT_SUBJECT, true),
    MEMBER("external_customer_id", SLOT_SUBJECT, true),
    MEMBER("timestamp", SLOT_TIME, true),
    MEMBER("properties", SLOT_DATA, true),
    MEMBER("payload", SLOT_DATA, true),
};

struct gathered {
  const struct usage_reading *r;
  struct {
    const char *name;
    const struct usage_value *value;
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
static int member_take(struct gathered *g, const struct usage_value *value) {
  if (value->kind == USAGE_NULL) return 0;
  for (size_t i = 0; i < ARRAY_LEN(members); i++) {
    const char *name = members[i].name;
    if (!str_eq((struct str){name, members[i].len}, value->name)) continue;
    if (members[i].plain && g->r->form != USAGE_PLAIN) return 0;
    enum slot slot = members[i].slot;
    if (g->at[slot].value) return usage_refuse(g->r, name, "%s and %s are names of one member: send one of them.", g->at[slot].name, name);
    g->at[slot].name = name;
    g->at[slot].value = value;
    return 0;
  }
  return 0;
}

static int members_take(struct gathered *g, const struct usage_value *root) {
  for (const struct usage_value *m = root->first; m; m = m->next)
    if (member_take(g, m)) return 1;
  return 0;
}

static int text_member(const struct gathered *g, enum slot slot, const char *known_as, bool required, struct str *ret) {
  const struct usage_value *value = g->at[slot].value;
  if (!value) return required ? usage_refuse(g->r, known_as, "%s is missing.", known_as) : 0;
  if (value->kind == USAGE_TEXT) return usage_text(g->r, g->at[slot].name, value->text, ret);
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
  const struct usage_value *value = g->at[SLOT_TIME].value;
  if (!value) return 0;
  if (value->kind == USAGE_TEXT) return usage_time(g->r, name, value->text);
  if (value->kind == USAGE_INT) return time_seconds(g->r, name, value->number, 0);
  char digits[JSON_FRACTION_MAX];
  if (value->tree && json_fraction(value->tree, digits)) return usage_time(g->r, name, str_from(digits));
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

// JSON inside of Base64. What is in *ret is the caller's.
static int data_decode(const struct gathered *g, struct usage_json *ret) {
  const struct usage_value *value = g->at[SLOT_DATA_BASE64].value;
  struct json_error why;
  size_t len = 0;
  if (value->kind != USAGE_TEXT) return usage_refuse(g->r, "data_base64", "data_base64 must be a string.");
  char *bytes = arena_alloc(g->r->scratch, value->text.len + 1);
  if (!crypto_base64_read(value->text, bytes, value->text.len + 1, &len)) return usage_refuse(g->r, "data_base64", "data_base64 is not Base64.");
  if (usage_json_read(g->r->scratch, (struct str){bytes, len}, ret, &why) == 0) return 0;
  return usage_refuse(g->r, "data_base64", "data_base64 must hold JSON: %s", why.message);
}

static int data_member(const struct gathered *g) {
  CLEANUP(usage_json_finish) struct usage_json decoded = {0};
  if (!g->at[SLOT_DATA_BASE64].value) return usage_data(g->r, g->at[SLOT_DATA].name ? g->at[SLOT_DATA].name : "data", g->at[SLOT_DATA].value);
  if (g->at[SLOT_DATA].value) return usage_refuse(g->r, "data_base64", "%s and data_base64 are one member: send one of them.", g->at[SLOT_DATA].name);
  return data_decode(g, &decoded) || usage_data(g->r, "data_base64", decoded.root);
}

static int event_read(const struct usage_reading *r, const struct usage_value *root) {
  struct gathered g = {.r = r};
  struct usage_event *e = r->event;
  bool whole = r->form == USAGE_CLOUDEVENT;
  if (members_take(&g, root) || version_check(&g)) return 1;
  if (text_member(&g, SLOT_ID, "id", true, &e->id) || text_member(&g, SLOT_SOURCE, "source", whole, &e->source)) return 1;
  if (!whole && !g.at[SLOT_TYPE].value)
    return usage_refuse(r, "type", "type is missing: it names what was done, such as \"chat\" or a meter; code, event_name and event_type are understood too.");
  if (text_member(&g, SLOT_TYPE, "type", true, &e->type) || text_member(&g, SLOT_SUBJECT, "subject", false, &e->customer)) return 1;
  if (e->customer.len) e->customer_from = g.at[SLOT_SUBJECT].name;
  if (!e->source.len) e->source = STR(USAGE_SOURCE_DEFAULT);
  return time_member(&g) || content_type_check(&g) || data_member(&g);
}

int usage_read(struct arena *arena, const struct usage_words *words, enum usage_form form, struct str text, struct usage_event *ret,
               struct usage_error *ret_error) {
  CLEANUP(arena_finish) struct arena scratch;
  CLEANUP(usage_json_finish) struct usage_json json = {0};
  struct usage_reading r = {arena, &scratch, words, form, ret, ret_error};
  struct json_error why;
  arena_init(&scratch, LIMIT_REQUEST_ARENA);
  *ret = (struct usage_event){0};
  if (text.len > LIMIT_EVENT) return usage_refuse(&r, "", "An event may have at most %d bytes.", LIMIT_EVENT);
  if (usage_json_read(&scratch, text, &json, &why) != 0) return usage_refuse(&r, why.param, "This is not JSON that can be taken: %s", why.message);
  if (json.root->kind != USAGE_OBJECT) return usage_refuse(&r, "", "An event is a JSON object.");
  return event_read(&r, json.root);
}
