// What a hold is of, where it is said as a model and quantities: the book's price now, and what such quantities can cost at most.
#include "base/limits.h"
#include "base/metric.h"
#include "rest/holding.h"
#include "usage/meters.h"

#define MODEL_TOLD 200 // characters of a name that is repeated in a message

static bool book_have(struct rest_request *r) {
  if (!r->book) r->book = book_take(r->context->books);
  if (!r->book) rest_fault(r, FAULT_DB);
  return r->book != NULL;
}

bool holding_usage(struct rest_request *r, struct json *usage, struct usage_event *ret) {
  struct usage_error error;
  if (!book_have(r)) return false;
  struct usage_words words = {r->context->plugins, r->book};
  if (usage_quantities(r->arena, &words, "usage", usage, ret, &error) == 0) return true;
  rest_refuse(r, PROBLEM_INVALID_REQUEST, error.param, "%s", error.message);
  return false;
}

const struct book_price *holding_route(struct rest_request *r, struct str model) {
  const struct book_price *price = NULL;
  return book_route(r->book, model, ledger_now(r->context->ledger), &price, 1) ? price : NULL;
}

bool holding_is_of(const struct book_price *price, struct str model) {
  struct str provider = price->provider->name;
  if (str_eq(model, price->model)) return true;
  return model.len == provider.len + 1 + price->model.len && str_starts(model, provider) && model.ptr[provider.len] == '/' && str_ends(model, price->model);
}

static void refuse_unpriced(struct rest_request *r, struct str model, const char *meter) {
  int len = (int)(model.len < MODEL_TOLD ? model.len : MODEL_TOLD);
  metric_add(METRIC_DENIED_PRICE, 1);
  if (meter)
    rest_refuse(r, PROBLEM_MODEL_NOT_PRICED, "usage", "The price of \"%.*s\" has no rate for %s.", len, model.ptr, meter);
  else
    rest_refuse(r, PROBLEM_MODEL_NOT_PRICED, "model", "\"%.*s\" has no price.", len, model.ptr);
}

bool holding_bound(struct rest_request *r, struct str model, const struct usage_event *e, const struct book_price **ret_price, amount *ret) {
  const struct book_price *price = holding_route(r, model);
  const char *meter = NULL;
  if (!price) {
    refuse_unpriced(r, model, NULL);
    return false;
  }
  const struct tollgate_plugin *plugin = plugin_by_name(r->context->plugins, price->provider->plugin);
  *ret_price = price;
  if (meter_price_bound_of(plugin, price, e->quantities, e->quantity_count, ret, &meter)) return true;
  if (meter) refuse_unpriced(r, model, meter);
  else rest_refuse(r, PROBLEM_INVALID_REQUEST, "usage", "This would cost more than an amount can be.");
  return false;
}

struct str holding_quantities(struct arena *arena, const struct usage_event *e) {
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, LIMIT_EVENT);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  for (size_t i = 0; i < e->quantity_count; i++)
    if (e->quantities[i].quantity != 0 || e->quantities[i].uncharged) json_member_int(&w, e->quantities[i].meter, e->quantities[i].quantity);
  json_object_end(&w);
  return arena_str(arena, buf_str(&out));
}
