// Orders: what is written down, how their states move, and whose a thing at Stripe is.
#include "payment/order.h"
#include "rows.h"

static struct order make(enum order_kind kind) {
  struct order o = {.customer_id = new_id(),
                    .id = new_id(),
                    .kind = kind,
                    .product_id = kind == ORDER_PURCHASE ? new_id() : UUID_NIL,
                    .currency = STR("usd"),
                    .price = kind == ORDER_SETUP ? 0 : 2000,
                    .credits = kind == ORDER_SETUP ? 0 : 20 * AMOUNT_ONE,
                    .bonus = kind == ORDER_SETUP ? 0 : AMOUNT_ONE,
                    .expires_after_days = kind == ORDER_SETUP ? 0 : 365,
                    .livemode = true};
  assert_int_equal(payment_order_create(db, &o), 0);
  return o;
}

static struct order again(const struct order *o) {
  struct order now;
  assert_int_equal(payment_order_read(db, &arena, o->customer_id, o->id, &now), ORDER_DONE);
  return now;
}

static void an_order_is_read_as_it_was_made(void **state) {
  (void)state;
  struct order o = make(ORDER_PURCHASE), now = again(&o);
  assert_true(uuid_eq(now.customer_id, o.customer_id) && uuid_eq(now.id, o.id) &&
              uuid_eq(now.product_id, o.product_id));
  assert_int_equal(now.kind, ORDER_PURCHASE);
  assert_int_equal(now.state, ORDER_OPEN);
  assert_true(str_eq(now.currency, STR("usd")));
  assert_true(now.price == 2000 && now.credits == 20 * AMOUNT_ONE && now.bonus == AMOUNT_ONE);
  assert_true(now.expires_after_days == 365 && now.bonus_expires_after_days == 0 && now.livemode && now.attempt == 1);
  assert_true(now.request.len == 0 && !now.stripe_id.ptr && !now.url.ptr && now.problem.len == 0);
  assert_true(now.paid_at == 0 && now.url_expires_at == 0 && now.created_at > 0);
}

static void an_order_is_its_customers(void **state) {
  (void)state;
  struct order o = make(ORDER_PURCHASE), other;
  assert_int_equal(payment_order_read(db, &arena, new_id(), o.id, &other), ORDER_UNKNOWN);
  assert_int_equal(payment_order_raise(db, new_id(), o.id, ORDER_PAID, STR("")), ORDER_UNKNOWN);
  assert_int_equal(again(&o).state, ORDER_OPEN);
}

static int rank(enum order_state s) {
  return s == ORDER_PAID ? 4 : s >= ORDER_FAILED ? 3 : (int)s;
}

static void a_state_moves_up_in_rank_and_no_other_way(void **state) {
  (void)state;
  for (enum order_state from = ORDER_OPEN; from <= ORDER_PAID; from++)
    for (enum order_state to = ORDER_OPEN; to <= ORDER_PAID; to++) {
      struct order o = make(ORDER_PURCHASE);
      if (from != ORDER_OPEN)
        assert_int_equal(payment_order_raise(db, o.customer_id, o.id, from, STR("was")), ORDER_DONE);
      bool up = rank(to) > rank(from);
      assert_int_equal(payment_order_raise(db, o.customer_id, o.id, to, STR("is")), up ? ORDER_DONE : ORDER_STAYS);
      struct order now = again(&o);
      assert_int_equal(now.state, up ? to : from);
      assert_true(str_eq(now.problem, up ? STR("is") : from == ORDER_OPEN ? STR("") : STR("was")));
      assert_int_equal(now.paid_at > 0, now.state == ORDER_PAID);
    }
}

static void what_was_paid_stays_paid_since_the_first_time(void **state) {
  (void)state;
  struct order o = make(ORDER_TOP_UP);
  assert_int_equal(payment_order_raise(db, o.customer_id, o.id, ORDER_PAID, STR("")), ORDER_DONE);
  int64_t at = again(&o).paid_at;
  assert_int_equal(payment_order_raise(db, o.customer_id, o.id, ORDER_PAID, STR("")), ORDER_STAYS);
  assert_true(again(&o).paid_at == at);
}

static void a_form_is_frozen_once(void **state) {
  (void)state;
  struct order o = make(ORDER_PURCHASE);
  struct str form;
  assert_int_equal(payment_order_freeze(db, &arena, o.customer_id, o.id, STR("a=1&b=%20"), &form), ORDER_DONE);
  assert_true(str_eq(form, STR("a=1&b=%20")));
  assert_int_equal(payment_order_freeze(db, &arena, o.customer_id, o.id, STR("a=2"), &form), ORDER_DONE);
  assert_true(str_eq(form, STR("a=1&b=%20")) && str_eq(again(&o).request, form));
  assert_int_equal(payment_order_freeze(db, &arena, o.customer_id, new_id(), STR("a=2"), &form), ORDER_UNKNOWN);
}

