// /api/v1/webhook-endpoints/{id}/deliveries, and sending them again.
#include "base/limits.h"
#include "rest/endpoints.h"
#include "rest/webhooks.h"
#include "rest/words.h"

#define BODY_SHOWN_MAX (2 * 1024 * 1024)

// ---- rendering

static void delivery_members(struct json_writer *w, struct uuid endpoint, const struct webhook_delivery *d) {
  json_member_id(w, "id", "evt", d->event);
  json_member_text(w, "object", "webhook_delivery");
  json_member_id(w, "endpoint", "we", endpoint);
  json_member_id(w, "customer", "cus", d->customer);
  json_member_str(w, "type", d->type);
  json_key(w, "stripe_event");
  if (d->stripe_event.ptr)
    json_put_str(w, d->stripe_event);
  else
    json_put_null(w);
  json_member_str(w, "state", word_at(DELIVERY_STATES, (int)d->state));
  json_member_raw(w, "attempts", d->attempts);
  json_member_time(w, "next_attempt_at", d->state == DELIVERY_WAITING ? d->due_at : 0);
  json_member_time(w, "created_at", d->created_at);
  json_member_time(w, "ended_at", d->ended_at);
}

// What is sent, byte for byte, as a text; null where it is not kept any more.
static void body_write(struct json_writer *w, const struct webhook_event *event, struct str api_version, bool livemode) {
  CLEANUP(buf_finish) struct buf body;
  buf_init(&body, BODY_SHOWN_MAX);
  json_key(w, "body");
  if (delivery_body(event, api_version, livemode, &body) && !body.full)
    json_put_str(w, buf_str(&body));
  else
    json_put_null(w);
}

static bool found(struct rest_request *r, int answer) {
  if (answer < 0)
    rest_fault(r, answer);
  else if (answer == DELIVERY_UNKNOWN)
    rest_unknown(r, "event", "delivery to this endpoint");
  return answer == DELIVERY_DONE;
}

static void answer(struct rest_request *r, struct db *db, int status, const struct webhook_endpoint *e, struct uuid event) {
  struct webhook_delivery d;
  struct webhook_event told;
  if (!found(r, delivery_read(db, r->arena, e->id, event, &d)) || !found(r, delivery_event(db, r->arena, event, &told))) return;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  delivery_members(&w, e->id, &d);
  body_write(&w, &told, e->api_version, r->context->livemode);
  json_object_end(&w);
  rest_reply(r, status, &out);
}

void webhook_delivery_answer(struct rest_request *r, struct db *db, int status, const struct webhook_endpoint *e, struct uuid event) {
  answer(r, db, status, e, event);
}

// ---- looking

static bool state_query(struct rest_request *r, int *ret) {
  struct str text;
  *ret = 0;
  if (!rest_query(r, "state", &text)) return true;
  *ret = word_find(DELIVERY_STATES, text);
  if (*ret) return true;
  rest_refuse(r, PROBLEM_INVALID_REQUEST, "state", "state must be one of: waiting, delivered, failed.");
  return false;
}

static void delivery_list_get(struct rest_request *r, struct db *db) {
  struct rest_page page;
  struct webhook_endpoint e;
  struct webhook_delivery *list = NULL;
  size_t count = 0;
  int state;
  if (!rest_page(r, &page) || !state_query(r, &state) || !webhook_path(r, db, &e)) return;
  int fault = delivery_list(db, r->arena, e.id, state, page.before, page.limit + 1, &list, &count);
  if (fault != 0) {
    rest_fault(r, fault);
    return;
  }
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  size_t shown = rest_shown(&page, count);
  rest_list_begin(&w);
  for (size_t i = 0; i < shown; i++) {
    json_object_begin(&w);
    delivery_members(&w, e.id, &list[i]);
    json_object_end(&w);
  }
  rest_list_end(&w, r, &page, count, shown ? list[shown - 1].event : UUID_NIL);
  rest_reply(r, 200, &out);
}

// The second name in the path.
static bool event_path(struct rest_request *r, struct uuid *ret) {
  if (id_parse("evt", http_path_segment(r->http, 1), ret)) return true;
  rest_refuse(r, PROBLEM_INVALID_REQUEST, "event", "The event's id in the path must be evt_ and 26 characters.");
  return false;
}

