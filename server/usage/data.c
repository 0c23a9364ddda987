// An event's data: quantities of meters. They are named in its member `usage`, or beside it by their own names, or the
// event's type is the meter and `value` the quantity. What counts other meters again, or is no whole number, is refused with
// what would be right; what is no meter says more about the event, and is kept.
#include "base/mem.h"
#include "base/vec.h"
#include "usage/internal.h"
#include "crypto/crypto.h"
#include "json/write.h"
#include "usage/meters.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MORE_MAX (128 * 1024)

struct data {
  const struct usage_reading *r;
  const char *param;  // where the data stands
  const char *within; // and in it the quantities
  const struct usage_value *usage; // its member
  const struct usage_value *value;
  vec(const struct usage_value *) more; // members that are no quantities
};

static int refuse_at(const struct data *d, const char *within, struct str name, const char *what) {
  char param[96];
  (void)snprintf(param, sizeof param, "%s%s%s.%.*s", d->param, within[0] ? "." : "", within, STR_ARG(name));
  return usage_refuse(d->r, param, "%.*s %s", STR_ARG(name), what);
}

static int refuse_unknown(const struct data *d, const char *within, struct str name, const char *what) {
  CLEANUP(buf_finish) struct buf why;
  buf_init(&why, 480);
  buf_puts(&why, what);
  usage_meters_list(d->r->words, &why);
  buf_putc(&why, '.');
  return refuse_at(d, within, name, buf_cstr(&why));
}

// ---- quantities

// Text or number as a number of 63 bits that stands for it.
static bool fingerprint(const struct usage_value *value, int64_t *ret) {
  struct str text = value->text;
  char digits[24];
  unsigned char hash[16];
  if (value->kind == USAGE_INT) text = (struct str){digits, (size_t)snprintf(digits, sizeof digits, "%" PRId64, value->number)};
  else if (value->kind != USAGE_TEXT || text.len == 0) return false;
  crypto_hash_short(&text, 1, hash);
  uint64_t first = 0;
  for (size_t i = 0; i < 8; i++) first = first << 8 | hash[i];
  *ret = (int64_t)(first & INT64_MAX);
  return true;
}

static bool looks_fractional(struct str text) {
  return text.len > 0 && memchr(text.ptr, '.', text.len) != NULL;
}

static int quantity_refuse(const struct data *d, const char *within, struct str name, const struct usage_value *value) {
  bool is_text = value->kind == USAGE_TEXT;
  if (value->kind == USAGE_INT || (is_text && value->text.len > 0 && value->text.ptr[0] == '-')) return refuse_at(d, within, name, "must not be below zero.");
  if (is_text && !looks_fractional(value->text)) return refuse_at(d, within, name, "must be a whole number, or its digits as a string.");
  return refuse_at(d, within, name, "must be a whole number. Of a fraction, report a finer unit: thousandths, as in gpu_ms and audio_ms.");
}

static bool quantity_read(const struct usage_value *value, int64_t *ret) {
  if (value->kind == USAGE_TEXT) return value->text.len > 0 && value->text.ptr[0] != '-' && str_to_i64(value->text, ret);
  *ret = value->number;
  return value->kind == USAGE_INT && value->number >= 0;
}

// value NULL: of a meter that counts.
static int quantity_add(const struct data *d, const char *within, struct str name, const char *meter, enum book_aggregation aggregation,
                        const struct usage_value *value) {
  struct usage_event *e = d->r->event;
  int64_t quantity = 1;
  bool sound = aggregation == BOOK_COUNT || (aggregation == BOOK_UNIQUE ? fingerprint(value, &quantity) : quantity_read(value, &quantity));
  if (!sound && aggregation == BOOK_UNIQUE) return refuse_at(d, within, name, "must be what is to be counted once: a string or a whole number.");
  if (!sound) return quantity_refuse(d, within, name, value);
  for (size_t i = 0; i < e->quantity_count; i++)
    if (strcmp(e->quantities[i].meter, meter) == 0) return refuse_at(d, within, name, "is given twice.");
  if (e->quantity_count == METER_LINES_MAX) return refuse_at(d, within, name, "is one meter too many for one event.");
  bool charged = aggregation == BOOK_SUM || aggregation == BOOK_COUNT;
  e->quantities[e->quantity_count++] = (struct meter_quantity){.meter = meter, .quantity = quantity, .uncharged = !charged};
  return 0;
}

// The meter of that name; 1: it is none, and why not.
static int usage_member(const struct data *d, const struct usage_value *value) {
  enum book_aggregation aggregation;
  const char *meter = usage_meter_find(d->r->words, value->name, &aggregation), *inclusive = usage_meter_inclusive(value->name);
  if (meter) return quantity_add(d, d->within, value->name, meter, aggregation, value);
  if (inclusive) return refuse_at(d, d->within, value->name, arena_printf(d->r->arena, "is no meter: %s.", inclusive));
  return refuse_unknown(d, d->within, value->name, "is no meter. Known: ");
}

static int usage_members(const struct data *d, const struct usage_value *usage) {
  for (const struct usage_value *m = usage->first; m; m = m->next)
    if (usage_member(d, m)) return 1;
  return 0;
}

// ---- the other members

static int customer_member(const struct data *d, const char *name, struct str text) {
  struct usage_event *e = d->r->event;
  struct str customer;
  if (usage_text(d->r, name, text, &customer)) return 1;
  if (e->customer.len && !str_eq(e->customer, customer))
    return refuse_at(d, "", str_from(name), arena_printf(d->r->arena, "and %s name different customers: name one.", e->customer_from));
  if (!e->customer.len) e->customer_from = name;
  e->customer = customer;
  return 0;
}

