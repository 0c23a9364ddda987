// Rows of payments and of what is said against them.
#include "payment/payment.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "db/db.h"
#include "payment/billing.h"

// Runs a statement of which only how many rows it wrote counts.
static int affected(struct db *db, enum statement_id s, const struct db_params *p) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (db_run(db, s, p, &r) != 0) return FAULT_DB;
  return db_affected(r) > 0;
}

// What somebody has to look at.
static void problem_tell(struct str reference, struct str problem) {
  if (problem.len == 0) return;
  log_error("payment.problem", "%.*s: %.*s", STR_ARG(reference), STR_ARG(problem));
  metric_add(METRIC_PAYMENT_PROBLEMS, 1);
}

int payment_put(struct db *db, const struct payment *pay) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_text(&p, pay->reference);
  db_param_uuid(&p, pay->customer_id);
  db_param_uuid(&p, pay->id);
  db_param_uuid_or_null(&p, pay->order_id);
  db_param_uuid_or_null(&p, pay->product_id);
  db_param_i16(&p, (int16_t)pay->kind);
  db_param_i64(&p, pay->paid);
  db_param_i64(&p, pay->net);
  db_param_text(&p, pay->currency);
  db_param_i64(&p, pay->credits);
  db_param_i64(&p, pay->bonus);
  db_param_time_or_null(&p, pay->expires_at);
  db_param_time_or_null(&p, pay->bonus_expires_at);
  db_param_text(&p, pay->payment_intent);
  db_param_text(&p, pay->invoice);
  db_param_text(&p, pay->problem);
  if (db_run(db, STATEMENT_PAYMENT_INSERT, &p, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return 0;
  problem_tell(pay->reference, db_text(r, 0, 0));
  return 1;
}

static int two_texts(struct db *db, enum statement_id s, struct str a, struct str b) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_text(&p, a);
  db_param_text(&p, b);
  return affected(db, s, &p);
}

int payment_lock(struct db *db, struct str payment_intent) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_text(&p, payment_intent);
  return db_run(db, STATEMENT_PAYMENT_LOCK, &p, NULL) == 0 ? 0 : FAULT_DB;
}

// The payments of an invoice learn what paid it.
static int intent_put(struct db *db, struct str invoice, struct str payment_intent) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_text(&p, invoice);
  db_param_text(&p, payment_intent);
  if (db_run(db, STATEMENT_PAYMENT_INTENT_PUT, &p, &r) != 0) return FAULT_DB;
  for (size_t i = 0; i < db_rows(r); i++) problem_tell(payment_intent, db_text(r, i, 0));
  return 0;
}

int payment_invoice_intent(struct db *db, struct arena *arena, struct str invoice, struct str payment_intent, struct str *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_text(&p, invoice);
  db_param_text(&p, payment_intent);
  if (db_run(db, STATEMENT_PAYMENT_INVOICE_LOCK, &p, &r) != 0) return FAULT_DB;
  *ret = arena_str(arena, db_text(r, 0, 0));
  return ret->len ? intent_put(db, invoice, *ret) : 0;
}

int payment_touch(struct db *db, struct str payment_intent, struct str problem) {
  int r = two_texts(db, STATEMENT_PAYMENT_TOUCH, payment_intent, problem);
  if (r > 0) problem_tell(payment_intent, problem);
  if (r == 0 && problem.len > 0) r = two_texts(db, STATEMENT_PAYMENT_REMEMBER, payment_intent, problem);
  return r < 0 ? r : 0;
}

static struct payment row_read(const struct db_result *r, size_t row, struct arena *arena) {
  return (struct payment){
      .reference = arena_str(arena, db_text(r, row, 0)),
      .customer_id = db_uuid(r, row, 1),
      .id = db_uuid(r, row, 2),
      .order_id = db_uuid(r, row, 3),
      .product_id = db_uuid(r, row, 4),
      .kind = (enum payment_kind)db_i64(r, row, 5),
      .paid = db_i64(r, row, 6),
      .net = db_i64(r, row, 7),
      .currency = arena_str(arena, db_text(r, row, 8)),
      .credits = db_i64(r, row, 9),
      .bonus = db_i64(r, row, 10),
      .expires_at = db_is_null(r, row, 11) ? 0 : db_time(r, row, 11),
      .bonus_expires_at = db_is_null(r, row, 12) ? 0 : db_time(r, row, 12),
      .payment_intent = arena_str(arena, db_text(r, row, 13)),
      .invoice = arena_str(arena, db_text(r, row, 14)),
      .problem = arena_str(arena, db_text(r, row, 15)),
      .refunded = db_i64(r, row, 16),
      .pending = db_bool(r, row, 17),
      .disputed = db_bool(r, row, 18),
      .created_at = db_time(r, row, 19),
  };
}