static void delivery_get(struct rest_request *r, struct db *db) {
  struct webhook_endpoint e;
  struct uuid event;
  if (event_path(r, &event) && webhook_path(r, db, &e)) answer(r, db, 200, &e, event);
}

// ---- sending again

struct replay {
  struct str only;
  int64_t from, until;
};
static const struct json_field replay_fields[] = {
    {.name = "from", .kind = JSON_TIME, .required = true, .offset = offsetof(struct replay, from), .given = JSON_NOT_TOLD},
    {.name = "until", .kind = JSON_TIME, .offset = offsetof(struct replay, until), .given = JSON_NOT_TOLD},
    {.name = "only", .kind = JSON_TEXT, .one_of = "failed|all", .offset = offsetof(struct replay, only), .given = JSON_NOT_TOLD},
};

static bool may_send(struct rest_request *r, const struct webhook_endpoint *e) {
  if (e->off == ENDPOINT_ON) return true;
  rest_refuse(r, PROBLEM_CONFLICT, "id", "This endpoint is disabled: enable it first.");
  return false;
}

static void resend_post(struct rest_request *r, struct db *db) {
  struct webhook_endpoint e;
  struct webhook_delivery d;
  struct uuid event;
  if (!event_path(r, &event) || !webhook_path(r, db, &e) || !found(r, delivery_read(db, r->arena, e.id, event, &d)) || !may_send(r, &e))
    return;
  struct uuid object = event;
  if (!rest_write_begin(r, UUID_NIL, &object)) return;
  if (!r->replayed) {
    int fault = delivery_resend(db, e.id, event);
    if (fault != 0) {
      rest_fault(r, fault);
      return;
    }
    if (!rest_write_end(r, UUID_NIL)) return;
    webhook_hint(r);
  }
  answer(r, db, 200, &e, event);
}

static void replay_answer(struct rest_request *r, int64_t count, int64_t last) {
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_member_text(&w, "object", "webhook_replay");
  json_member_int(&w, "count", count);
  json_member_bool(&w, "has_more", last != 0);
  json_member_time(&w, "next_from", last);
  json_object_end(&w);
  rest_reply(r, 200, &out);
}

static void replay_post(struct rest_request *r, struct db *db) {
  struct webhook_endpoint e;
  struct replay body = {0};
  int64_t count = 0, last = 0;
  if (!webhook_path(r, db, &e) || !rest_body(r, replay_fields, ARRAY_LEN(replay_fields), &body, sizeof body)) return;
  if (body.until && body.until <= body.from) {
    rest_refuse(r, PROBLEM_INVALID_REQUEST, "until", "until must be after from.");
    return;
  }
  if (!may_send(r, &e)) return;
  struct uuid object = e.id;
  if (!rest_write_begin(r, UUID_NIL, &object)) return;
  if (!r->replayed) {
    bool all = str_eq(body.only, STR("all"));
    int64_t until = body.until ? body.until : ledger_now(r->context->ledger) + 1000;
    int fault = delivery_replay(db, e.id, body.from, until, all, &count, &last);
    if (fault != 0) {
      rest_fault(r, fault);
      return;
    }
    if (!rest_write_end(r, UUID_NIL)) return;
    webhook_hint(r);
  }
  replay_answer(r, count, last);
}

const struct rest_endpoint rest_deliveries[] = {
    {"GET", "/api/v1/webhook-endpoints/{id}/deliveries", REST_OPERATOR, REST_PRIMARY, "state|limit|cursor", delivery_list_get},
    {"GET", "/api/v1/webhook-endpoints/{id}/deliveries/{event}", REST_OPERATOR, REST_PRIMARY, NULL, delivery_get},
    {"POST", "/api/v1/webhook-endpoints/{id}/deliveries/{event}/resend", REST_OPERATOR_BARE, REST_PRIMARY, NULL, resend_post},
    {"POST", "/api/v1/webhook-endpoints/{id}/replay", REST_OPERATOR, REST_PRIMARY, NULL, replay_post},
    {0},
};
