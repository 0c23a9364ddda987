// `tollgate report books` for people: what stands and moves in credits, the same in money where it was paid, and what is
// owed. A column in which nothing moved is left out.
#include "app/command.h"
#include "app/out.h"
#include "app/report.h"
#include "base/mem.h"
#include "json/read.h"
#include "stripe/money.h"

#define CELL_MAX 256

struct sum {
  const char *path, *heading, *of_money;
  bool always, of_debt, of_grants;
};
static const struct sum sums[] = {
    {"opening", "OPENING", "OPENING", true, true, true},    {"granted", "GRANTED", "SOLD", true, false, true},
    {"incurred", "INCURRED", NULL, true, true, false},      {"repaid", "REPAID", NULL, true, true, false},
    {"returned", "RETURNED", "RETURNED", false, true, true}, {"consumed", "CONSUMED", "REVENUE", true, false, true},
    {"expired", "EXPIRED", "BREAKAGE", false, false, true}, {"refunded", "REFUNDED", "REFUNDED", false, false, true},
    {"frozen", "FROZEN", "FROZEN", false, false, true},     {"won", "WON", "WON", false, false, true},
    {"closing", "CLOSING", "CLOSING", true, true, true},    {"lost", "LOST", "LOST", false, false, true},
    {"frozen_closing", "STILL FROZEN", "STILL FROZEN", false, false, true},
};

enum part { PART_CREDITS, PART_MONEY, PART_DEBT };

static bool is_class(struct json *row, const char *name) {
  struct str text;
  return json_text(json_get(row, "class"), &text) && str_eq(text, str_from(name));
}

static bool belongs(struct json *row, enum part part) {
  if (part == PART_MONEY) return is_class(row, "paid");
  return is_class(row, "debt") == (part == PART_DEBT);
}

static struct json *value_of(struct json *row, enum part part, const struct sum *s) {
  return json_get(json_get(row, part == PART_MONEY ? "money" : "credits"), s->path);
}

static bool is_zero(struct json *value) {
  struct str text;
  int64_t number = 0;
  return json_text(value, &text) ? str_eq(text, STR("0")) : json_int(value, &number) && number == 0;
}

static bool is_shown(struct json *lists[2], enum part part, const struct sum *s) {
  if (part == PART_DEBT ? !s->of_debt : !s->of_grants) return false;
  for (size_t l = 0; !s->always && l < 2; l++)
    for (size_t i = 0; i < json_count(lists[l]); i++)
      if (belongs(json_at(lists[l], i), part) && !is_zero(value_of(json_at(lists[l], i), part, s))) return true;
  return s->always;
}

// Minor units as people write them: without the currency, which has a column of its own.
static void money_cell(struct out_table *t, struct str currency, struct json *value) {
  CLEANUP(buf_finish) struct buf text;
  int64_t minor = 0;
  buf_init(&text, CELL_MAX);
  if (!json_int(value, &minor)) {
    out_scalar(value, &text);
  } else {
    money_print(currency, minor < 0 ? -minor : minor, &text);
    char *blank = text.len ? memchr(text.data, ' ', text.len) : NULL;
    if (blank) text.len = (size_t)(blank - text.data);
  }
  CLEANUP(buf_finish) struct buf whole;
  buf_init(&whole, CELL_MAX);
  buf_printf(&whole, "%s%.*s", minor < 0 ? "-" : "", (int)text.len, text.data);
  out_table_cell(t, buf_cstr(&whole));
}

static void text_cell(struct out_table *t, struct json *value, const char *missing) {
  CLEANUP(buf_finish) struct buf text;
  buf_init(&text, CELL_MAX);
  if (value)
    out_scalar(value, &text);
  else
    buf_puts(&text, missing);
  out_table_cell(t, buf_cstr(&text));
}

static void row_add(struct out_table *t, struct json *row, enum part part, const bool *shown) {
  struct str currency = STR("");
  text_cell(t, json_get(row, "day"), "total");
  if (part == PART_CREDITS) text_cell(t, json_get(row, "class"), "");
  if (part != PART_DEBT) text_cell(t, json_get(row, "currency"), "");
  (void)json_text(json_get(row, "currency"), &currency);
  for (size_t s = 0; s < ARRAY_LEN(sums); s++) {
    if (!shown[s]) continue;
    if (part == PART_MONEY)
      money_cell(t, currency, value_of(row, part, &sums[s]));
    else
      text_cell(t, value_of(row, part, &sums[s]), "");
  }
}

static void part_print(struct json *books, enum part part, const char *heading) {
  struct json *lists[2] = {json_get(books, "rows"), json_get(books, "totals")};
  bool shown[ARRAY_LEN(sums)];
  struct out_table t;
  out_table_init(&t);
  out_table_column(&t, "DAY", false);
  if (part == PART_CREDITS) out_table_column(&t, "CLASS", false);
  if (part != PART_DEBT) out_table_column(&t, "CURRENCY", false);
  for (size_t s = 0; s < ARRAY_LEN(sums); s++) {
    shown[s] = is_shown(lists, part, &sums[s]);
    if (shown[s]) out_table_column(&t, part == PART_MONEY ? sums[s].of_money : sums[s].heading, true);
  }
  for (size_t l = 0; l < 2; l++)
    for (size_t i = 0; i < json_count(lists[l]); i++)
      if (belongs(json_at(lists[l], i), part)) row_add(&t, json_at(lists[l], i), part, shown);
  if (t.count > 0) {
    (void)printf("%s%s%s\n", out_style(stdout, OUT_BOLD), heading, out_reset(stdout));
    out_table_print(&t, stdout, "  ");
    (void)putchar('\n');
  }
  out_table_finish(&t);
}

int books_run(struct invocation *in) {
  CLEANUP(json_finishp) struct json *books = NULL;
  struct str as_of = STR("");
  int code = report_fetch(in, "/api/v1/reports/books", &books);
  if (!books) return code;
  part_print(books, PART_CREDITS, "Credits");
  part_print(books, PART_MONEY, "Money");
  part_print(books, PART_DEBT, "Owed");
  (void)json_text(json_get(books, "as_of"), &as_of);
  if (json_count(json_get(books, "totals")) == 0) (void)puts("nothing stood and nothing moved");
  out_note("as of %.*s; a day is final when it has ended", STR_ARG(as_of));
  return code;
}
