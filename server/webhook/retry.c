// See retry.h. HTTP's dates are read by their three grammars, letter by letter: libraries' readers depend on the locale, or
// take more than dates.
#include "webhook/retry.h"
#include "base/clock.h"
#include "base/mem.h"
#include <stdio.h>

#define BUSY_MS 60000
#define ASKED_MAX_S (365 * 24 * 3600)

// ---- the schedule

static const struct {
  const char *name;
  int64_t ms;
} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool step_parse(struct str text, int64_t *ret_ms) {
  size_t digits = 0;
  int64_t number = 0;
  while (digits < text.len && is_digit(text.ptr[digits])) digits++;
  struct str unit = {text.ptr + digits, text.len - digits};
  if (!str_to_i64((struct str){text.ptr, digits}, &number)) return false;
  for (size_t i = 0; i < ARRAY_LEN(units); i++)
    if (str_eq(unit, str_from(units[i].name))) {
      if (number < 1 || number > RETRY_STEP_MAX_MS / units[i].ms) return false;
      *ret_ms = number * units[i].ms;
      return true;
    }
  return false;
}

bool retry_schedule_parse(struct str text, struct retry_schedule *ret, struct buf *ret_error) {
  struct retry_schedule s = {0};
  struct str one;
  for (bool more = true; more;) {
    more = text.len > 0 && memchr(text.ptr, ',', text.len);
    if (!str_split(&text, ',', &one)) one = STR("");
    one = str_trim(one);
    const char *wrong = s.count == RETRY_STEPS_MAX              ? "is one too many"
                        : !step_parse(one, &s.ms[s.count]) ? "is not a time from 1ms to 7d, such as 30s, 5m or 2h"
                                                           : NULL;
    if (wrong) {
      buf_printf(ret_error, "\"%.*s\" %s", (int)(one.len < 40 ? one.len : 40), one.ptr, wrong);
      return false;
    }
    s.count++;
  }
  *ret = s;
  return true;
}

// ---- Retry-After

struct reader {
  const char *at, *end;
  bool sound;
};

static void skip_text(struct reader *r, const char *text) {
  size_t len = strlen(text);
  r->sound = r->sound && (size_t)(r->end - r->at) >= len && memcmp(r->at, text, len) == 0;
  if (r->sound) r->at += len;
}

// Which of the words stands here; none of a list begins another.
static int read_word(struct reader *r, const char *const *words, int count) {
  for (int i = 0; r->sound && i < count; i++) {
    size_t len = strlen(words[i]);
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, words[i], len) != 0) continue;
    r->at += len;
    return i;
  }
  r->sound = false;
  return 0;
}

static int read_digits(struct reader *r, int count) {
  int number = 0;
  for (int i = 0; i < count && r->sound; i++) {
    r->sound = r->at < r->end && is_digit(*r->at);
    if (r->sound) number = number * 10 + (*r->at++ - '0');
  }
  return number;
}

static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const long_days[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

struct date {
  int year, month, day, hour, minute, second;
};

static void read_clock(struct reader *r, struct date *d) {
  d->hour = read_digits(r, 2);
  skip_text(r, ":");
  d->minute = read_digits(r, 2);
  skip_text(r, ":");
  d->second = read_digits(r, 2);
}

static void read_day_month_year(struct reader *r, struct date *d, const char *between, int year_digits) {
  d->day = read_digits(r, 2);
  skip_text(r, between);
  d->month = read_word(r, months, 12) + 1;
  skip_text(r, between);
  d->year = read_digits(r, year_digits);
}

// "Sun, 06 Nov 1994 08:49:37 GMT"
static void read_fixdate(struct reader *r, struct date *d) {
  (void)read_word(r, days, 7);
  skip_text(r, ", ");
  read_day_month_year(r, d, " ", 4);
  skip_text(r, " ");
  read_clock(r, d);
  skip_text(r, " GMT");
}

// "Sunday, 06-Nov-94 08:49:37 GMT": two digits mean the one year that is at most fifty years ahead and less behind.
static void read_rfc850(struct reader *r, struct date *d, int year_now) {
  (void)read_word(r, long_days, 7);
  skip_text(r, ", ");
  read_day_month_year(r, d, "-", 2);
  d->year += year_now / 100 * 100;
  d->year += d->year > year_now + 50 ? -100 : d->year <= year_now - 50 ? 100 : 0;
  skip_text(r, " ");
  read_clock(r, d);
  skip_text(r, " GMT");
}

// "Sun Nov  6 08:49:37 1994"
static void read_asctime(struct reader *r, struct date *d) {
  (void)read_word(r, days, 7);
  skip_text(r, " ");
  d->month = read_word(r, months, 12) + 1;
  skip_text(r, " ");
  bool blank = r->at < r->end && *r->at == ' ';
  if (blank) r->at++;
  d->day = read_digits(r, blank ? 1 : 2);
  skip_text(r, " ");
  read_clock(r, d);
  skip_text(r, " ");
  d->year = read_digits(r, 4);
}

static int year_of(int64_t wall_us) {
  char text[CLOCK_TEXT_MAX];
  struct reader r = {text, text + 4, true};
  clock_print(wall_us, text);
  return read_digits(&r, 4);
}

// Whether there is such a day and such a time of it, the clock says.
static bool date_parse(struct str value, int64_t now_s, int64_t *ret_s) {
  for (int form = 0; form < 3; form++) {
    struct reader r = {value.ptr, value.ptr + value.len, true};
    struct date d = {0};
    if (form == 0) read_fixdate(&r, &d);
    if (form == 1) read_rfc850(&r, &d, year_of(now_s * 1000000));
    if (form == 2) read_asctime(&r, &d);
    if (!r.sound || r.at != r.end) continue;
    char text[80];
    int64_t us = 0;
    int len = snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02dZ", d.year, d.month, d.day, d.hour, d.minute, d.second);
    if (!clock_parse(text, (size_t)len, &us)) return false;
    *ret_s = us / 1000000;
    return true;
  }
  return false;
}

static bool seconds_parse(struct str value, int64_t *ret_s) {
  int64_t s = 0;
  for (size_t i = 0; i < value.len; i++) {
    if (!is_digit(value.ptr[i])) return false;
    if (s < ASKED_MAX_S) s = s * 10 + (value.ptr[i] - '0');
  }
  *ret_s = s;
  return value.len > 0;
}

bool retry_after_parse(struct str value, int64_t now_s, int64_t *ret_ms) {
  int64_t s = 0;
  value = str_trim(value);
  if (!seconds_parse(value, &s)) {
    if (value.len == 0 || !date_parse(value, now_s, &s)) return false;
    s -= now_s;
  }
  *ret_ms = (s < 0 ? 0 : s > ASKED_MAX_S ? ASKED_MAX_S : s) * 1000;
  return true;
}

// ---- the delay

int64_t retry_delay_ms(const struct retry_schedule *schedule, const struct retry_cause *cause) {
  if (cause->tries >= schedule->count) return RETRY_OVER;
  int64_t step = schedule->ms[cause->tries], fifth = step / 5;
  int64_t delay = step - fifth + 2 * fifth * (int64_t)(cause->luck >> 16) / 65535;
  if (cause->busy && delay < BUSY_MS) delay = BUSY_MS;
  if (cause->asked_ms == RETRY_NOT_ASKED || cause->asked_ms <= delay) return delay;
  return cause->asked_ms < 2 * delay ? cause->asked_ms : 2 * delay;
}
