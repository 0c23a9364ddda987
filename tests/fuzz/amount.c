// Feeds: a text to amount_parse; sixteen bytes as two amounts to print, add and subtract.
// Oracle: a plain reader of the same grammar with 128-bit numbers says whether the text is an amount and which; what is
// printed is read back as the same, and has no digit too many; sums agree with 128-bit sums and fail only beyond int64.
#include "base/amount.h"
#include "fuzz.h"

#define NANO ((amount_wide)AMOUNT_ONE)

static bool digit(char c) {
  return c >= '0' && c <= '9';
}

// -?[0-9]+(\.[0-9]{1,9})? as nanocredits; beyond what int64 can ever hold the number no longer grows.
static bool reference(struct str s, amount_wide *ret) {
  size_t i = s.len > 0 && s.ptr[0] == '-', from = i;
  amount_wide whole = 0, part = 0, unit = NANO;
  for (; i < s.len && digit(s.ptr[i]); i++)
    if (whole < NANO * NANO) whole = whole * 10 + (s.ptr[i] - '0');
  if (i == from) return false;
  if (i < s.len) {
    size_t decimals = s.len - i - 1;
    if (s.ptr[i] != '.' || decimals < 1 || decimals > 9) return false;
    for (i++; i < s.len; i++) {
      if (!digit(s.ptr[i])) return false;
      unit /= 10;
      part += (s.ptr[i] - '0') * unit;
    }
  }
  amount_wide value = whole * NANO + part;
  *ret = from ? -value : value;
  return *ret >= INT64_MIN && *ret <= INT64_MAX;
}

static void print_check(amount a) {
  char text[AMOUNT_TEXT_MAX];
  amount back = ~a;
  amount_print(a, text);
  struct str s = str_from(text);
  FUZZ_CHECK(amount_parse(s, &back) && back == a, "%lld is printed as %s", (long long)a, text);
  const char *point = strchr(text, '.');
  FUZZ_CHECK(!point || (text[s.len - 1] != '0' && text[s.len - 1] != '.'), "%s ends in vain", text);
  const char *first = text + (text[0] == '-');
  FUZZ_CHECK(first[0] != '0' || first[1] == '.' || first[1] == '\0', "%s begins with a zero", text);
  FUZZ_CHECK(a != 0 || strcmp(text, "0") == 0, "zero is %s", text);
}

static void sums_check(amount a, amount b) {
  amount got = 42;
  amount_wide sum = (amount_wide)a + b, difference = (amount_wide)a - b;
  bool fits = sum >= INT64_MIN && sum <= INT64_MAX;
  FUZZ_CHECK(amount_add(a, b, &got) == fits && got == (fits ? (amount)sum : 42), "%lld + %lld", (long long)a,
             (long long)b);
  got = 42;
  fits = difference >= INT64_MIN && difference <= INT64_MAX;
  FUZZ_CHECK(amount_sub(a, b, &got) == fits && got == (fits ? (amount)difference : 42), "%lld - %lld", (long long)a,
             (long long)b);
}

static void text_check(struct str s) {
  amount got = 42;
  amount_wide wanted = 42;
  bool sound = reference(s, &wanted);
  FUZZ_CHECK(amount_parse(s, &got) == sound, "\"%.*s\" is %s amount", STR_ARG(s), sound ? "an" : "no");
  FUZZ_CHECK(got == (sound ? (amount)wanted : 42), "\"%.*s\" was read as %lld", STR_ARG(s), (long long)got);
  if (sound) print_check(got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fuzz_input in = fuzz_input(data, size);
  if (fuzz_byte(&in) % 2) {
    amount a = (amount)fuzz_u64(&in), b = (amount)fuzz_u64(&in);
    print_check(a);
    print_check(b);
    sums_check(a, b);
    return 0;
  }
  struct str rest = fuzz_rest(&in);
  char *copy = fuzz_copy(rest);
  text_check((struct str){copy, rest.len});
  free(copy);
  return 0;
}
