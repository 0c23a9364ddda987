// See books_rows.h.
#include "report/books_rows.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"

#define KEYS_MAX 64

struct line {
  enum books_class of;
  char currency[8];
  struct books_sums (*days)[2]; // credits and money of each day; opening and closing come at the end
  struct books_sums before[2];  // all that moved before the first day
  amount_wide left[2], held[2]; // what stands at the end by the grants themselves
};
struct books_rows {
  int32_t first, last;
  struct line lines[KEYS_MAX];
  size_t count;
};
enum { CREDITS, MONEY };

struct books_rows *books_rows_create(int32_t first, int32_t last) {
  struct books_rows *r = mem_alloc(sizeof *r);
  ASSERT(first < last);
  r->first = first;
  r->last = last;
  return r;
}

void books_rows_destroy(struct books_rows *r) {
  if (!r) return;
  for (size_t i = 0; i < r->count; i++) mem_free(r->lines[i].days);
  mem_free(r);
}

bool books_rows_key(struct books_rows *r, enum books_class of, struct str currency, size_t *ret_key) {
  for (size_t i = 0; i < r->count; i++)
    if (r->lines[i].of == of && (of != BOOKS_PAID || str_eq(str_from(r->lines[i].currency), currency))) {
      *ret_key = i;
      return true;
    }
  if (r->count == KEYS_MAX || currency.len >= sizeof r->lines[0].currency) return false;
  struct line *l = &r->lines[*ret_key = r->count++];
  l->of = of;
  if (of == BOOKS_PAID) memcpy(l->currency, currency.ptr, currency.len);
  l->days = mem_alloc((size_t)(r->last - r->first) * sizeof *l->days);
  return true;
}

void books_rows_add(struct books_rows *r, size_t key, int32_t day, const struct books_delta *d) {
  struct line *l = &r->lines[key];
  if (day >= r->last) day = r->last - 1; // a transfer of the last microsecond, in a zone whose clocks go back then
  struct books_sums *sums = day < r->first ? l->before : l->days[day - r->first];
  for (int f = 0; f < BOOKS_FLOW_COUNT; f++) {
    sums[CREDITS].flows[f] += d->credits[f];
    sums[MONEY].flows[f] += d->money[f];
  }
}

void books_rows_close(struct books_rows *r, size_t key, const struct books_grant *g) {
  struct line *l = &r->lines[key];
  l->left[CREDITS] += books_grant_credits(g, BOOKS_LEFT);
  l->held[CREDITS] += books_grant_credits(g, BOOKS_HELD);
  l->left[MONEY] += books_grant_money(g, BOOKS_LEFT);
  l->held[MONEY] += books_grant_money(g, BOOKS_HELD);
}

// ---- the sums

static void sums_close(struct books_sums *s, enum books_class of) {
  const amount_wide *f = s->flows;
  if (of == BOOKS_DEBT) {
    s->closing = s->opening + f[BOOKS_INCURRED] - f[BOOKS_REPAID] - f[BOOKS_RETURNED];
    return;
  }
  s->closing = s->opening + f[BOOKS_GRANTED] + f[BOOKS_RETURNED] - f[BOOKS_CONSUMED] - f[BOOKS_EXPIRED] - f[BOOKS_REFUNDED] -
               f[BOOKS_FROZEN] + f[BOOKS_WON];
  s->frozen_closing = s->frozen_opening + f[BOOKS_FROZEN] - f[BOOKS_WON] - f[BOOKS_LOST];
}

static bool is_empty(const struct books_sums *s) {
  bool empty = s->opening == 0 && s->frozen_opening == 0;
  for (int f = 0; f < BOOKS_FLOW_COUNT; f++) empty = empty && s->flows[f] == 0;
  return empty;
}

