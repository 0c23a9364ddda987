// The ledger's part. All operations of a request are handed over at once; the last one that is answered, on the writer's thread,
// takes the request on. A single event is answered by its connection's thread; what is longer goes to a job.
#include "base/limits.h"
#include "base/log.h"
#include "base/metric.h"
#include "rest/intake.h"

// ---- jobs

struct step {
  struct intake *in;
  void (*run)(struct intake *in, struct db *db);
};

static void step_job(struct db *db, void *arg) {
  struct step *s = arg;
  log_context(http_request_id(s->in->r->http));
  if (db || s->run == intake_answer) s->run(s->in, db);
  else intake_end_fault(s->in, FAULT_DB);
  log_context(NULL);
}

void intake_job(struct intake *in, void (*step)(struct intake *in, struct db *db)) {
  struct step *s = arena_alloc(in->r->arena, sizeof *s);
  *s = (struct step){in, step};
  int fault = db_submit(in->r->context->pool, step_job, s);
  if (fault == 0) return;
  if (step == intake_answer) intake_answer(in, NULL); // what is recorded is told, whatever else waits
  else intake_end_fault(in, fault);
}

// ---- after the ledger

static void again(struct intake *in, struct db *db) {
  (void)db;
  for (size_t i = 0; i < in->count; i++) {
    struct intake_event *one = &in->events[i];
    one->asked = !one->refused && one->op.result == LEDGER_STALE;
    if (one->asked && in->revoked) intake_refuse(in, one, PROBLEM_INVALID_KEY, NULL, INTAKE_REVOKED);
    else if (one->asked && in->who->suspended) intake_refuse(in, one, PROBLEM_CUSTOMER_SUSPENDED, NULL, "This customer is suspended.");
    one->asked = one->asked && !one->refused;
    if (one->asked) one->op.config_version = in->who->config_version;
  }
  intake_submit(in);
}

static bool needs_record(const struct intake *in) {
  for (size_t i = 0; i < in->count; i++)
    if (!in->events[i].refused && (in->events[i].op.result == LEDGER_DUPLICATE || in->events[i].op.result == LEDGER_REUSED)) return true;
  return false;
}

static bool is_stale(const struct intake *in) {
  for (size_t i = 0; i < in->count; i++)
    if (!in->events[i].refused && in->events[i].op.result == LEDGER_STALE) return true;
  return false;
}

static void answer_alone(void *arg) {
  struct intake *in = arg;
  log_context(http_request_id(in->r->http));
  intake_answer(in, NULL);
  log_context(NULL);
}

static void settled(struct intake *in) {
  if (is_stale(in)) intake_reload(in, again);
  else if (intake_is_batch(in) || needs_record(in)) intake_job(in, intake_answer);
  else http_answer_by(in->r->http, answer_alone, in);
}

static void drop(struct intake *in) {
  if (atomic_fetch_sub_explicit(&in->pending, 1, memory_order_acq_rel) == 1) settled(in);
}

static void done(struct ledger_op *op) {
  drop(op->arg);
}

void intake_submit(struct intake *in) {
  size_t asked = 0;
  for (size_t i = 0; i < in->count; i++) asked += in->events[i].asked;
  atomic_store(&in->pending, asked + 1);
  for (size_t i = 0; i < in->count; i++) {
    struct intake_event *one = &in->events[i];
    if (!one->asked) continue;
    one->op.done = done;
    one->op.arg = in;
    int fault = ledger_submit(in->r->context->ledger, &one->op);
    if (fault == 0) continue;
    one->op.result = fault;
    atomic_fetch_sub(&in->pending, 1);
  }
  drop(in);
}
