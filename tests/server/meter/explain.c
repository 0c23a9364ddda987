// The explanation of calls that the real ledger has written: found by id alone, its arithmetic done again, who paid.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../books.h"
#include "meter/explain.h"

static struct explanation explain(struct uuid call) {
  struct explanation e;
  assert_int_equal(explain_call(db, &arena, plugins, UUID_NIL, call, &e), 0);
  return e;
}

static void a_call_is_explained_by_its_id_alone(void **state) {
  (void)state;
  struct uuid of = customer("UTC"), key = uuid_v7(clock_wall_us());
  struct uuid first = grant(of, 1000, 1), second = grant(of, 1000000, 2);
  struct explanation e = explain(called(of, key));
  assert_true(uuid_eq(e.customer, of) && uuid_eq(e.key, key) && uuid_eq(e.price.id, chat));
  assert_int_equal(e.state, CALL_SETTLED);
  assert_true(e.adds_up);
  assert_int_equal(e.line_count, 2);
  assert_int_equal(e.lines[0].charge + e.lines[1].charge, e.charge);
  assert_int_equal(e.lines[0].cost + e.lines[1].cost, e.cost);
  assert_int_equal(e.part_count, 2);
  assert_true(uuid_eq(e.parts[0].grant, first) && uuid_eq(e.parts[1].grant, second));
  assert_int_equal(e.parts[0].amount, 1000);
  assert_int_equal(e.parts[1].amount, 650);
  assert_true(str_eq(e.raw_usage, STR("{\"prompt_tokens\":3}")));
  assert_true(str_eq(e.hold, STR("{\"endpoint\":\"/v1/x\"}")));
  struct explanation other;
  assert_int_equal(explain_call(db, &arena, plugins, customer("UTC"), e.id, &other), 1);
  assert_int_equal(explain_call(db, &arena, plugins, of, e.id, &other), 0);
  assert_int_equal(explain_call(db, &arena, plugins, UUID_NIL, ledger_call_id(ledger, of), &other), 1);
}

static void a_pending_call_is_found_with_what_it_holds(void **state) {
  (void)state;
  struct uuid of = customer("UTC");
  (void)grant(of, 1000000, 100);
  struct uuid call = admit(of, uuid_v7(clock_wall_us()), chat, 4711);
  struct explanation e = explain(call);
  assert_int_equal(e.state, CALL_PENDING);
  assert_int_equal(e.held, 4711);
  assert_int_equal(e.line_count, 0);
  assert_true(e.adds_up);
  settle(of, call, CALL_RELEASED, 0, 0, "{}");
  e = explain(call);
  assert_int_equal(e.state, CALL_RELEASED);
  assert_int_equal(e.held, 0);
}

static void an_undone_call_says_so_and_nobody_paid(void **state) {
  (void)state;
  struct uuid of = customer("UTC");
  (void)grant(of, 1000000, 100);
  struct uuid call = called(of, uuid_v7(clock_wall_us()));
  undo(of, call);
  struct explanation e = explain(call);
  assert_int_equal(e.state, CALL_VOIDED);
  assert_int_equal(e.charge, 0);
  assert_int_equal(e.part_count, 0);
  assert_int_equal(e.revision_count, 2);
  assert_int_equal(e.revisions[1].charge, -1650);
  assert_true(e.adds_up && e.line_count == 0);
}

static struct uuid rerated(struct uuid of, struct uuid call, struct uuid at_price, amount charge, amount cost) {
  struct ledger_op op = {.kind = LEDGER_RERATE, .customer = of, .id = call, .price = at_price, .charge = charge, .cost = cost,
                         .usage = STR("{\"input_tokens\":3,\"output_tokens\":2}"), .evidence = STR("{\"reason\":\"test\"}")};
  assert_int_equal(ledger_run(ledger, &op), LEDGER_DONE);
  return call;
}

