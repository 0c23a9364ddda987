// A grant's days against a plain reading: each account has the credits that its movements leave it; the parts in money add
// up to what was paid at every time, are nothing where there are no credits, never off by more than one from their share
// for each span they are in pieces, and stay as they are where nothing moved.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "report/books_fold.h"
#include <stdlib.h>

static const struct {
  enum transfer_kind kind;
  enum books_account from, to;
} kinds[] = {
    {TRANSFER_CONSUME, BOOKS_LEFT, BOOKS_USED}, {TRANSFER_REPAY, BOOKS_LEFT, BOOKS_USED},  {TRANSFER_EXPIRE, BOOKS_LEFT, BOOKS_GONE},
    {TRANSFER_REVERSE, BOOKS_USED, BOOKS_LEFT}, {TRANSFER_RECALL, BOOKS_USED, BOOKS_LEFT}, {TRANSFER_REFUND, BOOKS_LEFT, BOOKS_BACK},
    {TRANSFER_FREEZE, BOOKS_LEFT, BOOKS_HELD},  {TRANSFER_RESTORE, BOOKS_BACK, BOOKS_LEFT}, {TRANSFER_THAW, BOOKS_HELD, BOOKS_LEFT},
    {TRANSFER_LOSE, BOOKS_HELD, BOOKS_BACK},    {TRANSFER_CONTEST, BOOKS_BACK, BOOKS_HELD}, {TRANSFER_UNEXPIRE, BOOKS_GONE, BOOKS_LEFT},
    {TRANSFER_RENEW, BOOKS_LEFT, BOOKS_USED},
};
_Static_assert(ARRAY_LEN(kinds) + 2 == BOOKS_KINDS, "every kind but the grant's own");

static struct books_grant g;
static struct books_delta delta;

static int finish(void **state) {
  (void)state;
  books_grant_finish(&g);
  return 0;
}

static void given(amount granted, int64_t paid) {
  books_grant_begin(&g, granted, paid);
  assert_int_equal(books_grant_day(&g, (amount[BOOKS_KINDS]){[TRANSFER_GRANT] = granted}, &delta), 0);
  assert_int_equal(delta.credits[BOOKS_GRANTED], granted);
  assert_int_equal(delta.money[BOOKS_GRANTED], paid);
}

static void day(enum transfer_kind a, amount moved, enum transfer_kind b, amount back) {
  amount m[BOOKS_KINDS] = {0};
  m[a] = moved;
  if (back) m[b] = back;
  assert_int_equal(books_grant_day(&g, m, &delta), 0);
}

static void the_parts_of_a_price_add_up_to_it(void **state) {
  (void)state;
  given(3, 100);
  int64_t parts[3];
  for (int i = 0; i < 3; i++) {
    day(TRANSFER_CONSUME, 1, 0, 0);
    parts[i] = delta.money[BOOKS_CONSUMED];
  }
  assert_int_equal(parts[0], 33);
  assert_int_equal(parts[1], 34);
  assert_int_equal(parts[2], 33);
  assert_int_equal(books_grant_money(&g, BOOKS_LEFT), 0);
}

// A million credits for one unit of money: it moves when half of them have, not at the end.
static void small_parts_are_not_put_off(void **state) {
  (void)state;
  given(1000000, 1);
  for (int i = 1; i <= 1000; i++) {
    day(TRANSFER_CONSUME, 1000, 0, 0);
    assert_int_equal(books_grant_money(&g, BOOKS_USED), i >= 500);
  }
}

static void what_comes_back_brings_what_it_took(void **state) {
  (void)state;
  given(7, 100);
  day(TRANSFER_CONSUME, 2, 0, 0);
  day(TRANSFER_FREEZE, 3, 0, 0);
  int64_t frozen = delta.money[BOOKS_FROZEN];
  day(TRANSFER_CONSUME, 1, 0, 0);
  int64_t used = books_grant_money(&g, BOOKS_USED);
  day(TRANSFER_THAW, 3, 0, 0);
  assert_int_equal(delta.money[BOOKS_WON], frozen);
  assert_int_equal(books_grant_money(&g, BOOKS_HELD), 0);
  assert_int_equal(books_grant_money(&g, BOOKS_USED), used);
  day(TRANSFER_REVERSE, 3, 0, 0);
  assert_int_equal(delta.money[BOOKS_CONSUMED], -used);
  assert_int_equal(books_grant_money(&g, BOOKS_LEFT), 100);
}

static void both_ways_on_one_day_count_both_ways(void **state) {
  (void)state;
  given(10, 1000);
  day(TRANSFER_FREEZE, 10, TRANSFER_THAW, 10);
  assert_int_equal(delta.credits[BOOKS_FROZEN], 10);
  assert_int_equal(delta.credits[BOOKS_WON], 10);
  assert_int_equal(delta.money[BOOKS_FROZEN], 1000);
  assert_int_equal(delta.money[BOOKS_WON], 1000);
  day(TRANSFER_CONSUME, 10, TRANSFER_REVERSE, 4);
  assert_int_equal(delta.credits[BOOKS_CONSUMED], 6);
  // Frozen, lost and given back again within a day.
  amount ring[BOOKS_KINDS] = {[TRANSFER_FREEZE] = 4, [TRANSFER_LOSE] = 4, [TRANSFER_RESTORE] = 4, [TRANSFER_CONSUME] = 4};
  assert_int_equal(books_grant_day(&g, ring, &delta), 0);
  assert_int_equal(delta.credits[BOOKS_FROZEN], 4);
  assert_int_equal(delta.credits[BOOKS_LOST], 4);
  assert_int_equal(delta.credits[BOOKS_REFUNDED], -4);
  assert_int_equal(books_grant_credits(&g, BOOKS_USED), 10);
}