static int rows_read(struct db *db, struct arena *arena, enum statement_id s, const struct db_params *p, struct payment **ret, size_t *ret_count) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (db_run(db, s, p, &r) != 0) return FAULT_DB;
  *ret_count = db_rows(r);
  *ret = arena_alloc(arena, (*ret_count + 1) * sizeof **ret);
  for (size_t i = 0; i < *ret_count; i++) (*ret)[i] = row_read(r, i, arena);
  return 0;
}

int payment_list(struct db *db, struct arena *arena, struct uuid customer, struct uuid before, size_t max, struct payment **ret,
                 size_t *ret_count) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  if (!uuid_is_nil(customer)) db_param_uuid(&p, customer);
  db_param_uuid_or_null(&p, before);
  db_param_i64(&p, (int64_t)max);
  return rows_read(db, arena, uuid_is_nil(customer) ? STATEMENT_PAYMENT_LIST_PROBLEMS : STATEMENT_PAYMENT_LIST, &p, ret, ret_count);
}

static struct db_params key_of(struct uuid customer, struct uuid id) {
  struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_uuid(&p, id);
  return p;
}

int payment_read(struct db *db, struct arena *arena, struct uuid customer, struct uuid id, struct payment *ret) {
  CLEANUP(db_params_finish) struct db_params p = key_of(customer, id);
  struct payment *found = NULL;
  size_t count = 0;
  if (rows_read(db, arena, STATEMENT_PAYMENT_READ, &p, &found, &count) != 0) return FAULT_DB;
  if (count == 1) *ret = *found;
  return count == 1 ? 0 : 1;
}

int payment_seen(struct db *db, struct uuid customer, struct uuid id) {
  CLEANUP(db_params_finish) struct db_params p = key_of(customer, id);
  int r = affected(db, STATEMENT_PAYMENT_SEEN, &p);
  return r < 0 ? r : !r;
}

static int facts_read(struct db *db, struct payment *pay, struct target_facts *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_text(&p, pay->payment_intent);
  if (db_run(db, STATEMENT_PAYMENT_FACTS, &p, &r) != 0) return FAULT_DB;
  *ret = (struct target_facts){.paid = pay->paid, .out = db_i64(r, 0, 0), .back = db_i64(r, 0, 1), .charged = db_i64(r, 0, 2),
                               .lost = db_i64(r, 0, 3), .disputed = db_i64(r, 0, 4)};
  return 0;
}

int payment_take(struct db *db, struct arena *arena, int64_t after, struct payment *ret, struct target_facts *ret_facts) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_time(&p, after);
  if (db_run(db, STATEMENT_PAYMENT_TAKE, &p, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return 0;
  *ret = row_read(r, 0, arena);
  *ret_facts = (struct target_facts){.paid = ret->paid};
  if (ret->payment_intent.len == 0) return 1;
  return facts_read(db, ret, ret_facts) == 0 ? 1 : FAULT_DB;
}

int payment_told(struct db *db, struct str reference, int64_t refunded, bool disputed, struct str problem) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_text(&p, reference);
  db_param_i64(&p, refunded);
  db_param_bool(&p, disputed);
  db_param_text(&p, problem);
  return affected(db, STATEMENT_PAYMENT_TOLD, &p) < 0 ? FAULT_DB : 0;
}

// ---- charges

int payment_charge_put(struct db *db, struct str charge, struct str payment_intent, int64_t refunded) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_text(&p, charge);
  db_param_text(&p, payment_intent);
  db_param_i64(&p, refunded);
  int moved = affected(db, STATEMENT_PAYMENT_CHARGE_PUT, &p);
  int refunds = moved < 0 ? moved : two_texts(db, STATEMENT_PAYMENT_CHARGE_REFUNDS, charge, payment_intent);
  int disputes = refunds < 0 ? refunds : two_texts(db, STATEMENT_PAYMENT_CHARGE_DISPUTES, charge, payment_intent);
  return disputes < 0 ? FAULT_DB : moved || refunds || disputes;
}

int payment_charge_find(struct db *db, struct arena *arena, struct str charge, struct str *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_text(&p, charge);
  if (db_run(db, STATEMENT_PAYMENT_CHARGE_FIND, &p, &r) != 0) return FAULT_DB;
  *ret = db_rows(r) ? arena_str(arena, db_text(r, 0, 0)) : STR("");
  return 0;
}

