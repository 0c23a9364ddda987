// Feeds: texts to the readers of Retry-After, of retry schedules and of address ranges; times, printed in HTTP's three forms, to
// the first; addresses to the last; numbers to the rule of when a delivery is tried again.
// Oracle: a date that is taken prints as what was read, day of the week apart, and whatever prints as a date is taken; a plain
// reading of a schedule says which times it has; an address lies in a range where one of the list's lengths of bits of it are
// the same; a delay lies within a fifth of its step, a minute at least for the busy, and what was asked between once and
// twice of it.
#include "base/mem.h"
#include "fuzz.h"
#include "net/ranges.h"
#include "webhook/retry.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <time.h>

#define YEAR_S INT64_C(31536000)
#define NOW INT64_C(1795777969) // 2026-11-27

// ---- Retry-After

static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"};

static size_t date_print(int form, int64_t at_s, char *out, size_t size) {
  struct tm t;
  time_t at = (time_t)at_s;
  if (!gmtime_r(&at, &t)) abort();
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  return strftime(out, size, forms[form], &t);
#pragma GCC diagnostic pop
}

static int64_t bounded_ms(int64_t s) {
  return (s < 0 ? 0 : s > YEAR_S ? YEAR_S : s) * 1000;
}

static void date_check(struct fuzz_input *in) {
  int form = fuzz_byte(in) % 3;
  int64_t now = NOW, ms = -1;
  // Two digits of a year say which one it is only near today; before 1970 nothing is known.
  int64_t at = now + (int64_t)(fuzz_u64(in) % (uint64_t)(80 * YEAR_S)) - 40 * YEAR_S;
  char text[80];
  size_t len = date_print(form, at, text, sizeof text);
  FUZZ_CHECK(retry_after_parse((struct str){text, len}, now, &ms) && ms == bounded_ms(at - now), "%s: %lld", text, (long long)ms);
}

// Behind the name of the day.
static bool same_date(const char *printed, size_t len, struct str text, char mark) {
  const char *a = memchr(printed, mark, len), *b = memchr(text.ptr, mark, text.len);
  size_t behind = a ? (size_t)(printed + len - a) : 0;
  return a && b && (size_t)(text.ptr + text.len - b) == behind && memcmp(a, b, behind) == 0;
}

// Whether that second prints like that: only then can a text that is taken be told from its answer. Of the form without a
// comma a day before the tenth has a blank or a nought in front of it (RFC 9110, 5.6.7).
static bool prints_as(struct str text, int64_t at) {
  enum { DAY = 8 };
  char printed[80];
  for (int form = 0; form < 3; form++) {
    size_t len = date_print(form, at, printed, sizeof printed);
    if (same_date(printed, len, text, form == 2 ? ' ' : ',')) return true;
    if (form == 2 && printed[DAY] == ' ') printed[DAY] = '0';
    if (form == 2 && same_date(printed, len, text, ' ')) return true;
  }
  return false;
}

static void after_check(struct str text) {
  int64_t ms = 42;
  bool taken = retry_after_parse(text, NOW, &ms), digits = true;
  struct str trimmed = str_trim(text);
  for (size_t i = 0; i < trimmed.len; i++) digits = digits && trimmed.ptr[i] >= '0' && trimmed.ptr[i] <= '9';
  if (trimmed.len == 0) digits = false;
  FUZZ_CHECK(taken || ms == 42, "an answer without one");
  FUZZ_CHECK(!digits || taken, "%.*s is not taken", STR_ARG(text));
  if (!taken) return;
  FUZZ_CHECK(ms >= 0 && ms <= YEAR_S * 1000 && ms % 1000 == 0, "%lld", (long long)ms);
  int64_t s = 0;
  for (size_t i = 0; digits && i < trimmed.len && s <= YEAR_S; i++) s = s * 10 + (trimmed.ptr[i] - '0');
  if (digits)
    FUZZ_CHECK(ms == bounded_ms(s), "%.*s is %lld", STR_ARG(text), (long long)ms);
  else if (ms > 0 && ms < YEAR_S * 1000) // a leap second prints as the one behind it
    FUZZ_CHECK(prints_as(trimmed, NOW + ms / 1000) || memmem(trimmed.ptr, trimmed.len, ":60", 3), "%.*s is in %lld ms", STR_ARG(text), (long long)ms);
}

// ---- schedules

static int64_t step_reference(struct str one) {
  static const struct {
    const char *unit;
    int64_t ms;
  } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
  int64_t n = 0;
  size_t i = 0;
  for (; i < one.len && one.ptr[i] >= '0' && one.ptr[i] <= '9'; i++)
    if (n < RETRY_STEP_MAX_MS * 10) n = n * 10 + (one.ptr[i] - '0');
  for (size_t u = 0; u < ARRAY_LEN(units) && i > 0; u++)
    if (str_eq((struct str){one.ptr + i, one.len - i}, str_from(units[u].unit))) {
      int64_t ms = n > RETRY_STEP_MAX_MS ? -1 : n * units[u].ms;
      return ms >= 1 && ms <= RETRY_STEP_MAX_MS ? ms : -1;
    }
  return -1;
}

