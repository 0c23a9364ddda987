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

// A member that is no quantity.
struct more {
  const char *name;
  struct json *value;
};

struct data {
  const struct usage_reading *r;
  const char *param;  // where the data stands
  const char *within; // and in it the quantities
  struct json *usage; // its member
  struct json *value;
  const char *value_name;
  vec(struct more) more;
};

static int refuse_at(const struct data *d, const char *within, const char *name, const char *what) {
  char param[96];
  (void)snprintf(param, sizeof param, "%s%s%s.%s", d->param, within[0] ? "." : "", within, name);
  return usage_refuse(d->r, param, "%s %s", name, what);
}

static int refuse_unknown(const struct data *d, const char *within, const char *name, const char *what) {
  CLEANUP(buf_finish) struct buf why;
  buf_init(&why, 480);
  buf_puts(&why, what);
  usage_meters_list(d->r->words, &why);
  buf_putc(&why, '.');
  return refuse_at(d, within, name, buf_cstr(&why));
}

// ---- quantities

// Text or number as a number of 63 bits that stands for it.
static bool fingerprint(struct json *value, int64_t *ret) {
  struct str text;
  char digits[24];
  unsigned char hash[16];
  int64_t number;
  if (json_int(value, &number)) text = (struct str){digits, (size_t)snprintf(digits, sizeof digits, "%" PRId64, number)};
  else if (!json_text(value, &text) || text.len == 0) return false;
  crypto_hash_short(&text, 1, hash);
  uint64_t first = 0;
  for (size_t i = 0; i < 8; i++) first = first << 8 | hash[i];
  *ret = (int64_t)(first & INT64_MAX);
  return true;
}

static bool looks_fractional(struct str text) {
  return text.len > 0 && memchr(text.ptr, '.', text.len) != NULL;
}

static int quantity_refuse(const struct data *d, const char *within, const char *name, struct json *value) {
  struct str text;
  int64_t number;
  bool is_text = json_text(value, &text);
  if (json_int(value, &number) || (is_text && text.len > 0 && text.ptr[0] == '-')) return refuse_at(d, within, name, "must not be below zero.");
  if (is_text && !looks_fractional(text)) return refuse_at(d, within, name, "must be a whole number, or its digits as a string.");
  return refuse_at(d, within, name, "must be a whole number. Of a fraction, report a finer unit: thousandths, as in gpu_ms and audio_ms.");
}

static int quantity_add(const struct data *d, const char *within, const char *name, const char *meter, enum book_aggregation aggregation,
                        struct json *value) {
  struct usage_event *e = d->r->event;
  struct str text;
  int64_t quantity = 0;
  bool sound = false;
  if (aggregation == BOOK_COUNT) sound = true, quantity = 1;
  else if (aggregation == BOOK_UNIQUE) sound = fingerprint(value, &quantity);
  else if (json_text(value, &text)) sound = text.len > 0 && text.ptr[0] != '-' && str_to_i64(text, &quantity);
  else sound = json_int(value, &quantity) && quantity >= 0;
  if (!sound && aggregation == BOOK_UNIQUE) return refuse_at(d, within, name, "must be what is to be counted once: a string or a whole number.");
  if (!sound) return quantity_refuse(d, within, name, value);
  for (size_t i = 0; i < e->quantity_count; i++)
    if (strcmp(e->quantities[i].meter, meter) == 0) return refuse_at(d, within, name, "is given twice.");
  if (e->quantity_count == METER_LINES_MAX) return refuse_at(d, within, name, "is one meter too many for one event.");
  bool charged = aggregation == BOOK_SUM || aggregation == BOOK_COUNT;
  e->quantities[e->quantity_count++] = (struct meter_quantity){.meter = meter, .quantity = quantity, .uncharged = !charged};
  return 0;
}

static int usage_member(void *arg, const char *name, struct json *value) {
  const struct data *d = arg;
  enum book_aggregation aggregation;
  const char *meter = usage_meter_find(d->r->words, str_from(name), &aggregation), *inclusive = usage_meter_inclusive(str_from(name));
  if (meter) return quantity_add(d, d->within, name, meter, aggregation, value);
  if (inclusive) return refuse_at(d, d->within, name, arena_printf(d->r->arena, "is no meter: %s.", inclusive));
  return refuse_unknown(d, d->within, name, "is no meter. Known: ");
}

// ---- the other members

static int customer_member(const struct data *d, const char *name, struct str text) {
  struct usage_event *e = d->r->event;
  struct str customer;
  if (usage_text(d->r, name, text, &customer)) return 1;
  if (e->customer.len && !str_eq(e->customer, customer)) {
    CLEANUP(buf_finish) struct buf why;
    buf_init(&why, 400);
    buf_printf(&why, "and %s name different customers: name one.", e->customer_from);
    return refuse_at(d, "", name, buf_cstr(&why));
  }
  if (!e->customer.len) e->customer_from = arena_strdup(d->r->arena, str_from(name));
  e->customer = customer;
  return 0;
}