// The names of one and the same; NULL: this is none of them.
static const char *name_among(const char *const *names, size_t count, struct str name) {
  for (size_t i = 0; i < count; i++)
    if (str_eq(name, str_from(names[i]))) return names[i];
  return NULL;
}
static const char *const customer_names[] = {"customer", "customer_id", "external_customer_id", "stripe_customer_id"};
static const char *const model_names[] = {"model", "product"};

static int model_member(const struct data *d, const char *name, struct str text) {
  struct usage_event *e = d->r->event;
  if (e->model.len) return refuse_at(d, "", str_from(name), "and another member name what is priced: send model or product.");
  return usage_text(d->r, name, text, &e->model);
}

static int by_name(const void *a, const void *b) {
  struct str x = (*(const struct usage_value *const *)a)->name, y = (*(const struct usage_value *const *)b)->name;
  int r = memcmp(x.ptr, y.ptr, x.len < y.len ? x.len : y.len);
  return r ? r : (x.len > y.len) - (x.len < y.len);
}

// In one order, whatever they came in: what is said again is the same.
static void more_write(struct data *d) {
  struct buf out;
  struct json_writer w = json_writer(&out);
  if (d->more.count == 0) return;
  buf_init(&out, MORE_MAX);
  qsort(d->more.at, d->more.count, sizeof *d->more.at, by_name);
  json_object_begin(&w);
  for (size_t i = 0; i < d->more.count; i++)
    json_member_raw(&w, arena_strdup(d->r->scratch, d->more.at[i]->name), usage_value_json(d->r->scratch, d->more.at[i]));
  json_object_end(&w);
  d->r->event->more = arena_str(d->r->arena, buf_str(&out));
  buf_finish(&out);
}

static int data_member(struct data *d, const struct usage_value *value) {
  struct str key = value->name;
  enum book_aggregation aggregation;
  const char *name;
  if (value->kind == USAGE_NULL) return 0;
  if (str_eq(key, STR("usage"))) {
    d->usage = value;
    return value->kind == USAGE_OBJECT ? 0 : refuse_at(d, "", key, "must be an object of meters and quantities.");
  }
  if (str_eq(key, STR("value"))) {
    d->value = value;
    return 0;
  }
  bool is_text = value->kind == USAGE_TEXT;
  if (is_text && (name = name_among(model_names, ARRAY_LEN(model_names), key))) return model_member(d, name, value->text);
  if (is_text && (name = name_among(customer_names, ARRAY_LEN(customer_names), key))) return customer_member(d, name, value->text);
  const char *meter = usage_meter_find(d->r->words, key, &aggregation), *inclusive = usage_meter_inclusive(key);
  if (meter) return quantity_add(d, "", key, meter, aggregation, value);
  if (inclusive) return refuse_at(d, "", key, arena_printf(d->r->arena, "is no meter: %s.", inclusive));
  *vec_add(&d->more) = value;
  return 0;
}

static int data_members(struct data *d, const struct usage_value *data) {
  for (const struct usage_value *m = data->first; m; m = m->next)
    if (data_member(d, m)) return 1;
  return 0;
}

// ---- the whole

static bool has_quantity(const struct usage_event *e, const char *meter) {
  for (size_t i = 0; i < e->quantity_count; i++)
    if (strcmp(e->quantities[i].meter, meter) == 0) return true;
  return false;
}

// The event's type as its meter.
static int type_meter(struct data *d) {
  struct usage_event *e = d->r->event;
  enum book_aggregation aggregation;
  const char *meter = usage_meter_find(d->r->words, e->type, &aggregation);
  bool counts = meter && aggregation == BOOK_COUNT && !has_quantity(e, meter);
  if (counts || (meter && d->value)) return quantity_add(d, "", STR("value"), meter, aggregation, d->value);
  if (d->value && e->quantity_count > 0) *vec_add(&d->more) = d->value;
  else if (d->value) return refuse_unknown(d, "", STR("value"), "is the quantity of the meter that the event's type names, and this type is none. Known: ");
  return 0;
}

static int parts_read(struct data *d, const struct usage_value *data) {
  struct usage_event *e = d->r->event;
  if (data && data_members(d, data)) return 1;
  if (d->usage && usage_members(d, d->usage)) return 1;
  if (type_meter(d)) return 1;
  if (e->quantity_count == 0)
    return refuse_unknown(d, "", STR("usage"), "is missing: say how much was used, as {\"usage\": {\"<meter>\": <quantity>}}. Known meters: ");
  if (!e->model.len) e->model = e->type;
  more_write(d);
  return 0;
}

int usage_data(const struct usage_reading *r, const char *param, const struct usage_value *data) {
  struct data d = {.r = r, .param = param, .within = "usage"};
  if (data && data->kind != USAGE_OBJECT) return usage_refuse(r, param, "%s must be a JSON object.", param);
  int wrong = parts_read(&d, data);
  vec_finish(&d.more);
  return wrong;
}

int usage_quantities(struct arena *arena, const struct usage_words *words, const char *param, struct json *usage, struct usage_event *ret,
                     struct usage_error *ret_error) {
  struct usage_reading r = {.arena = arena, .scratch = arena, .words = words, .event = ret, .error = ret_error};
  struct data d = {.r = &r, .param = param, .within = ""};
  *ret = (struct usage_event){0};
  if (usage_members(&d, usage_value_of(arena, usage))) return 1;
  return ret->quantity_count > 0 ? 0 : usage_refuse(&r, param, "%s must name at least one meter.", param);
}
