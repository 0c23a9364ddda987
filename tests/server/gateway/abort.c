// What is charged where the client leaves: each policy over what was generated and what was taken.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/call.h"

enum { INPUT, OUTPUT, REASONING, SEARCHES };
static const struct tollgate_meter meters[] = {
    [INPUT] = {"input_tokens", NULL, TOLLGATE_TOTAL_INPUT},
    [OUTPUT] = {"output_tokens", NULL, TOLLGATE_TOTAL_OUTPUT},
    [REASONING] = {"reasoning_tokens", "output_tokens", TOLLGATE_TOTAL_OUTPUT},
    [SEARCHES] = {"searches", NULL, TOLLGATE_TOTAL_NONE},
};
static const struct tollgate_plugin plugin = {.name = "test", .meters = meters, .meter_count = ARRAY_LEN(meters)};

static struct tollgate_usage generated(void) {
  return (struct tollgate_usage){
      .size = sizeof(struct tollgate_usage), .count = 4, .counts = {{INPUT, 100}, {OUTPUT, 31}, {REASONING, 9}, {SEARCHES, 2}}};
}

static int64_t quantity(const struct tollgate_usage *u, uint32_t meter) {
  for (uint32_t i = 0; i < u->count; i++)
    if (u->counts[i].meter == meter) return u->counts[i].quantity;
  return 0;
}

static void generated_charges_all_that_came(void **state) {
  (void)state;
  struct tollgate_usage u = generated();
  abort_usage(ABORT_GENERATED, &plugin, &u, 0, 1000);
  assert_int_equal(u.count, 4);
  assert_int_equal(quantity(&u, OUTPUT), 31);
}

static void delivered_charges_the_output_in_proportion_rounded_down(void **state) {
  (void)state;
  struct tollgate_usage u = generated();
  abort_usage(ABORT_DELIVERED, &plugin, &u, 500, 1000);
  assert_int_equal(quantity(&u, INPUT), 100);
  assert_int_equal(quantity(&u, OUTPUT), 15);
  assert_int_equal(quantity(&u, REASONING), 4);
  assert_int_equal(quantity(&u, SEARCHES), 2);
}

static void what_was_taken_whole_is_charged_whole_and_what_was_not_taken_is_not(void **state) {
  (void)state;
  struct tollgate_usage all = generated(), none = generated(), nothing_written = generated();
  abort_usage(ABORT_DELIVERED, &plugin, &all, 1000, 1000);
  assert_int_equal(quantity(&all, OUTPUT), 31);
  abort_usage(ABORT_DELIVERED, &plugin, &none, 0, 1000);
  assert_int_equal(quantity(&none, OUTPUT), 0);
  assert_int_equal(quantity(&none, INPUT), 100);
  abort_usage(ABORT_DELIVERED, &plugin, &nothing_written, 0, 0);
  assert_int_equal(quantity(&nothing_written, OUTPUT), 0);
}

static void input_charges_no_output(void **state) {
  (void)state;
  struct tollgate_usage u = generated();
  abort_usage(ABORT_INPUT, &plugin, &u, 1000, 1000);
  assert_int_equal(u.count, 2);
  assert_int_equal(quantity(&u, INPUT), 100);
  assert_int_equal(quantity(&u, SEARCHES), 2);
}

static void before_the_first_token_nothing_is_charged_and_after_it_all(void **state) {
  (void)state;
  struct tollgate_usage after = generated(), before = generated();
  abort_usage(ABORT_FIRST_TOKEN, &plugin, &after, 0, 1000);
  assert_int_equal(after.count, 4);
  before.count = 1; // input alone
  abort_usage(ABORT_FIRST_TOKEN, &plugin, &before, 0, 0);
  assert_int_equal(before.count, 0);
}

static void a_share_of_a_huge_count_does_not_overflow(void **state) {
  (void)state;
  struct tollgate_usage u = {.size = sizeof u, .count = 1, .counts = {{OUTPUT, INT64_MAX}}};
  abort_share(&plugin, &u, INT64_MAX - 1, INT64_MAX);
  assert_int_equal(quantity(&u, OUTPUT), INT64_MAX - 1);
}

// Its socket was seen to close after its stream had been ended.
static void who_leaves_after_its_answer_has_taken_what_was_written(void **state) {
  (void)state;
  struct gateway_call c = {.streaming = true, .delivered = 70};
  abort_note(&c);
  assert_int_equal(c.taken, 70);
}

int main(void) {
  const struct CMUnitTest rules[] = {
      cmocka_unit_test(generated_charges_all_that_came),
      cmocka_unit_test(delivered_charges_the_output_in_proportion_rounded_down),
      cmocka_unit_test(what_was_taken_whole_is_charged_whole_and_what_was_not_taken_is_not),
      cmocka_unit_test(input_charges_no_output),
      cmocka_unit_test(before_the_first_token_nothing_is_charged_and_after_it_all),
      cmocka_unit_test(a_share_of_a_huge_count_does_not_overflow),
      cmocka_unit_test(who_leaves_after_its_answer_has_taken_what_was_written),
  };
  return cmocka_run_group_tests(rules, NULL, NULL);
}
