// Rules of time: RFC 3339 in and out, held against the C library's calendar, and clocks that run forwards.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include <stdio.h>
#include <time.h>

#define SECOND INT64_C(1000000)
#define END_OF_9999 INT64_C(253402300799999999)

static void assert_parses(const char *text, int64_t expected) {
  int64_t us = -1;
  if (!clock_parse(text, strlen(text), &us)) fail_msg("refused: %s", text);
  assert_int_equal(us, expected);
}

static void assert_refuses(const char *text) {
  int64_t us = -1;
  if (clock_parse(text, strlen(text), &us)) fail_msg("taken: %s", text);
  assert_int_equal(us, -1);
}

static void reads_utc(void **state) {
  (void)state;
  assert_parses("1970-01-01T00:00:00Z", 0);
  assert_parses("2026-11-21T08:00:00Z", INT64_C(1795248000) * SECOND);
  assert_parses("2026-11-21t08:00:00z", INT64_C(1795248000) * SECOND);
  assert_parses("9999-12-31T23:59:59.999999Z", END_OF_9999);
}

static void reads_a_bare_date_as_its_midnight(void **state) {
  (void)state;
  assert_parses("1970-01-02", 86400 * SECOND);
  assert_parses("2000-02-29", INT64_C(951782400) * SECOND);
  assert_parses("9999-12-31", INT64_C(253402214400) * SECOND);
}

static void reads_fractions_and_drops_what_is_finer_than_a_microsecond(void **state) {
  (void)state;
  assert_parses("1970-01-01T00:00:00.5Z", 500000);
  assert_parses("1970-01-01T00:00:00.000001Z", 1);
  assert_parses("1970-01-01T00:00:00.0000019Z", 1);
  assert_parses("1970-01-01T00:00:00.9999999999999999999999Z", 999999);
}

static void reads_offsets(void **state) {
  (void)state;
  assert_parses("1970-01-01T02:00:00+02:00", 0);
  assert_parses("1969-12-31T22:30:00-01:30", 0);
  assert_parses("1970-01-01T05:45:00.25+05:45", 250000);
  assert_parses("1970-01-01T00:00:00-00:00", 0);
  assert_parses("2026-03-01T00:30:00+01:00", INT64_C(1772321400) * SECOND);
  assert_parses("1970-01-01T23:59:00+23:59", 0);
}

static void keeps_to_the_years_it_promises(void **state) {
  (void)state;
  assert_refuses("1969-12-31T23:59:59.999999Z");
  assert_refuses("1969-12-31");
  assert_refuses("0000-01-01");
  assert_refuses("1970-01-01T00:00:00+00:01");
  assert_refuses("9999-12-31T23:59:59-00:01");
  assert_parses("9999-12-31T23:59:59.999999+00:00", END_OF_9999);
}

static void knows_how_long_months_are(void **state) {
  (void)state;
  assert_parses("2024-02-29", INT64_C(1709164800) * SECOND);
  static const char *const texts[] = {"2023-02-29", "1900-02-29", "2100-02-29", "2026-02-30",
                                      "2026-04-31", "2026-06-31", "2026-09-31", "2026-11-31",
                                      "2026-01-32", "2026-00-10", "2026-13-01", "2026-01-00"};
  for (size_t i = 0; i < ARRAY_LEN(texts); i++) assert_refuses(texts[i]);
}

static void takes_leap_seconds_only_where_they_can_be(void **state) {
  (void)state;
  assert_parses("2016-12-31T23:59:60Z", INT64_C(1483228800) * SECOND);
  assert_parses("2016-12-31T15:59:60-08:00", INT64_C(1483228800) * SECOND);
  assert_parses("2015-06-30T23:59:60.5Z", INT64_C(1435708800) * SECOND + 500000);
  assert_refuses("2016-12-31T22:59:60Z");
  assert_refuses("2016-12-30T23:59:60Z");
  assert_refuses("2016-12-31T23:59:61Z");
  assert_refuses("9999-12-31T23:59:60Z");
}

