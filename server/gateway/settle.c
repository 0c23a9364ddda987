// The end in the books: what was used, priced by the price that served, in one settlement. Usage is never dropped:
// while the database is away the settlement goes to the journal (saved.c), or is tried again until it lands where there is
// none, and the client is not kept waiting for longer than PENDING_ANSWER_US.
#include "base/clock.h"
#include "gateway/call.h"

#define TICK_MS 100
#define RETRY_LEAST_MS 100
#define RETRY_MOST_MS 2000

// ---- what is written

static void op_fill(struct gateway_call *c, enum call_state state, unsigned flags, struct uuid price) {
  c->op = (struct ledger_op){.kind = LEDGER_SETTLE,
                             .customer = c->principal->customer_id,
                             .id = c->id,
                             .price = price,
                             .charge = c->bill->charge,
                             .cost = c->bill->cost,
                             .usage = buf_str(&c->usage_json),
                             .state = state,
                             .flags = flags | (abort_happened(c) ? CALL_ABORTED : 0u),
                             .evidence = buf_str(&c->evidence),
                             .idempotency_key = c->once ? str_from(c->once) : (struct str){0},
                             .undelivered = abort_happened(c),
                             .arg = c};
}

static struct evidence evidence_of(const struct gateway_call *c, const char *ending) {
  return (struct evidence){.upstream_request_id = c->upstream_request_id,
                           .provider = call_candidate(c)->price->provider->name,
                           .request_id = c->request_id,
                           .ending = ending,
                           .status = c->status,
                           .delivered = c->delivered,
                           .bill = c->bill};
}

static void buffers_clear(struct gateway_call *c) {
  if (!c->bill) c->bill = mem_alloc(sizeof *c->bill);
  *c->bill = (struct meter_bill){0};
  buf_clear(&c->usage_json);
  buf_clear(&c->evidence);
}

void settle_release(struct gateway_call *c, const char *ending) {
  buffers_clear(c);
  struct evidence evidence = evidence_of(c, ending);
  (void)buf_puts(&c->usage_json, "{}");
  evidence_write(&c->evidence, &evidence);
  op_fill(c, CALL_RELEASED, 0, UUID_NIL);
  call_go(c, STEP_SETTLE);
}

// ---- by usage

// The plugin's totals; where it has none, what such calls usually use: all of it for a whole answer, its input for a
// part.
static void usage_read(struct gateway_call *c, enum tollgate_ending ending, struct tollgate_usage *ret,
                       unsigned *flags) {
  const struct candidate *one = call_candidate(c);
  const uint32_t told = TOLLGATE_USAGE_KNOWN | TOLLGATE_USAGE_ESTIMATED | TOLLGATE_USAGE_FREE;
  *ret = (struct tollgate_usage){.size = sizeof *ret};
  bool counted = c->begun && one->plugin->totals(c->state, ret) == TOLLGATE_OK && (ret->flags & told) &&
                 ret->count <= TOLLGATE_COUNTS_MAX;
  if (!counted) {
    *ret = c->input;
    ret->flags = TOLLGATE_USAGE_ESTIMATED;
    if (ending == TOLLGATE_ENDED) {
      ret->count = one->bound.count;
      memcpy(ret->counts, one->bound.likely, one->bound.count * sizeof *ret->counts);
    }
    for (size_t i = 0; i < TOLLGATE_TOTALS; i++) ret->totals[i] = -1;
  }
  if (!plugin_usage_check(one->plugin, ret)) *flags |= CALL_INCONSISTENT;
  if (ret->flags & TOLLGATE_USAGE_INCONSISTENT) *flags |= CALL_INCONSISTENT;
  if (ret->flags & TOLLGATE_USAGE_ESTIMATED) *flags |= CALL_ESTIMATED;
}

// The model that served is charged where the same provider has a price for it, else the one that was asked for.
static const struct book_price *price_served(const struct gateway_call *c, const struct tollgate_usage *usage) {
  const struct book_price *asked = call_candidate(c)->price, *prices[CANDIDATES_MAX];
  struct str served = {usage->model.ptr, usage->model.len};
  if (served.len == 0 || str_eq(served, asked->model) || str_eq(served, asked->upstream_model)) return asked;
  size_t count = book_route(c->book, served, c->routed_at, prices, CANDIDATES_MAX);
  for (size_t i = 0; i < count; i++)
    if (prices[i]->provider == asked->provider && str_eq(prices[i]->model, served)) return prices[i];
  return asked;
}

