// /api/v1/prices.
#include "base/limits.h"
#include "plugin/registry.h"
#include "price/price.h"
#include "price/provider.h"
#include "rest/catalogue.h"
#include "rest/endpoints.h"
#include "rest/words.h"
#include <stdio.h>

#define METER_NAME_MAX 63
#define TOKENS_MAX INT64_C(1000000000000)
#define RATE_MAX (INT64_C(1000000000) * AMOUNT_ONE)

static void price_write(struct json_writer *w, const struct price *p) {
  json_object_begin(w);
  json_member_id(w, "id", "prc", p->id);
  json_member_text(w, "object", "price");
  json_member_id(w, "provider", "prv", p->provider_id);
  json_member_str(w, "provider_name", p->provider);
  json_member_str(w, "model", p->model);
  json_member_time(w, "valid_from", p->valid_from);
  json_member_time(w, "valid_until", p->valid_until);
  json_key(w, "max_input_tokens");
  if (p->max_input)
    json_put_int(w, p->max_input);
  else
    json_put_null(w);
  json_key(w, "max_output_tokens");
  if (p->max_output)
    json_put_int(w, p->max_output);
  else
    json_put_null(w);
  json_key(w, "rates");
  json_array_begin(w);
  for (size_t i = 0; i < p->rate_count; i++) {
    json_object_begin(w);
    json_member_str(w, "meter", p->rates[i].meter);
    json_member_int(w, "per", p->rates[i].per);
    json_member_amount(w, "charge", p->rates[i].charge);
    json_member_amount(w, "cost", p->rates[i].cost);
    json_object_end(w);
  }
  json_array_end(w);
  json_member_time(w, "created_at", p->created_at);
  json_object_end(w);
}

static void price_answer(struct rest_request *r, struct db *db, int status, struct uuid id) {
  struct price p;
  int found = price_read(db, r->arena, id, &p);
  if (found < 0)
    rest_fault(r, found);
  else if (found != PRICE_DONE)
    rest_unknown(r, "id", "price");
  if (found != PRICE_DONE) return;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  price_write(&w, &p);
  rest_reply(r, status, &out);
}

// ---- the body

struct body {
  struct str provider, model;
  int64_t valid_from, max_input, max_output;
  bool correction;
  struct json *rates;
};
#define AT(member) .offset = offsetof(struct body, member), .given = JSON_NOT_TOLD
static const struct json_field fields[] = {
    {.name = "provider", .kind = JSON_TEXT, .required = true, AT(provider)},
    {.name = "model", .kind = JSON_TEXT, .required = true, AT(model)},
    {.name = "valid_from", .kind = JSON_TIME, AT(valid_from)},
    {.name = "correction", .kind = JSON_BOOL, AT(correction)},
    {.name = "max_input_tokens", .kind = JSON_INT, .nullable = true, .min = 1, .max = TOKENS_MAX, AT(max_input)},
    {.name = "max_output_tokens", .kind = JSON_INT, .nullable = true, .min = 1, .max = TOKENS_MAX, AT(max_output)},
    {.name = "rates", .kind = JSON_ARRAY, .required = true, AT(rates)},
};
struct rate_body {
  struct str meter;
  int64_t per;
  amount charge, cost;
};
#undef AT
#define AT(member) .offset = offsetof(struct rate_body, member), .given = JSON_NOT_TOLD
static const struct json_field rate_fields[] = {
    {.name = "meter", .kind = JSON_TEXT, .required = true, AT(meter)},
    {.name = "per", .kind = JSON_INT, .min = 1, .max = AMOUNT_PER, AT(per)},
    {.name = "charge", .kind = JSON_AMOUNT, .required = true, .min = 0, .max = RATE_MAX, AT(charge)},
    {.name = "cost", .kind = JSON_AMOUNT, .min = 0, .max = RATE_MAX, AT(cost)},
};

static bool wrong(struct rest_request *r, size_t at, const char *member, const char *why) {
  char param[160];
  (void)snprintf(param, sizeof param, "rates.%zu%s%s", at, member[0] ? "." : "", member);
  rest_refuse(r, PROBLEM_INVALID_REQUEST, param, "%s: %s", param, why);
  return false;
}

static bool rate_read(struct rest_request *r, struct json *value, size_t at, struct price *p) {
  struct rate_body rate = {.per = AMOUNT_PER};
  struct json_error error;
  if (json_decode(value, rate_fields, ARRAY_LEN(rate_fields), &rate, sizeof rate, &error) != 0)
    return wrong(r, at, error.param, error.message);
  if (rate.per != 1 && rate.per != 1000 && rate.per != AMOUNT_PER)
    return wrong(r, at, "per", "Must be 1, 1000 or 1000000.");
  if (!word_is_name(rate.meter, "_", METER_NAME_MAX))
    return wrong(r, at, "meter", "Must be the name of a meter, such as input_tokens.");
  for (size_t i = 0; i < p->rate_count; i++)
    if (str_eq(p->rates[i].meter, rate.meter)) return wrong(r, at, "meter", "This meter has a rate already.");
  p->rates[p->rate_count++] = (struct price_rate){rate.meter, (int32_t)rate.per, rate.charge, rate.cost};
  return true;
}

static bool meter_unknown(struct rest_request *r, size_t at, const struct tollgate_plugin *plugin, const struct book *book) {
  CLEANUP(buf_finish) struct buf why;
  buf_init(&why, 1500);
  buf_printf(&why, "There is no such meter here. The plugin %s has: ", plugin->name);
  for (size_t i = 0; i < plugin->meter_count; i++) buf_printf(&why, "%s%s", i ? ", " : "", plugin->meters[i].name);
  for (size_t i = 0; i < book_meter_count(book); i++)
    if (book_meter_is_charged(book_meter_at(book, i))) buf_printf(&why, "%s%s", i ? ", " : "; defined are: ", book_meter_at(book, i)->name);
  buf_puts(&why, ".");
  return wrong(r, at, "meter", buf_cstr(&why));
}

