// The books as JSON and as CSV.
#include "base/clock.h"
#include "json/write.h"
#include "report/books.h"
#include <stdio.h>

static const char *const class_names[] = {"paid", "unpaid", "promotional", "debt"};
static const char *const flow_names[] = {
#define X(id, name, what) name,
    BOOKS_FLOWS(X)
#undef X
};
#define NUMBER_MAX 48

// Sums over all customers may be wider than an amount.
static size_t digits_print(amount_wide value, char out[NUMBER_MAX]) {
  char reversed[NUMBER_MAX];
  size_t n = 0, len = 0;
  amount_wide rest = value < 0 ? -value : value;
  do reversed[n++] = (char)('0' + (int)(rest % 10));
  while ((rest /= 10) > 0);
  if (value < 0) out[len++] = '-';
  while (n > 0) out[len++] = reversed[--n];
  out[len] = '\0';
  return len;
}

static void credits_print(amount_wide value, char out[NUMBER_MAX]) {
  char digits[NUMBER_MAX];
  bool negative = value < 0;
  size_t len = digits_print(negative ? -value : value, digits), whole = len > 9 ? len - 9 : 0;
  char fraction[10] = "000000000";
  memcpy(fraction + 9 - (len - whole), digits + whole, len - whole);
  size_t kept = 9;
  while (kept > 0 && fraction[kept - 1] == '0') kept--;
  (void)snprintf(out, NUMBER_MAX, "%s%.*s%s%.*s", negative ? "-" : "", whole ? (int)whole : 1, whole ? digits : "0",
                 kept ? "." : "", (int)kept, fraction);
}

static void day_print(int32_t day, char out[CLOCK_TEXT_MAX]) {
  clock_print((int64_t)day * 86400 * 1000000, out);
  out[10] = '\0';
}

// ---- JSON

typedef void (*put)(struct json_writer *w, amount_wide value);

static void put_credits(struct json_writer *w, amount_wide value) {
  char text[NUMBER_MAX];
  credits_print(value, text);
  json_put_text(w, text);
}

static void put_money(struct json_writer *w, amount_wide value) {
  char text[NUMBER_MAX];
  (void)digits_print(value, text);
  json_put_raw(w, str_from(text));
}

static void sum_json(struct json_writer *w, const char *name, put put_one, amount_wide value) {
  json_key(w, name);
  put_one(w, value);
}

static void sums_json(struct json_writer *w, const char *name, const struct books_sums *s, put put_one) {
  json_key(w, name);
  json_object_begin(w);
  sum_json(w, "opening", put_one, s->opening);
  for (int f = 0; f < BOOKS_FLOW_COUNT; f++) sum_json(w, flow_names[f], put_one, s->flows[f]);
  sum_json(w, "closing", put_one, s->closing);
  sum_json(w, "frozen_opening", put_one, s->frozen_opening);
  sum_json(w, "frozen_closing", put_one, s->frozen_closing);
  json_object_end(w);
}

static void row_json(struct json_writer *w, const struct books_row *row, bool dated) {
  char day[CLOCK_TEXT_MAX];
  json_object_begin(w);
  day_print(row->day, day);
  if (dated) json_member_text(w, "day", day);
  json_member_text(w, "class", class_names[row->of]);
  json_member_text(w, "currency", row->of == BOOKS_PAID ? row->currency : NULL);
  sums_json(w, "credits", &row->credits, put_credits);
  if (row->of == BOOKS_PAID) {
    sums_json(w, "money", &row->money, put_money);
  } else {
    json_key(w, "money");
    json_put_null(w);
  }
  json_object_end(w);
}

void books_write_json(struct json_writer *w, const struct books *b) {
  char day[CLOCK_TEXT_MAX];
  json_object_begin(w);
  json_member_text(w, "object", "books");
  day_print(b->first, day);
  json_member_text(w, "from", day);
  day_print(b->last, day);
  json_member_text(w, "until", day);
  json_member_str(w, "time_zone", b->time_zone);
  json_member_time(w, "as_of", b->as_of);
  json_key(w, "rows");
  json_array_begin(w);
  for (size_t i = 0; i < b->row_count; i++) row_json(w, &b->rows[i], true);
  json_array_end(w);
  json_key(w, "totals");
  json_array_begin(w);
  for (size_t i = 0; i < b->total_count; i++) row_json(w, &b->totals[i], false);
  json_array_end(w);
  json_object_end(w);
}

// ---- CSV

static void headings_csv(struct buf *out, const char *prefix) {
  buf_printf(out, ",%sopening", prefix);
  for (int f = 0; f < BOOKS_FLOW_COUNT; f++) buf_printf(out, ",%s%s", prefix, flow_names[f]);
  buf_printf(out, ",%sclosing,%sfrozen_opening,%sfrozen_closing", prefix, prefix, prefix);
}

static void cell_csv(struct buf *out, amount_wide value, bool credits) {
  char text[NUMBER_MAX];
  if (credits)
    credits_print(value, text);
  else
    (void)digits_print(value, text);
  buf_printf(out, ",%s", text);
}

static void sums_csv(struct buf *out, const struct books_sums *s, bool credits) {
  cell_csv(out, s->opening, credits);
  for (int f = 0; f < BOOKS_FLOW_COUNT; f++) cell_csv(out, s->flows[f], credits);
  cell_csv(out, s->closing, credits);
  cell_csv(out, s->frozen_opening, credits);
  cell_csv(out, s->frozen_closing, credits);
}

void books_write_csv(struct buf *out, const struct books *b) {
  buf_puts(out, "day,class,currency");
  headings_csv(out, "");
  headings_csv(out, "money_");
  buf_puts(out, "\r\n");
  for (size_t i = 0; i < b->row_count; i++) {
    const struct books_row *row = &b->rows[i];
    char day[CLOCK_TEXT_MAX];
    day_print(row->day, day);
    buf_printf(out, "%s,%s,%s", day, class_names[row->of], row->currency);
    sums_csv(out, &row->credits, true);
    if (row->of == BOOKS_PAID)
      sums_csv(out, &row->money, false);
    else
      for (int c = 0; c < BOOKS_FLOW_COUNT + 4; c++) buf_putc(out, ',');
    buf_puts(out, "\r\n");
  }
}
