// /api/v1/limits. What is left of one is the ledger's own rule, asked of the bucket as it was read.
#include "base/limits.h"
#include "ledger/bucket.h"
#include "limit/limit.h"
#include "rest/endpoints.h"
#include "rest/words.h"

// ---- rendering

static void quantity_write(struct json_writer *w, const struct limit *l, const char *key, int64_t quantity) {
  if (l->measure == LIMIT_SPEND)
    json_member_amount(w, key, quantity);
  else
    json_member_int(w, key, quantity);
}

static struct bucket bucket_of(const struct limit *l) {
  struct bucket b = {
      .limit = l->id,
      .measure = (enum bucket_measure)l->measure,
      .period = (enum bucket_period)l->period,
      .amount = l->amount,
      .level = l->level,
      .drawn_at = l->drawn_at,
      .window_start = l->window_start,
      .window_end = l->window_end,
      .used = l->used,
      .held = l->held,
      .current_start = l->current_start,
      .current_end = l->current_end,
  };
  bucket_advance(&b, l->read_at);
  return b;
}

struct standing {
  int64_t used, held, left, refills_at;
};

static struct standing standing_of(const struct limit *l) {
  struct bucket b = bucket_of(l);
  struct bucket_refusal refusal = {0};
  if (l->measure == LIMIT_REQUESTS) {
    int64_t left = b.level / BUCKET_REQUEST_UNITS;
    bool full = bucket_covers(&b, l->amount, l->read_at, &refusal);
    return (struct standing){.used = l->amount - left, .left = left, .refills_at = full ? 0 : refusal.refills_at};
  }
  int64_t taken = 0;
  bool fits = amount_add(b.used, b.held, &taken) && taken < b.amount;
  bool untouched = b.used == 0 && b.held == 0;
  return (struct standing){.used = b.used,
                           .held = b.held,
                           .left = fits ? b.amount - taken : 0,
                           .refills_at = untouched || b.period == BUCKET_TOTAL ? 0 : b.window_end};
}

static void limit_write(struct json_writer *w, const struct limit *l) {
  struct standing s = standing_of(l);
  json_object_begin(w);
  json_member_id(w, "id", "lim", l->id);
  json_member_text(w, "object", "limit");
  json_member_id(w, "customer", "cus", l->customer_id);
  json_member_id(w, "key", "key", l->key_id);
  json_member_str(w, "measure", word_at(LIMIT_MEASURES, l->measure));
  json_member_str(w, "period", word_at(LIMIT_PERIODS, l->period));
  quantity_write(w, l, "amount", l->amount);
  quantity_write(w, l, "used", s.used);
  quantity_write(w, l, "held", s.held);
  quantity_write(w, l, "left", s.left);
  json_member_time(w, "refills_at", s.refills_at);
  json_member_time(w, "created_at", l->created_at);
  json_object_end(w);
}

static void limit_answer(struct rest_request *r, struct db *db, int status, struct uuid customer, struct uuid id) {
  struct limit l;
  int found = limit_read(db, customer, id, &l);
  if (found < 0)
    rest_fault(r, found);
  else if (found != LIMIT_DONE)
    rest_unknown(r, "id", "limit");
  if (found != LIMIT_DONE) return;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  limit_write(&w, &l);
  rest_reply(r, status, &out);
}

// ---- bodies: whether `amount` is a count or a decimal follows from the measure, so it is looked at first

struct body {
  struct str customer, measure, period;
  struct uuid key;
  int64_t count;
  amount credits;
};
#define CUSTOMER_FIELD                                                                                                 \
  {                                                                                                                    \
    .name = "customer", .kind = JSON_TEXT, .max = LIMIT_NAME + 4, .required = true,                                    \
    .offset = offsetof(struct body, customer), .given = JSON_NOT_TOLD                                                  \
  }
