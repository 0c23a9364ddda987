// From an event to its charge, by the arithmetic that calls are settled with. A price that is not there is a state, never zero;
// what has no price by its nature, and what was not used at all, needs none.
#include "usage/rate.h"
#include "base/limits.h"
#include "base/mem.h"
#include "json/write.h"
#include "plugin/registry.h"
#include "price/book.h"

static struct str usage_json(struct arena *arena, const struct usage_event *e) {
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, LIMIT_EVENT);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  for (size_t i = 0; i < e->quantity_count; i++)
    if (e->quantities[i].quantity != 0 || e->quantities[i].uncharged) json_member_int(&w, e->quantities[i].meter, e->quantities[i].quantity);
  json_object_end(&w);
  return arena_str(arena, buf_str(&out));
}

static bool needs_price(const struct usage_event *e) {
  for (size_t i = 0; i < e->quantity_count; i++)
    if (e->quantities[i].quantity != 0 && !e->quantities[i].uncharged) return true;
  return false;
}

bool usage_rate(struct arena *arena, const struct usage_words *words, const struct usage_event *e, int64_t at, struct usage_rating *ret) {
  const struct book_price *price = NULL;
  struct meter_bill bill;
  *ret = (struct usage_rating){.state = CALL_SETTLED, .usage = usage_json(arena, e)};
  if (book_route(words->book, e->model, at, &price, 1) == 0) {
    if (needs_price(e)) ret->state = CALL_UNRATED;
    return true;
  }
  const struct tollgate_plugin *plugin = plugin_by_name(words->plugins, price->provider->plugin);
  int result = meter_price_quantities(plugin, price, e->quantities, e->quantity_count, &bill, &ret->unrated_meter);
  if (result == 2) return false;
  ret->price = price->id;
  if (result == 1) {
    ret->state = CALL_UNRATED;
    return true;
  }
  ret->charge = bill.charge;
  ret->cost = bill.cost;
  return true;
}

struct str usage_evidence(struct arena *arena, const struct usage_event *e, const struct usage_rating *rating) {
  bool unrated = rating->state == CALL_UNRATED;
  if (!unrated && e->more.len == 0) return (struct str){0};
  bool fits = e->more.len + e->type.len + e->model.len < LIMIT_EVIDENCE - 4096;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, LIMIT_EVIDENCE);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_key(&w, "event");
  json_object_begin(&w);
  json_member_str(&w, "type", e->type);
  if (e->more.len > 0 && fits) json_member_raw(&w, "data", e->more);
  if (e->more.len > 0 && !fits) json_member_text(&w, "data_lost", "too long");
  json_object_end(&w);
  if (unrated) {
    json_member_str(&w, "model", e->model);
    if (rating->unrated_meter) json_member_text(&w, "unrated_meter", rating->unrated_meter);
  }
  json_object_end(&w);
  return arena_str(arena, buf_str(&out));
}
