// From usage to money and nothing else: which rate each meter takes, then the exact sum of base/amount.h. A bound is
// priced at the dearest that its meters can turn into, so that no settlement of usage inside the bound can pass the
// hold.
#include "base/log.h"
#include "meter/call.h"
#include "json/write.h"
#include <limits.h>

static const char *meter_parent(void *arg, struct str meter) {
  const struct tollgate_plugin *plugin = arg;
  int index = plugin_meter(plugin, meter);
  return index < 0 ? NULL : plugin->meters[index].parent;
}

static const struct book_rate *rate_named(const struct tollgate_plugin *plugin, const struct book_price *price, const char *meter) {
  union {
    const struct tollgate_plugin *lent;
    void *unchanged;
  } arg = {.lent = plugin};
  return book_rate(price, str_from(meter), plugin ? meter_parent : NULL, arg.unchanged);
}

static const struct book_rate *rate_of(const struct tollgate_plugin *plugin, const struct book_price *price,
                                       uint32_t meter) {
  return rate_named(plugin, price, plugin->meters[meter].name);
}

// Whether `meter` is `above` or stands below it. The chain of parents is cut where it is longer than there are meters.
static bool stands_below(const struct tollgate_plugin *plugin, uint32_t meter, uint32_t above) {
  for (size_t steps = 0; steps <= plugin->meter_count; steps++) {
    if (meter == above) return true;
    const char *parent = plugin->meters[meter].parent;
    int index = parent ? plugin_meter(plugin, str_from(parent)) : -1;
    if (index < 0) return false;
    meter = (uint32_t)index;
  }
  return false;
}

static bool dearer(const struct book_rate *a, const struct book_rate *b) {
  return (amount_wide)a->charge * b->per > (amount_wide)b->charge * a->per;
}

static const struct book_rate *dearest_rate(const struct tollgate_plugin *plugin, const struct book_price *price,
                                            uint32_t meter) {
  const struct book_rate *dearest = rate_of(plugin, price, meter);
  if (!dearest) return NULL;
  for (uint32_t i = 0; i < plugin->meter_count; i++) {
    if (!stands_below(plugin, i, meter)) continue;
    const struct book_rate *rate = rate_of(plugin, price, i);
    if (rate && dearer(rate, dearest)) dearest = rate;
  }
  return dearest;
}

bool meter_price_bound(const struct tollgate_plugin *plugin, const struct book_price *price,
                       const struct tollgate_count *counts, size_t count, amount *ret_charge, const char **ret_meter) {
  struct amount_line lines[TOLLGATE_COUNTS_MAX];
  ASSERT(count <= TOLLGATE_COUNTS_MAX);
  for (size_t i = 0; i < count; i++) {
    ASSERT(counts[i].meter < plugin->meter_count && counts[i].quantity >= 0);
    const struct book_rate *rate = dearest_rate(plugin, price, counts[i].meter);
    *ret_meter = plugin->meters[counts[i].meter].name;
    if (!rate) return false;
    lines[i] = (struct amount_line){.quantity = counts[i].quantity, .rate = rate->charge, .per = rate->per};
  }
  *ret_meter = NULL;
  return amount_lines(lines, count, ret_charge);
}

bool meter_price_bound_of(const struct tollgate_plugin *plugin, const struct book_price *price, const struct meter_quantity *usage,
                          size_t count, amount *ret_charge, const char **ret_meter) {
  struct amount_line lines[METER_LINES_MAX];
  size_t lines_count = 0;
  *ret_charge = 0;
  ASSERT(count <= METER_LINES_MAX);
  for (size_t i = 0; i < count; i++) {
    if (usage[i].uncharged || usage[i].quantity == 0) continue;
    int index = plugin ? plugin_meter(plugin, str_from(usage[i].meter)) : -1;
    const struct book_rate *rate = index < 0 ? rate_named(plugin, price, usage[i].meter) : dearest_rate(plugin, price, (uint32_t)index);
    *ret_meter = usage[i].meter;
    if (!rate) return false;
    lines[lines_count++] = (struct amount_line){.quantity = usage[i].quantity, .rate = rate->charge, .per = rate->per};
  }
  *ret_meter = NULL;
  return lines_count == 0 || amount_lines(lines, lines_count, ret_charge);
}

// The plugin's order of meters is the one that remainders are handed out in; what it does not know comes last.
static int meter_place(const struct tollgate_plugin *plugin, const char *meter) {
  int index = plugin ? plugin_meter(plugin, str_from(meter)) : -1;
  return index < 0 ? INT_MAX : index;
}

