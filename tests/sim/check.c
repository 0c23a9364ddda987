// An operation is known from its submission to its answer by a record, which outlives both it and its process. When the
// second trip of a batch leaves, what it hopes to commit is noted with it; when the database commits it, the reference
// decides the same operations, and both are compared, answers and rows.
#include "check.h"
#include "books.h"
#include "door.h"
#include "fiber.h"
#include "ledger/batch.h"
#include "told.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct record {
  uint64_t number; // order of submission
  void (*done)(struct ledger_op *op);
  void *arg;
  bool poison, committed, answered;
  struct ledger_op answer; // as it was when it was committed
};
struct noted {
  struct record *record;
  struct ledger_op op; // with its answer
};
struct note {
  const struct intent *intent;
  int32_t writer;
  size_t count;
  struct noted ops[];
};

bool check_trace;
static uint64_t world_seed, submitted, answered, steps;
static uint64_t answers[LEDGER_REVERSE + 1][LEDGER_CROWDED + 1]; // of each kind of operation

void check_begin(uint64_t seed) {
  world_seed = seed;
  submitted = steps = 0;
  books_begin();
}

uint64_t check_operations(void) {
  return answered;
}

// ---- telling

void check_say(const char *format, ...) {
  if (!check_trace) return;
  va_list args;
  va_start(args, format);
  printf("%10.3f ms  ", (double)fiber_now() / 1000);
  vprintf(format, args);
  va_end(args);
  putchar('\n');
}

void check_fail(const char *format, ...) {
  va_list args;
  va_start(args, format);
  printf("FAILED: seed %llu, step %llu, %.3f ms: ", (unsigned long long)world_seed, (unsigned long long)steps, (double)fiber_now() / 1000);
  vprintf(format, args);
  va_end(args);
  putchar('\n');
  (void)fflush(stdout);
  _exit(1);
}

// An invariant of the product itself.
_Noreturn void __wrap_log_assert_failed(const char *expr, const char *file, int line);
_Noreturn void __wrap_log_assert_failed(const char *expr, const char *file, int line) {
  check_fail("%s:%d: %s does not hold", file, line, expr);
}

static const char *kind_name(enum ledger_kind kind) {
  static const char *const names[] = {"ADMIT", "EXTEND", "SETTLE", "SWEEP", "RECORD", "PART",
                                      "GRANT", "EXPIRE", "VOID", "RERATE", "REVERSE"};
  return names[kind];
}

static const char *result_name(int result) {
  static const char *const names[] = {"DONE", "STALE", "SHORT", "LIMITED", "DUPLICATE", "REUSED", "UNKNOWN", "GONE", "REFUSED", "CROWDED"};
  return result >= 0 && result <= LEDGER_CROWDED ? names[result] : fault_name(result);
}

void check_tell(void) {
  for (int kind = 0; kind <= LEDGER_REVERSE; kind++) {
    printf("%10s", kind_name((enum ledger_kind)kind));
    for (int r = 0; r <= LEDGER_CROWDED; r++)
      if (answers[kind][r]) printf(" %llu %s", (unsigned long long)answers[kind][r], result_name(r));
    putchar('\n');
  }
}

static const char *id_text(struct uuid id) { // the last of its bytes tell it apart
  static char texts[8][16];
  static int at;
  char *text = texts[at++ % 8];
  (void)snprintf(text, sizeof texts[0], "%02x%02x%02x%02x", id.b[8], id.b[9], id.b[10], id.b[11]);
  return text;
}

static const char *details(const struct ledger_op *op) {
  static char out[512];
  if (op->kind == LEDGER_GRANT)
    (void)snprintf(out, sizeof out, "amount %lld, expires at %lld, origin '%.*s'", (long long)op->grant.amount, (long long)op->grant.expires_at,
                   STR_ARG(op->grant.origin));
  else if (op->kind == LEDGER_REVERSE)
    (void)snprintf(out, sizeof out, "origin '%.*s', refunded %lld, frozen %lld", STR_ARG(op->grant.origin), (long long)op->reverse.refunded,
                   (long long)op->reverse.frozen);
  else if (op->kind == LEDGER_RECORD)
    (void)snprintf(out, sizeof out, "event %s of content %s, charge %lld, state %d, version %lld", id_text(op->event.identity),
                   id_text(op->event.content), (long long)op->charge, (int)op->state, (long long)op->config_version);
  else
    (void)snprintf(out, sizeof out, "hold %lld, charge %lld, state %d, flags %u, version %lld, writer %d, limits %zu%s, expires at %lld", (long long)op->hold,
                   (long long)op->charge, (int)op->state, op->flags, (long long)op->config_version, op->writer, op->limit_count,
                   op->explicit ? ", explicit" : "", (long long)op->expires_at);
  return out;
}