static void schedule_check(struct str text) {
  struct retry_schedule s;
  struct buf why;
  int64_t wanted[RETRY_STEPS_MAX + 1];
  size_t count = 0;
  bool sound = true;
  for (size_t from = 0, to; sound && from <= text.len; from = to + 1) {
    for (to = from; to < text.len && text.ptr[to] != ','; to++) {}
    if (count > RETRY_STEPS_MAX) break;
    wanted[count] = step_reference(str_trim((struct str){text.ptr + from, to - from}));
    sound = wanted[count++] > 0;
  }
  sound = sound && count <= RETRY_STEPS_MAX;
  buf_init(&why, 1000);
  FUZZ_CHECK(retry_schedule_parse(text, &s, &why) == sound, "%.*s: %s", STR_ARG(text), buf_cstr(&why));
  FUZZ_CHECK((why.len > 0) == !sound, "a refusal without a reason");
  for (size_t i = 0; sound && i < count; i++) FUZZ_CHECK(s.count == count && s.ms[i] == wanted[i], "step %zu is %lld", i, (long long)s.ms[i]);
  buf_finish(&why);
}

// ---- ranges

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits) {
  for (unsigned i = 0; i < bits; i++)
    if ((a[i / 8] ^ b[i / 8]) >> (7 - i % 8) & 1) return false;
  return true;
}

// Of a list that was taken.
static bool covered(struct str text, int family, const uint8_t *ip) {
  struct str one;
  while (str_split(&text, ',', &one)) {
    char copy[80];
    uint8_t net[16];
    one = str_trim(one);
    FUZZ_CHECK(one.len < sizeof copy, "a range of %zu bytes", one.len);
    memcpy(copy, one.ptr, one.len);
    copy[one.len] = '\0';
    char *slash = strchr(copy, '/');
    if (slash) *slash = '\0';
    int of = strchr(copy, ':') ? AF_INET6 : AF_INET;
    FUZZ_CHECK(inet_pton(of, copy, net) == 1, "%s was taken", copy);
    unsigned bits = slash ? (unsigned)atoi(slash + 1) : of == AF_INET ? 32 : 128;
    if (of == family && same_bits(net, ip, bits)) return true;
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (of == AF_INET && family == AF_INET6 && memcmp(ip, mapped, 12) == 0 && same_bits(net, ip + 12, bits)) return true;
    uint8_t as6[16] = {[10] = 0xff, [11] = 0xff};
    if (of == AF_INET6 && family == AF_INET && same_bits(net, memcpy(as6 + 12, ip, 4) ? as6 : net, bits)) return true;
  }
  return false;
}

static void ranges_check(struct fuzz_input *in) {
  struct sockaddr_in four = {.sin_family = AF_INET};
  struct sockaddr_in6 six = {.sin6_family = AF_INET6};
  struct net_ranges r;
  struct buf why;
  uint8_t bytes[16];
  for (int i = 0; i < 16; i++) bytes[i] = fuzz_byte(in);
  struct str rest = fuzz_rest(in);
  char *copy = fuzz_copy(rest);
  struct str text = {copy, rest.len};
  buf_init(&why, 1000);
  memcpy(&four.sin_addr, bytes, 4);
  memcpy(&six.sin6_addr, bytes, 16);
  if (net_ranges_parse(text, &r, &why)) {
    FUZZ_CHECK(why.len == 0 && r.count <= NET_RANGES_MAX, "%zu", r.count);
    FUZZ_CHECK(net_ranges_have(&r, (struct sockaddr *)&four) == covered(text, AF_INET, bytes), "%u.%u.%u.%u in %.*s", bytes[0], bytes[1], bytes[2], bytes[3], STR_ARG(text));
    FUZZ_CHECK(net_ranges_have(&r, (struct sockaddr *)&six) == covered(text, AF_INET6, bytes), "an IPv6 address in %.*s", STR_ARG(text));
  } else
    FUZZ_CHECK(why.len > 0, "a refusal without a reason");
  buf_finish(&why);
  free(copy);
}

// ---- delays

static void delay_check(struct fuzz_input *in) {
  struct retry_schedule s = {.count = 1 + fuzz_byte(in) % RETRY_STEPS_MAX};
  struct retry_cause c = {.tries = fuzz_byte(in) % (RETRY_STEPS_MAX + 2), .busy = fuzz_byte(in) & 1, .luck = (uint32_t)fuzz_u64(in)};
  uint64_t step = 1 + fuzz_u64(in) % (uint64_t)RETRY_STEP_MAX_MS;
  for (size_t i = 0; i < s.count; i++) s.ms[i] = (int64_t)step;
  c.asked_ms = RETRY_NOT_ASKED;
  int64_t delay = retry_delay_ms(&s, &c), ms = (int64_t)step, least = ms - ms / 5, most = ms + ms / 5;
  if (c.tries >= s.count) {
    FUZZ_CHECK(delay == RETRY_OVER, "%lld", (long long)delay);
    return;
  }
  if (c.busy) least = least > 60000 ? least : 60000, most = most > 60000 ? most : 60000;
  FUZZ_CHECK(delay >= least && delay <= most, "%lld of %lld", (long long)delay, (long long)ms);
  c.asked_ms = (int64_t)(fuzz_u64(in) % (uint64_t)(3 * RETRY_STEP_MAX_MS));
  int64_t asked = retry_delay_ms(&s, &c), wanted = c.asked_ms < delay ? delay : c.asked_ms > 2 * delay ? 2 * delay : c.asked_ms;
  FUZZ_CHECK(asked == wanted, "%lld where %lld was asked for and %lld was due", (long long)asked, (long long)c.asked_ms, (long long)delay);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fuzz_input in = fuzz_input(data, size);
  uint8_t mode = fuzz_byte(&in) % 5;
  if (mode == 0) date_check(&in);
  if (mode == 1) delay_check(&in);
  if (mode == 2) ranges_check(&in);
  if (mode < 3) return 0;
  struct str rest = fuzz_rest(&in);
  char *copy = fuzz_copy(rest);
  if (mode == 3)
    after_check((struct str){copy, rest.len});
  else
    schedule_check((struct str){copy, rest.len});
  free(copy);
  return 0;
}