static void what_cannot_have_happened_is_said(void **state) {
  (void)state;
  given(10, 1000);
  for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
    amount m[BOOKS_KINDS] = {0};
    m[kinds[i].kind] = kinds[i].from == BOOKS_LEFT ? 11 : 1;
    given(10, 1000);
    assert_int_equal(books_grant_day(&g, m, &delta), 1);
  }
}

// ---- at random

static void check(const amount is[BOOKS_ACCOUNTS], int64_t paid, amount granted) {
  int64_t money = 0;
  for (int a = 0; a < BOOKS_ACCOUNTS; a++) {
    int64_t part = books_grant_money(&g, (enum books_account)a);
    amount_wide exact2 = (amount_wide)paid * is[a] * 2, told2 = (amount_wide)part * granted * 2, apart = exact2 - told2;
    assert_int_equal(books_grant_credits(&g, (enum books_account)a), is[a]);
    assert_true(part >= 0 && (is[a] > 0 || part == 0));
    // Each span is off by less than one: half a unit at either end.
    assert_true((apart < 0 ? -apart : apart) <= (amount_wide)granted * 2 * (amount_wide)g.accounts[a].count);
    money += part;
  }
  assert_int_equal(money, paid);
}

static void a_day(unsigned *seed, amount is[BOOKS_ACCOUNTS], amount moved[BOOKS_KINDS]) {
  int steps = rand_r(seed) % 8;
  for (int i = 0; i < steps; i++) {
    size_t k = (size_t)rand_r(seed) % ARRAY_LEN(kinds);
    amount there = is[kinds[k].from], a = there ? (rand_r(seed) % 3 ? 1 + rand_r(seed) % there : there) : 0;
    moved[kinds[k].kind] += a;
    is[kinds[k].from] -= a;
    is[kinds[k].to] += a;
  }
}

static void days_at_random_end_as_a_plain_reading_says(void **state) {
  (void)state;
  for (unsigned world = 0; world < 3000; world++) {
    unsigned seed = world * 7919 + 1;
    amount granted = 1 + rand_r(&seed) % (world % 2 ? 20 : 100000);
    int64_t paid = rand_r(&seed) % (world % 3 ? 200 : 10000000);
    amount is[BOOKS_ACCOUNTS] = {[BOOKS_LEFT] = granted};
    given(granted, paid);
    for (int d = 0; d < 40; d++) {
      amount moved[BOOKS_KINDS] = {0};
      int64_t before[BOOKS_ACCOUNTS];
      amount was[BOOKS_ACCOUNTS];
      for (int a = 0; a < BOOKS_ACCOUNTS; a++) before[a] = books_grant_money(&g, (enum books_account)a);
      memcpy(was, is, sizeof was);
      a_day(&seed, is, moved);
      assert_int_equal(books_grant_day(&g, moved, &delta), 0);
      check(is, paid, granted);
      const amount *c = delta.credits;
      const int64_t *m = delta.money;
      assert_int_equal(was[BOOKS_LEFT] - c[BOOKS_CONSUMED] - c[BOOKS_EXPIRED] - c[BOOKS_REFUNDED] - c[BOOKS_FROZEN] + c[BOOKS_WON], is[BOOKS_LEFT]);
      assert_int_equal(before[BOOKS_LEFT] - m[BOOKS_CONSUMED] - m[BOOKS_EXPIRED] - m[BOOKS_REFUNDED] - m[BOOKS_FROZEN] + m[BOOKS_WON],
                       books_grant_money(&g, BOOKS_LEFT));
      assert_int_equal(before[BOOKS_HELD] + m[BOOKS_FROZEN] - m[BOOKS_WON] - m[BOOKS_LOST], books_grant_money(&g, BOOKS_HELD));
      assert_int_equal(c[BOOKS_FROZEN], moved[TRANSFER_FREEZE]);
      assert_int_equal(c[BOOKS_WON], moved[TRANSFER_THAW]);
      if (c[BOOKS_EXPIRED] == 0) assert_int_equal(m[BOOKS_EXPIRED], 0);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_parts_of_a_price_add_up_to_it),  cmocka_unit_test(small_parts_are_not_put_off),
      cmocka_unit_test(what_comes_back_brings_what_it_took), cmocka_unit_test(both_ways_on_one_day_count_both_ways),
      cmocka_unit_test(what_cannot_have_happened_is_said),  cmocka_unit_test(days_at_random_end_as_a_plain_reading_says),
  };
  return cmocka_run_group_tests(tests, NULL, finish);
}