// Prices the usage into c->bill. Where the client has left, its policy says what of it is charged; what it cost the
// operator is all that was generated.
static int price_usage(struct gateway_call *c, const struct book_price *price, const struct tollgate_usage *usage,
                       struct abort_figures *ret_abort, const char **ret_unrated) {
  const struct tollgate_plugin *plugin = call_candidate(c)->plugin;
  int priced = meter_price_usage(plugin, price, usage, c->bill, ret_unrated);
  if (priced != 0 || !abort_happened(c)) return priced;
  const char *meter = NULL;
  struct tollgate_usage delivered = *usage, charged = *usage;
  *ret_abort = (struct abort_figures){.policy = c->principal->abort_charge,
                                      .drained = c->left && c->cancelled == CANCEL_NOT,
                                      .taken = c->taken,
                                      .written = c->written,
                                      .generated = *c->bill};
  abort_share(plugin, &delivered, c->taken, c->written);
  (void)meter_price_usage(plugin, price, &delivered, &ret_abort->delivered, &meter);
  abort_usage(c->principal->abort_charge, plugin, &charged, c->taken, c->written);
  (void)meter_price_usage(plugin, price, &charged, c->bill, &meter);
  c->bill->cost = ret_abort->generated.cost;
  return 0;
}

// The alarm of a call that was used and cannot be priced: it waits for a rate.
static void unrated_tell(const struct gateway_call *c, const char *meter) {
  log_context(c->request_id);
  log_error("gateway.unrated", "call %s has usage without a rate: %s", c->id_text, meter);
  log_context(NULL);
}

void settle_usage(struct gateway_call *c, enum tollgate_ending ending, const char *ending_name, bool *ret_complete) {
  struct tollgate_usage usage;
  unsigned flags = 0;
  const char *unrated = NULL;
  buffers_clear(c);
  usage_read(c, ending, &usage, &flags);
  bool free_of_charge = usage.flags & TOLLGATE_USAGE_FREE;
  *ret_complete = usage.flags & TOLLGATE_USAGE_COMPLETE;
  if (ending != TOLLGATE_ENDED || (c->mode == RELAY_STREAM && !*ret_complete)) flags |= CALL_PARTIAL;
  if (*ret_complete) flags &= ~(unsigned)CALL_PARTIAL;
  if (*ret_complete && !(usage.flags & TOLLGATE_USAGE_ESTIMATED)) grow_learn(c, &usage);
  const struct book_price *price = price_served(c, &usage);
  if (free_of_charge) usage.count = 0;
  struct abort_figures abort;
  int priced = price_usage(c, price, &usage, &abort, &unrated);
  struct evidence evidence = evidence_of(c, ending_name);
  evidence.abort = priced == 0 && abort_happened(c) ? &abort : NULL; // else there are no figures
  evidence.raw = (struct str){usage.raw.ptr, usage.raw.len};
  evidence.provider_id = (struct str){usage.provider_id.ptr, usage.provider_id.len};
  evidence.model_served = (struct str){usage.model.ptr, usage.model.len};
  evidence.tier = (struct str){usage.tier.ptr, usage.tier.len};
  evidence.unrated_meter = priced == 0 ? NULL : unrated ? unrated : "(the sum is too large)";
  evidence_write(&c->evidence, &evidence);
  meter_usage_json(c->bill, &c->usage_json);
  if (priced != 0) unrated_tell(c, evidence.unrated_meter);
  bool nothing = free_of_charge || (abort_happened(c) && c->bill->count == 0);
  enum call_state state = nothing ? CALL_RELEASED : priced == 0 ? CALL_SETTLED : CALL_UNRATED;
  op_fill(c, state, state == CALL_RELEASED ? 0 : flags, price->id);
}

// ---- the ledger's answer

static void settle_submit(struct gateway_call *c);

static void give_up(struct gateway_call *c, const char *why) {
  log_context(c->request_id);
  log_error("gateway.settle", "call %s is not settled by this instance: %s", c->id_text, why);
  log_context(NULL);
  respond_end(c, false);
  call_go(c, STEP_DONE);
}