static const char *describe(const struct ledger_op *op) {
  static char out[768];
  (void)snprintf(out, sizeof out, "%s of %s by %s: %s, once '%.*s'%s%s%s", kind_name(op->kind), id_text(op->id), id_text(op->customer), details(op),
                 STR_ARG(op->idempotency_key), op->retry ? ", a retry" : "", op->undelivered ? ", undelivered" : "", op->late ? ", late" : "");
  return out;
}

// ---- submitting and answering

int __real_ledger_submit(struct ledger *l, struct ledger_op *op);
int __wrap_ledger_submit(struct ledger *l, struct ledger_op *op);

static bool is_same_answer(const struct ledger_op *a, const struct ledger_op *b) {
  return a->result == b->result && a->balance == b->balance && a->held == b->held && a->debt == b->debt && a->charged == b->charged;
}

static void on_answer(struct ledger_op *op) {
  struct record *r = op->arg;
  if (r->answered) check_fail("answered twice: %s", describe(op));
  r->answered = true;
  answered++;
  bool definite = op->result >= 0;
  if (definite) answers[op->kind][op->result]++;
  if (definite && !r->committed && !(op->result == LEDGER_REFUSED && r->poison))
    check_fail("answered %s, but no commit had it: %s", result_name(op->result), describe(op));
  if (!definite && r->committed && op->result != FAULT_DB_UNKNOWN)
    check_fail("answered '%s', but it was committed: %s", fault_name(op->result), describe(op));
  if (definite && r->committed && !is_same_answer(op, &r->answer))
    check_fail("answered %s, committed as %s: %s", result_name(op->result), result_name(r->answer.result), describe(op));
  op->done = r->done;
  op->arg = r->arg;
  op->done(op);
}

// FAULT_FULL and FAULT_CLOSED never come back; the caller may use the operation again.
int __wrap_ledger_submit(struct ledger *l, struct ledger_op *op) {
  struct record *r = mem_alloc(sizeof *r);
  *r = (struct record){.number = ++submitted, .done = op->done, .arg = op->arg};
  struct str texts[] = {op->usage, op->about, op->evidence, op->idempotency_key, op->grant.reason, op->grant.origin,
                        op->grant.currency, op->event.source, op->event.id};
  for (size_t i = 0; i < ARRAY_LEN(texts); i++) r->poison |= text_is_poison(texts[i]);
  op->done = on_answer;
  op->arg = r;
  int result = __real_ledger_submit(l, op);
  if (result < 0) {
    op->done = r->done;
    op->arg = r->arg;
  }
  return result;
}

// ---- what a request hopes to commit

struct note *note_intent(const struct intent *i) {
  struct note *n = mem_alloc(sizeof *n);
  n->intent = mem_dup(i, sizeof *i);
  return n;
}

int __real_batch_write(struct batch *b, struct db *db, const struct batch_writer *w);
int __wrap_batch_write(struct batch *b, struct db *db, const struct batch_writer *w);

int __wrap_batch_write(struct batch *b, struct db *db, const struct batch_writer *w) {
  struct note *n = mem_alloc(sizeof *n + b->count * sizeof n->ops[0]);
  n->writer = w->id;
  n->count = b->count;
  for (size_t i = 0; i < b->count; i++) {
    n->ops[i].record = b->ops[i]->arg;
    n->ops[i].op = *b->ops[i];
  }
  (void)door_note(db, n);
  return __real_batch_write(b, db, w);
}

// ---- one operation's answer

static bool is_one_of(struct uuid id, const struct model_answer *a) {
  for (int i = 0; i < a->existing_count; i++)
    if (uuid_eq(a->existing[i], id)) return true;
  return a->existing_count == 0;
}

// How it found the hold, where it did.
static bool found_so(const struct ledger_op *op, const struct model_answer *a) {
  if (!a->hold.found) return op->seen.amount == 0 && op->seen.expires_at == 0 && !op->seen.about.ptr;
  return uuid_eq(op->seen.key, a->hold.key) && uuid_eq(op->seen.price, a->hold.price) && op->seen.amount == a->hold.amount &&
         op->seen.expires_at == a->hold.expires_at && op->seen.parted == a->hold.parted && op->seen.over == a->hold.over && op->seen.about.ptr;
}

