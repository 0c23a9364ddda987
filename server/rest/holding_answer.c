// What is told of a hold: as it stands, or why something was not done with it.
#include "base/limits.h"
#include "base/log.h"
#include "ledger/bucket.h"
#include "meter/refusal.h"
#include "rest/holding.h"
#include <inttypes.h>

#define DETAILS_MAX (16 * 1024)

// ---- a hold

static void part_write(struct json_writer *w, const struct held_part *p) {
  json_object_begin(w);
  json_member_id(w, "call", "call", p->id);
  json_member_text(w, "state", call_state_name(p->state));
  json_member_amount(w, "charge", p->charge);
  json_member_bool(w, "late", p->flags & CALL_LATE);
  json_object_end(w);
}

static void parts_write(struct json_writer *w, const struct held *held) {
  json_key(w, "parts");
  json_array_begin(w);
  for (size_t i = 0; i < held->parts_told; i++) part_write(w, &held->parts[i]);
  json_array_end(w);
  json_member_int(w, "part_count", (int64_t)held->part_count);
}

static void members_write(struct json_writer *w, const struct held *held) {
  json_member_text(w, "object", "hold");
  json_member_id(w, "id", "call", held->id);
  json_member_id(w, "customer", "cus", held->customer);
  json_member_id(w, "key", "key", held->key);
  json_member_text(w, "state", call_state_name(held->state));
  json_member_bool(w, "late", held->flags & CALL_LATE);
  json_member_bool(w, "above_hold", held->flags & CALL_ABOVE_HOLD);
  json_member_amount(w, "amount", held->amount);
  json_member_amount(w, "charged", held->charged);
  json_key(w, "model");
  if (held->model.len) json_put_str(w, held->model);
  else json_put_null(w);
  json_member_id(w, "price", "prc", held->price);
  json_member_time(w, "expires_at", held->expires_at);
  json_member_time(w, "created_at", uuid_time_us(held->id));
  json_member_raw(w, "metadata", held->metadata.len ? held->metadata : STR("{}"));
}

void hold_summary_write(struct json_writer *w, const struct held *held) {
  json_object_begin(w);
  members_write(w, held);
  json_object_end(w);
}

void hold_write(struct json_writer *w, const struct held *held, const struct ledger_op *op) {
  json_object_begin(w);
  members_write(w, held);
  parts_write(w, held);
  if (op) {
    json_member_amount(w, "balance", op->balance);
    json_member_amount(w, "available", op_available_told(op));
  }
  json_object_end(w);
}

void holding_tell_known(struct holding *h, const struct held *held) {
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  hold_write(&w, held, h->taken ? &h->op : NULL);
  rest_reply(h->r, h->op.kind == LEDGER_ADMIT ? 201 : 200, &out);
}

bool holding_read(struct holding *h, struct db *db, struct held *ret) {
  struct rest_request *r = h->r;
  struct uuid whose = r->who->is_operator ? h->customer : r->who->customer_id;
  int found = held_read(db, r->arena, whose, h->id, ret);
  if (found < 0) holding_fault(h, found);
  else if (found > 0) rest_unknown(r, "id", "hold");
  return found == 0;
}

void holding_tell(struct holding *h, struct db *db) {
  struct held held;
  if (holding_read(h, db, &held)) holding_tell_known(h, &held);
}

// ---- what was not done

void holding_fault(struct holding *h, int fault) {
  if (h->taken)
    rest_refuse(h->r, PROBLEM_STORAGE_UNAVAILABLE, NULL, "This was done, and what stands now cannot be read. Ask for the hold in a moment, or send this again: it is done once.");
  else
    rest_fault(h->r, fault);
}

void holding_conflict(struct holding *h, const struct held *held, const char *why) {
  CLEANUP(buf_finish) struct buf details;
  buf_init(&details, DETAILS_MAX);
  struct json_writer w = json_writer(&details);
  json_object_begin(&w);
  json_member_id(&w, "hold", "call", held->id);
  json_member_text(&w, "state", call_state_name(held->state));
  json_member_amount(&w, "amount", held->amount);
  json_member_amount(&w, "charged", held->charged);
  json_object_end(&w);
  rest_refuse_with(h->r, PROBLEM_CONFLICT, "id", buf_str(&details), "%s", why);
}

void holding_refuse_short(struct holding *h) {
  char required[AMOUNT_TEXT_MAX], available[AMOUNT_TEXT_MAX];
  CLEANUP(buf_finish) struct buf details;
  buf_init(&details, DETAILS_MAX);
  struct json_writer w = json_writer(&details);
  json_object_begin(&w);
  refusal_credits_write(&w, &h->op, h->required);
  json_object_end(&w);
  amount_print(h->required, required);
  amount_print(op_available_told(&h->op), available);
  rest_refuse_with(h->r, PROBLEM_INSUFFICIENT_CREDITS, NULL, buf_str(&details), "This hold is of %s credits and %s are available. Nothing was held.", required,
                   available);
}

void holding_refuse_limited(struct holding *h) {
  struct limit_texts texts;
  const struct ledger_op *op = &h->op;
  CLEANUP(buf_finish) struct buf details;
  limit_describe(op, ledger_now(h->r->context->ledger), &texts);
  buf_init(&details, DETAILS_MAX);
  struct json_writer w = json_writer(&details);
  json_object_begin(&w);
  refusal_limit_write(&w, op, h->required);
  json_object_end(&w);
  bool rate = op->limit_period == BUCKET_MINUTE;
  struct problem_more more = {.details = buf_str(&details), .headers = texts.headers, .header_count = texts.count};
  if (texts.wait_ms > 0 && (rate || texts.wait_ms < 60000)) more.retry_after_ms = texts.wait_ms;
  if (rate)
    rest_refuse_more(h->r, PROBLEM_RATE_LIMITED, more,
                arena_printf(h->r->arena, "Too many requests: %" PRId64 " a minute are allowed. Try again in %" PRId64 " ms.", op->limit_amount, texts.wait_ms));
  else
    rest_refuse_more(h->r, PROBLEM_BUDGET_EXCEEDED, more,
                arena_printf(h->r->arena, "This hold does not fit in what is left of the %s budget.", limit_period_name(op->limit_period)));
}
