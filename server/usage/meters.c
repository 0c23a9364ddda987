// Names of meters. What the operator has defined comes first: it may give a name of its own kind to nothing that is there
// already, so that the order decides nothing but speed.
#include "usage/meters.h"
#include "base/mem.h"
#include "plugin/registry.h"

static const char *plugin_has(const struct tollgate_plugin *plugin, struct str name) {
  int index = plugin_meter(plugin, name);
  return index < 0 ? NULL : plugin->meters[index].name;
}

const char *usage_meter_find(const struct usage_words *words, struct str name, enum book_aggregation *ret_aggregation) {
  const struct book_meter *own = book_meter(words->book, name);
  *ret_aggregation = own ? own->aggregation : BOOK_SUM;
  if (own) return own->name;
  const char *found = plugin_has(&plugin_none, name);
  for (size_t i = 0; !found && i < plugin_count(words->plugins); i++) found = plugin_has(plugin_at(words->plugins, i), name);
  return found;
}

const char *usage_meter_inclusive(struct str name) {
  static const struct {
    const char *name, *why;
  } totals[] = {
      {"prompt_tokens", "it includes cached tokens, and meters are disjoint: send input_tokens (those that were not cached) and cached_input_tokens"},
      {"completion_tokens", "it includes reasoning tokens, and meters are disjoint: send output_tokens (without them) and reasoning_tokens"},
      {"total_tokens", "it counts the other meters again: send input_tokens, cached_input_tokens, output_tokens and reasoning_tokens, each without the others"},
      {"cache_read_input_tokens", "send it as cached_input_tokens, and input_tokens without it"},
      {"cache_creation_input_tokens", "send it as cache_write_tokens, and input_tokens without it"},
      {"input_tokens_details", "send its parts as meters of their own, and input_tokens without them"},
      {"output_tokens_details", "send its parts as meters of their own, and output_tokens without them"},
      {"prompt_tokens_details", "send its parts as meters of their own, and input_tokens without them"},
      {"completion_tokens_details", "send its parts as meters of their own, and output_tokens without them"},
  };
  for (size_t i = 0; i < ARRAY_LEN(totals); i++)
    if (str_eq(name, str_from(totals[i].name))) return totals[i].why;
  return NULL;
}

void usage_meters_list(const struct usage_words *words, struct buf *out) {
  for (size_t i = 0; i < plugin_none.meter_count; i++) buf_printf(out, "%s%s", i ? ", " : "", plugin_none.meters[i].name);
  for (size_t p = 0; p < plugin_count(words->plugins); p++) {
    const struct tollgate_plugin *plugin = plugin_at(words->plugins, p);
    for (size_t i = 0; i < plugin->meter_count; i++) {
      bool told = plugin_has(&plugin_none, str_from(plugin->meters[i].name)) != NULL;
      for (size_t q = 0; !told && q < p; q++) told = plugin_has(plugin_at(words->plugins, q), str_from(plugin->meters[i].name)) != NULL;
      if (!told) buf_printf(out, ", %s", plugin->meters[i].name);
    }
  }
  for (size_t i = 0; i < book_meter_count(words->book); i++) buf_printf(out, ", %s", book_meter_at(words->book, i)->name);
}