static bool names_customer(const char *name) {
  static const char *const names[] = {"customer", "customer_id", "external_customer_id", "stripe_customer_id"};
  for (size_t i = 0; i < ARRAY_LEN(names); i++)
    if (strcmp(name, names[i]) == 0) return true;
  return false;
}

static int model_member(const struct data *d, const char *name, struct str text) {
  struct usage_event *e = d->r->event;
  if (e->model.len) return refuse_at(d, "", name, "and another member name what is priced: send model or product.");
  return usage_text(d->r, name, text, &e->model);
}

static void more_member(struct data *d, const char *name, struct json *value) {
  *vec_add(&d->more) = (struct more){name, value};
}

static int by_name(const void *a, const void *b) {
  const struct more *x = a, *y = b;
  return strcmp(x->name, y->name);
}

// In one order, whatever they came in: what is said again is the same.
static void more_write(struct data *d) {
  struct buf out;
  struct json_writer w = json_writer(&out);
  if (d->more.count == 0) return;
  buf_init(&out, MORE_MAX);
  qsort(d->more.at, d->more.count, sizeof *d->more.at, by_name);
  json_object_begin(&w);
  for (size_t i = 0; i < d->more.count; i++) {
    char *text = json_dump_sorted(d->more.at[i].value);
    json_member_raw(&w, d->more.at[i].name, str_from(text));
    mem_free(text);
  }
  json_object_end(&w);
  d->r->event->more = arena_str(d->r->arena, buf_str(&out));
  buf_finish(&out);
}

static int data_member(void *arg, const char *name, struct json *value) {
  struct data *d = arg;
  struct str text, key = str_from(name);
  enum book_aggregation aggregation;
  if (json_is_null(value)) return 0;
  if (str_eq(key, STR("usage"))) {
    d->usage = value;
    return json_is_object(value) ? 0 : refuse_at(d, "", name, "must be an object of meters and quantities.");
  }
  if (str_eq(key, STR("value"))) {
    d->value = value;
    return 0;
  }
  bool is_text = json_text(value, &text);
  if (is_text && (str_eq(key, STR("model")) || str_eq(key, STR("product")))) return model_member(d, name, text);
  if (is_text && names_customer(name)) return customer_member(d, name, text);
  const char *meter = usage_meter_find(d->r->words, key, &aggregation), *inclusive = usage_meter_inclusive(key);
  if (meter) return quantity_add(d, "", name, meter, aggregation, value);
  if (inclusive) return refuse_at(d, "", name, arena_printf(d->r->arena, "is no meter: %s.", inclusive));
  more_member(d, name, value);
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
  if (counts || (meter && d->value)) return quantity_add(d, "", "value", meter, aggregation, d->value);
  if (d->value && e->quantity_count > 0) more_member(d, "value", d->value);
  else if (d->value) return refuse_unknown(d, "", "value", "is the quantity of the meter that the event's type names, and this type is none. Known: ");
  return 0;
}

static int parts_read(struct data *d, struct json *data) {
  struct usage_event *e = d->r->event;
  if (data && json_each(data, data_member, d)) return 1;
  if (d->usage && json_each(d->usage, usage_member, d)) return 1;
  if (type_meter(d)) return 1;
  if (e->quantity_count == 0)
    return refuse_unknown(d, "", "usage", "is missing: say how much was used, as {\"usage\": {\"<meter>\": <quantity>}}. Known meters: ");
  if (!e->model.len) e->model = e->type;
  more_write(d);
  return 0;
}

int usage_data(const struct usage_reading *r, const char *param, struct json *data) {
  struct data d = {.r = r, .param = param, .within = "usage"};
  if (data && !json_is_object(data)) return usage_refuse(r, param, "%s must be a JSON object.", param);
  int wrong = parts_read(&d, data);
  vec_finish(&d.more);
  return wrong;
}

int usage_quantities(struct arena *arena, const struct usage_words *words, const char *param, struct json *usage, struct usage_event *ret,
                     struct usage_error *ret_error) {
  struct usage_reading r = {.arena = arena, .words = words, .event = ret, .error = ret_error};
  struct data d = {.r = &r, .param = param, .within = ""};
  *ret = (struct usage_event){0};
  if (json_each(usage, usage_member, &d)) return 1;
  return ret->quantity_count > 0 ? 0 : usage_refuse(&r, param, "%s must name at least one meter.", param);
}
