// Each call becomes a row of its own; sorted, rows of one key are neighbours and become one. Those of quarters, of which there are
// fewer then, become those of longer times in the same way. Meters' names are kept once.
#include "report/rollup_fold.h"
#include "base/mem.h"
#include "common/pick.h"
#include <stdlib.h>

#define NAME_MAX_BYTES 1024

void rollup_fold_clear(struct rollup_fold *f) {
  vec_finish(&f->sums);
  vec_finish(&f->quantities);
  vec_finish(&f->values);
  vec_finish(&f->corrected);
  for (size_t i = 0; i < f->meters.count; i++) f->meters.at[i].aggregation = ROLLUP_SUM;
  f->unsummed = 0;
}

void rollup_fold_finish(struct rollup_fold *f) {
  for (size_t i = 0; i < f->meters.count; i++) mem_free((void *)(uintptr_t)f->meters.at[i].name.ptr);
  rollup_fold_clear(f);
  vec_finish(&f->meters);
}

static uint32_t meter_of(struct rollup_fold *f, struct str name) {
  size_t i = 0;
  while (i < f->meters.count && !str_eq(f->meters.at[i].name, name)) i++;
  if (i == f->meters.count) *vec_add(&f->meters) = (struct rollup_meter){{mem_strndup(name.ptr, name.len), name.len}, ROLLUP_SUM};
  return (uint32_t)i;
}

void rollup_fold_unsummed(struct rollup_fold *f, struct str name, int aggregation) {
  uint32_t meter = meter_of(f, name);
  f->meters.at[meter].aggregation = aggregation;
  f->unsummed++;
}

static void quantity_add(struct rollup_fold *f, const struct rollup_call *call, uint32_t meter, int64_t quantity) {
  if (f->meters.at[meter].aggregation == ROLLUP_SUM) {
    if (quantity != 0) *vec_add(&f->quantities) = (struct rollup_quantity){meter, quantity};
  } else if (call->revision == 0) {
    *vec_add(&f->values) = (struct rollup_value){call->customer, call->id, call->key, call->price, rollup_quarter(call->id), meter, quantity};
  }
}

static bool usage_add(struct rollup_fold *f, const struct rollup_call *call, struct str usage, int sign) {
  struct pick members;
  if (pick_read(&members, usage.ptr, usage.len) != PICK_OK) return false;
  for (size_t i = 0; i < members.count; i++) {
    char name[NAME_MAX_BYTES];
    size_t len = 0;
    int64_t quantity;
    if (!pick_text(members.members[i].name, name, sizeof name, &len)) return false;
    if (pick_int(members.members[i].value, &quantity) != PICK_INTEGER) return false;
    quantity_add(f, call, meter_of(f, (struct str){name, len}), sign * rollup_add(0, quantity));
  }
  return true;
}

// A row of the sums for `call`: so many calls, so much of charge and cost, with the quantities from `first` on.
static void sum_add(struct rollup_fold *f, const struct rollup_call *call, struct uuid price, int64_t calls, amount charge, amount cost, size_t first) {
  *vec_add(&f->sums) = (struct rollup_sum){.customer = call->customer, .key = call->key, .price = price, .quarter = rollup_quarter(call->id), .width = 1,
                                           .reach = call->reach, .calls = calls, .charge = charge, .cost = cost, .first = first, .count = f->quantities.count - first};
}

// What the call was before goes from the price that it had to the one that it has.
static bool before_move(struct rollup_fold *f, const struct rollup_call *call) {
  for (int sign = -1; sign <= 1; sign += 2) {
    size_t first = f->quantities.count;
    if (!usage_add(f, call, call->before.usage, sign)) return false;
    sum_add(f, call, sign < 0 ? call->before.price : call->price, sign * call->before.counts, sign * call->before.charge, sign * call->before.cost, first);
  }
  return true;
}

bool rollup_fold_add(struct rollup_fold *f, const struct rollup_call *call) {
  size_t first = f->quantities.count;
  if (!usage_add(f, call, call->usage, 1)) return false;
  sum_add(f, call, call->price, call->counts, call->charge, call->cost, first);
  if (call->revision == 0) return true;
  *vec_add(&f->corrected) = (struct rollup_quarter_of){call->customer, rollup_quarter(call->id)};
  return uuid_eq(call->before.price, call->price) || before_move(f, call);
}

static int sums_compare(const void *a, const void *b) {
  const struct rollup_sum *x = a, *y = b;
  int order = uuid_cmp(x->customer, y->customer);
  if (order == 0) order = (x->width > y->width) - (x->width < y->width);
  if (order == 0) order = (x->quarter > y->quarter) - (x->quarter < y->quarter);
  if (order == 0) order = uuid_cmp(x->key, y->key);
  return order ? order : uuid_cmp(x->price, y->price);
}

// The ranks of the meters by name, so that a row's can be sorted by number.
struct ranks {
  const struct rollup_fold *f;
  uint32_t *meter_at, *rank_of;
};

