// Stripe's table (docs.stripe.com/currencies).
#include "stripe/money.h"

struct currency {
  char code[4];
  int decimals;      // of what is sent
  int step;          // what is sent is a multiple of this
  const char *wrong; // where it is not
};
#define ROUND_TEN "must end in 0: the last of this currency's three decimals is not used"
#define ROUND_HUNDRED "must end in 00: this currency has no smaller unit, and is sent with two decimals all the same"
static const struct currency odd[] = {
    {"bif", 0, 1, NULL},
    {"clp", 0, 1, NULL},
    {"djf", 0, 1, NULL},
    {"gnf", 0, 1, NULL},
    {"jpy", 0, 1, NULL},
    {"kmf", 0, 1, NULL},
    {"krw", 0, 1, NULL},
    {"mga", 0, 1, NULL},
    {"pyg", 0, 1, NULL},
    {"rwf", 0, 1, NULL},
    {"vnd", 0, 1, NULL},
    {"vuv", 0, 1, NULL},
    {"xaf", 0, 1, NULL},
    {"xof", 0, 1, NULL},
    {"xpf", 0, 1, NULL},
    {"isk", 2, 100, ROUND_HUNDRED},
    {"ugx", 2, 100, ROUND_HUNDRED},
    {"bhd", 3, 10, ROUND_TEN},
    {"jod", 3, 10, ROUND_TEN},
    {"kwd", 3, 10, ROUND_TEN},
    {"omr", 3, 10, ROUND_TEN},
    {"tnd", 3, 10, ROUND_TEN},
};
static const struct currency usual = {"", 2, 1, NULL};

static const struct currency *find(struct str code) {
  for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
    if (str_eq(code, str_from(odd[i].code))) return &odd[i];
  return &usual;
}

bool money_is_currency(struct str code) {
  if (code.len != 3) return false;
  for (size_t i = 0; i < code.len; i++)
    if (code.ptr[i] < 'a' || code.ptr[i] > 'z') return false;
  return true;
}

int money_decimals(struct str code) {
  return find(code)->decimals;
}

const char *money_wrong(struct str code, int64_t minor) {
  const struct currency *c = find(code);
  if (minor < 1) return "must be 1 or more";
  if (minor > MONEY_MAX) return "must have at most twelve digits";
  return minor % c->step == 0 ? NULL : c->wrong;
}

void money_print(struct str code, int64_t minor, struct buf *out) {
  const struct currency *c = find(code);
  int decimals = c->step == 100 ? 0 : c->decimals;
  int64_t unit = 1, shown = c->step == 100 ? minor / 100 : minor;
  for (int i = 0; i < decimals; i++) unit *= 10;
  uint64_t value = shown < 0 ? -(uint64_t)shown : (uint64_t)shown, per = (uint64_t)unit;
  if (shown < 0) buf_putc(out, '-');
  buf_printf(out, "%llu", (unsigned long long)(value / per));
  if (decimals > 0) buf_printf(out, ".%0*llu", decimals, (unsigned long long)(value % per));
  buf_putc(out, ' ');
  for (size_t i = 0; i < code.len; i++)
    buf_putc(out, code.ptr[i] >= 'a' && code.ptr[i] <= 'z' ? (char)(code.ptr[i] - 'a' + 'A') : code.ptr[i]);
}
