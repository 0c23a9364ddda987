// The writers' rows: leases, the fence, taking over; and what the sweeper finds. READ COMMITTED: which rows are meant is
// decided when the statement begins; one that was waited for is looked at again.
#include "base/log.h"
#include "chance.h"
#include "sql.h"

static bool register_writer(struct backend *b, const struct db_params *p, struct db_result **ret) {
  if (chance_one_in(20)) return backend_fail(b, "23505"); // another took the number at the same moment
  struct row_writer w = {.id = (int32_t)store.writers.count + 1, .epoch = 1, .lease_until = store_clock() + arg_i64(p, 1)};
  backend_change(b, CHANGE_WRITER_NEW, NULL)->writer = w;
  *ret = result_create(4);
  result_i64(*ret, w.id);
  result_i64(*ret, w.epoch);
  result_i64(*ret, w.seq);
  result_i64(*ret, store_clock());
  return true;
}

static bool fence(struct backend *b, const struct db_params *p, struct db_result **ret) {
  struct row_writer *w = store_writer((int32_t)arg_i64(p, 1));
  int64_t epoch = arg_i64(p, 2), seq = arg_i64(p, 3);
  *ret = result_create(3);
  if (!w || w->epoch != epoch || w->seq != seq - 1) return true;
  if (!backend_lock(b, &w->lock)) return false;
  if (w->epoch != epoch || w->seq != seq - 1) return true;
  b->fenced_at = store_clock();
  backend_change(b, CHANGE_WRITER_SEQ, NULL)->writer =
      (struct row_writer){.id = w->id, .epoch = epoch, .seq = seq, .lease_until = b->fenced_at + arg_i64(p, 4)};
  result_i64(*ret, b->fenced_at);
  b->told = store.told;
  b->told_usage = store.told_usage;
  result_i64(*ret, b->told);
  result_i64(*ret, b->told_usage);
  return true;
}

static bool look(struct backend *b, const struct db_params *p, struct db_result **ret) {
  struct row_writer *w = store_writer((int32_t)arg_i64(p, 1));
  *ret = result_create(2);
  if (!w) return true;
  if (!backend_lock(b, &w->lock)) return false;
  result_i64(*ret, w->epoch);
  result_i64(*ret, w->seq);
  return true;
}

static bool lease_end(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)ret;
  struct row_writer *w = store_writer((int32_t)arg_i64(p, 1));
  if (!w) return true;
  if (!backend_lock(b, &w->lock)) return false;
  if (w->epoch != arg_i64(p, 2)) return true;
  backend_change(b, CHANGE_WRITER_LEASE, NULL)->writer = (struct row_writer){.id = w->id, .lease_until = store_clock()};
  return true;
}

struct held_row {
  struct row_customer *customer;
  struct row_hold *hold;
};
typedef vec(struct held_row) held_rows;

static void holds_of(int32_t writer, held_rows *ret) {
  for (size_t i = 0; i < store.customers.count; i++) {
    struct row_customer *c = store.customers.at[i];
    for (size_t k = 0; k < c->holds.count; k++)
      if (c->holds.at[k]->writer == writer) *vec_add(ret) = (struct held_row){c, c->holds.at[k]};
  }
}

static bool take_over(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)ret;
  int32_t before = (int32_t)arg_i64(p, 3);
  held_rows rows = {0};
  holds_of(before, &rows);
  bool ok = true;
  for (size_t i = 0; ok && i < rows.count; i++) {
    struct row_hold *h = rows.at[i].hold;
    ok = backend_lock(b, &h->lock);
    if (!ok || store_hold(rows.at[i].customer, h->call) != h || h->writer != before) continue;
    struct change *c = backend_change(b, CHANGE_HOLD_WRITER, rows.at[i].customer);
    c->hold = (struct row_hold){.call = h->call, .writer = (int32_t)arg_i64(p, 1), .epoch = arg_i64(p, 2)};
  }
  vec_finish(&rows);
  return ok;
}

// ---- the sweeper

static bool has_holds(const struct row_writer *w) {
  held_rows rows = {0};
  holds_of(w->id, &rows);
  bool any = false;
  for (size_t i = 0; i < rows.count; i++) any |= rows.at[i].hold->epoch == w->epoch;
  vec_finish(&rows);
  return any;
}

static bool fence_dead(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)ret;
  if (store.started_at + arg_i64(p, 1) >= store_clock()) return true;
  vec(struct row_writer *) dead = {0};
  for (size_t i = 0; i < store.writers.count; i++)
    if (store.writers.at[i]->lease_until < store_clock() && has_holds(store.writers.at[i])) *vec_add(&dead) = store.writers.at[i];
  bool ok = true;
  for (size_t i = 0; ok && i < dead.count; i++) {
    ok = backend_lock(b, &dead.at[i]->lock);
    if (ok && dead.at[i]->lease_until < store_clock())
      backend_change(b, CHANGE_WRITER_EPOCH, NULL)->writer = (struct row_writer){.id = dead.at[i]->id};
  }
  vec_finish(&dead);
  return ok;
}

static bool setting(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)b, (void)p, (void)ret;
  return true;
}

#define ORPHANS_MAX 500
static bool orphans(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)b, (void)p;
  *ret = result_create(3);
  size_t count = 0;
  for (size_t i = 0; i < store.customers.count; i++) {
    const struct row_customer *c = store.customers.at[i];
    for (size_t k = 0; k < c->holds.count && count < ORPHANS_MAX; k++) {
      const struct row_hold *h = c->holds.at[k];
      const struct row_writer *w = store_writer(h->writer);
      bool dead = w && h->epoch < w->epoch, over = h->expires_at != 0 && h->expires_at <= store_clock();
      if (!dead && !over) continue;
      result_uuid(*ret, c->id);
      result_uuid(*ret, h->call);
      result_i64(*ret, over ? 0 : h->writer);
      count++;
    }
  }
  return true;
}

static bool expired_grants(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)b, (void)p;
  *ret = result_create(2);
  for (size_t i = 0; i < store.customers.count; i++) {
    const struct row_customer *c = store.customers.at[i];
    for (size_t k = 0; c->balance > c->held && k < c->grants.count; k++) {
      const struct row_grant *g = &c->grants.at[k];
      if (g->left == 0 || g->expires_at == 0 || g->expires_at > store_clock()) continue;
      result_uuid(*ret, c->id);
      result_uuid(*ret, g->id);
    }
  }
  return true;
}

static bool forget(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)p, (void)ret;
  for (size_t i = 0; i < store.customers.count; i++)
    backend_change(b, CHANGE_FORGET, store.customers.at[i])->before = b->begun_at - INT64_C(7) * 24 * 3600 * 1000000;
  return true;
}

const struct sql_statement sql_writers[] = {
    {STATEMENT_LEDGER_REGISTER, register_writer},
    {STATEMENT_LEDGER_FENCE, fence},
    {STATEMENT_LEDGER_WRITER_LOOK, look},
    {STATEMENT_LEDGER_LEASE_END, lease_end},
    {STATEMENT_LEDGER_TAKE_OVER, take_over},
    {STATEMENT_LEDGER_FENCE_DEAD, fence_dead},
    {STATEMENT_LEDGER_BY_INDEX, setting},
    {STATEMENT_LEDGER_ORPHANS, orphans},
    {STATEMENT_LEDGER_EXPIRED_GRANTS, expired_grants},
    {STATEMENT_LEDGER_FORGET, forget},
    {0},
};
