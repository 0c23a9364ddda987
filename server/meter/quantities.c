// See quantities.h.
#include "meter/quantities.h"
#include "base/mem.h"
#include "json/read.h"
#include "json/write.h"

#define JSON_MAX (64 * 1024)

struct adding {
  struct meter_quantities *q;
  struct arena *arena;
};

static int one_add(void *arg, const char *name, struct json *value) {
  struct meter_quantities *q = ((struct adding *)arg)->q;
  int64_t quantity = 0;
  size_t i = 0;
  if (!json_int(value, &quantity)) return FAULT_CORRUPT;
  while (i < q->count && strcmp(q->at[i].meter, name) != 0) i++;
  if (i == METER_LINES_MAX) return FAULT_CORRUPT;
  if (i == q->count) q->at[q->count++] = (struct meter_quantity){.meter = arena_strdup(((struct adding *)arg)->arena, str_from(name))};
  return __builtin_add_overflow(q->at[i].quantity, quantity, &q->at[i].quantity) ? FAULT_CORRUPT : 0;
}

int quantities_add(struct meter_quantities *q, struct arena *arena, struct str json) {
  CLEANUP(json_finishp) struct json *root = NULL;
  struct json_error error;
  struct adding adding = {q, arena};
  if (json_parse(json, &root, &error) != 0) return FAULT_CORRUPT;
  return json_each(root, one_add, &adding);
}

static int64_t quantity_of(const struct meter_quantities *q, const char *meter) {
  for (size_t i = 0; i < q->count; i++)
    if (strcmp(q->at[i].meter, meter) == 0) return q->at[i].quantity;
  return 0;
}

static bool has_all_of(const struct meter_quantities *a, const struct meter_quantities *b) {
  for (size_t i = 0; i < b->count; i++)
    if (quantity_of(a, b->at[i].meter) != b->at[i].quantity) return false;
  return true;
}

bool quantities_equal(const struct meter_quantities *a, const struct meter_quantities *b) {
  return has_all_of(a, b) && has_all_of(b, a);
}

struct str quantities_json(const struct meter_quantities *q, struct arena *arena) {
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, JSON_MAX);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  for (size_t i = 0; i < q->count; i++)
    if (q->at[i].quantity != 0) json_member_int(&w, q->at[i].meter, q->at[i].quantity);
  json_object_end(&w);
  return arena_str(arena, buf_str(&out));
}