static void what_stripe_made_of_it_is_found_again(void **state) {
  (void)state;
  struct order o = make(ORDER_PURCHASE);
  struct uuid customer, order;
  assert_int_equal(payment_object_find(db, STR("cs_1"), &customer, &order), ORDER_UNKNOWN);
  assert_int_equal(payment_order_link(db, o.customer_id, o.id, STR("cs_1"), STR("https://pay"), 1793700000000000),
                   ORDER_DONE);
  struct order now = again(&o);
  assert_true(str_eq(now.stripe_id, STR("cs_1")) && str_eq(now.url, STR("https://pay")) &&
              now.url_expires_at == 1793700000000000);
  assert_int_equal(payment_object_find(db, STR("cs_1"), &customer, &order), ORDER_DONE);
  assert_true(uuid_eq(customer, o.customer_id) && uuid_eq(order, o.id));
  assert_int_equal(payment_order_link(db, o.customer_id, new_id(), STR("cs_2"), (struct str){0}, 0), ORDER_UNKNOWN);
}

static void the_first_to_say_whose_it_is_is_right(void **state) {
  (void)state;
  struct uuid a = new_id(), b = new_id(), customer, order;
  assert_int_equal(payment_object_put(db, STR("pi_1"), a, UUID_NIL), 0);
  assert_int_equal(payment_object_put(db, STR("pi_1"), b, new_id()), 0);
  assert_int_equal(payment_object_find(db, STR("pi_1"), &customer, &order), ORDER_DONE);
  assert_true(uuid_eq(customer, a) && uuid_is_nil(order));
}

static void a_customers_orders_are_listed_newest_first_in_pages(void **state) {
  (void)state;
  struct order made[5], *page;
  size_t count;
  struct uuid customer = new_id();
  for (size_t i = 0; i < 5; i++) {
    made[i] = (struct order){.customer_id = customer, .id = new_id(), .kind = ORDER_SETUP, .currency = STR("eur")};
    assert_int_equal(payment_order_create(db, &made[i]), 0);
  }
  (void)make(ORDER_PURCHASE); // somebody else's
  assert_int_equal(payment_order_list(db, &arena, customer, UUID_NIL, 3, &page, &count), 0);
  assert_int_equal(count, 3);
  assert_true(uuid_eq(page[0].id, made[4].id) && uuid_eq(page[2].id, made[2].id));
  assert_int_equal(payment_order_list(db, &arena, customer, page[2].id, 3, &page, &count), 0);
  assert_int_equal(count, 2);
  assert_true(uuid_eq(page[1].id, made[0].id));
}

static void open_orders_are_counted_from_a_time_on(void **state) {
  (void)state;
  struct uuid customer = new_id();
  int64_t before = clock_wall_us() - 3600 * INT64_C(1000000);
  size_t count;
  for (int i = 0; i < 4; i++) {
    struct order o = {.customer_id = customer,
                      .id = i == 0 ? uuid_floor(before - 1000000) : new_id(),
                      .kind = ORDER_SETUP,
                      .currency = STR("eur")};
    assert_int_equal(payment_order_create(db, &o), 0);
    if (i == 3) assert_int_equal(payment_order_raise(db, customer, o.id, ORDER_EXPIRED, STR("")), ORDER_DONE);
  }
  assert_int_equal(payment_order_open_count(db, customer, before, 10, &count), 0);
  assert_int_equal(count, 2);
  assert_int_equal(payment_order_open_count(db, customer, before - 2000000, 10, &count), 0);
  assert_int_equal(count, 3);
  assert_int_equal(payment_order_open_count(db, customer, 0, 1, &count), 0);
  assert_int_equal(count, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_order_is_read_as_it_was_made),
      cmocka_unit_test(an_order_is_its_customers),
      cmocka_unit_test(a_state_moves_up_in_rank_and_no_other_way),
      cmocka_unit_test(what_was_paid_stays_paid_since_the_first_time),
      cmocka_unit_test(a_form_is_frozen_once),
      cmocka_unit_test(what_stripe_made_of_it_is_found_again),
      cmocka_unit_test(the_first_to_say_whose_it_is_is_right),
      cmocka_unit_test(open_orders_are_counted_from_a_time_on),
      cmocka_unit_test(a_customers_orders_are_listed_newest_first_in_pages),
  };
  return cmocka_run_group_tests(tests, rows_open, rows_close);
}