static void a_call_that_was_priced_again_adds_up_by_its_last_price(void **state) {
  (void)state;
  struct uuid of = customer("UTC");
  (void)grant(of, 1000000, 100);
  struct uuid dearer = price("chat-dearer", 300000000, 1200000000);
  struct explanation e = explain(rerated(of, called(of, uuid_v7(clock_wall_us())), dearer, 3300, 1650));
  assert_int_equal(e.state, CALL_SETTLED);
  assert_true(e.adds_up && e.flags & CALL_RERATED);
  assert_int_equal(e.charge, 3300);
  assert_int_equal(e.line_count, 2);
  assert_int_equal(e.lines[0].quantity, 3);
  assert_true(uuid_eq(e.price.id, dearer));
  assert_true(uuid_eq(e.revisions[0].price, chat) && uuid_eq(e.revisions[1].price, dearer));
  assert_int_equal(e.revisions[1].charge, 1650);
  assert_true(str_eq(e.revisions[1].usage, STR("{}")));
  e = explain(rerated(of, e.id, chat, 1650, 825));
  assert_true(e.adds_up && e.charge == 1650 && e.part_count == 1 && e.parts[0].amount == 1650);
}

// What was charged is less than what the operator paid for, and both are right.
static void the_cost_of_an_aborted_call_may_be_of_more_than_was_charged(void **state) {
  (void)state;
  struct uuid of = customer("UTC");
  (void)grant(of, 1000000, 100);
  for (int aborted = 0; aborted <= 1; aborted++) {
    struct ledger_op op = {.kind = LEDGER_SETTLE, .customer = of, .id = admit(of, uuid_v7(clock_wall_us()), chat, 5000),
                           .state = CALL_SETTLED, .flags = aborted ? CALL_ABORTED : 0, .charge = 1650, .cost = 900,
                           .usage = STR("{\"input_tokens\":3,\"output_tokens\":2}"), .evidence = STR("{}")};
    assert_int_equal(ledger_run(ledger, &op), LEDGER_DONE);
    assert_int_equal(explain(op.id).adds_up, aborted);
  }
}

static void a_charge_that_is_not_the_lines_is_told(void **state) {
  (void)state;
  struct uuid of = customer("UTC");
  (void)grant(of, 1000000, 100);
  struct uuid call = admit(of, uuid_v7(clock_wall_us()), chat, 5000);
  settle(of, call, CALL_SETTLED, 1651, 825, "{\"input_tokens\":3,\"output_tokens\":2}");
  assert_false(explain(call).adds_up);
}

static void the_list_has_pending_ended_and_undone_calls_newest_first(void **state) {
  (void)state;
  struct uuid of = customer("UTC"), key = uuid_v7(clock_wall_us()), other = uuid_v7(clock_wall_us());
  (void)grant(of, 1000000, 100);
  struct uuid first = called(of, key), second = called(of, other), third = admit(of, key, chat, 10);
  undo(of, second);
  struct explain_filter filter = {.customer = of};
  struct explain_summary *list = NULL;
  size_t count = 0;
  assert_int_equal(explain_list(db, &arena, &filter, 10, &list, &count), 0);
  assert_int_equal(count, 3);
  assert_true(uuid_eq(list[0].id, third) && uuid_eq(list[1].id, second) && uuid_eq(list[2].id, first));
  assert_int_equal(list[0].state, CALL_PENDING);
  assert_int_equal(list[1].state, CALL_VOIDED);
  assert_int_equal(list[1].charge, 0);
  assert_true(str_eq(list[1].usage, STR("{}")) && str_eq(list[2].model, STR("chat")));
  filter.state = CALL_SETTLED;
  assert_int_equal(explain_list(db, &arena, &filter, 10, &list, &count), 0);
  assert_int_equal(count, 1);
  filter = (struct explain_filter){.customer = of, .key = key, .before = third};
  assert_int_equal(explain_list(db, &arena, &filter, 10, &list, &count), 0);
  assert_int_equal(count, 1);
  assert_true(uuid_eq(list[0].id, first));
  filter = (struct explain_filter){.customer = of, .from = uuid_time_us(first), .to = uuid_time_us(first)};
  assert_int_equal(explain_list(db, &arena, &filter, 10, &list, &count), 0);
  assert_int_equal(count, 0);
  settle(of, third, CALL_RELEASED, 0, 0, "{}");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_call_is_explained_by_its_id_alone),
      cmocka_unit_test(a_pending_call_is_found_with_what_it_holds),
      cmocka_unit_test(an_undone_call_says_so_and_nobody_paid),
      cmocka_unit_test(a_call_that_was_priced_again_adds_up_by_its_last_price),
      cmocka_unit_test(the_cost_of_an_aborted_call_may_be_of_more_than_was_charged),
      cmocka_unit_test(a_charge_that_is_not_the_lines_is_told),
      cmocka_unit_test(the_list_has_pending_ended_and_undone_calls_newest_first),
  };
  return cmocka_run_group_tests(tests, books_open, books_close);
}
