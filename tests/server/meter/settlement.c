// A settlement survives the journal: what is written is read back the same, and what is no settlement is refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "meter/settlement.h"

static const struct uuid customer = {{1, 2, 3}}, call = {{4, 5, 6}}, price = {{7, 8}};

static struct ledger_op settlement(void) {
  return (struct ledger_op){.kind = LEDGER_SETTLE,
                            .customer = customer,
                            .id = call,
                            .price = price,
                            .state = CALL_SETTLED,
                            .flags = CALL_PARTIAL | CALL_ABORTED,
                            .charge = INT64_C(123456789012345678),
                            .cost = 7,
                            .usage = STR("{\"input_tokens\":12,\"output_tokens\":9007199254740993}"),
                            .evidence = STR("{\"raw_usage\":{\"cost\":0.1, \"é\":\"\\\"\"}}"),
                            .idempotency_key = STR("~abc"),
                            .undelivered = true};
}

static int read_back(struct str text, struct ledger_op *ret) {
  static struct arena arena;
  arena_finish(&arena);
  arena_init(&arena, 1024 * 1024);
  return settlement_read(text, &arena, ret);
}

static void what_is_written_is_read_back_the_same(void **state) {
  struct ledger_op op = settlement(), back;
  struct buf text;
  (void)state;
  buf_init(&text, LIMIT_JOURNAL_ENTRY + 1);
  settlement_write(&op, &text);
  assert_null(memchr(text.data, 0, text.len));
  assert_int_equal(read_back(buf_str(&text), &back), 0);
  assert_int_equal(back.kind, LEDGER_SETTLE);
  assert_true(uuid_eq(back.customer, customer) && uuid_eq(back.id, call) && uuid_eq(back.price, price));
  assert_int_equal(back.state, CALL_SETTLED);
  assert_int_equal(back.flags, op.flags);
  assert_int_equal(back.charge, op.charge);
  assert_int_equal(back.cost, 7);
  assert_true(str_eq(back.usage, op.usage));
  assert_true(str_eq(back.evidence, op.evidence)); // byte for byte: it is evidence
  assert_true(str_eq(back.idempotency_key, op.idempotency_key));
  assert_true(back.undelivered);
  buf_finish(&text);
}

static void evidence_that_does_not_fit_is_left_out_and_says_so(void **state) {
  char *large = mem_alloc(LIMIT_JOURNAL_ENTRY + 1);
  struct ledger_op op = settlement(), back;
  struct buf text;
  (void)state;
  memset(large, ' ', LIMIT_JOURNAL_ENTRY);
  large[0] = '{';
  large[LIMIT_JOURNAL_ENTRY - 1] = '}';
  op.evidence = (struct str){large, LIMIT_JOURNAL_ENTRY};
  buf_init(&text, LIMIT_JOURNAL_ENTRY + 1);
  settlement_write(&op, &text);
  assert_true(text.len <= LIMIT_JOURNAL_ENTRY);
  assert_int_equal(read_back(buf_str(&text), &back), 0);
  assert_int_equal(back.charge, op.charge);
  assert_true(str_starts(back.evidence, STR("{\"lost\":")));
  buf_finish(&text);
  mem_free(large);
}

static void the_most_that_a_settlement_can_say_fits_without_its_evidence(void **state) {
  struct buf usage, key, text;
  struct ledger_op op = settlement(), back;
  (void)state;
  buf_init(&usage, 8192);
  buf_init(&key, 8192);
  for (int i = 0; i < 16; i++) buf_printf(&usage, "%c\"a_meter_with_a_rather_long_name_indeed_%02d\":%lld", i ? ',' : '{', i, (long long)INT64_MAX);
  buf_putc(&usage, '}');
  for (int i = 0; i < 300; i++) buf_putc(&key, '\x1f'); // each of these takes six bytes
  op.usage = buf_str(&usage);
  op.idempotency_key = buf_str(&key);
  buf_init(&text, LIMIT_JOURNAL_ENTRY + 1);
  settlement_write(&op, &text);
  assert_int_equal(read_back(buf_str(&text), &back), 0);
  assert_true(str_eq(back.idempotency_key, op.idempotency_key));
  buf_finish(&usage);
  buf_finish(&key);
  buf_finish(&text);
}

// Each member left out or of another kind in turn.
static void what_is_no_settlement_is_refused(void **state) {
  static const char *const wrong[] = {
      "", "[]", "{}", "null", "{\"version\":1}",
      "{\"customer\":\"cus_00000000000000000000000001\",\"call\":\"call_00000000000000000000000001\",\"price\":null,\"state\":\"pending\",\"flags\":0,"
      "\"charge\":\"1\",\"cost\":\"0\",\"usage\":{},\"idempotency_key\":\"\",\"undelivered\":false,\"evidence\":\"{}\"}",
      "{\"customer\":\"cus_00000000000000000000000001\",\"call\":\"call_00000000000000000000000001\",\"price\":null,\"state\":\"settled\",\"flags\":0,"
      "\"charge\":\"-1\",\"cost\":\"0\",\"usage\":{},\"idempotency_key\":\"\",\"undelivered\":false,\"evidence\":\"{}\"}",
      "{\"customer\":\"cus_00000000000000000000000001\",\"call\":\"call_00000000000000000000000001\",\"price\":null,\"state\":\"settled\",\"flags\":0,"
      "\"charge\":\"1\",\"cost\":\"0\",\"usage\":{\"x\":-2},\"idempotency_key\":\"\",\"undelivered\":false,\"evidence\":\"{}\"}",
      "{\"customer\":null,\"call\":\"call_00000000000000000000000001\",\"price\":null,\"state\":\"settled\",\"flags\":0,"
      "\"charge\":\"1\",\"cost\":\"0\",\"usage\":{},\"idempotency_key\":\"\",\"undelivered\":false,\"evidence\":\"{}\"}",
      "{\"customer\":\"cus_00000000000000000000000001\",\"call\":\"call_00000000000000000000000001\",\"price\":null,\"state\":\"settled\",\"flags\":0,"
      "\"charge\":1,\"cost\":\"0\",\"usage\":{},\"idempotency_key\":\"\",\"undelivered\":false,\"evidence\":\"{}\"}",
  };
  struct ledger_op op = {.charge = 77};
  (void)state;
  for (size_t i = 0; i < ARRAY_LEN(wrong); i++) assert_int_equal(read_back(str_from(wrong[i]), &op), 1);
  assert_int_equal(op.charge, 77); // a half of one is never handed out
}

static void members_of_a_later_version_are_passed_over(void **state) {
  struct ledger_op op;
  (void)state;
  assert_int_equal(
      read_back(STR("{\"customer\":\"cus_00000000000000000000000001\",\"call\":\"call_00000000000000000000000001\",\"price\":null,\"state\":\"released\","
                    "\"flags\":0,\"charge\":\"0\",\"cost\":\"0\",\"usage\":{},\"idempotency_key\":\"\",\"undelivered\":false,\"evidence\":\"{}\",\"more\":[1]}"),
                &op),
      0);
  assert_int_equal(op.state, CALL_RELEASED);
}

int main(void) {
  const struct CMUnitTest rules[] = {
      cmocka_unit_test(what_is_written_is_read_back_the_same),
      cmocka_unit_test(evidence_that_does_not_fit_is_left_out_and_says_so),
      cmocka_unit_test(the_most_that_a_settlement_can_say_fits_without_its_evidence),
      cmocka_unit_test(what_is_no_settlement_is_refused),
      cmocka_unit_test(members_of_a_later_version_are_passed_over),
  };
  return cmocka_run_group_tests(rules, NULL, NULL);
}
