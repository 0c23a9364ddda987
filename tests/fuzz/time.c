// Feeds: a text to clock_parse; eight bytes as an instant to clock_print.
// Oracle: a reader of RFC 3339 that counts days one by one says whether the text is a time and which; what is printed
// is read back as the same instant.
#include "base/clock.h"
#include "fuzz.h"

#define SECOND INT64_C(1000000)
#define DAY (86400 * SECOND)

struct text {
  const char *at, *end;
};

// Exactly `count` digits; -1 where there are others.
static int number(struct text *t, int count) {
  int n = 0;
  for (int i = 0; i < count; i++, t->at++) {
    if (t->at == t->end || *t->at < '0' || *t->at > '9') return -1;
    n = n * 10 + (*t->at - '0');
  }
  return n;
}

static bool one_of(struct text *t, const char *chars) {
  if (t->at == t->end || *t->at == '\0' || !strchr(chars, *t->at)) return false;
  t->at++;
  return true;
}

static bool leap(int year) {
  return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int month_days(int year, int month) {
  static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return days[month - 1] + (month == 2 && leap(year));
}

// Days from 1970-01-01, walked.
static int64_t days_of(int year, int month, int day) {
  int64_t days = 0;
  for (int y = 1970; y < year; y++) days += 365 + leap(y);
  for (int y = year; y < 1970; y++) days -= 365 + leap(y);
  for (int m = 1; m < month; m++) days += month_days(year, m);
  return days + day - 1;
}

static bool day_begins_month(int64_t day) {
  int64_t sum = 0;
  int year = 1970, month = 1;
  while (sum < day) {
    sum += month_days(year, month);
    if (++month == 13) month = 1, year++;
  }
  return sum == day;
}

static bool clock_time(struct text *t, int64_t *us, bool *is_leap) {
  int hour = number(t, 2);
  if (!one_of(t, ":")) return false;
  int minute = number(t, 2);
  if (!one_of(t, ":")) return false;
  int second = number(t, 2);
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return false;
  *is_leap = second == 60;
  *us = (hour * 3600 + minute * 60 + second) * SECOND;
  if (!one_of(t, ".")) return true;
  const char *from = t->at;
  for (int64_t unit = SECOND / 10; t->at < t->end && *t->at >= '0' && *t->at <= '9'; t->at++, unit /= 10)
    *us += (*t->at - '0') * unit;
  return t->at > from;
}

static bool offset(struct text *t, int64_t *us) {
  if (one_of(t, "Zz")) return true;
  int sign = one_of(t, "+") ? 1 : one_of(t, "-") ? -1 : 0;
  int hour = number(t, 2);
  if (sign == 0 || !one_of(t, ":")) return false;
  int minute = number(t, 2);
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59) return false;
  *us -= sign * (hour * 60 + minute) * 60 * SECOND;
  return true;
}

static bool reference(struct str s, int64_t *ret) {
  struct text t = {s.ptr, s.ptr + s.len};
  int year = number(&t, 4);
  if (year < 0 || !one_of(&t, "-")) return false;
  int month = number(&t, 2);
  if (month < 1 || month > 12 || !one_of(&t, "-")) return false;
  int day = number(&t, 2);
  if (day < 1 || day > month_days(year, month)) return false;
  int64_t us = 0;
  bool is_leap = false;
  if (t.at < t.end && (!one_of(&t, "Tt") || !clock_time(&t, &us, &is_leap) || !offset(&t, &us) || t.at < t.end))
    return false;
  *ret = days_of(year, month, day) * DAY + us;
  if (*ret < 0 || *ret >= days_of(10000, 1, 1) * DAY) return false;
  // A leap second is the last of a month in UTC; it counts as the first of the next.
  return !is_leap || (*ret % DAY < SECOND && day_begins_month(*ret / DAY));
}

static void print_check(int64_t us) {
  char text[CLOCK_TEXT_MAX];
  int64_t back = -1, by_reference = -1;
  clock_print(us, text);
  if (us < 0 || us >= days_of(10000, 1, 1) * DAY) return;
  FUZZ_CHECK(clock_parse(text, strlen(text), &back) && back == us, "%lld is printed as %s", (long long)us, text);
  FUZZ_CHECK(reference(str_from(text), &by_reference) && by_reference == us, "%s", text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fuzz_input in = fuzz_input(data, size);
  if (fuzz_byte(&in) % 2) {
    print_check((int64_t)fuzz_u64(&in));
    return 0;
  }
  struct str rest = fuzz_rest(&in);
  char *copy = fuzz_copy(rest);
  int64_t got = -42, wanted = -42;
  bool sound = reference((struct str){copy, rest.len}, &wanted);
  FUZZ_CHECK(clock_parse(copy, rest.len, &got) == sound, "\"%.*s\" is %s time", STR_ARG(rest), sound ? "a" : "no");
  FUZZ_CHECK(got == (sound ? wanted : -42), "\"%.*s\" was read as %lld", STR_ARG(rest), (long long)got);
  if (sound) print_check(got);
  free(copy);
  return 0;
}
