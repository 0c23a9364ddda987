// POST /api/v1/holds/{id}/extend: a hold of more, or for longer. What is said is what is to stand, so that it may be said twice: the
// whole amount, never less than is held, and a time from now, never nearer than it was.
#include "base/limits.h"
#include "rest/holding.h"

struct extend {
  amount credits;
  int64_t ttl;
  bool given_credits;
};
#define AT(member) .offset = offsetof(struct extend, member), .given = JSON_NOT_TOLD
static const struct json_field fields[] = {
    {.name = "amount", .kind = JSON_AMOUNT, .min = 1, .max = AMOUNT_MAX, .offset = offsetof(struct extend, credits), .given = offsetof(struct extend, given_credits)},
    {.name = "ttl_seconds", .kind = JSON_INT, .min = 1, .max = LIMIT_HOLD_TTL_S, AT(ttl)},
};

static bool extend_parse(struct holding *h) {
  struct rest_request *r = h->r;
  struct extend *b = h->body = arena_alloc(r->arena, sizeof *b);
  if (!rest_path_id(r, "call", &h->id) || !rest_body(r, fields, ARRAY_LEN(fields), b, sizeof *b)) return false;
  if (b->given_credits || b->ttl) return true;
  rest_refuse(r, PROBLEM_INVALID_REQUEST, "amount", "Say what to extend: amount, ttl_seconds, or both.");
  return false;
}

static void extend_ask(struct holding *h, struct db *db) {
  struct rest_request *r = h->r;
  const struct extend *b = h->body;
  struct str key; // it is the same however often it is asked for: it need not be kept
  unsigned char fingerprint[32];
  if (!rest_replay_key(r, &key, fingerprint)) return;
  if (!r->who->is_operator) h->customer = r->who->customer_id;
  else if (!holding_find(h, db)) return;
  if (!holding_whose(h)) return;
  h->required = b->credits;
  h->op = (struct ledger_op){.kind = LEDGER_EXTEND,
                             .explicit = true,
                             .customer = h->customer,
                             .id = h->id,
                             .hold = b->credits,
                             .expires_at = b->ttl ? ledger_now(r->context->ledger) + b->ttl * 1000000 : 0,
                             .debt_allowed = r->whose->short_policy == SHORT_ALLOW_DEBT ? r->whose->short_debt : 0};
  holding_submit(h);
}

static void extended(struct holding *h) {
  const struct ledger_op *op = &h->op;
  struct held held = {.customer = h->customer, .id = h->id, .key = op->seen.key, .price = op->seen.price, .state = CALL_PENDING,
                      .amount = op->hold ? op->hold : op->seen.amount,
                      .expires_at = op->expires_at > op->seen.expires_at ? op->expires_at : op->seen.expires_at};
  if (!op->seen.parted && held_about_read(h->r->arena, op->seen.about, &held)) holding_tell_known(h, &held);
  else holding_job(h, holding_tell);
}

// It has ended, or its time has run out, swept or not; or more of it is held than was asked for.
static void not_extended(struct holding *h, struct db *db) {
  struct held held;
  if (!holding_read(h, db, &held)) return;
  bool over = held.state == CALL_EXPIRED || (held.state == CALL_PENDING && h->op.result == LEDGER_GONE);
  if (over) holding_conflict(h, &held, "This hold's time has run out: take another. What was used of it can still be settled.");
  else if (held.state == CALL_PENDING) holding_conflict(h, &held, "More than this is held already: amount is the whole that is to be held, and is not made less.");
  else holding_conflict(h, &held, arena_printf(h->r->arena, "This hold has ended: it is %s.", call_state_name(held.state)));
}

static void extend_answer(struct holding *h, struct db *db) {
  (void)db;
  if (h->op.result < 0)
    holding_fault(h, h->op.result);
  else if (h->op.result == LEDGER_DONE)
    extended(h);
  else if (h->op.result == LEDGER_SHORT)
    holding_refuse_short(h);
  else if (h->op.result == LEDGER_LIMITED)
    holding_refuse_limited(h);
  else
    holding_job(h, not_extended);
}

void hold_extend_post(struct rest_request *r, struct db *db) {
  (void)db;
  holding_begin(r, HOLDING_ENDS, extend_parse, extend_ask, extend_answer);
}
