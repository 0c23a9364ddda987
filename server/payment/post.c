// One payment at a time, under its row's lock, so that two instances never tell the ledger different things of one. One that
// the ledger cannot take now, because somebody keeps its customer's row, is left for the next round and holds up no other.
#include "payment/post.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "db/db.h"
#include "ledger/ledger.h"
#include "payment/payment.h"

#define ARENA_MAX (1024 * 1024)
#define PRIORITY_PAID 100
#define PRIORITY_BONUS 50 // what was given burns before what was bought

struct part { // of what a payment brought: the credits, or the bonus
  const char *key;
  int source, priority;
  amount credits;
  int64_t expires_at, net;
};

static int source_of(const struct payment *p) {
  return p->kind == PAYMENT_PLAN ? 3 : p->kind == PAYMENT_NOTHING ? 2 : 1;
}

static struct str origin_of(struct arena *arena, const struct part *part, const struct payment *p) {
  return str_from(arena_printf(arena, "%s:%.*s", part->key, STR_ARG(p->reference)));
}

static int grant(struct arena *arena, struct ledger *ledger, const struct payment *p, const struct part *part) {
  struct ledger_op op = {.kind = LEDGER_GRANT, .customer = p->customer_id, .id = uuid_v7(ledger_now(ledger))};
  op.grant.source = part->source;
  op.grant.priority = part->priority;
  op.grant.amount = part->credits;
  op.grant.expires_at = part->expires_at;
  op.grant.reason = STR("");
  op.grant.origin = origin_of(arena, part, p);
  op.grant.paid = part->net;
  op.grant.currency = part->net > 0 ? p->currency : STR("");
  int r = ledger_run(ledger, &op);
  return r == LEDGER_DUPLICATE ? LEDGER_DONE : r;
}

static int reverse(struct arena *arena, struct ledger *ledger, const struct payment *p, const struct part *part, const struct target_facts *facts) {
  struct target t = target_of(part->credits, facts);
  struct ledger_op op = {.kind = LEDGER_REVERSE, .customer = p->customer_id};
  op.grant.origin = origin_of(arena, part, p);
  op.reverse.refunded = t.refunded;
  op.reverse.frozen = t.frozen;
  return ledger_run(ledger, &op);
}

static int part_tell(struct arena *arena, struct ledger *ledger, const struct payment *p, const struct part *part, const struct target_facts *facts) {
  int r = grant(arena, ledger, p, part);
  return r == LEDGER_DONE ? reverse(arena, ledger, p, part, facts) : r;
}

static const char *problem_of(int r, const struct payment *p, const struct target_facts *facts) {
  if (r == LEDGER_UNKNOWN) return "its customer is not here any more";
  if (r != LEDGER_DONE) return "the ledger refuses it: more credits than can be counted";
  return target_of(p->credits, facts).clamped ? "refunds and disputes claim more than was paid" : "";
}

// What the ledger refuses for good is set down for a person; what it could not take now stays pending.
static int tell(struct db *db, struct arena *arena, struct ledger *ledger, const struct payment *p, const struct target_facts *facts) {
  struct part parts[2] = {
      {"grant", source_of(p), p->kind == PAYMENT_NOTHING ? PRIORITY_BONUS : PRIORITY_PAID, p->credits, p->expires_at, p->net},
      {"bonus", 2, PRIORITY_BONUS, p->bonus, p->bonus_expires_at, 0},
  };
  int r = LEDGER_DONE;
  for (size_t i = 0; i < ARRAY_LEN(parts) && r == LEDGER_DONE; i++)
    if (parts[i].credits > 0) r = part_tell(arena, ledger, p, &parts[i], facts);
  if (r < 0) return r;
  const char *problem = problem_of(r, p, facts);
  if (*problem) {
    log_error("payment.problem", "%.*s: %s", STR_ARG(p->reference), problem);
    metric_add(METRIC_PAYMENT_PROBLEMS, 1);
  }
  return payment_told(db, p->reference, target_refunded(facts), facts->disputed > 0, str_from(problem));
}

enum { NONE = 0, TOLD = 1, LATER = 2 }; // LATER: not now, and *after is moved behind it

static int post_one(struct db *db, struct ledger *ledger, int64_t *after, int *ret_fault) {
  struct arena arena;
  struct payment p;
  struct target_facts facts;
  if (db_begin(db) != 0) return FAULT_DB;
  arena_init(&arena, ARENA_MAX);
  int r = payment_take(db, &arena, *after, &p, &facts);
  int fault = r == 1 ? tell(db, &arena, ledger, &p, &facts) : 0;
  if (fault < 0) {
    *after = p.created_at;
    *ret_fault = fault;
    r = LATER;
  }
  arena_finish(&arena);
  if (r == TOLD) return db_commit(db) == 0 ? TOLD : FAULT_DB;
  db_rollback(db);
  return r;
}

int payment_post(struct db *db, struct ledger *ledger, size_t max) {
  int64_t after = 0;
  int told = 0, fault = 0, r = TOLD;
  for (size_t i = 0; i < max && r != NONE; i++) {
    r = post_one(db, ledger, &after, &fault);
    if (r < 0) return r;
    if (r == LATER && !ledger_up(ledger)) break;
    if (r == TOLD) told++;
  }
  return fault < 0 ? fault : told;
}
