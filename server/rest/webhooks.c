// /api/v1/webhook-endpoints.
#include "rest/webhooks.h"
#include "base/limits.h"
#include "net/guard.h"
#include "rest/endpoints.h"
#include "rest/words.h"

#define OVERLAP_HOURS 24
#define OVERLAP_HOURS_MAX 168

// ---- rendering

static void events_write(struct json_writer *w, uint64_t events) {
  json_key(w, "events");
  json_array_begin(w);
  if (events == ENDPOINT_ALL) json_put_text(w, "*");
  for (size_t i = 0; i < EVENT_TYPE_COUNT && events != ENDPOINT_ALL; i++)
    if (events >> i & 1) json_put_text(w, event_name((enum event_type)i));
  json_array_end(w);
}

static void off_write(struct json_writer *w, enum endpoint_off off) {
  json_member_bool(w, "enabled", off == ENDPOINT_ON);
  json_key(w, "disabled_reason");
  if (off == ENDPOINT_ON)
    json_put_null(w);
  else
    json_put_str(w, word_at(ENDPOINT_OFFS, (int)off));
}

void webhook_write(struct json_writer *w, const struct webhook_endpoint *e, const char *secret) {
  CLEANUP(buf_finish) struct buf public_key;
  buf_init(&public_key, 128);
  sign_public_print(e->public_key, &public_key);
  json_object_begin(w);
  json_member_id(w, "id", "we", e->id);
  json_member_text(w, "object", "webhook_endpoint");
  json_member_str(w, "url", e->url);
  json_member_str(w, "description", e->description);
  events_write(w, e->events);
  json_member_str(w, "scheme", word_at(ENDPOINT_SCHEMES, (int)e->scheme));
  json_member_bool(w, "forward_stripe", e->forward_stripe);
  json_member_str(w, "api_version", e->api_version);
  off_write(w, e->off);
  json_member_time(w, "failing_since", e->failing_since);
  json_member_int(w, "failures", e->failures);
  json_member_str(w, "public_key", buf_str(&public_key));
  json_member_time(w, "old_secret_until", e->old_secret_until);
  json_member_time(w, "created_at", e->created_at);
  json_member_time(w, "updated_at", e->updated_at);
  if (secret) json_member_text(w, "secret", secret);
  json_object_end(w);
}

static bool found(struct rest_request *r, int answer) {
  if (answer < 0)
    rest_fault(r, answer);
  else if (answer == ENDPOINT_UNKNOWN)
    rest_unknown(r, "id", "webhook endpoint");
  return answer == ENDPOINT_DONE;
}

static bool made(struct rest_request *r, int answer) {
  if (answer < 0)
    rest_fault(r, answer);
  else if (answer == ENDPOINT_TOO_MANY)
    rest_refuse(r, PROBLEM_CONFLICT, NULL, "There may be at most %d webhook endpoints.", LIMIT_WEBHOOK_ENDPOINTS);
  return answer == ENDPOINT_DONE;
}

bool webhook_path(struct rest_request *r, struct db *db, struct webhook_endpoint *ret) {
  struct uuid id;
  return rest_path_id(r, "we", &id) && found(r, endpoint_read(db, r->arena, id, ret));
}

static void answer(struct rest_request *r, struct db *db, int status, struct uuid id, const char *secret) {
  struct webhook_endpoint e;
  if (!found(r, endpoint_read(db, r->arena, id, &e))) return;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  webhook_write(&w, &e, secret);
  rest_reply(r, status, &out);
  if (out.data) crypto_wipe(out.data, out.len);
}

void webhook_hint(const struct rest_request *r) {
  if (r->context->webhook_hint) r->context->webhook_hint(r->context->webhook_arg);
}

// ---- the body

struct body {
  struct str url, description, scheme, api_version;
  struct json *events;
  bool forward_stripe, enabled;
  bool given_url, given_description, given_events, given_scheme, given_forward_stripe, given_api_version, given_enabled;
  uint64_t types;
};
#define AT(member) .offset = offsetof(struct body, member), .given = offsetof(struct body, given_##member)
static const struct json_field fields[] = {
    {.name = "url", .kind = JSON_TEXT, .max = NET_FOREIGN_URL_MAX, AT(url)},
    {.name = "description", .kind = JSON_TEXT_ANY, .max = LIMIT_NAME, AT(description)},
    {.name = "events", .kind = JSON_ARRAY, AT(events)},
    {.name = "scheme", .kind = JSON_TEXT, .one_of = ENDPOINT_SCHEMES, AT(scheme)},
    {.name = "forward_stripe", .kind = JSON_BOOL, AT(forward_stripe)},
    {.name = "api_version", .kind = JSON_TEXT, AT(api_version)},
    {.name = "enabled", .kind = JSON_BOOL, AT(enabled)},
};

static bool wrong(struct rest_request *r, const char *param, const char *why) {
  rest_refuse(r, PROBLEM_INVALID_REQUEST, param, "%s: %s", param, why);
  return false;
}

