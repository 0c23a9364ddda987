// See again.h.
#include "rerate/again.h"
#include <stdlib.h>

// ---- what stood

struct view {
  enum call_state state;
  unsigned flags;
  struct uuid price;
};

static bool row_counts(const struct again_pins *pins, const struct piece_row *row) {
  size_t low = 0, high = pins ? pins->writer_count : 0;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (pins->writers[middle].writer < row->writer)
      low = middle + 1;
    else
      high = middle;
  }
  return !pins || (low < pins->writer_count && pins->writers[low].writer == row->writer && row->seq <= pins->writers[low].seq);
}

// Rows are written one after the other, so that those that count come first. 0; 1: none does.
static int view_read(const struct again *a, struct arena *arena, const struct piece_call *call, struct view *view, struct again_result *ret) {
  size_t count = 0;
  while (count < call->row_count && row_counts(a->pins, &call->rows[count])) count++;
  if (count == 0) return 1;
  ret->later = call->row_count - count;
  for (size_t i = 0; i < count; i++) {
    ret->charge_before += call->rows[i].charge;
    ret->cost_before += call->rows[i].cost;
    int fault = quantities_add(&ret->usage, arena, call->rows[i].usage);
    if (fault != 0) return fault;
  }
  const struct piece_row *last = &call->rows[count - 1];
  *view = (struct view){last->state, last->flags, last->price};
  return 0;
}

// Meters that are for reports alone need no rate.
static void uncharged_mark(const struct again *a, struct meter_quantities *usage) {
  for (size_t i = 0; i < usage->count; i++) usage->at[i].uncharged = !book_meter_is_charged(book_meter(a->book, str_from(usage->at[i].meter)));
}

static bool anything_used(const struct meter_quantities *usage) {
  for (size_t i = 0; i < usage->count; i++)
    if (usage->at[i].quantity != 0) return true;
  return false;
}

// ---- which price

static int pin_cmp(const void *key, const void *element) {
  return uuid_cmp(*(const struct uuid *)key, *(const struct uuid *)element);
}

// When the version ends, as far as it counts; false: it does not.
static bool version_ends(const struct again_pins *pins, const struct book_price *p, int64_t *ret) {
  *ret = p->valid_until;
  if (!pins) return true;
  size_t size = sizeof *pins->prices;
  const char *found = pins->price_count ? bsearch(&p->id, pins->prices, pins->price_count, size, pin_cmp) : NULL;
  if (found) *ret = pins->prices[(size_t)(found - (const char *)pins->prices) / size].ends;
  return found != NULL;
}

struct asked {
  struct str model;
  struct uuid provider; // nil: whichever
  struct str provider_name; // empty: whichever
};

static bool version_serves(const struct asked *asked, const struct book_price *p) {
  return (uuid_is_nil(asked->provider) || uuid_eq(p->provider->id, asked->provider)) &&
         (asked->provider_name.len == 0 || str_eq(p->provider->name, asked->provider_name));
}

static bool bill_by(const struct again *a, const struct book_price *p, const struct meter_quantities *usage, struct meter_bill *ret) {
  const char *meter = NULL;
  return meter_price_quantities(plugin_by_name(a->plugins, p->provider->plugin), p, usage->at, usage->count, ret, &meter) == 0;
}

// In force at `at` and able to price the usage.
static const struct book_price *version_at(const struct again *a, const struct asked *asked, int64_t at, const struct meter_quantities *usage,
                                           struct meter_bill *ret) {
  size_t count = 0;
  const struct book_price *all = book_versions(a->book, asked->model, &count);
  for (size_t i = 0; i < count; i++) {
    int64_t ends = 0;
    if (!version_serves(asked, &all[i]) || !version_ends(a->pins, &all[i], &ends)) continue;
    if (all[i].valid_from <= at && (ends == 0 || at < ends) && bill_by(a, &all[i], usage, ret)) return &all[i];
  }
  return NULL;
}

// The earliest that began after `at`, and by now.
static const struct book_price *next_version(const struct again *a, const struct asked *asked, int64_t at) {
  size_t count = 0;
  const struct book_price *all = book_versions(a->book, asked->model, &count), *first = NULL;
  for (size_t i = 0; i < count; i++) {
    int64_t ends = 0;
    if (!version_serves(asked, &all[i]) || !version_ends(a->pins, &all[i], &ends)) continue;
    if (all[i].valid_from > at && all[i].valid_from <= a->now && (!first || all[i].valid_from < first->valid_from)) first = &all[i];
  }
  return first;
}

