// When a delivery is tried again, and what is understood of a Retry-After.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "webhook/retry.h"

#define NOW INT64_C(784111777) // Sun, 06 Nov 1994 08:49:37 GMT

static struct retry_schedule schedule(const char *text) {
  CLEANUP(buf_finish) struct buf error;
  struct retry_schedule s;
  buf_init(&error, 500);
  if (!retry_schedule_parse(str_from(text), &s, &error)) fail_msg("%s: %s", text, buf_cstr(&error));
  return s;
}

static void a_schedule_is_a_list_of_times(void **state) {
  (void)state;
  struct retry_schedule s = schedule("5s,5m, 30m ,2h,24h,7d,250ms");
  static const int64_t expected[] = {5000, 300000, 1800000, 7200000, 86400000, 604800000, 250};
  assert_int_equal(s.count, ARRAY_LEN(expected));
  for (size_t i = 0; i < s.count; i++) assert_int_equal(s.ms[i], expected[i]);
}

static void what_is_no_schedule_is_refused(void **state) {
  (void)state;
  static const char *const bad[] = {"", ",", "5s,", ",5s", "5", "s", "0s", "-5s", "5 s", "5sec", "8d", "604800001ms", "1w", "99999999999999999999s", "5s;5m", "5.5s"};
  struct retry_schedule s;
  for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
    CLEANUP(buf_finish) struct buf error;
    buf_init(&error, 500);
    if (retry_schedule_parse(str_from(bad[i]), &s, &error)) fail_msg("\"%s\"", bad[i]);
    assert_true(error.len > 0);
  }
  CLEANUP(buf_finish) struct buf text;
  CLEANUP(buf_finish) struct buf error;
  buf_init(&text, 1000);
  buf_init(&error, 500);
  for (int i = 0; i < RETRY_STEPS_MAX; i++) buf_puts(&text, i ? ",1s" : "1s");
  assert_true(retry_schedule_parse(buf_str(&text), &s, &error));
  buf_puts(&text, ",1s");
  assert_false(retry_schedule_parse(buf_str(&text), &s, &error));
}

static void retry_after_is_seconds_or_a_date_in_any_form(void **state) {
  (void)state;
  static const struct {
    const char *text;
    int64_t ms; // -1: not understood
  } table[] = {
      {"0", 0},
      {"120", 120000},
      {" 7 ", 7000},
      {"007", 7000},
      {"99999999999999999999999", INT64_C(365) * 86400 * 1000},
      {"Sun, 06 Nov 1994 08:49:37 GMT", 0},
      {"Sun, 06 Nov 1994 08:50:37 GMT", 60000},
      {"Sun, 06 Nov 1994 08:48:37 GMT", 0}, // has passed
      {"Sunday, 06-Nov-94 08:49:47 GMT", 10000},
      {"Sun Nov  6 08:49:38 1994", 1000},
      {"Mon Nov 14 08:49:37 1994", INT64_C(8) * 86400 * 1000},
      {"Tuesday, 06-Nov-40 08:49:37 GMT", INT64_C(365) * 86400 * 1000}, // 2040: at most fifty years ahead
      {"Monday, 06-Nov-50 08:49:37 GMT", -1},                          // 1950: before all that is known
      {"", -1},
      {" ", -1},
      {"-1", -1},
      {"+5", -1},
      {"1.5", -1},
      {"5s", -1},
      {"soon", -1},
      {"Sun, 06 Nov 1994 08:49:37", -1},
      {"Sun, 06 Nov 1994 08:49:37 CET", -1},
      {"Sun, 6 Nov 1994 08:49:37 GMT", -1},
      {"Sun, 31 Feb 1994 08:49:37 GMT", -1},
      {"Sun, 06 Nov 1994 24:49:37 GMT", -1},
      {"Sun, 06 Nov 1994 08:49:37 GMT ", 0},
      {"Sun, 06 Nov 1994 08:49:37 GMT x", -1},
      {"sun, 06 nov 1994 08:49:37 gmt", -1},
      {"Sun Nov 6 08:49:38 1994", -1},
      {"1994-11-06T08:49:37Z", -1},
  };
  for (size_t i = 0; i < ARRAY_LEN(table); i++) {
    int64_t ms = -1;
    bool read = retry_after_parse(str_from(table[i].text), NOW, &ms);
    if (read != (table[i].ms >= 0) || ms != table[i].ms) fail_msg("\"%s\": %d %lld", table[i].text, read, (long long)ms);
  }
}

static int64_t delay(const char *text, size_t tries, bool busy, int64_t asked_ms, uint32_t luck) {
  struct retry_schedule s = schedule(text);
  struct retry_cause cause = {.tries = tries, .busy = busy, .asked_ms = asked_ms, .luck = luck};
  return retry_delay_ms(&s, &cause);
}

static void each_failure_waits_its_step_of_the_schedule(void **state) {
  (void)state;
  uint32_t middle = UINT32_C(0x7fff0000);
  assert_in_range(delay("5s,5m,2h", 0, false, RETRY_NOT_ASKED, middle), 4999, 5001);
  assert_in_range(delay("5s,5m,2h", 1, false, RETRY_NOT_ASKED, middle), 299990, 300010);
  assert_in_range(delay("5s,5m,2h", 2, false, RETRY_NOT_ASKED, middle), 7199900, 7200100);
  assert_int_equal(delay("5s,5m,2h", 3, false, RETRY_NOT_ASKED, middle), RETRY_OVER);
  assert_int_equal(delay("5s,5m,2h", 30, true, 5000, middle), RETRY_OVER);
}

static void chance_moves_a_step_by_a_fifth_at_most(void **state) {
  (void)state;
  assert_int_equal(delay("10s", 0, false, RETRY_NOT_ASKED, 0), 8000);
  assert_int_equal(delay("10s", 0, false, RETRY_NOT_ASKED, UINT32_MAX), 12000);
  assert_int_equal(delay("7d", 0, false, RETRY_NOT_ASKED, UINT32_MAX), INT64_C(604800000) * 6 / 5);
  for (uint32_t i = 0; i < 1000; i++) assert_in_range(delay("10s", 0, false, RETRY_NOT_ASKED, i * 4294967), 8000, 12000);
}

static void the_busy_are_left_alone_for_a_minute(void **state) {
  (void)state;
  assert_int_equal(delay("5s", 0, true, RETRY_NOT_ASKED, 0), 60000);
  assert_int_equal(delay("10m", 0, true, RETRY_NOT_ASKED, 0), 480000);
}

static void what_is_asked_counts_between_once_and_twice(void **state) {
  (void)state;
  assert_int_equal(delay("10s", 0, false, 0, 0), 8000);
  assert_int_equal(delay("10s", 0, false, 3000, 0), 8000);
  assert_int_equal(delay("10s", 0, false, 9500, 0), 9500);
  assert_int_equal(delay("10s", 0, false, 16000, 0), 16000);
  assert_int_equal(delay("10s", 0, false, 3600000, 0), 16000);
  assert_int_equal(delay("10s", 0, true, 90000, 0), 90000);
  assert_int_equal(delay("10s", 0, true, 900000, 0), 120000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_schedule_is_a_list_of_times),
      cmocka_unit_test(what_is_no_schedule_is_refused),
      cmocka_unit_test(retry_after_is_seconds_or_a_date_in_any_form),
      cmocka_unit_test(each_failure_waits_its_step_of_the_schedule),
      cmocka_unit_test(chance_moves_a_step_by_a_fifth_at_most),
      cmocka_unit_test(the_busy_are_left_alone_for_a_minute),
      cmocka_unit_test(what_is_asked_counts_between_once_and_twice),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
