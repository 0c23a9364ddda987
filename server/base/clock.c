// Clocks and RFC 3339. The calendar is worked out here, in the proleptic Gregorian one, so that no time zone of the
// process and no locale can touch it. Leap seconds are taken where they can happen and count as the second that
// follows.
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include <stdio.h>
#include <time.h>

#define SECOND INT64_C(1000000)
#define DAY (86400 * SECOND)
#define FIRST_DAY_OF_10000 INT64_C(2932897)

static int64_t clock_read(clockid_t which) {
  struct timespec now;
  ASSERT(clock_gettime(which, &now) == 0);
  return (int64_t)now.tv_sec * SECOND + now.tv_nsec / 1000;
}

int64_t clock_wall_us(void) {
  return clock_read(CLOCK_REALTIME);
}

int64_t clock_mono_us(void) {
  return clock_read(CLOCK_MONOTONIC);
}

struct date {
  int64_t year;
  int month, day;
};

// Years begin in March here: the leap day is then the last of its year, and months follow one formula. An era is 400
// years, 146097 days; 719468 days lie between 0000-03-01 and 1970-01-01.
static int64_t days_of_date(struct date d) {
  int64_t year = d.month <= 2 ? d.year - 1 : d.year;
  int64_t era = (year >= 0 ? year : year - 399) / 400;
  int64_t of_era = year - era * 400;
  int64_t of_year = (153 * (d.month > 2 ? d.month - 3 : d.month + 9) + 2) / 5 + d.day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static struct date date_of_days(int64_t days) {
  days += 719468;
  int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  int64_t day = days - era * 146097;
  int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
  int64_t of_year = day - (365 * year + year / 4 - year / 100);
  int64_t month = (5 * of_year + 2) / 153;
  struct date d = {.day = (int)(of_year - (153 * month + 2) / 5 + 1),
                   .month = (int)(month < 10 ? month + 3 : month - 9)};
  d.year = year + era * 400 + (d.month <= 2);
  return d;
}

void clock_print(int64_t wall_us, char ret[CLOCK_TEXT_MAX]) {
  int64_t days = wall_us / DAY - (wall_us % DAY < 0);
  int64_t us = (wall_us % DAY + DAY) % DAY, second = us / SECOND;
  struct date d = date_of_days(days);
  int len = snprintf(ret, CLOCK_TEXT_MAX, "%04lld-%02d-%02dT%02d:%02d:%02d.%06dZ", (long long)d.year, d.month, d.day,
                     (int)(second / 3600), (int)(second / 60 % 60), (int)(second % 60), (int)(us % SECOND));
  ASSERT(len > 0 && len < CLOCK_TEXT_MAX);
}

// Takes exactly `digits` digits off the front.
static bool number_take(struct str *s, size_t digits, int *ret) {
  int value = 0;
  if (s->len < digits) return false;
  for (size_t i = 0; i < digits; i++) {
    if (s->ptr[i] < '0' || s->ptr[i] > '9') return false;
    value = value * 10 + (s->ptr[i] - '0');
  }
  s->ptr += digits, s->len -= digits;
  *ret = value;
  return true;
}

static bool char_take(struct str *s, char c) {
  if (s->len == 0 || s->ptr[0] != c) return false;
  s->ptr++, s->len--;
  return true;
}

static bool date_take(struct str *s, int64_t *ret_days) {
  int year, month, day;
  if (!number_take(s, 4, &year) || !char_take(s, '-') || !number_take(s, 2, &month) || !char_take(s, '-')) return false;
  if (!number_take(s, 2, &day) || month < 1 || month > 12 || day < 1) return false;
  int64_t days = days_of_date((struct date){year, month, day});
  struct date back = date_of_days(days); // February 30 comes back as a day of March
  *ret_days = days;
  return back.month == month && back.day == day;
}

// Digits beyond the microsecond are read and dropped: a time is never rounded into the future.
static bool fraction_take(struct str *s, int64_t *us) {
  int digit;
  int64_t unit = SECOND / 10;
  if (!char_take(s, '.')) return true;
  if (!number_take(s, 1, &digit)) return false;
  do *us += digit * unit, unit /= 10;
  while (number_take(s, 1, &digit));
  return true;
}

static bool time_take(struct str *s, int64_t *ret_us, bool *ret_leap) {
  int hour, minute, second;
  if (!number_take(s, 2, &hour) || !char_take(s, ':') || !number_take(s, 2, &minute) || !char_take(s, ':'))
    return false;
  if (!number_take(s, 2, &second) || hour > 23 || minute > 59 || second > 60) return false;
  *ret_leap = second == 60;
  *ret_us = (hour * 3600 + minute * 60 + second) * SECOND;
  return fraction_take(s, ret_us);
}

static bool offset_take(struct str *s, int64_t *ret_us) {
  int hour, minute;
  *ret_us = 0;
  if (char_take(s, 'Z') || char_take(s, 'z')) return true;
  bool west = char_take(s, '-');
  if (!west && !char_take(s, '+')) return false;
  if (!number_take(s, 2, &hour) || !char_take(s, ':') || !number_take(s, 2, &minute)) return false;
  if (hour > 23 || minute > 59) return false;
  *ret_us = (hour * 60 + minute) * 60 * (west ? -SECOND : SECOND);
  return true;
}

// A leap second ends a month in UTC, so the second after it begins one.
static bool begins_month(int64_t wall_us) {
  return wall_us % DAY / SECOND == 0 && date_of_days(wall_us / DAY).day == 1;
}

_Bool clock_parse(const char *text, unsigned long len, int64_t *ret_wall_us) {
  struct str s = {text, len};
  int64_t days, us = 0, offset = 0;
  bool leap = false;
  if (!date_take(&s, &days)) return false;
  if (s.len > 0) {
    if (!char_take(&s, 'T') && !char_take(&s, 't')) return false;
    if (!time_take(&s, &us, &leap) || !offset_take(&s, &offset) || s.len > 0) return false;
  }
  int64_t wall = days * DAY + us - offset;
  if (wall < 0 || wall >= FIRST_DAY_OF_10000 * DAY) return false;
  if (leap && !begins_month(wall)) return false;
  *ret_wall_us = wall;
  return true;
}
