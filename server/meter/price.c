// From usage to money and nothing else: which rate each meter takes, then the exact sum of base/amount.h. A bound is
// priced at the dearest that its meters can turn into, so that no settlement of usage inside the bound can pass the
// hold.
#include "base/log.h"
#include "meter/call.h"
#include "json/write.h"

static const char *meter_parent(void *arg, struct str meter) {
  const struct tollgate_plugin *plugin = arg;
  int index = plugin_meter(plugin, meter);
  return index < 0 ? NULL : plugin->meters[index].parent;
}

static const struct book_rate *rate_of(const struct tollgate_plugin *plugin, const struct book_price *price,
                                       uint32_t meter) {
  union {
    const struct tollgate_plugin *lent;
    void *unchanged;
  } arg = {.lent = plugin};
  return book_rate(price, str_from(plugin->meters[meter].name), meter_parent, arg.unchanged);
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

static int64_t usage_quantity(const struct tollgate_usage *usage, uint32_t meter) {
  for (size_t i = 0; i < usage->count; i++)
    if (usage->counts[i].meter == meter) return usage->counts[i].quantity;
  return 0;
}

// The lines in the plugin's order, with their rates. 0; 1 where a meter has none (its line then has rates of 0).
static int bill_lines(const struct tollgate_plugin *plugin, const struct book_price *price,
                      const struct tollgate_usage *usage, struct meter_bill *bill, const char **ret_meter) {
  int result = 0;
  for (uint32_t i = 0; i < plugin->meter_count; i++) {
    int64_t quantity = usage_quantity(usage, i);
    if (quantity <= 0) continue;
    ASSERT(bill->count < METER_LINES_MAX);
    const struct book_rate *rate = rate_of(plugin, price, i);
    size_t line = bill->count++;
    bill->lines[line].meter = plugin->meters[i].name;
    bill->lines[line].quantity = quantity;
    bill->lines[line].per = rate ? rate->per : 1;
    bill->lines[line].charge_rate = rate ? rate->charge : 0;
    bill->lines[line].cost_rate = rate ? rate->cost : 0;
    if (!rate && result == 0) {
      *ret_meter = plugin->meters[i].name;
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

int meter_price_usage(const struct tollgate_plugin *plugin, const struct book_price *price,
                      const struct tollgate_usage *usage, struct meter_bill *ret, const char **ret_meter) {
  ASSERT(usage->count <= TOLLGATE_COUNTS_MAX);
  *ret = (struct meter_bill){0};
  int result = bill_lines(plugin, price, usage, ret, ret_meter);
  if (result != 0) return result;
  return bill_sum(ret) ? 0 : 2;
}

void meter_usage_json(const struct meter_bill *bill, struct buf *out) {
  struct json_writer w = json_writer(out);
  json_object_begin(&w);
  for (size_t i = 0; i < bill->count; i++) json_member_int(&w, bill->lines[i].meter, bill->lines[i].quantity);
  json_object_end(&w);
}
