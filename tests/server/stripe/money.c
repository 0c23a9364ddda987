// The rules of money as Stripe counts it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "stripe/money.h"

static void is_printed(const char *code, int64_t minor, const char *text) {
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, 64);
  money_print(str_from(code), minor, &out);
  assert_string_equal(buf_cstr(&out), text);
}

static void is_taken(const char *code, int64_t minor) {
  const char *wrong = money_wrong(str_from(code), minor);
  if (wrong) fail_msg("%lld %s %s", (long long)minor, code, wrong);
}

static void is_refused(const char *code, int64_t minor, const char *why) {
  const char *wrong = money_wrong(str_from(code), minor);
  if (!wrong || !strstr(wrong, why)) fail_msg("%lld %s: %s", (long long)minor, code, wrong ? wrong : "taken");
}

static void each_of(const char *codes, void (*each)(const char *code)) {
  struct str rest = str_from(codes), one;
  char code[4] = "";
  while (str_split(&rest, ' ', &one)) {
    memcpy(code, one.ptr, 3);
    each(code);
  }
}

static void has_none(const char *code) {
  assert_int_equal(money_decimals(str_from(code)), 0);
  is_taken(code, 1);
  is_taken(code, 1999);
}

static void has_two(const char *code) {
  assert_int_equal(money_decimals(str_from(code)), 2);
  is_taken(code, 1);
  is_taken(code, 1999);
}

static void has_three(const char *code) {
  assert_int_equal(money_decimals(str_from(code)), 3);
  is_taken(code, 1990);
  is_refused(code, 1995, "must end in 0:");
  is_refused(code, 1, "must end in 0:");
}

static void has_two_that_are_always_zero(const char *code) {
  assert_int_equal(money_decimals(str_from(code)), 2);
  is_taken(code, 500);
  is_refused(code, 510, "must end in 00:");
  is_refused(code, 5, "must end in 00:");
}

static void currencies_have_stripes_decimals(void **state) {
  (void)state;
  each_of("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf", has_none);
  each_of("isk ugx", has_two_that_are_always_zero);
  each_of("bhd jod kwd omr tnd", has_three);
  each_of("usd eur gbp chf aed mxn pln huf twd idr zzz", has_two);
}

static void an_amount_is_at_least_one_and_has_at_most_twelve_digits(void **state) {
  (void)state;
  is_refused("usd", 0, "1 or more");
  is_refused("usd", -1, "1 or more");
  is_refused("usd", INT64_MIN, "1 or more");
  is_taken("usd", MONEY_MAX);
  is_refused("usd", MONEY_MAX + 1, "twelve digits");
  is_refused("jpy", INT64_MAX, "twelve digits");
}

static void a_currency_is_three_small_letters(void **state) {
  static const char *const none[] = {"", "us", "usdd", "USD", "us1", "u d", "us\xc3"};
  (void)state;
  assert_true(money_is_currency(STR("usd")));
  for (size_t i = 0; i < ARRAY_LEN(none); i++) assert_false(money_is_currency(str_from(none[i])));
}

static void people_read_it_with_its_own_decimals(void **state) {
  (void)state;
  is_printed("usd", 2000, "20.00 USD");
  is_printed("usd", 1, "0.01 USD");
  is_printed("eur", 99999999, "999999.99 EUR");
  is_printed("jpy", 2000, "2000 JPY");
  is_printed("kwd", 1230, "1.230 KWD");
  is_printed("kwd", 10, "0.010 KWD");
  is_printed("isk", 500, "5 ISK");
  is_printed("usd", -50, "-0.50 USD");
  is_printed("usd", INT64_MIN, "-92233720368547758.08 USD");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(currencies_have_stripes_decimals),
      cmocka_unit_test(an_amount_is_at_least_one_and_has_at_most_twelve_digits),
      cmocka_unit_test(a_currency_is_three_small_letters),
      cmocka_unit_test(people_read_it_with_its_own_decimals),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
