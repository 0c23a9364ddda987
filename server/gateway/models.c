// GET /v1/models: what this key may call and has a price, in OpenAI's shape. Nothing is paid here, so that no commit
// checks the key: only a principal that the database confirmed a moment ago will do.
#include "gateway/call.h"
#include "json/write.h"

#define MODELS_BYTES_MAX (16 * 1024 * 1024)

struct question {
  struct gateway_context *gateway;
  struct http_request *request;
  void (*answer)(struct question *q);
  struct str key;
};

// ---- from the book

// A model that no endpoint serves is none for those who call.
static bool price_serves(const struct gateway_context *g, const struct book_price *p, int64_t now) {
  const struct tollgate_plugin *plugin = plugin_by_name(g->plugins, p->provider->plugin);
  return p->valid_from <= now && (p->valid_until == 0 || p->valid_until > now) && p->provider->enabled && plugin && plugin->endpoint_count > 0;
}

static void model_write(struct json_writer *w, const struct book_price *p) {
  json_object_begin(w);
  json_member_str(w, "id", p->model);
  json_member_text(w, "object", "model");
  json_member_int(w, "created", p->valid_from / 1000000);
  json_member_str(w, "owned_by", p->provider->name);
  json_object_end(w);
}

static void reply(struct question *q, struct buf *body) {
  struct http_header type = {STR("Content-Type"), STR("application/json")};
  http_reply(q->request, 200, &type, 1, buf_str(body));
}

// Prices of one model are neighbours, in the order of routing: the first that serves speaks for the model.
static void list_write(struct json_writer *w, const struct gateway_context *g, const struct book *book) {
  int64_t now = ledger_now(g->ledger);
  struct str last = {0};
  for (size_t i = 0; i < book_price_count(book); i++) {
    const struct book_price *p = book_price_at(book, i);
    if (!price_serves(g, p, now) || (last.ptr && str_eq(last, p->model))) continue;
    last = p->model;
    model_write(w, p);
  }
}

static void answer_list(struct question *q) {
  struct book *book = book_take(q->gateway->books);
  struct buf body;
  buf_init(&body, MODELS_BYTES_MAX);
  struct json_writer w = json_writer(&body);
  json_object_begin(&w);
  json_member_text(&w, "object", "list");
  json_key(&w, "data");
  json_array_begin(&w);
  if (book) list_write(&w, q->gateway, book);
  json_array_end(&w);
  json_object_end(&w);
  reply(q, &body);
  buf_finish(&body);
  book_unref(book);
}

static const struct book_price *model_find(const struct gateway_context *g, const struct book *book, struct str model) {
  const struct book_price *prices[CANDIDATES_MAX];
  int64_t now = ledger_now(g->ledger);
  size_t count = book_route(book, model, now, prices, CANDIDATES_MAX);
  for (size_t i = 0; i < count; i++)
    if (price_serves(g, prices[i], now)) return prices[i];
  return NULL;
}

static void answer_one(struct question *q) {
  struct book *book = book_take(q->gateway->books);
  struct str model = http_path_segment(q->request, 0);
  const struct book_price *p = book ? model_find(q->gateway, book, model) : NULL;
  if (p) {
    struct buf body;
    buf_init(&body, MODELS_BYTES_MAX);
    struct json_writer w = json_writer(&body);
    model_write(&w, p);
    reply(q, &body);
    buf_finish(&body);
  } else {
    int len = (int)(model.len < LIMIT_NAME ? model.len : LIMIT_NAME);
    http_problem(q->request, PROBLEM_MODEL_NOT_FOUND, NULL, "There is no model \"%.*s\".", len, model.ptr);
  }
  book_unref(book);
}

// ---- who asks

static void answer_found(struct question *q, struct principal *p) {
  bool suspended = p->suspended, is_operator = p->is_operator;
  principal_unref(p);
  if (is_operator)
    http_problem(q->request, PROBLEM_FORBIDDEN, NULL,
                 "This is an operator's key: the gateway is used with a customer's key.");
  else if (suspended)
    http_problem(q->request, PROBLEM_CUSTOMER_SUSPENDED, NULL, "This customer is suspended.");
  else
    q->answer(q);
}

static void answer_fault(struct question *q, int fault) {
  struct problem_more more = {.retry_after_ms = 1000};
  bool full = fault == FAULT_FULL;
  http_problem(q->request, full ? PROBLEM_OVERLOADED : PROBLEM_STORAGE_UNAVAILABLE, &more, "%s",
               full ? "The service is busy. Try again in a moment." : "The database cannot be reached.");
}

static void load(struct db *db, void *arg) {
  struct question *q = arg;
  struct principal *p = NULL;
  int result = db ? principal_load(q->gateway->principals, db, q->key, &p) : FAULT_DB;
  if (result == PRINCIPAL_FOUND)
    answer_found(q, p);
  else if (result == PRINCIPAL_UNKNOWN)
    http_problem(q->request, PROBLEM_INVALID_KEY, NULL, "%s", invalid_key_text);
  else
    answer_fault(q, result);
}

static void ask(struct http_request *r, struct gateway_context *g, void (*answer)(struct question *q)) {
  struct principal *p = NULL;
  struct question *q = arena_alloc(http_arena(r), sizeof *q);
  *q = (struct question){.gateway = g, .request = r, .answer = answer};
  if (key_text_find(r, &q->key) != 0) {
    http_problem(r, PROBLEM_INVALID_REQUEST, NULL,
                 "Authorization and x-api-key carry different keys: send one of them.");
    return;
  }
  enum principal_answer found = principal_find(g->principals, q->key, true, &p);
  int fault = found == PRINCIPAL_ASK ? db_submit(g->pool, load, q) : 0;
  if (found == PRINCIPAL_FOUND)
    answer_found(q, p);
  else if (found == PRINCIPAL_UNKNOWN)
    http_problem(r, PROBLEM_INVALID_KEY, NULL, "%s", invalid_key_text);
  else if (fault != 0)
    answer_fault(q, fault);
}

void models_list(struct http_request *r, void *gateway) {
  ask(r, gateway, answer_list);
}

void models_get(struct http_request *r, void *gateway) {
  ask(r, gateway, answer_one);
}
