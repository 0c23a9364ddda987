// The hold. Nothing goes upstream before the ledger has committed it together with what the limits give. What the
// ledger answers is acted on here; what it refuses is told in refuse.c.
#include "gateway/call.h"
#include "json/write.h"

#define ABOUT_MAX (16 * 1024)
#define LOWERED_MAX 3 // the balance moved away under a lowered cap so often: short
#define IDEMPOTENCY_KEY_MAX 255
#define ONCE_MAX (ID_TEXT_MAX + 1 + IDEMPOTENCY_KEY_MAX + 1)
#define DERIVED_BYTES 16

// What of the bound's likely usage is input: what a call costs of which nothing more is known.
static void price_input(struct gateway_call *c) {
  const struct candidate *first = &c->candidates[0];
  struct meter_bill bill;
  const char *meter = NULL;
  c->input = (struct tollgate_usage){.size = sizeof c->input};
  for (size_t i = 0; i < first->bound.count; i++) {
    struct tollgate_count likely = first->bound.likely[i];
    if (first->plugin->meters[likely.meter].total == TOLLGATE_TOTAL_INPUT) c->input.counts[c->input.count++] = likely;
  }
  bool priced = meter_price_usage(first->plugin, first->price, &c->input, &bill, &meter) == 0;
  c->input_charge = priced ? bill.charge : 0;
  c->input_cost = priced ? bill.cost : 0;
  buf_clear(&c->usage_json);
  meter_usage_json(&bill, &c->usage_json);
}

static void bound_write(struct json_writer *w, const struct candidate *candidate) {
  json_key(w, "bound");
  json_object_begin(w);
  for (size_t i = 0; i < candidate->bound.count; i++) {
    const struct tollgate_count *upper = &candidate->bound.upper[i];
    json_member_int(w, candidate->plugin->meters[upper->meter].name, upper->quantity);
  }
  json_object_end(w);
}

static struct str about_write(struct gateway_call *c) {
  const struct candidate *first = &c->candidates[0];
  struct buf out;
  buf_init(&out, ABOUT_MAX);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_member_text(&w, "endpoint", c->route->path);
  json_member_text(&w, "operation", first->plugin->endpoints[first->request.endpoint].operation);
  json_member_str(&w, "model", first->price->model);
  json_member_str(&w, "provider", first->price->provider->name);
  json_member_text(&w, "request_id", c->request_id);
  struct str client_id = http_client_request_id(c->request);
  if (client_id.len) json_member_str(&w, "client_request_id", client_id);
  json_member_bool(&w, "stream", first->facts.stream);
  json_member_amount(&w, "hold", c->hold);
  if (c->output_cap) json_member_int(&w, "output_cap", c->output_cap);
  if (c->grow) json_member_bool(&w, "grows", true);
  bound_write(&w, first);
  json_object_end(&w);
  ASSERT(!out.full);
  struct str about = arena_str(http_arena(c->request), buf_str(&out));
  buf_finish(&out);
  return about;
}

// ---- the same request again

// What makes a request another one: who asks, its path and its body.
static void fingerprint(const struct gateway_call *c, const char *key, unsigned char ret[32]) {
  unsigned char parts[3][32];
  crypto_hash(str_from(key), parts[0]);
  crypto_hash(http_path(c->request), parts[1]);
  crypto_hash(http_body(c->request), parts[2]);
  crypto_hash((struct str){(const char *)parts, sizeof parts}, ret);
}

// The clients of OpenAI and Anthropic count the tries of a request in this header; the first has 0.
static bool says_retry(const struct gateway_call *c) {
  int64_t tries = 0;
  return str_to_i64(str_trim(http_header(c->request, "x-stainless-retry-count")), &tries) && tries > 0;
}

static void derive(char out[ONCE_MAX], const unsigned char hash[32]) {
  out[0] = LEDGER_DERIVED;
  for (size_t i = 0; i < DERIVED_BYTES; i++) (void)snprintf(out + 1 + 2 * i, 3, "%02x", hash[i]);
}

// The caller's own key, "<key id>:<header>"; where there is none, one that is derived from the request.
static bool once(struct gateway_call *c, struct ledger_op *op) {
  struct str header = str_trim(http_header(c->request, "Idempotency-Key"));
  char key[ID_TEXT_MAX], text[ONCE_MAX];
  bool given = http_header(c->request, "Idempotency-Key").ptr != NULL;
  if ((given && header.len == 0) || header.len > IDEMPOTENCY_KEY_MAX || !str_is_printable(header)) return false;
  id_print("key", c->principal->key_id, key);
  fingerprint(c, key, op->fingerprint);
  if (header.len > 0)
    (void)snprintf(text, sizeof text, "%s:%.*s", key, STR_ARG(header));
  else
    derive(text, op->fingerprint);
  mem_free(c->once);
  c->once = mem_strdup(text);
  op->idempotency_key = str_from(c->once);
  op->retry = header.len == 0 && says_retry(c);
  return true;
}