static void retry_arm(struct gateway_call *c) {
  c->retry_ms = c->retry_ms == 0 ? RETRY_LEAST_MS : c->retry_ms * 2 > RETRY_MOST_MS ? RETRY_MOST_MS : c->retry_ms * 2;
  c->retry_at = clock_mono_us() + INT64_C(1000) * c->retry_ms;
}

// Into the journal, where there is one; else it is tried again from memory, also while stopping: the drain has a bound
// of its own.
static void try_later(struct gateway_call *c, int fault) {
  if (c->retry_ms == 0 && !c->saved) {
    log_context(c->request_id);
    log_warn("gateway.settle", "call %s waits for its settlement: %s", c->id_text, fault_name(fault));
    log_context(NULL);
  }
  if (saved_begin(c)) return;
  if (fault == FAULT_CLOSED)
    give_up(c, fault_name(fault));
  else
    retry_arm(c);
}

// The client left while its settlement was under way: that is noted with the call, so that its retry is not charged too.
static bool left_meanwhile(const struct gateway_call *c) {
  return abort_happened(c) && !c->op.undelivered && c->op.charged > 0;
}

static bool has_landed(const struct gateway_call *c) {
  return !c->submitted && (c->op.result == LEDGER_DONE || c->op.result == LEDGER_DUPLICATE);
}

// The ledger has answered, and the journal is not at work on it.
static void conclude(struct gateway_call *c) {
  bool landed = has_landed(c), faulty = c->op.result < 0, kept = saved_is_kept(c);
  if (kept && faulty && abort_happened(c) && !c->op.undelivered) { // the entry does not say so: this operation will
    c->op.undelivered = true;
    retry_arm(c);
    return;
  }
  if (kept) saved_conclude(c, landed);
  if (landed || (kept && faulty)) {
    respond_end(c, landed);
    call_go(c, STEP_DONE);
  } else if (faulty) {
    try_later(c, c->op.result);
  } else {
    give_up(c, c->op.result == LEDGER_REFUSED ? "the database refused it" : "its hold is not known");
  }
}

void settle_saved(struct gateway_call *c) {
  if (saved_is_kept(c) && !has_landed(c)) respond_end(c, false);
  if (!c->submitted) conclude(c);
}

static void on_settled(void *call) {
  struct gateway_call *c = call;
  c->submitted = false;
  if (has_landed(c) && left_meanwhile(c)) {
    c->op.undelivered = true;
    settle_submit(c);
    return;
  }
  if (has_landed(c)) respond_end(c, true);
  if (!saved_is_writing(c)) conclude(c);
}

static void done(struct ledger_op *op) {
  struct gateway_call *c = op->arg;
  net_post(c->lane->loop, on_settled, c);
}

static void settle_submit(struct gateway_call *c) {
  c->retry_at = 0;
  c->op.done = done;
  c->submitted = true; // from here on its answer may come at any time
  int fault = ledger_submit(c->gateway->ledger, &c->op);
  if (fault == 0) return;
  c->submitted = false;
  c->op.result = fault;
  conclude(c);
}

// One timer a lane, while any call settles: repeats what failed, and lets clients go that have waited long enough.
static void settle_tick(void *arg) {
  struct gateway_lane *lane = arg;
  struct gateway_call *next;
  int64_t now = clock_mono_us();
  lane->ticking = false;
  for (struct gateway_call *c = lane->calls; c; c = next) {
    next = c->next;
    if (c->step != STEP_SETTLE) continue;
    lane->ticking = true;
    if (now - c->settling_since >= PENDING_ANSWER_US) respond_end(c, false);
    if (now - c->settling_since >= LIMIT_JOURNAL_AFTER_MS * INT64_C(1000)) (void)saved_begin(c);
    if (c->retry_at != 0 && now >= c->retry_at) settle_submit(c);
  }
  if (lane->ticking) net_after(lane->loop, TICK_MS, settle_tick, lane);
}

void settle_enter(struct gateway_call *c) {
  c->settling_since = clock_mono_us();
  if (abort_happened(c)) respond_drop(c);
  if (!c->lane->ticking) net_after(c->lane->loop, TICK_MS, settle_tick, c->lane);
  c->lane->ticking = true;
  settle_submit(c);
}