static void refuses_whatever_else_there_is(void **state) {
  (void)state;
  static const char *const texts[] = {"",
                                      "2026",
                                      "2026-11",
                                      "2026-11-2",
                                      "2026-1-21",
                                      "26-11-21",
                                      "20261121",
                                      "2026/11/21",
                                      "2026-11-21T",
                                      "2026-11-21Z",
                                      "2026-11-21T08",
                                      "2026-11-21T08:00Z",
                                      "2026-11-21T08:00:00",
                                      "2026-11-21 08:00:00Z",
                                      "2026-11-21T08:00:00.Z",
                                      "2026-11-21T08:00:00,5Z",
                                      "2026-11-21T08:00:00ZZ",
                                      "2026-11-21T08:00:00Z ",
                                      " 2026-11-21T08:00:00Z",
                                      "2026-11-21T24:00:00Z",
                                      "2026-11-21T08:60:00Z",
                                      "2026-11-21T8:00:00Z",
                                      "2026-11-21T08:00:00+02",
                                      "2026-11-21T08:00:00+0200",
                                      "2026-11-21T08:00:00+2:00",
                                      "2026-11-21T08:00:00+24:00",
                                      "2026-11-21T08:00:00+02:60",
                                      "2026-11-21T08:00:00 +02:00",
                                      "-2026-11-21",
                                      "+2026-11-21",
                                      "12026-11-21",
                                      "2026-W47-6",
                                      "tomorrow",
                                      "1795248000"};
  for (size_t i = 0; i < ARRAY_LEN(texts); i++) assert_refuses(texts[i]);
  int64_t us;
  assert_false(clock_parse("2026-11-21\0", 11, &us));
  assert_false(clock_parse(NULL, 0, &us));
}

static void prints_microseconds_in_utc(void **state) {
  (void)state;
  char text[CLOCK_TEXT_MAX];
  clock_print(INT64_C(1795248000) * SECOND, text);
  assert_string_equal(text, "2026-11-21T08:00:00.000000Z");
  clock_print(END_OF_9999, text);
  assert_string_equal(text, "9999-12-31T23:59:59.999999Z");
  clock_print(-1, text);
  assert_string_equal(text, "1969-12-31T23:59:59.999999Z");
}

static void prints_whatever_it_is_given_within_its_bounds(void **state) {
  (void)state;
  char text[CLOCK_TEXT_MAX];
  clock_print(INT64_MAX, text);
  assert_string_equal(text, "294247-01-10T04:00:54.775807Z");
  clock_print(INT64_MIN, text);
  assert_string_equal(text, "-290308-12-21T19:59:05.224192Z");
}

static void agrees_with_the_c_library_on_every_day(void **state) {
  (void)state;
  for (int64_t day = 0; day <= END_OF_9999 / SECOND / 86400; day++) {
    char text[CLOCK_TEXT_MAX], expected[64];
    int64_t second = day * 86400 + day % 86400, back = -1;
    time_t when = (time_t)second;
    struct tm tm;
    assert_non_null(gmtime_r(&when, &tm));
    assert_true(strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S.000000Z", &tm) > 0);
    clock_print(second * SECOND, text);
    assert_string_equal(text, expected);
    assert_true(clock_parse(text, strlen(text), &back));
    assert_int_equal(back, second * SECOND);
  }
}

static void the_monotonic_clock_never_goes_back(void **state) {
  (void)state;
  int64_t last = clock_mono_us();
  for (int i = 0; i < 10000; i++) {
    int64_t now = clock_mono_us();
    assert_true(now >= last);
    last = now;
  }
  assert_in_range(clock_wall_us() / SECOND, time(NULL) - 2, time(NULL) + 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_utc),
      cmocka_unit_test(reads_a_bare_date_as_its_midnight),
      cmocka_unit_test(reads_fractions_and_drops_what_is_finer_than_a_microsecond),
      cmocka_unit_test(reads_offsets),
      cmocka_unit_test(keeps_to_the_years_it_promises),
      cmocka_unit_test(knows_how_long_months_are),
      cmocka_unit_test(takes_leap_seconds_only_where_they_can_be),
      cmocka_unit_test(refuses_whatever_else_there_is),
      cmocka_unit_test(prints_microseconds_in_utc),
      cmocka_unit_test(prints_whatever_it_is_given_within_its_bounds),
      cmocka_unit_test(agrees_with_the_c_library_on_every_day),
      cmocka_unit_test(the_monotonic_clock_never_goes_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