#define COUNT_FIELD                                                                                                    \
  {                                                                                                                    \
    .name = "amount", .kind = JSON_INT, .required = true, .min = 0, .max = BUCKET_RATE_MAX,                            \
    .offset = offsetof(struct body, count), .given = JSON_NOT_TOLD                                                     \
  }
#define CREDITS_FIELD                                                                                                  \
  {                                                                                                                    \
    .name = "amount", .kind = JSON_AMOUNT, .required = true, .min = 0, .max = AMOUNT_MAX,                              \
    .offset = offsetof(struct body, credits), .given = JSON_NOT_TOLD                                                   \
  }
#define RULE_FIELDS                                                                                                    \
  {.name = "key",                                                                                                      \
   .kind = JSON_ID,                                                                                                    \
   .nullable = true,                                                                                                   \
   .prefix = "key",                                                                                                    \
   .offset = offsetof(struct body, key),                                                                               \
   .given = JSON_NOT_TOLD},                                                                                            \
      {.name = "measure",                                                                                              \
       .kind = JSON_TEXT,                                                                                              \
       .required = true,                                                                                               \
       .one_of = LIMIT_MEASURES,                                                                                       \
       .offset = offsetof(struct body, measure),                                                                       \
       .given = JSON_NOT_TOLD},                                                                                        \
  {                                                                                                                    \
    .name = "period", .kind = JSON_TEXT, .required = true, .one_of = LIMIT_PERIODS,                                    \
    .offset = offsetof(struct body, period), .given = JSON_NOT_TOLD                                                    \
  }
static const struct json_field count_rule[] = {CUSTOMER_FIELD, RULE_FIELDS, COUNT_FIELD};
static const struct json_field credits_rule[] = {CUSTOMER_FIELD, RULE_FIELDS, CREDITS_FIELD};
static const struct json_field count_change[] = {CUSTOMER_FIELD, COUNT_FIELD};
static const struct json_field credits_change[] = {CUSTOMER_FIELD, CREDITS_FIELD};

static bool counts_requests(struct rest_request *r) {
  CLEANUP(json_finishp) struct json *root = NULL;
  struct json_error error;
  struct str measure;
  if (json_parse(http_body(r->http), &root, &error) != 0) return false;
  return json_text(json_get(root, "measure"), &measure) && str_eq(measure, STR("requests"));
}

static bool rule_read(struct rest_request *r, struct limit *ret) {
  struct body body = {0};
  bool counts = counts_requests(r);
  if (!rest_body(r, counts ? count_rule : credits_rule, ARRAY_LEN(count_rule), &body, sizeof body)) return false;
  *ret = (struct limit){
      .key_id = body.key,
      .measure = word_find(LIMIT_MEASURES, body.measure),
      .period = word_find(LIMIT_PERIODS, body.period),
      .amount = counts ? body.count : body.credits,
  };
  if ((ret->measure == LIMIT_REQUESTS) != (ret->period == LIMIT_MINUTE)) {
    rest_refuse(r, PROBLEM_INVALID_REQUEST, "period",
                "period: requests go with minute; spend with day, month or total.");
    return false;
  }
  return rest_customer(r, body.customer, "customer", &ret->customer_id);
}

// ---- endpoints

static bool written(struct rest_request *r, int result) {
  if (result < 0)
    rest_fault(r, result);
  else if (result == LIMIT_UNKNOWN)
    rest_unknown(r, "id", "limit");
  else if (result == LIMIT_NO_KEY)
    rest_unknown(r, "key", "key of this customer");
  else if (result == LIMIT_TOO_MANY)
    rest_refuse(r, PROBLEM_CONFLICT, NULL, "At most %d limits may bind one key, its customer's included.", LIMIT_DRAWS);
  return result == LIMIT_DONE;
}