static const struct book_price *version_find(const struct again *a, const struct asked *asked, int64_t at, const struct meter_quantities *usage,
                                             struct meter_bill *ret) {
  const struct book_price *p = version_at(a, asked, at, usage, ret);
  for (const struct book_price *next = p ? NULL : next_version(a, asked, at); next && !p; next = next_version(a, asked, next->valid_from))
    if (bill_by(a, next, usage, ret)) p = next;
  return p;
}

// ---- what was asked for

// "provider/model" names both where no model carries that whole name, as it does in a request.
static struct asked asked_as(const struct again *a, struct str name) {
  size_t count = 0;
  const char *slash = name.len ? memchr(name.ptr, '/', name.len) : NULL;
  (void)book_versions(a->book, name, &count);
  if (count > 0 || !slash || slash == name.ptr) return (struct asked){.model = name};
  struct str provider = {name.ptr, (size_t)(slash - name.ptr)};
  return (struct asked){.model = {slash + 1, name.len - provider.len - 1}, .provider_name = provider};
}

// False: a call of which nothing says by what it could be priced.
static bool asked_of(const struct again *a, const struct piece_call *call, const struct view *view, struct asked *ret) {
  const struct book_price *price = book_price_by_id(a->book, view->price);
  if (price) *ret = (struct asked){.model = price->model, .provider = price->provider->id};
  else if (view->state == CALL_UNRATED && call->model.len > 0) *ret = asked_as(a, call->model);
  else return false;
  return (a->model.len == 0 || str_eq(a->model, ret->model)) &&
         (uuid_is_nil(a->provider) || uuid_is_nil(ret->provider) || uuid_eq(a->provider, ret->provider));
}

// Whether its usage and its price are why it cost what it did.
static bool priced_by_usage(const struct again *a, const struct view *view, const struct again_result *of) {
  struct meter_bill bill;
  const struct book_price *price = book_price_by_id(a->book, view->price);
  return view->state == CALL_UNRATED || (price && bill_by(a, price, &of->usage, &bill) && bill.charge == of->charge_before);
}

// Where the client left, its policy said how much of the usage is charged; the operator paid for all of it. Where that is not
// known any more the cost stays what it was.
static amount cost_of(const struct again *a, struct arena *arena, const struct piece_call *call, const struct view *view,
                      const struct book_price *price, const struct meter_bill *bill, amount before) {
  struct meter_quantities generated = {.count = 0};
  struct meter_bill all;
  if (!(view->flags & CALL_ABORTED) || view->state == CALL_UNRATED) return bill->cost;
  if (!call->generated.ptr || quantities_add(&generated, arena, call->generated) != 0) return before;
  return bill_by(a, price, &generated, &all) ? all.cost : before;
}

int again_price(const struct again *a, struct arena *arena, const struct piece_call *call, struct again_result *ret) {
  struct view view;
  struct asked asked;
  struct meter_bill bill;
  *ret = (struct again_result){0};
  int r = view_read(a, arena, call, &view, ret);
  if (r != 0) return r < 0 ? r : AGAIN_NOT;
  uncharged_mark(a, &ret->usage);
  if (view.state != CALL_UNRATED && (view.state != CALL_SETTLED || a->unrated)) return AGAIN_NOT;
  if (!uuid_is_nil(a->key) && !uuid_eq(a->key, call->key)) return AGAIN_NOT;
  if (!anything_used(&ret->usage) || !asked_of(a, call, &view, &asked) || !priced_by_usage(a, &view, ret)) return AGAIN_NOT;
  if (uuid_is_nil(asked.provider)) asked.provider = a->provider;
  int64_t at = a->priced_at > 0 ? a->priced_at : uuid_time_us(call->id);
  const struct book_price *price = version_find(a, &asked, at, &ret->usage, &bill);
  if (!price) return AGAIN_UNPRICED;
  ret->price = price->id;
  ret->charge = bill.charge;
  ret->cost = cost_of(a, arena, call, &view, price, &bill, ret->cost_before);
  bool same = view.state == CALL_SETTLED && ret->charge == ret->charge_before && ret->cost == ret->cost_before;
  return same ? AGAIN_SAME : AGAIN_DIFFERS;
}
