// The order is a purchase like any other; only that its page is told instead of answered.
#include "payment/top_up_link.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/db.h"
#include "payment/checkout.h"
#include "payment/top_up.h"

#define ARENA_MAX (4 * 1024 * 1024)

static int order_make(struct db *db, const struct order *o) {
  if (db_begin(db) != 0) return FAULT_DB;
  if (payment_order_create(db, o) >= 0 && db_commit(db) == 0) return 0;
  db_rollback(db);
  return FAULT_DB;
}

static int tell(struct db *db, struct uuid customer, struct str url) {
  if (db_begin(db) != 0) return FAULT_DB;
  if (top_up_link(db, customer, url) == 0 && db_commit(db) == 0) return 0;
  db_rollback(db);
  return FAULT_DB;
}

static int link(struct db *db, struct stripe *stripe, struct arena *arena, struct uuid customer) {
  struct top_up t;
  struct product pack;
  struct order o;
  struct checkout_said said = {0};
  int r = top_up_read(db, arena, customer, &t);
  if (r == TOP_UP_DONE) r = product_read(db, arena, t.product_id, &pack);
  if (r != 0) return r < 0 ? r : 0;
  struct checkout_wish wish = {.mode = CHECKOUT_PAYMENT, .product = &pack, .success_url = t.return_url, .quantity = 1, .save_payment_method = true};
  if (!checkout_order(&wish, customer, uuid_local(clock_wall_us()), stripe_is_live(stripe), &o)) return 0;
  if (order_make(db, &o) != 0) return FAULT_DB;
  r = checkout_run(db, arena, stripe, &wish, &o, &said);
  if (r == CHECKOUT_DONE && o.url.len > 0) return tell(db, customer, o.url);
  if (r > 0) log_warn("top_up.no_link", "a page for a customer that has to act could not be made: %.*s", STR_ARG(said.message));
  return r < 0 ? r : 0;
}

int top_up_links(struct db *db, struct stripe *stripe) {
  CLEANUP(db_result_finishp) struct db_result *rows = NULL;
  if (db_run(db, STATEMENT_TOP_UP_LINKLESS, NULL, &rows) != 0) return FAULT_DB;
  int r = 0;
  for (size_t i = 0; r >= 0 && i < db_rows(rows); i++) {
    struct arena arena;
    arena_init(&arena, ARENA_MAX);
    r = link(db, stripe, &arena, db_uuid(rows, i, 0));
    arena_finish(&arena);
  }
  return r < 0 ? r : (int)db_rows(rows);
}