static bool agrees(const struct ledger_op *op, const struct model_answer *a) {
  if (op->result != a->result) return false;
  if (a->result == LEDGER_UNKNOWN && !model_customer(op->customer)) return true;
  if (op->balance != a->balance || op->held != a->held || op->debt != a->debt || op->credit_limit != a->credit_limit) return false;
  if (a->charged >= 0 && op->charged != a->charged) return false;
  if (a->result == LEDGER_DONE && !found_so(op, a)) check_fail("a hold was found otherwise: %s", describe(op));
  if (a->result == LEDGER_LIMITED) return uuid_eq(op->limit, a->limit) && op->left == a->left && op->refills_at == a->refills_at;
  bool tells = a->result == LEDGER_DUPLICATE || a->result == LEDGER_REUSED || op->kind == LEDGER_REVERSE;
  return !tells || op->kind == LEDGER_VOID || is_one_of(op->existing, a);
}

static void disagree(const struct ledger_op *op, const struct model_answer *a) {
  check_fail("%s\n  product:   %s, balance %lld, held %lld, debt %lld, credit limit %lld, charged %lld, limit %s, left %lld, refills at %lld\n"
             "  reference: %s, balance %lld, held %lld, debt %lld, credit limit %lld, charged %lld, limit %s, left %lld, refills at %lld",
             describe(op), result_name(op->result), (long long)op->balance, (long long)op->held, (long long)op->debt, (long long)op->credit_limit,
             (long long)op->charged, id_text(op->limit), (long long)op->left, (long long)op->refills_at, result_name(a->result),
             (long long)a->balance, (long long)a->held, (long long)a->debt, (long long)a->credit_limit, (long long)a->charged,
             id_text(a->limit), (long long)a->left, (long long)a->refills_at);
}

// A revoked key is admitted nowhere, and each limit that binds is drawn from.
static void check_admitted(struct model_customer *c, const struct ledger_op *op) {
  const struct model_key *k = model_key(c, op->key);
  if (!k || k->revoked_at) check_fail("a revoked key was admitted: %s", describe(op));
  size_t binding = 0;
  for (int i = 0; i < c->limit_count; i++)
    binding += uuid_is_nil(c->limits[i].key) || uuid_eq(c->limits[i].key, op->key);
  if (binding != op->limit_count) check_fail("%zu limits bind: %s", binding, describe(op));
}

// Nor is anything taken from its hand that says under which configuration it speaks.
static void check_reported(struct model_customer *c, const struct ledger_op *op) {
  const struct model_key *k = op->config_version ? model_key(c, op->key) : NULL;
  if (op->config_version && (!k || k->revoked_at)) check_fail("a revoked key has reported: %s", describe(op));
}

static void check_one(struct record *r, const struct ledger_op *op, const struct model_moment *at) {
  if (r->committed) check_fail("committed twice: %s", describe(op));
  if (r->answered) check_fail("committed after it was answered with '%s': %s", fault_name(op->result), describe(op));
  r->committed = true;
  r->answer = *op;
  struct model_answer a = model_apply(op, at, op->result);
  if (check_trace)
    check_say("writer %d: %s -> %s, balance %lld, held %lld", at->writer, describe(op), result_name(a.result), (long long)a.balance,
              (long long)a.held);
  if (!agrees(op, &a)) disagree(op, &a);
  if (op->kind == LEDGER_ADMIT && op->result == LEDGER_DONE) check_admitted(model_customer(op->customer), op);
  if (op->kind == LEDGER_RECORD && op->result == LEDGER_DONE) check_reported(model_customer(op->customer), op);
  if (op->kind == LEDGER_SWEEP && op->result == LEDGER_DONE && op->writer != 0 && !books_fenced(op->writer))
    check_fail("swept, though its writer lives: %s", describe(op));
}

// ---- batches: operations in the order of their arrival, but new prices behind what was used, and sweeps behind both

static int turn(const struct ledger_op *op) {
  return op->kind == LEDGER_SWEEP ? 2 : op->kind == LEDGER_RERATE ? 1 : 0;
}

static int arrival(const void *a, const void *b) {
  const struct record *x = ((const struct noted *)a)->record, *y = ((const struct noted *)b)->record;
  return x->number < y->number ? -1 : 1;
}

// An instance gives ids that grow.
static void name_add(struct model_customer *c, struct uuid id) {
  if (c->name_count == (int)ARRAY_LEN(c->names)) return;
  int at = c->name_count++;
  for (; at > 0 && uuid_cmp(id, c->names[at - 1]) < 0; at--) c->names[at] = c->names[at - 1];
  c->names[at] = id;
}