static bool url_check(struct rest_request *r, struct str url) {
  CLEANUP(buf_finish) struct buf why;
  buf_init(&why, 512);
  if (!str_is_printable(url)) return wrong(r, "url", "must be ASCII.");
  if (net_foreign_url_check(r->context->webhook_open, arena_strdup(r->arena, url), &why) == 0) return true;
  rest_refuse(r, PROBLEM_INVALID_REQUEST, "url", "url: %s.", buf_cstr(&why));
  return false;
}

static bool events_check(struct rest_request *r, struct body *b) {
  if (json_count(b->events) > EVENT_TYPE_COUNT) return wrong(r, "events", "names more types than there are.");
  for (size_t i = 0; i < json_count(b->events); i++) {
    enum event_type type;
    struct str name;
    bool text = json_text(json_at(b->events, i), &name);
    if (text && str_eq(name, STR("*")))
      b->types = ENDPOINT_ALL;
    else if (text && event_find(name, &type))
      b->types |= UINT64_C(1) << type;
    else
      return wrong(r, "events", "must be a list of event types, or [\"*\"] for all.");
  }
  return true;
}

// A date, and a release's name as Stripe gives them.
static bool version_check(struct rest_request *r, struct str text) {
  static const char form[] = "dddd-dd-dd";
  bool sound = text.len >= sizeof form - 1 && text.len <= 64;
  for (size_t i = 0; sound && i < text.len; i++) {
    char c = text.ptr[i], as = i < sizeof form - 1 ? form[i] : i == sizeof form - 1 ? '.' : 'a';
    sound = as == 'd' ? c >= '0' && c <= '9' : as == 'a' ? c >= 'a' && c <= 'z' : c == as;
  }
  if (sound && text.ptr[text.len - 1] != '.') return true;
  return wrong(r, "api_version", "must be a date and a release, such as 2026-09-30.endive.");
}

static bool body_read(struct rest_request *r, struct body *ret) {
  *ret = (struct body){0};
  return rest_body(r, fields, ARRAY_LEN(fields), ret, sizeof *ret) && (!ret->given_url || url_check(r, ret->url)) &&
         (!ret->given_events || events_check(r, ret)) && (!ret->given_api_version || version_check(r, ret->api_version));
}

static struct webhook_endpoint body_endpoint(const struct rest_request *r, const struct body *b, struct uuid id) {
  return (struct webhook_endpoint){
      .id = id,
      .url = b->url,
      .description = b->given_description ? b->description : STR(""),
      .api_version = b->given_api_version ? b->api_version : str_from(r->context->stripe_version),
      .events = b->given_events ? b->types : ENDPOINT_ALL,
      .scheme = b->given_scheme ? (enum endpoint_scheme)word_find(ENDPOINT_SCHEMES, b->scheme) : ENDPOINT_STANDARD,
      .forward_stripe = b->forward_stripe,
      .off = b->given_enabled && !b->enabled ? ENDPOINT_BY_OPERATOR : ENDPOINT_ON,
  };
}

static unsigned body_members(const struct body *b) {
  return (b->given_url ? ENDPOINT_URL : 0u) | (b->given_description ? ENDPOINT_DESCRIPTION : 0u) |
         (b->given_events ? ENDPOINT_EVENTS : 0u) | (b->given_scheme ? ENDPOINT_SCHEME : 0u) |
         (b->given_forward_stripe ? ENDPOINT_FORWARD : 0u) | (b->given_api_version ? ENDPOINT_VERSION : 0u) |
         (b->given_enabled ? ENDPOINT_ENABLED : 0u);
}

// ---- endpoints

static void endpoint_post(struct rest_request *r, struct db *db) {
  struct body body;
  struct uuid id = rest_new_id(r);
  char secret[SIGN_TEXT_MAX] = "";
  if (!body_read(r, &body)) return;
  if (!body.given_url) {
    (void)wrong(r, "url", "is missing.");
    return;
  }
  if (!rest_write_begin(r, UUID_NIL, &id)) return;
  if (!r->replayed) {
    struct webhook_endpoint e = body_endpoint(r, &body, id);
    if (!made(r, endpoint_create(db, r->context->keys, &e, secret)) || !rest_write_end(r, UUID_NIL)) return;
    webhook_hint(r);
  }
  answer(r, db, 201, id, r->replayed ? NULL : secret);
  crypto_wipe(secret, sizeof secret);
}

static void endpoint_patch(struct rest_request *r, struct db *db) {
  struct body body;
  struct uuid id;
  if (!rest_path_id(r, "we", &id) || !body_read(r, &body)) return;
  struct uuid object = id;
  if (!rest_write_begin(r, UUID_NIL, &object)) return;
  if (!r->replayed) {
    struct webhook_endpoint e = body_endpoint(r, &body, id);
    if (!found(r, endpoint_update(db, body_members(&body), &e)) || !rest_write_end(r, UUID_NIL)) return;
    webhook_hint(r);
  }
  answer(r, db, 200, id, NULL);
}

