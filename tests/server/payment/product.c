// Products: made, changed, archived and found.
#include "payment/product.h"
#include "rows.h"

static struct product pack(const char *stripe_price) {
  return (struct product){.id = new_id(),
                          .kind = PRODUCT_PACK,
                          .name = STR("Twenty"),
                          .description = STR(""),
                          .currency = STR("usd"),
                          .price = 2000,
                          .credits = 20 * AMOUNT_ONE,
                          .rollover = PRODUCT_ENDS,
                          .stripe_price = str_from(stripe_price),
                          .enabled = true};
}

static int create(const struct product *p) {
  assert_int_equal(db_begin(db), 0);
  int r = product_create(db, p);
  if (r == PRODUCT_DONE) return db_commit(db);
  db_rollback(db);
  return r;
}

static int update(unsigned members, const struct product *p) {
  assert_int_equal(db_begin(db), 0);
  int r = product_update(db, members, p);
  if (r == PRODUCT_DONE) return db_commit(db);
  db_rollback(db);
  return r;
}

static struct product again(struct uuid id) {
  struct product now;
  assert_int_equal(product_read(db, &arena, id, &now), PRODUCT_DONE);
  return now;
}

static void a_product_is_read_as_it_was_made(void **state) {
  (void)state;
  struct product p = pack(NULL), plan = p;
  plan.id = new_id();
  plan.kind = PRODUCT_PLAN;
  plan.period = PRODUCT_YEAR;
  plan.rollover = PRODUCT_ONE_MORE;
  plan.trial_credits = true;
  plan.bonus = 1;
  plan.bonus_expires_after_days = 30;
  plan.tax_code = STR("txcd_10000000");
  assert_int_equal(create(&p), PRODUCT_DONE);
  assert_int_equal(create(&plan), PRODUCT_DONE);
  struct product a = again(p.id), b = again(plan.id);
  assert_true(a.kind == PRODUCT_PACK && str_eq(a.name, STR("Twenty")) && a.price == 2000 &&
              a.credits == 20 * AMOUNT_ONE);
  assert_true(a.period == 0 && !a.stripe_price.ptr && !a.tax_code.ptr && a.expires_after_days == 0 && a.enabled);
  assert_true(b.kind == PRODUCT_PLAN && b.period == PRODUCT_YEAR && b.rollover == PRODUCT_ONE_MORE && b.trial_credits);
  assert_true(b.bonus == 1 && b.bonus_expires_after_days == 30 && str_eq(b.tax_code, STR("txcd_10000000")));
  struct product none;
  assert_int_equal(product_read(db, &arena, new_id(), &none), PRODUCT_UNKNOWN);
}

static void only_what_is_named_is_changed(void **state) {
  (void)state;
  struct product p = pack(NULL), to = pack(NULL);
  p.expires_after_days = 365;
  assert_int_equal(create(&p), PRODUCT_DONE);
  to.id = p.id;
  to.name = STR("other");
  to.price = 1;
  to.enabled = false;
  assert_int_equal(update(PRODUCT_ENABLED, &to), PRODUCT_DONE);
  struct product now = again(p.id);
  assert_true(!now.enabled && str_eq(now.name, STR("Twenty")) && now.price == 2000 && now.expires_after_days == 365);
  assert_int_equal(update(PRODUCT_NAME | PRODUCT_PRICE | PRODUCT_EXPIRES, &to), PRODUCT_DONE);
  now = again(p.id);
  assert_true(!now.enabled && str_eq(now.name, STR("other")) && now.price == 1 && now.expires_after_days == 0);
  to.id = new_id();
  assert_int_equal(update(PRODUCT_NAME, &to), PRODUCT_UNKNOWN);
}

static void a_price_at_stripe_is_of_one_product(void **state) {
  (void)state;
  struct product a = pack("price_1"), b = pack("price_1"), c = pack(NULL), found;
  assert_int_equal(create(&a), PRODUCT_DONE);
  assert_int_equal(create(&b), PRODUCT_PRICE_TAKEN);
  assert_int_equal(create(&c), PRODUCT_DONE);
  c.stripe_price = STR("price_1");
  assert_int_equal(update(PRODUCT_STRIPE_PRICE, &c), PRODUCT_PRICE_TAKEN);
  assert_int_equal(update(PRODUCT_STRIPE_PRICE, &a), PRODUCT_DONE); // its own
  assert_int_equal(product_by_price(db, &arena, STR("price_1"), &found), PRODUCT_DONE);
  assert_true(uuid_eq(found.id, a.id));
  a.stripe_price = (struct str){0};
  assert_int_equal(update(PRODUCT_STRIPE_PRICE, &a), PRODUCT_DONE);
  assert_int_equal(product_by_price(db, &arena, STR("price_1"), &found), PRODUCT_UNKNOWN);
  assert_int_equal(update(PRODUCT_STRIPE_PRICE, &c), PRODUCT_DONE);
}

static void what_is_archived_is_listed_where_it_is_asked_for(void **state) {
  (void)state;
  struct product a = pack(NULL), b = pack(NULL), *list;
  size_t count;
  b.enabled = false;
  assert_int_equal(create(&a), PRODUCT_DONE);
  assert_int_equal(create(&b), PRODUCT_DONE);
  assert_int_equal(product_list(db, &arena, false, UUID_NIL, 1, &list, &count), 0);
  assert_true(count == 1 && uuid_eq(list[0].id, b.id));
  assert_int_equal(product_list(db, &arena, true, UUID_NIL, 1, &list, &count), 0);
  assert_true(count == 1 && uuid_eq(list[0].id, a.id));
  assert_int_equal(product_list(db, &arena, false, b.id, 1, &list, &count), 0);
  assert_true(count == 1 && uuid_eq(list[0].id, a.id));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_product_is_read_as_it_was_made),
      cmocka_unit_test(only_what_is_named_is_changed),
      cmocka_unit_test(a_price_at_stripe_is_of_one_product),
      cmocka_unit_test(what_is_archived_is_listed_where_it_is_asked_for),
  };
  return cmocka_run_group_tests(tests, rows_open, rows_close);
}