static void names_collect(const struct backend *b, const struct note *n) {
  for (size_t i = 0; i < b->changes.count; i++) {
    const struct change *w = &b->changes.at[i];
    if (w->kind != CHANGE_GRANT_NEW) continue;
    bool asked = false;
    for (size_t k = 0; k < n->count; k++) asked |= n->ops[k].op.kind == LEDGER_GRANT && uuid_eq(n->ops[k].op.id, w->grant.id);
    if (!asked) name_add(model_customer(w->customer->id), w->grant.id);
  }
}

static void check_batch(const struct backend *b, const struct note *n) {
  struct model_moment at = {.begun_at = b->begun_at, .now = b->fenced_at, .truly_begun_at = b->truly_begun_at, .writer = n->writer};
  struct note *sorted = mem_dup(n, sizeof *n + n->count * sizeof n->ops[0]);
  qsort(sorted->ops, n->count, sizeof n->ops[0], arrival);
  model_batch_begin();
  names_collect(b, n);
  for (int now = 0; now < 3; now++)
    for (size_t i = 0; i < n->count; i++)
      if (turn(&sorted->ops[i].op) == now) check_one(sorted->ops[i].record, &sorted->ops[i].op, &at);
  model_batch_end();
  told_check(b);
  mem_free(sorted);
}

// ---- configuration

static void config_apply(const struct intent *i) {
  struct model_customer *c = model_customer(i->customer);
  struct model_limit *l = model_limit(c, i->object);
  if (i->kind != INTENT_TOP_UP_ENOUGH) c->version++;
  switch (i->kind) {
  case INTENT_KEY:
    *MODEL_ADD(c->keys, c->key_count) = (struct model_key){.id = i->object, .made_at = fiber_now(), .expires_at = i->expires_at};
    break;
  case INTENT_REVOKE: model_key(c, i->object)->revoked_at = fiber_now(); break;
  case INTENT_STATUS: c->suspended = i->suspended; break;
  case INTENT_CREDIT: c->credit_limit = i->credit_limit; break;
  case INTENT_LOW: c->low_balance = i->low_balance; break;
  case INTENT_EVENTS: c->refuses_events = i->refuses_events; break;
  case INTENT_TOP_UP_MARK: model_mark(c, i->top_up_at); break;
  case INTENT_TOP_UP_ENOUGH: c->top_up_due = false; break;
  case INTENT_LIMIT: *MODEL_ADD(c->limits, c->limit_count) = i->limit; break;
  case INTENT_LIMIT_AMOUNT: l->amount = i->limit.amount; break;
  case INTENT_LIMIT_GONE: *l = c->limits[--c->limit_count]; break;
  }
  check_say("configuration of %s: version %lld, change %d of %s", id_text(c->id), (long long)c->version, (int)i->kind, id_text(i->object));
}

// ---- what commits without a note: leases, taking over, forgetting

static void check_alone(const struct backend *b) {
  for (size_t i = 0; i < b->changes.count; i++) {
    const struct change *w = &b->changes.at[i];
    if (w->kind == CHANGE_HOLD_WRITER) {
      const struct model_hold *h = model_hold(model_customer(w->customer->id), w->hold.call);
      if (h && h->writer != w->hold.writer) model_moved(h->writer, w->hold.writer, fiber_now());
    } else if (w->kind == CHANGE_FORGET) {
      model_forget_keys(w->before, fiber_now());
      break;
    }
  }
}

void check_commit(struct backend *b, const struct note *note) {
  steps++;
  if (note && note->intent) config_apply(note->intent);
  else if (note) check_batch(b, note);
  else check_alone(b);
  books_commit(b);
}

void check_key_told(const struct backend *b, struct uuid customer, struct uuid key) {
  struct model_key *k = model_key(model_customer(customer), key);
  int64_t until = b->truly_begun_at + (k->expires_at - b->begun_at);
  if (until > k->told_until[b->home]) k->told_until[b->home] = until;
}

int check_holds_left(void) {
  int left = 0;
  for (int i = 0; i < model_customer_count(); i++) {
    const struct model_customer *c = model_customer_at(i);
    for (int k = 0; k < c->hold_count; k++) left += model_counts(c, c->holds[k].metered);
  }
  return left;
}

void check_end(void) {
  books_all();
  if (check_holds_left() > 0) check_fail("all has come to rest, but %d holds are left", check_holds_left());
}
