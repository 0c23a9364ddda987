// /api/v1/stripe-events: what Stripe has sent, and what became of it. What is parked is tried anew from here.
#include "payment/inbox.h"
#include "rest/endpoints.h"
#include "rest/words.h"

static void time_or_null(struct json_writer *w, const char *key, int64_t seconds) {
  json_member_time(w, key, seconds * 1000000);
}

static void event_write(struct json_writer *w, const struct inbox_event *e) {
  json_object_begin(w);
  json_member_str(w, "id", e->id);
  json_member_text(w, "object", "stripe_event");
  json_member_str(w, "type", e->type);
  json_key(w, "object_id");
  if (e->object_id.len > 0)
    json_put_str(w, e->object_id);
  else
    json_put_null(w);
  json_member_bool(w, "livemode", e->livemode);
  json_member_bool(w, "thin", e->thin);
  json_member_str(w, "api_version", e->api_version);
  json_member_str(w, "state", word_at(INBOX_STATES, (int)e->state));
  json_member_str(w, "reason", e->reason);
  json_member_int(w, "attempts", e->attempts);
  json_member_time(w, "due_at", e->state == INBOX_RECEIVED ? e->due_at : 0);
  time_or_null(w, "created", e->created);
  json_member_time(w, "received_at", e->received_at);
  json_member_time(w, "done_at", e->done_at);
  json_object_end(w);
}

static bool path_read(struct rest_request *r, struct str *ret) {
  *ret = http_path_segment(r->http, 0);
  if (word_is_opaque(*ret, ENVELOPE_TEXT_MAX)) return true;
  rest_refuse(r, PROBLEM_INVALID_REQUEST, "id",
              "The id in the path must be that of an event at Stripe, such as evt_1Nx.");
  return false;
}

static bool event_find(struct rest_request *r, struct db *db, struct str id, struct inbox_event *ret) {
  int found = inbox_read(db, r->arena, id, ret);
  if (found < 0)
    rest_fault(r, found);
  else if (found != INBOX_DONE)
    rest_unknown(r, "id", "event");
  return found == INBOX_DONE;
}

static void event_answer(struct rest_request *r, struct db *db, struct str id) {
  struct inbox_event e;
  if (!event_find(r, db, id, &e)) return;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  event_write(&w, &e);
  rest_reply(r, 200, &out);
}

static void event_get(struct rest_request *r, struct db *db) {
  struct str id;
  if (path_read(r, &id)) event_answer(r, db, id);
}

static bool filter_read(struct rest_request *r, struct inbox_filter *ret) {
  struct str text;
  if (!rest_text_query(r, "type", &ret->type)) return false;
  if (!rest_query(r, "state", &text) || (ret->state = word_find(INBOX_STATES, text)) > 0) return true;
  rest_refuse(r, PROBLEM_INVALID_REQUEST, "state", "state must be one of: received, done, ignored, parked.");
  return false;
}

static void event_list_get(struct rest_request *r, struct db *db) {
  struct rest_page page;
  struct inbox_filter filter = {.state = 0};
  struct inbox_event *list = NULL;
  size_t count = 0;
  if (!rest_page(r, &page) || !filter_read(r, &filter)) return;
  filter.before = page.before;
  int fault = inbox_list(db, r->arena, &filter, page.limit + 1, &list, &count);
  if (fault != 0) {
    rest_fault(r, fault);
    return;
  }
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  size_t shown = rest_shown(&page, count);
  rest_list_begin(&w);
  for (size_t i = 0; i < shown; i++) event_write(&w, &list[i]);
  rest_list_end(&w, r, &page, count, shown ? list[shown - 1].place : UUID_NIL);
  rest_reply(r, 200, &out);
}

// ---- trying anew

// What was parked because it is another deployment's stays that, unless this one has become it.
static bool may_be_tried(struct rest_request *r, const struct inbox_event *e) {
  bool foreign = str_eq(e->reason, STR("account")) || str_eq(e->reason, STR("context"));
  const char *why = e->state != INBOX_PARKED ? "Only what is parked is tried anew."
                    : foreign                ? "This event is about another account at Stripe."
                    : e->livemode != stripe_is_live(r->context->stripe)
                        ? "This event's livemode is not that of STRIPE_SECRET_KEY."
                        : NULL;
  if (why) rest_refuse(r, PROBLEM_CONFLICT, NULL, "%s", why);
  return why == NULL;
}

static bool retried(struct rest_request *r, struct db *db, struct str id) {
  struct inbox_event e;
  if (!event_find(r, db, id, &e) || !may_be_tried(r, &e)) return false;
  int result = inbox_retry(db, id);
  if (result < 0) rest_fault(r, result);
  return result >= 0 && rest_write_end(r, UUID_NIL); // somebody else's, meanwhile, is as good
}

static void event_retry(struct rest_request *r, struct db *db) {
  struct uuid object = rest_new_id(r);
  struct str id;
  if (!r->context->stripe) {
    rest_payments_off(r);
    return;
  }
  if (!path_read(r, &id) || !rest_write_begin(r, UUID_NIL, &object)) return;
  if (!r->replayed) {
    if (!retried(r, db, id)) return;
  }
  event_answer(r, db, id);
}

const struct rest_endpoint rest_stripe_events[] = {
    {"GET", "/api/v1/stripe-events", REST_OPERATOR, REST_PRIMARY, "state|type|limit|cursor", event_list_get},
    {"GET", "/api/v1/stripe-events/{id}", REST_OPERATOR, REST_PRIMARY, NULL, event_get},
    {"POST", "/api/v1/stripe-events/{id}/retry", REST_OPERATOR_BARE, REST_PRIMARY, NULL, event_retry},
    {0},
};