// ---- refunds and disputes

int payment_refund_put(struct db *db, const struct refund *refund) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_text(&p, refund->id);
  db_param_text(&p, refund->payment);
  db_param_i64(&p, refund->amount);
  db_param_text(&p, refund->currency);
  db_param_bool(&p, refund->back);
  db_param_text(&p, refund->status);
  return affected(db, STATEMENT_PAYMENT_REFUND_PUT, &p);
}

static int dispute_lock(struct db *db, struct str id, int *ret_state, bool *ret_open) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_text(&p, id);
  if (db_run(db, STATEMENT_PAYMENT_DISPUTE_LOCK, &p, &r) != 0) return FAULT_DB;
  *ret_state = db_rows(r) ? (int)db_i64(r, 0, 0) : 0;
  *ret_open = db_rows(r) && db_bool(r, 0, 2);
  return 0;
}

int payment_dispute_put(struct db *db, const struct dispute *d, int *ret_state, bool *ret_was_open) {
  if (dispute_lock(db, d->id, ret_state, ret_was_open) != 0) return FAULT_DB;
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_text(&p, d->id);
  db_param_text(&p, d->payment);
  db_param_i64(&p, d->amount);
  db_param_text(&p, d->currency);
  db_param_i16(&p, (int16_t)d->state);
  db_param_bool(&p, d->lost);
  db_param_bool(&p, d->open);
  db_param_text(&p, d->status);
  return affected(db, STATEMENT_PAYMENT_DISPUTE_PUT, &p);
}

int payment_customer(struct db *db, struct str payment_intent, struct uuid *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_text(&p, payment_intent);
  *ret = UUID_NIL;
  if (db_run(db, STATEMENT_PAYMENT_CUSTOMER, &p, &r) != 0) return FAULT_DB;
  if (db_rows(r)) *ret = db_uuid(r, 0, 0);
  return 0;
}

int payment_disputes_note(struct db *db, struct uuid customer) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  if (billing_lock(db, customer) != 0) return FAULT_DB;
  if (db_run(db, STATEMENT_PAYMENT_OPEN_DISPUTES, &p, &r) != 0) return FAULT_DB;
  return billing_disputed_put(db, customer, db_bool(r, 0, 0));
}

// ---- what is said against one

static struct db_result *against(struct db *db, enum statement_id s, struct str payment_intent) {
  CLEANUP(db_params_finish) struct db_params p;
  struct db_result *r = NULL;
  db_params_init(&p);
  db_param_text(&p, payment_intent);
  if (db_run(db, s, &p, &r) == 0) return r;
  db_result_finish(r);
  return NULL;
}

int payment_refund_list(struct db *db, struct arena *arena, struct str payment_intent, struct refund **ret, size_t *ret_count) {
  CLEANUP(db_result_finishp) struct db_result *r = against(db, STATEMENT_PAYMENT_REFUND_LIST, payment_intent);
  if (!r) return FAULT_DB;
  *ret_count = db_rows(r);
  *ret = arena_alloc(arena, (*ret_count + 1) * sizeof **ret);
  for (size_t i = 0; i < *ret_count; i++)
    (*ret)[i] = (struct refund){.id = arena_str(arena, db_text(r, i, 0)), .amount = db_i64(r, i, 1), .currency = arena_str(arena, db_text(r, i, 2)),
                                .back = db_bool(r, i, 3), .status = arena_str(arena, db_text(r, i, 4)), .created_at = db_time(r, i, 5)};
  return 0;
}

int payment_dispute_list(struct db *db, struct arena *arena, struct str payment_intent, struct dispute **ret, size_t *ret_count) {
  CLEANUP(db_result_finishp) struct db_result *r = against(db, STATEMENT_PAYMENT_DISPUTE_LIST, payment_intent);
  if (!r) return FAULT_DB;
  *ret_count = db_rows(r);
  *ret = arena_alloc(arena, (*ret_count + 1) * sizeof **ret);
  for (size_t i = 0; i < *ret_count; i++)
    (*ret)[i] = (struct dispute){.id = arena_str(arena, db_text(r, i, 0)), .amount = db_i64(r, i, 1), .currency = arena_str(arena, db_text(r, i, 2)),
                                 .state = (int)db_i64(r, i, 3), .lost = db_bool(r, i, 4), .open = db_bool(r, i, 5),
                                 .status = arena_str(arena, db_text(r, i, 6)), .created_at = db_time(r, i, 7)};
  return 0;
}