// Meters that the provider's plugin can count, and those that come with events: the standard ones and the operator's own, of which
// only sums and counts can be multiplied. Of a plugin that is not loaded here nothing is known.
static bool meters_check(struct rest_request *r, struct str plugin_name, const struct price *p) {
  const struct tollgate_plugin *plugin = plugin_by_name(r->context->plugins, plugin_name);
  struct book *book = book_take(r->context->books);
  bool sound = true;
  for (size_t i = 0; book && plugin && sound && i < p->rate_count; i++) {
    const struct book_meter *own = book_meter(book, p->rates[i].meter);
    if (own && !book_meter_is_charged(own))
      sound = wrong(r, i, "meter", "This meter is for reports alone: only meters that are added up or counted have a price.");
    else if (!own && plugin_meter(plugin, p->rates[i].meter) < 0 && plugin_meter(&plugin_none, p->rates[i].meter) < 0)
      sound = meter_unknown(r, i, plugin, book);
  }
  book_unref(book);
  return sound;
}

static bool body_read(struct rest_request *r, struct db *db, struct price *p) {
  struct body body = {0};
  struct provider provider;
  *p = (struct price){0};
  if (!rest_body(r, fields, ARRAY_LEN(fields), &body, sizeof body)) return false;
  size_t count = json_count(body.rates);
  if (count < 1 || count > PRICE_RATES_MAX) {
    rest_refuse(r, PROBLEM_INVALID_REQUEST, "rates", "rates: Must have 1 to %d rates.", PRICE_RATES_MAX);
    return false;
  }
  p->model = body.model;
  p->valid_from = body.valid_from;
  p->correction = body.correction;
  p->max_input = body.max_input;
  p->max_output = body.max_output;
  for (size_t i = 0; i < count; i++)
    if (!rate_read(r, json_at(body.rates, i), i, p)) return false;
  if (!catalogue_provider(r, db, body.provider, "provider", &p->provider_id)) return false;
  int found = provider_read(db, r->arena, p->provider_id, &provider);
  if (found != PROVIDER_DONE) rest_fault(r, found < 0 ? found : FAULT_DB); // it was there just now
  return found == PROVIDER_DONE && meters_check(r, provider.plugin, p);
}

// ---- endpoints

static bool written(struct rest_request *r, int result) {
  if (result < 0)
    rest_fault(r, result);
  else if (result == PRICE_TOO_EARLY)
    rest_refuse(r, PROBLEM_INVALID_REQUEST, "valid_from",
                "valid_from: a price that follows another begins two seconds from now or later, so that every instance "
                "knows it. One with \"correction\": true may begin in the past.");
  else if (result == PRICE_TAKEN)
    rest_refuse(r, PROBLEM_CONFLICT, "valid_from", "There is a price of this model that begins at this instant.");
  return result == PRICE_DONE;
}

static void price_post(struct rest_request *r, struct db *db) {
  struct price p;
  if (!body_read(r, db, &p)) return;
  p.id = rest_new_id(r);
  if (!rest_write_begin(r, UUID_NIL, &p.id)) return;
  if (!r->replayed) {
    if (!written(r, price_create(db, &p)) || !rest_write_end(r, UUID_NIL)) return;
    catalogue_refresh(r, db);
  }
  price_answer(r, db, 201, p.id);
}

static void price_get(struct rest_request *r, struct db *db) {
  struct uuid id;
  if (rest_path_id(r, "prc", &id)) price_answer(r, db, 200, id);
}

static bool filter_read(struct rest_request *r, struct db *db, struct price_filter *ret) {
  struct str text = {0};
  *ret = (struct price_filter){0};
  if (!rest_text_query(r, "model", &ret->model)) return false;
  if (rest_query(r, "current", &text)) {
    ret->current = str_eq(text, STR("true"));
    if (!ret->current && !str_eq(text, STR("false"))) {
      rest_refuse(r, PROBLEM_INVALID_REQUEST, "current", "current must be true or false.");
      return false;
    }
  }
  return !rest_query(r, "provider", &text) || catalogue_provider(r, db, text, "provider", &ret->provider_id);
}

static void price_list_get(struct rest_request *r, struct db *db) {
  struct rest_page page;
  struct price_filter filter;
  struct price *list = NULL;
  size_t count = 0;
  if (!rest_page(r, &page) || !filter_read(r, db, &filter)) return;
  int fault = price_list(db, r->arena, &filter, page.before, page.limit + 1, &list, &count);
  if (fault != 0) {
    rest_fault(r, fault);
    return;
  }
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  size_t shown = rest_shown(&page, count);
  rest_list_begin(&w);
  for (size_t i = 0; i < shown; i++) price_write(&w, &list[i]);
  rest_list_end(&w, r, &page, count, shown ? list[shown - 1].id : UUID_NIL);
  rest_reply(r, 200, &out);
}

const struct rest_endpoint rest_prices[] = {
    {"POST", "/api/v1/prices", REST_OPERATOR, REST_PRIMARY, NULL, price_post},
    {"GET", "/api/v1/prices", REST_OPERATOR, REST_PRIMARY, "provider|model|current|limit|cursor", price_list_get},
    {"GET", "/api/v1/prices/{id}", REST_OPERATOR, REST_PRIMARY, NULL, price_get},
    {0},
};