static void endpoint_get(struct rest_request *r, struct db *db) {
  struct uuid id;
  if (rest_path_id(r, "we", &id)) answer(r, db, 200, id, NULL);
}

static void endpoint_delete_one(struct rest_request *r, struct db *db) {
  struct uuid id;
  if (!rest_path_id(r, "we", &id)) return;
  struct uuid object = id;
  if (!rest_write_begin(r, UUID_NIL, &object)) return;
  if (!r->replayed && (!found(r, endpoint_delete(db, id)) || !rest_write_end(r, UUID_NIL))) return;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_member_id(&w, "id", "we", id);
  json_member_text(&w, "object", "webhook_endpoint");
  json_member_bool(&w, "deleted", true);
  json_object_end(&w);
  rest_reply(r, 200, &out);
}

static void endpoint_list_get(struct rest_request *r, struct db *db) {
  struct rest_page page;
  struct webhook_endpoint *list = NULL;
  size_t count = 0;
  if (!rest_page(r, &page)) return;
  int fault = endpoint_list(db, r->arena, page.before, page.limit + 1, &list, &count);
  if (fault != 0) {
    rest_fault(r, fault);
    return;
  }
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  size_t shown = rest_shown(&page, count);
  rest_list_begin(&w);
  for (size_t i = 0; i < shown; i++) webhook_write(&w, &list[i], NULL);
  rest_list_end(&w, r, &page, count, shown ? list[shown - 1].id : UUID_NIL);
  rest_reply(r, 200, &out);
}

// ---- its secret, and whether it works

struct rotation {
  int64_t overlap_hours;
  bool given_overlap_hours;
};
static const struct json_field rotation_fields[] = {
    {.name = "overlap_hours",
     .kind = JSON_INT,
     .min = 0,
     .max = OVERLAP_HOURS_MAX,
     .offset = offsetof(struct rotation, overlap_hours),
     .given = offsetof(struct rotation, given_overlap_hours)},
};

static void secret_post(struct rest_request *r, struct db *db) {
  struct rotation body = {0};
  struct uuid id;
  char secret[SIGN_TEXT_MAX] = "";
  if (!rest_path_id(r, "we", &id) || !rest_body(r, rotation_fields, ARRAY_LEN(rotation_fields), &body, sizeof body)) return;
  int64_t hours = body.given_overlap_hours ? body.overlap_hours : OVERLAP_HOURS;
  struct uuid object = id;
  if (!rest_write_begin(r, UUID_NIL, &object)) return;
  if (!r->replayed) {
    int result = endpoint_rotate(db, r->context->keys, id, hours * 3600, secret);
    if (!found(r, result) || !rest_write_end(r, UUID_NIL)) return;
    webhook_hint(r);
  }
  answer(r, db, 200, id, r->replayed ? NULL : secret);
  crypto_wipe(secret, sizeof secret);
}

static void test_post(struct rest_request *r, struct db *db) {
  struct webhook_endpoint e;
  if (!webhook_path(r, db, &e)) return;
  if (e.off != ENDPOINT_ON) {
    rest_refuse(r, PROBLEM_CONFLICT, "id", "This endpoint is disabled: enable it first.");
    return;
  }
  struct uuid event = rest_new_id(r);
  if (!rest_write_begin(r, UUID_NIL, &event)) return;
  if (!r->replayed) {
    CLEANUP(buf_finish) struct buf data;
    buf_init(&data, REST_ANSWER_MAX);
    struct json_writer w = json_writer(&data);
    webhook_write(&w, &e, NULL);
    int fault = delivery_test(db, e.id, event, buf_str(&data));
    if (fault != 0) {
      rest_fault(r, fault);
      return;
    }
    if (!rest_write_end(r, UUID_NIL)) return;
    webhook_hint(r);
  }
  webhook_delivery_answer(r, db, 201, &e, event);
}

const struct rest_endpoint rest_webhooks[] = {
    {"POST", "/api/v1/webhook-endpoints", REST_OPERATOR, REST_PRIMARY, NULL, endpoint_post},
    {"GET", "/api/v1/webhook-endpoints", REST_OPERATOR, REST_PRIMARY, "limit|cursor", endpoint_list_get},
    {"GET", "/api/v1/webhook-endpoints/{id}", REST_OPERATOR, REST_PRIMARY, NULL, endpoint_get},
    {"PATCH", "/api/v1/webhook-endpoints/{id}", REST_OPERATOR, REST_PRIMARY, NULL, endpoint_patch},
    {"DELETE", "/api/v1/webhook-endpoints/{id}", REST_OPERATOR, REST_PRIMARY, NULL, endpoint_delete_one},
    {"POST", "/api/v1/webhook-endpoints/{id}/rotate-secret", REST_OPERATOR, REST_PRIMARY, NULL, secret_post},
    {"POST", "/api/v1/webhook-endpoints/{id}/test", REST_OPERATOR_BARE, REST_PRIMARY, NULL, test_post},
    {0},
};