static int text_compare(struct str a, struct str b) {
  int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
  return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int names_compare(const void *a, const void *b, void *arg) {
  const struct rollup_fold *f = arg;
  return text_compare(f->meters.at[*(const uint32_t *)a].name, f->meters.at[*(const uint32_t *)b].name);
}

static void ranks_make(struct ranks *r, struct rollup_fold *f) {
  size_t n = f->meters.count;
  r->f = f;
  r->meter_at = mem_alloc((n + 1) * sizeof *r->meter_at);
  r->rank_of = mem_alloc((n + 1) * sizeof *r->rank_of);
  for (size_t i = 0; i < n; i++) r->meter_at[i] = (uint32_t)i;
  qsort_r(r->meter_at, n, sizeof *r->meter_at, names_compare, f);
  for (size_t i = 0; i < n; i++) r->rank_of[r->meter_at[i]] = (uint32_t)i;
}

int64_t rollup_add(int64_t a, int64_t b) {
  int64_t sum;
  if (!__builtin_add_overflow(a, b, &sum) && sum >= -INT64_MAX) return sum;
  return b > 0 ? INT64_MAX : -INT64_MAX;
}

// Adds a row's quantities to the totals, which stand by rank.
static void totals_add(const struct ranks *r, const struct rollup_sum *sum, int64_t *totals) {
  for (size_t i = sum->first; i < sum->first + sum->count; i++) {
    const struct rollup_quantity *q = &r->f->quantities.at[i];
    int64_t *total = &totals[r->rank_of[q->meter]];
    *total = rollup_add(*total, q->quantity);
  }
}

static void row_add(struct rollup_sum *row, const struct rollup_sum *more) {
  row->calls = rollup_add(row->calls, more->calls);
  row->charge = rollup_add(row->charge, more->charge);
  row->cost = rollup_add(row->cost, more->cost);
}

static int quarters_compare(const void *a, const void *b) {
  const struct rollup_quarter_of *x = a, *y = b;
  int order = uuid_cmp(x->customer, y->customer);
  return order ? order : (x->quarter > y->quarter) - (x->quarter < y->quarter);
}

static void corrected_end(struct rollup_fold *f) {
  size_t kept = 0;
  if (f->corrected.count) qsort(f->corrected.at, f->corrected.count, sizeof *f->corrected.at, quarters_compare);
  for (size_t i = 0; i < f->corrected.count; i++)
    if (kept == 0 || quarters_compare(&f->corrected.at[kept - 1], &f->corrected.at[i]) != 0) f->corrected.at[kept++] = f->corrected.at[i];
  f->corrected.count = kept;
}

// Sorts the rows and makes one of all that are of the same.
static void neighbours_join(struct rollup_fold *f, const struct ranks *ranks) {
  size_t meters = f->meters.count, made = 0;
  int64_t *totals = mem_alloc((meters + 1) * sizeof *totals);
  vec(struct rollup_quantity) quantities = {0};
  if (f->sums.count) qsort(f->sums.at, f->sums.count, sizeof *f->sums.at, sums_compare);
  for (size_t i = 0, n; i < f->sums.count; i += n) {
    struct rollup_sum row = f->sums.at[i];
    for (n = 1; i + n < f->sums.count && sums_compare(&row, &f->sums.at[i + n]) == 0; n++) row_add(&row, &f->sums.at[i + n]);
    for (size_t k = 0; k < n; k++) totals_add(ranks, &f->sums.at[i + k], totals);
    row.first = quantities.count;
    for (size_t m = 0; m < meters; m++) {
      if (totals[m] != 0) *vec_add(&quantities) = (struct rollup_quantity){ranks->meter_at[m], totals[m]};
      totals[m] = 0;
    }
    row.count = quantities.count - row.first;
    f->sums.at[made++] = row;
  }
  f->sums.count = made;
  vec_finish(&f->quantities);
  memcpy(&f->quantities, &quantities, sizeof quantities);
  mem_free(totals);
}

static void widened_add(struct rollup_fold *f, struct rollup_sum sum, int32_t width, int32_t from) {
  if (sum.quarter < from) return;
  sum.quarter -= sum.quarter % width;
  sum.width = width;
  *vec_add(&f->sums) = sum;
}

void rollup_fold_end(struct rollup_fold *f) {
  struct ranks ranks;
  ranks_make(&ranks, f);
  corrected_end(f);
  neighbours_join(f, &ranks);
  size_t quarters = f->sums.count;
  for (size_t i = 0; i < quarters; i++) {
    struct rollup_sum sum = f->sums.at[i];
    widened_add(f, sum, ROLLUP_HOUR, sum.reach.hours);
    widened_add(f, sum, ROLLUP_SIX_HOURS, sum.reach.days);
    widened_add(f, sum, ROLLUP_DAY, sum.reach.days);
  }
  if (f->sums.count > quarters) neighbours_join(f, &ranks);
  mem_free(ranks.meter_at);
  mem_free(ranks.rank_of);
}
