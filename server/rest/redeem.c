// /api/v1/codes/redeem, and who has redeemed a code.
#include "code/redeem.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metric.h"
#include "rest/endpoints.h"
#include "rest/guesses.h"

static void redemption_write(struct json_writer *w, const struct redemption *of) {
  json_object_begin(w);
  json_member_text(w, "object", "redemption");
  json_member_id(w, "code", "cod", of->code);
  json_member_id(w, "customer", "cus", of->customer);
  json_member_id(w, "grant", "grt", of->grant);
  json_member_text(w, "state", of->posted ? "posted" : "pending");
  json_member_amount(w, "amount", of->amount);
  json_member_time(w, "expires_at", of->expires_at);
  json_member_time(w, "created_at", of->created_at);
  json_object_end(w);
}

struct body {
  struct str code, customer;
};
static const struct json_field fields[] = {
    {.name = "code", .kind = JSON_TEXT, .max = CODE_GIVEN_MAX, .required = true, .offset = offsetof(struct body, code), .given = JSON_NOT_TOLD},
    {.name = "customer",
     .kind = JSON_TEXT,
     .max = LIMIT_NAME + 4,
     .required = true,
     .offset = offsetof(struct body, customer),
     .given = JSON_NOT_TOLD},
};

// What may be typed; whether it is a code's text is the code's to say.
static bool is_typed(struct str text) {
  bool signs = false;
  for (size_t i = 0; i < text.len; i++) {
    char c = text.ptr[i];
    bool sign = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (!sign && c != '-' && c != ' ') return false;
    signs |= sign;
  }
  return signs;
}

static bool form_check(struct rest_request *r, struct str text) {
  if (is_typed(text)) return true;
  rest_refuse(r, PROBLEM_INVALID_REQUEST, "code", "A code is letters and digits, with dashes or blanks between.");
  return false;
}

static bool may_try(struct rest_request *r, struct uuid customer) {
  int64_t wait_us = guesses_wait(r->context->guesses, customer, clock_mono_us());
  if (wait_us == 0) return true;
  rest_refuse_for(r, PROBLEM_RATE_LIMITED, "code", wait_us / 1000 + 1, "Too many codes were tried that there are not. Wait before the next.");
  return false;
}

static void refuse(struct rest_request *r, int answer) {
  metric_add(METRIC_CODES_REFUSED, 1);
  if (answer == REDEEM_UNKNOWN)
    rest_refuse(r, PROBLEM_NOT_FOUND, "code", "There is no such code.");
  else
    rest_refuse(r, PROBLEM_CONFLICT, "code", "%s",
                answer == REDEEM_USED_UP   ? "This code was redeemed as often as it may be."
                : answer == REDEEM_EXPIRED ? "This code's time has run out."
                                           : "This code is not in use any more.");
}

static void redeem_post(struct rest_request *r, struct db *db) {
  struct body body = {0};
  struct redemption of;
  struct uuid customer;
  struct str key; // redeeming is the same however often it is asked for: it need not be kept
  unsigned char fingerprint[32];
  if (!rest_body(r, fields, ARRAY_LEN(fields), &body, sizeof body) || !form_check(r, body.code) ||
      !rest_replay_key(r, &key, fingerprint) || !rest_customer(r, body.customer, "customer", &customer) ||
      !rest_customer_there(r, customer) || !may_try(r, customer))
    return;
  int answer = code_redeem(db, r->context->ledger, r->context->keys, body.code, customer, rest_new_id(r), &of);
  if (answer == REDEEM_UNKNOWN) guesses_wrong(r->context->guesses, customer, clock_mono_us());
  r->replayed = answer == REDEEM_AGAIN && key.len > 0;
  if (answer < 0) {
    rest_fault(r, answer);
  } else if (answer > REDEEM_AGAIN) {
    refuse(r, answer);
  } else {
    CLEANUP(buf_finish) struct buf out;
    buf_init(&out, REST_ANSWER_MAX);
    struct json_writer w = json_writer(&out);
    if (answer == REDEEM_DONE) metric_add(METRIC_CODES_REDEEMED, 1);
    if (!of.posted) log_warn("code.pending", "a code was redeemed and its credits are still to be given");
    redemption_write(&w, &of);
    rest_reply(r, answer == REDEEM_DONE ? 201 : 200, &out);
  }
}

static void redemption_list_get(struct rest_request *r, struct db *db) {
  struct rest_page page;
  struct uuid code;
  struct code of;
  struct redemption *list = NULL;
  size_t count = 0;
  if (!rest_path_id(r, "cod", &code) || !rest_page(r, &page)) return;
  int fault = code_read(db, r->arena, code, &of);
  if (fault > 0) {
    rest_unknown(r, "id", "code");
    return;
  }
  if (fault == 0) fault = redemption_list(db, r->arena, code, page.before, page.limit + 1, &list, &count);
  if (fault != 0) {
    rest_fault(r, fault);
    return;
  }
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  size_t shown = rest_shown(&page, count);
  rest_list_begin(&w);
  for (size_t i = 0; i < shown; i++) redemption_write(&w, &list[i]);
  rest_list_end(&w, r, &page, count, shown ? list[shown - 1].grant : UUID_NIL);
  rest_reply(r, 200, &out);
}

const struct rest_endpoint rest_redeem[] = {
    {"POST", "/api/v1/codes/redeem", REST_OWN, false, NULL, redeem_post},
    {"GET", "/api/v1/codes/{id}/redemptions", REST_OPERATOR, false, "limit|cursor", redemption_list_get},
    {0},
};