static void limit_post(struct rest_request *r, struct db *db) {
  struct limit l;
  if (!rule_read(r, &l)) return;
  l.id = rest_new_id(r);
  if (!rest_write_begin(r, l.customer_id, &l.id)) return;
  if (!r->replayed && (!written(r, limit_create(db, &l)) || !rest_write_end(r, l.customer_id))) return;
  limit_answer(r, db, 201, l.customer_id, l.id);
}

// What is changed says how the body is read, and the body says whose it is: so the body is read twice.
static void limit_patch(struct rest_request *r, struct db *db) {
  struct body body = {0};
  struct uuid id, customer;
  struct limit l;
  struct json *root = NULL;
  struct json_error error;
  struct str text = {0};
  if (!rest_path_id(r, "lim", &id)) return;
  if (json_parse(http_body(r->http), &root, &error) == 0 && json_text(json_get(root, "customer"), &text))
    text = arena_str(r->arena, text);
  json_finish(root);
  if (!text.len) {
    (void)rest_body(r, credits_change, ARRAY_LEN(credits_change), &body, sizeof body);
    return;
  }
  if (!rest_customer(r, text, "customer", &customer) || !written(r, limit_read(db, customer, id, &l))) return;
  bool counts = l.measure == LIMIT_REQUESTS;
  if (!rest_body(r, counts ? count_change : credits_change, ARRAY_LEN(count_change), &body, sizeof body)) return;
  struct uuid object = id;
  if (!rest_write_begin(r, customer, &object)) return;
  int64_t most = counts ? body.count : body.credits;
  if (!r->replayed && (!written(r, limit_update(db, customer, id, most)) || !rest_write_end(r, customer))) return;
  limit_answer(r, db, 200, customer, id);
}

static void limit_delete_one(struct rest_request *r, struct db *db) {
  struct uuid id, customer;
  if (!rest_path_id(r, "lim", &id) || !rest_customer_query(r, &customer)) return;
  struct uuid object = id;
  if (!rest_write_begin(r, customer, &object)) return;
  if (!r->replayed && (!written(r, limit_delete(db, customer, id)) || !rest_write_end(r, customer))) return;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_member_id(&w, "id", "lim", id);
  json_member_text(&w, "object", "limit");
  json_member_bool(&w, "deleted", true);
  json_object_end(&w);
  rest_reply(r, 200, &out);
}

static void limit_get(struct rest_request *r, struct db *db) {
  struct uuid id, customer;
  if (rest_path_id(r, "lim", &id) && rest_customer_query(r, &customer)) limit_answer(r, db, 200, customer, id);
}

static void limit_list_get(struct rest_request *r, struct db *db) {
  struct rest_page page;
  struct uuid customer;
  struct limit *list = NULL;
  size_t count = 0;
  if (!rest_page(r, &page) || !rest_customer_query(r, &customer)) return;
  int fault = limit_list(db, r->arena, customer, page.before, page.limit + 1, &list, &count);
  if (fault != 0) {
    rest_fault(r, fault);
    return;
  }
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  size_t shown = rest_shown(&page, count);
  rest_list_begin(&w);
  for (size_t i = 0; i < shown; i++) limit_write(&w, &list[i]);
  rest_list_end(&w, r, &page, count, shown ? list[shown - 1].id : UUID_NIL);
  rest_reply(r, 200, &out);
}

const struct rest_endpoint rest_limits[] = {
    {"POST", "/api/v1/limits", REST_OPERATOR, REST_PRIMARY, NULL, limit_post},
    {"GET", "/api/v1/limits", REST_OWN, REST_PRIMARY, "customer|limit|cursor", limit_list_get},
    {"GET", "/api/v1/limits/{id}", REST_OWN, REST_PRIMARY, "customer", limit_get},
    {"PATCH", "/api/v1/limits/{id}", REST_OPERATOR, REST_PRIMARY, NULL, limit_patch},
    {"DELETE", "/api/v1/limits/{id}", REST_OPERATOR, REST_PRIMARY, "customer", limit_delete_one},
    {0},
};