// ---- the answer

static void on_admitted(void *call);

static void done(struct ledger_op *op) {
  struct gateway_call *c = op->arg;
  net_post(c->lane->loop, on_admitted, c);
}

static void refuse_fault(struct gateway_call *c, int fault) {
  respond_fault(c, fault);
  call_go(c, STEP_DONE);
}

static void submit(struct gateway_call *c) {
  const struct principal *p = c->principal;
  struct ledger_op *op = &c->op;
  price_input(c);
  *op = (struct ledger_op){.kind = LEDGER_ADMIT,
                           .customer = p->customer_id,
                           .id = c->id,
                           .key = p->key_id,
                           .price = c->candidates[0].price->id,
                           .hold = c->hold,
                           .charge = c->input_charge,
                           .cost = c->input_cost,
                           .usage = buf_str(&c->usage_json),
                           .config_version = p->config_version,
                           .about = about_write(c),
                           .done = done,
                           .arg = c};
  if (p->short_policy == SHORT_ALLOW_DEBT) op->debt_allowed = p->short_debt;
  for (size_t i = 0; i < p->limit_count && i < LIMIT_DRAWS; i++) op->limits[op->limit_count++] = p->limits[i].id;
  if (!once(c, op)) {
    struct problem_more more = {.param = "Idempotency-Key"};
    respond_problem(c, PROBLEM_INVALID_REQUEST, &more, "Idempotency-Key must be 1 to %d printable characters.",
                    IDEMPOTENCY_KEY_MAX);
    call_go(c, STEP_DONE);
    return;
  }
  int fault = ledger_submit(c->gateway->ledger, op);
  if (fault != 0) refuse_fault(c, fault);
}

static amount hold_of(void *arg, int64_t cap) {
  struct gateway_call *c = arg;
  const char *meter = NULL;
  amount hold = 0;
  return candidates_hold(c->candidates, c->candidate_count, cap, &hold, &meter) ? hold : -1;
}

// A cap that is known not to fit: what the bound of the dearest candidate has as output.
static int64_t cap_now(const struct gateway_call *c) {
  int64_t cap = 0;
  for (size_t i = 0; i < c->candidate_count; i++) {
    const struct candidate *one = &c->candidates[i];
    for (size_t k = 0; k < one->bound.count; k++) {
      const struct tollgate_count *upper = &one->bound.upper[k];
      bool output = one->plugin->meters[upper->meter].total == TOLLGATE_TOTAL_OUTPUT;
      if (output && upper->quantity > cap) cap = upper->quantity;
    }
  }
  return cap;
}

// Policy lower_cap: the largest output that the credits cover. False: not even one unit.
static bool lower(struct gateway_call *c) {
  amount available = op_available(&c->op);
  if (c->principal->short_policy != SHORT_LOWER_CAP || c->lowered++ >= LOWERED_MAX) return false;
  int64_t cap = cap_lower(cap_now(c), available, hold_of, c);
  if (cap < 1) return false;
  grow_end(c); // the cap is what is held
  c->output_cap = cap;
  c->hold = hold_of(c, cap);
  candidates_bind(c->candidates, c->candidate_count, cap);
  return true;
}

static void refused(struct gateway_call *c) {
  refuse_admission(c);
  call_go(c, STEP_DONE);
}

static void on_admitted(void *call) {
  struct gateway_call *c = call;
  int result = c->op.result;
  if (result == LEDGER_DONE)
    call_go(c, STEP_UPSTREAM);
  else if (c->cancelled != CANCEL_NOT)
    call_go(c, STEP_ADMIT); // refused there
  else if (result == LEDGER_STALE)
    principal_reload(c);
  else if (result == LEDGER_SHORT && lower(c))
    submit(c);
  else if (result < 0)
    refuse_fault(c, result);
  else
    refused(c);
}

// A call that could not be put on record is not begun.
static void refuse_unrecorded(struct gateway_call *c) {
  struct problem_more more = {.retry_after_ms = 1000};
  if (journal_state(c->gateway->journal).ok)
    respond_problem(c, PROBLEM_OVERLOADED, &more, "Too many settlements wait for the database. Try again in a moment.");
  else
    respond_problem(c, PROBLEM_STORAGE_UNAVAILABLE, &more, "The journal cannot be written, so no call is begun. Nothing was charged.");
  call_go(c, STEP_DONE);
}

void admit_enter(struct gateway_call *c) {
  if (!saved_reserve(c)) {
    refuse_unrecorded(c);
    return;
  }
  if (uuid_is_nil(c->id)) {
    c->id = ledger_call_id(c->gateway->ledger, c->principal->customer_id);
    id_print("call", c->id, c->id_text);
    grow_begin(c);
  }
  submit(c);
}
