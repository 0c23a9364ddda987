// Billing in the database. Each part of the row is written alone, for each comes from another event.
#include "payment/billing.h"
#include "base/fault.h"
#include "base/mem.h"
#include "db/db.h"
#include "payment/order.h"

static struct str text_or_none(const struct db_result *r, int column, struct arena *arena) {
  return db_is_null(r, 0, column) ? (struct str){0} : arena_str(arena, db_text(r, 0, column));
}

int billing_read(struct db *db, struct arena *arena, struct uuid customer, struct billing *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  if (db_run(db, STATEMENT_BILLING_READ, &p, &r) != 0) return FAULT_DB;
  *ret = (struct billing){.customer_id = customer};
  ret->email = ret->brand = ret->last4 = ret->fingerprint = STR("");
  if (db_rows(r) == 0) return 0;
  *ret = (struct billing){
      .customer_id = customer,
      .stripe_customer = text_or_none(r, 1, arena),
      .payment_method = text_or_none(r, 2, arena),
      .email = arena_str(arena, db_text(r, 0, 3)),
      .brand = arena_str(arena, db_text(r, 0, 4)),
      .last4 = arena_str(arena, db_text(r, 0, 5)),
      .fingerprint = arena_str(arena, db_text(r, 0, 6)),
      .exp_month = (int32_t)db_i64(r, 0, 7),
      .exp_year = (int32_t)db_i64(r, 0, 8),
      .past_due = db_bool(r, 0, 9),
      .disputed = db_bool(r, 0, 10),
      .updated_at = db_time(r, 0, 11),
  };
  return 0;
}

static int run(struct db *db, enum statement_id statement, const struct db_params *p) {
  return db_run(db, statement, p, NULL) == 0 ? 0 : FAULT_DB;
}

int billing_customer_put(struct db *db, struct arena *arena, struct uuid customer, struct str stripe_customer,
                         struct str *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_text(&p, stripe_customer);
  if (db_run(db, STATEMENT_BILLING_CUSTOMER_PUT, &p, &r) != 0 || db_rows(r) != 1) return FAULT_DB;
  *ret = arena_str(arena, db_text(r, 0, 0));
  return payment_object_put(db, stripe_customer, customer, UUID_NIL);
}

int billing_customers_before(struct db *db, struct uuid customer, int64_t *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  if (db_run(db, STATEMENT_BILLING_CUSTOMERS_BEFORE, &p, &r) != 0 || db_rows(r) != 1) return FAULT_DB;
  *ret = db_i64(r, 0, 0);
  return 0;
}

int billing_customer_drop(struct db *db, struct uuid customer) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  return run(db, STATEMENT_BILLING_CUSTOMER_DROP, &p);
}

int billing_card_put(struct db *db, const struct billing *card) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, card->customer_id);
  db_param_text_or_null(&p, card->payment_method);
  db_param_text(&p, card->brand);
  db_param_text(&p, card->last4);
  db_param_text(&p, card->fingerprint);
  db_param_i32(&p, card->exp_month);
  db_param_i32(&p, card->exp_year);
  return run(db, STATEMENT_BILLING_CARD_PUT, &p);
}

int billing_email_put(struct db *db, struct uuid customer, struct str email) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_text(&p, email);
  return run(db, STATEMENT_BILLING_EMAIL_PUT, &p);
}

static int run_of(struct db *db, enum statement_id statement, struct uuid customer) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  return run(db, statement, &p);
}

int billing_lock(struct db *db, struct uuid customer) {
  return run_of(db, STATEMENT_BILLING_LOCK, customer);
}

int billing_past_due_note(struct db *db, struct uuid customer) {
  int r = billing_lock(db, customer);
  return r == 0 ? run_of(db, STATEMENT_BILLING_PAST_DUE_NOTE, customer) : r;
}

int billing_disputed_put(struct db *db, struct uuid customer, bool disputed) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_bool(&p, disputed);
  return run(db, STATEMENT_BILLING_DISPUTED_PUT, &p);
}