static void quantities_sort(const struct tollgate_plugin *plugin, struct meter_quantity *at, size_t count) {
  for (size_t i = 1; i < count; i++)
    for (size_t j = i; j > 0 && meter_place(plugin, at[j].meter) < meter_place(plugin, at[j - 1].meter); j--) {
      struct meter_quantity swap = at[j];
      at[j] = at[j - 1];
      at[j - 1] = swap;
    }
}

// The lines, with their rates. 0; 1 where a meter has none.
static int bill_lines(const struct tollgate_plugin *plugin, const struct book_price *price, const struct meter_quantity *usage,
                      size_t count, struct meter_bill *bill, const char **ret_meter) {
  int result = 0;
  for (size_t i = 0; i < count; i++) {
    const struct book_rate *rate = usage[i].uncharged ? NULL : rate_named(plugin, price, usage[i].meter);
    size_t line = bill->count++;
    bill->lines[line].meter = usage[i].meter;
    bill->lines[line].quantity = usage[i].quantity;
    bill->lines[line].priced = rate != NULL;
    bill->lines[line].per = rate ? rate->per : 1;
    bill->lines[line].charge_rate = rate ? rate->charge : 0;
    bill->lines[line].cost_rate = rate ? rate->cost : 0;
    if (!rate && !usage[i].uncharged && result == 0) {
      *ret_meter = usage[i].meter;
      result = 1;
    }
  }
  return result;
}

static bool bill_sum(struct meter_bill *bill) {
  struct amount_line charge[METER_LINES_MAX], cost[METER_LINES_MAX];
  amount charge_total = 0, cost_total = 0;
  for (size_t i = 0; i < bill->count; i++) {
    charge[i] = (struct amount_line){
        .quantity = bill->lines[i].quantity, .rate = bill->lines[i].charge_rate, .per = bill->lines[i].per};
    cost[i] = (struct amount_line){
        .quantity = bill->lines[i].quantity, .rate = bill->lines[i].cost_rate, .per = bill->lines[i].per};
  }
  if (!amount_lines(charge, bill->count, &charge_total) || !amount_lines(cost, bill->count, &cost_total)) return false;
  for (size_t i = 0; i < bill->count; i++) {
    bill->lines[i].charge = charge[i].total;
    bill->lines[i].cost = cost[i].total;
  }
  bill->charge = charge_total;
  bill->cost = cost_total;
  return true;
}

int meter_price_quantities(const struct tollgate_plugin *plugin, const struct book_price *price, const struct meter_quantity *usage,
                           size_t count, struct meter_bill *ret, const char **ret_meter) {
  struct meter_quantity used[METER_LINES_MAX];
  size_t kept = 0;
  *ret = (struct meter_bill){0};
  for (size_t i = 0; i < count; i++) {
    if (usage[i].quantity == 0) continue;
    if (usage[i].quantity < 0 || kept == METER_LINES_MAX) return 2;
    used[kept++] = usage[i];
  }
  quantities_sort(plugin, used, kept);
  int result = bill_lines(plugin, price, used, kept, ret, ret_meter);
  if (result != 0) return result;
  return bill_sum(ret) ? 0 : 2;
}

static bool usage_is_first(const struct tollgate_usage *usage, size_t at) {
  for (size_t i = 0; i < at; i++)
    if (usage->counts[i].meter == usage->counts[at].meter) return false;
  return true;
}

int meter_price_usage(const struct tollgate_plugin *plugin, const struct book_price *price,
                      const struct tollgate_usage *usage, struct meter_bill *ret, const char **ret_meter) {
  struct meter_quantity named[TOLLGATE_COUNTS_MAX];
  size_t count = 0;
  ASSERT(usage->count <= TOLLGATE_COUNTS_MAX);
  for (size_t i = 0; i < usage->count; i++)
    if (usage->counts[i].meter < plugin->meter_count && usage->counts[i].quantity > 0 && usage_is_first(usage, i))
      named[count++] = (struct meter_quantity){.meter = plugin->meters[usage->counts[i].meter].name, .quantity = usage->counts[i].quantity};
  return meter_price_quantities(plugin, price, named, count, ret, ret_meter);
}

void meter_usage_json(const struct meter_bill *bill, struct buf *out) {
  struct json_writer w = json_writer(out);
  json_object_begin(&w);
  for (size_t i = 0; i < bill->count; i++) json_member_int(&w, bill->lines[i].meter, bill->lines[i].quantity);
  json_object_end(&w);
}