// What came back for a debt that had been repaid stands as a grant that no transfer gave: that much of what was undone of
// debt did not lower it.
static void debt_correct(struct books_rows *r) {
  struct line *debt = NULL;
  for (size_t i = 0; i < r->count; i++)
    if (r->lines[i].of == BOOKS_DEBT) debt = &r->lines[i];
  for (size_t i = 0; debt && i < r->count; i++) {
    if (&r->lines[i] == debt) continue;
    debt->before[CREDITS].flows[BOOKS_RETURNED] -= r->lines[i].before[CREDITS].flows[BOOKS_RETURNED];
    for (int32_t d = 0; d < r->last - r->first; d++)
      debt->days[d][CREDITS].flows[BOOKS_RETURNED] -= r->lines[i].days[d][CREDITS].flows[BOOKS_RETURNED];
  }
}

static void line_sum(struct line *l, int32_t days, struct books_row *total) {
  *total = (struct books_row){.of = l->of};
  memcpy(total->currency, l->currency, sizeof total->currency);
  for (int k = CREDITS; k <= MONEY; k++) {
    struct books_sums *whole = k == CREDITS ? &total->credits : &total->money;
    sums_close(&l->before[k], l->of);
    whole->opening = l->before[k].closing;
    whole->frozen_opening = l->before[k].frozen_closing;
    struct books_sums last = *whole;
    last.closing = whole->opening, last.frozen_closing = whole->frozen_opening;
    for (int32_t d = 0; d < days; d++) {
      struct books_sums *s = &l->days[d][k];
      s->opening = last.closing, s->frozen_opening = last.frozen_closing;
      sums_close(s, l->of);
      for (int f = 0; f < BOOKS_FLOW_COUNT; f++) whole->flows[f] += s->flows[f];
      last = *s;
    }
    sums_close(whole, l->of);
  }
}

static bool adds_up(const struct line *l, const struct books_row *total) {
  if (l->of == BOOKS_DEBT) return total->credits.closing >= 0;
  return total->credits.closing == l->left[CREDITS] && total->credits.frozen_closing == l->held[CREDITS] &&
         total->money.closing == l->left[MONEY] && total->money.frozen_closing == l->held[MONEY];
}

// ---- the rows

// By class, then by currency.
static void lines_sort(struct books_rows *r) {
  for (size_t i = 1; i < r->count; i++)
    for (size_t j = i; j > 0; j--) {
      struct line *a = &r->lines[j - 1], *b = &r->lines[j], swap = *a;
      if (a->of < b->of || (a->of == b->of && strcmp(a->currency, b->currency) <= 0)) break;
      *a = *b;
      *b = swap;
    }
}

int books_rows_take(struct books_rows *r, struct arena *arena, struct books *ret) {
  int32_t days = r->last - r->first;
  lines_sort(r);
  debt_correct(r);
  ret->row_count = ret->total_count = 0;
  ret->totals = arena_alloc(arena, (r->count + 1) * sizeof *ret->totals);
  for (size_t i = 0; i < r->count; i++) {
    struct books_row *total = &ret->totals[ret->total_count];
    line_sum(&r->lines[i], days, total);
    if (!adds_up(&r->lines[i], total)) return FAULT_CORRUPT;
    ret->total_count += !is_empty(&total->credits);
  }
  size_t wanted = 0;
  for (int32_t d = 0; d < days; d++)
    for (size_t i = 0; i < r->count; i++) wanted += !is_empty(&r->lines[i].days[d][CREDITS]);
  if (wanted > LIMIT_REPORT_ROWS) return BOOKS_TOO_MANY;
  ret->rows = arena_alloc(arena, (wanted + 1) * sizeof *ret->rows);
  for (int32_t d = 0; d < days; d++)
    for (size_t i = 0; i < r->count; i++) {
      const struct line *l = &r->lines[i];
      if (is_empty(&l->days[d][CREDITS])) continue;
      struct books_row *row = &ret->rows[ret->row_count++];
      *row = (struct books_row){.day = r->first + d, .of = l->of, .credits = l->days[d][CREDITS], .money = l->days[d][MONEY]};
      memcpy(row->currency, l->currency, sizeof row->currency);
    }
  return BOOKS_DONE;
}
