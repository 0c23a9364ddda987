// A hold that grows with its stream. It begins with what such calls usually produce and is extended by slices that
// double, one ahead of the output, through the same writer; while an extension is awaited the stream goes on inside what
// is held, and upstream is paused where that is used up. Where no more can be held, or the ledger's answer is as far away
// as the database, the stream gets a last, well-formed event that says why. A call that cannot be stopped, or whose output
// is not seen, is held at its upper bound instead.
#include "base/clock.h"
#include "gateway/call.h"

#define USAGE_MAX 1024
#define RETRY_MS 200
#define RATE_AFTER_US 250000 // output that has run for less tells no rate: it comes in bursts

struct grow {
  struct ledger_op op;
  struct buf usage; // lent to op
  struct slices slices, wanted;
  bool asking;         // op is under way
  int64_t asked_at;    // monotonic microseconds
  bool waiting;        // a fault: it is asked again when it is looked at again
  bool timed;          // which is in a moment
  int trimmed;         // what is asked for is all that was left, by this answer
  bool last;           // no more can be had
  const char *ending;  // why, for the evidence
  enum problem problem;
  const char *text;
  int64_t output_since; // monotonic microseconds of the first output; 0: none yet
  int64_t output, most; // of one choice, as last seen and at the most: an estimate may come down when the usage is told
  bool by_line;         // the piece under way is a line: it may use the hold up
  int64_t stride;       // the most output that a line has brought
};

// ---- how much

static amount hold_of(void *arg, int64_t cap) {
  struct gateway_call *c = arg;
  const char *meter = NULL;
  amount hold = 0;
  return candidates_hold(c->candidates, c->candidate_count, cap, &hold, &meter) ? hold : -1;
}

static int64_t choices_of(const struct candidate *one) {
  return one->facts.choices > 0 ? one->facts.choices : 1;
}

static int64_t output_of(const struct tollgate_plugin *plugin, const struct tollgate_count *counts, size_t count) {
  int64_t output = 0;
  for (size_t i = 0; i < count; i++) {
    if (counts[i].meter >= plugin->meter_count || plugin->meters[counts[i].meter].total != TOLLGATE_TOTAL_OUTPUT) continue;
    if (__builtin_add_overflow(output, counts[i].quantity, &output)) return INT64_MAX;
  }
  return output;
}

static bool can_stop(const struct candidate *one) {
  return one->facts.stoppable && one->plugin->endpoints[one->request.endpoint].flags & TOLLGATE_ENDPOINT_STOPPABLE;
}

// The largest cap and the largest usual output among the candidates, for one choice. False: one of them cannot be stopped.
static bool output_bound(const struct gateway_call *c, int64_t *ret_cap, int64_t *ret_usual) {
  *ret_cap = *ret_usual = 0;
  for (size_t i = 0; i < c->candidate_count; i++) {
    const struct candidate *one = &c->candidates[i];
    if (!can_stop(one)) return false;
    int64_t cap = output_of(one->plugin, one->bound.upper, one->bound.count) / choices_of(one);
    int64_t usual = output_of(one->plugin, one->bound.likely, one->bound.count) / choices_of(one);
    if (cap > *ret_cap) *ret_cap = cap;
    if (usual > *ret_usual) *ret_usual = usual;
  }
  return *ret_cap > 0;
}

void grow_begin(struct gateway_call *c) {
  int64_t cap, usual;
  struct slices slices;
  if (c->grow || !output_bound(c, &cap, &usual)) return;
  struct usual_call learnt = usual_of(c->lane->usual, c->principal->key_id, c->candidates[0].price->model);
  slices_begin(&slices, cap, learnt.output ? learnt.output : usual, learnt.rate);
  if (slices.held >= cap) return;
  amount hold = hold_of(c, slices.held);
  if (hold < 0 || hold >= c->hold) return;
  c->grow = mem_alloc(sizeof *c->grow);
  c->grow->slices = slices;
  buf_init(&c->grow->usage, USAGE_MAX);
  c->hold = hold;
}

void grow_end(struct gateway_call *c) {
  if (!c->grow) return;
  ASSERT(!c->grow->asking);
  buf_finish(&c->grow->usage);
  mem_free(c->grow);
  c->grow = NULL;
}

// ---- learning

static int64_t rate_of(const struct gateway_call *c, int64_t output) {
  int64_t elapsed = c->grow && c->grow->output_since ? clock_mono_us() - c->grow->output_since : 0;
  return elapsed >= RATE_AFTER_US ? (int64_t)((amount_wide)output * 1000000 / elapsed) : 0;
}

void grow_learn(struct gateway_call *c, const struct tollgate_usage *usage) {
  const struct candidate *one = call_candidate(c);
  int64_t output = output_of(one->plugin, usage->counts, usage->count) / choices_of(one);
  if (c->grow && c->grow->most > output) output = c->grow->most; // what is learnt is what a hold is measured by
  if (output > 0) usual_learn(c->lane->usual, c->principal->key_id, one->price->model, output, rate_of(c, output));
}

// ---- asking for more

static void look(struct gateway_call *c);

// What the call is charged should this instance die: what was metered so far.
static void metered_note(struct gateway_call *c, struct ledger_op *op, const struct tollgate_usage *usage) {
  struct meter_bill bill;
  const char *meter = NULL;
  struct grow *g = c->grow;
  buf_clear(&g->usage);
  bool priced = meter_price_usage(call_candidate(c)->plugin, call_candidate(c)->price, usage, &bill, &meter) == 0;
  op->charge = priced ? bill.charge : c->input_charge;
  op->cost = priced ? bill.cost : c->input_cost;
  if (!priced) (void)meter_price_usage(call_candidate(c)->plugin, call_candidate(c)->price, &c->input, &bill, &meter);
  meter_usage_json(&bill, &g->usage);
  op->usage = buf_str(&g->usage);
}

static void on_answer(void *call);

static void answered(struct ledger_op *op) {
  struct gateway_call *c = op->arg;
  net_post(c->lane->loop, on_answer, c);
}

static void ask(struct gateway_call *c, const struct tollgate_usage *usage) {
  struct grow *g = c->grow;
  amount hold = hold_of(c, g->wanted.held);
  g->op = (struct ledger_op){.kind = LEDGER_EXTEND,
                             .customer = c->principal->customer_id,
                             .id = c->id,
                             .hold = hold > c->hold ? hold : c->hold,
                             .debt_allowed = c->principal->short_policy == SHORT_ALLOW_DEBT ? c->principal->short_debt : 0,
                             .done = answered,
                             .arg = c};
  metered_note(c, &g->op, usage);
  g->asking = true;
  g->asked_at = clock_mono_us();
  call_ref(c);
  int fault = ledger_submit(c->gateway->ledger, &g->op);
  if (fault == 0) return;
  g->op.result = fault;
  on_answer(c);
}

// ---- what the ledger says

static void no_more(struct grow *g, const char *ending, enum problem p, const char *text) {
  g->last = true;
  g->ending = ending;
  g->problem = p;
  g->text = text;
}

static void no_more_of(struct grow *g, int answer) {
  if (answer == LEDGER_LIMITED)
    no_more(g, "budget_exhausted", PROBLEM_BUDGET_EXCEEDED,
            "The answer ends here: the budget has no room for more of it. What was generated is charged.");
  else if (answer == LEDGER_SHORT)
    no_more(g, "credits_exhausted", PROBLEM_INSUFFICIENT_CREDITS,
            "The answer ends here: there are no credits for more of it. What was generated is charged.");
  else
    no_more(g, "hold_lost", PROBLEM_STORAGE_UNAVAILABLE,
            "The answer ends here: this call's hold has ended. What was generated is charged.");
}

// Less than was asked for is left: that much is taken, once.
static bool trim(struct gateway_call *c, amount left) {
  struct grow *g = c->grow;
  amount within = 0;
  if (g->trimmed || left <= 0 || !amount_add(c->hold, left, &within)) return false;
  int64_t cap = cap_lower(g->wanted.held, within, hold_of, c);
  if (cap <= g->slices.held) return false;
  g->wanted.held = cap;
  g->wanted.slice = cap - g->slices.held;
  g->trimmed = g->op.result;
  return true;
}

static amount left_of(const struct gateway_call *c) {
  const struct ledger_op *op = &c->grow->op;
  amount left = op->result == LEDGER_LIMITED ? op->left : op_available(op);
  amount more = 0;
  if (op->result == LEDGER_LIMITED) return left;
  return amount_add(left, op->debt_allowed, &more) ? more : left;
}

static void refused(struct gateway_call *c) {
  struct grow *g = c->grow;
  bool trimmed = trim(c, left_of(c)); // then asked for at the next look, with the usage as it is by then
  if (!trimmed) no_more_of(g, g->op.result);
}

static void granted(struct gateway_call *c) {
  struct grow *g = c->grow;
  c->hold = g->op.hold;
  g->slices = g->wanted;
  metric_add(METRIC_HOLDS_EXTENDED, 1);
  if (g->trimmed) no_more_of(g, g->trimmed);
}

static void no_more_away(struct grow *g) {
  no_more(g, "storage_unavailable", PROBLEM_STORAGE_UNAVAILABLE,
          "The answer ends here: the database cannot be reached to hold credits for more of it. What was generated is charged.");
}

// One timer a lane, while any of its calls is to be looked at again. It holds none of them: one that has ended is not there.
static void grow_tick(void *arg) {
  struct gateway_lane *lane = arg;
  struct gateway_call *next;
  lane->looking = false;
  for (struct gateway_call *c = lane->calls; c; c = next) {
    next = c->next;
    if (!c->grow || !c->grow->timed) continue;
    c->grow->timed = c->grow->waiting = false;
    grow_seen(c);
  }
}

static void look_again(struct gateway_call *c) {
  c->grow->timed = true;
  if (!c->lane->looking) net_after(c->lane->loop, RETRY_MS, grow_tick, c->lane);
  c->lane->looking = true;
}

// The next event might not be within what is held any more.
static bool is_used_up(const struct grow *g) {
  return g->slices.held < g->slices.cap && g->output >= g->slices.held - g->stride;
}

static void failed(struct gateway_call *c) {
  struct grow *g = c->grow;
  g->waiting = true;
  if (is_used_up(g)) no_more_away(g);
  look_again(c);
}

static void on_answer(void *call) {
  struct gateway_call *c = call;
  struct grow *g = c->grow;
  g->asking = false;
  if (c->step == STEP_RELAY && c->exchange) {
    if (g->op.result == LEDGER_DONE)
      granted(c);
    else if (g->op.result < 0)
      failed(c);
    else
      refused(c);
    look(c);
  }
  call_unref(c);
}

// ---- while the stream runs

// Ends it as far as it has come. The usage so far is charged, as where the client leaves.
static void stop(struct gateway_call *c) {
  struct grow *g = c->grow;
  bool complete = false;
  upstream_drop(c);
  c->answer = ANSWER_PROBLEM;
  c->problem = g->problem;
  c->problem_text = g->text;
  relay_finish(c, TOLLGATE_CANCELLED);
  settle_usage(c, TOLLGATE_CANCELLED, g->ending, &complete);
  call_go(c, STEP_SETTLE);
}

// False: the plugin cannot tell.
static bool output_see(struct gateway_call *c, struct tollgate_usage *ret) {
  struct grow *g = c->grow;
  const struct candidate *one = call_candidate(c);
  int64_t before = g->output;
  *ret = (struct tollgate_usage){.size = sizeof *ret};
  if (!c->begun || one->plugin->totals(c->state, ret) != TOLLGATE_OK || ret->count > TOLLGATE_COUNTS_MAX) return false;
  g->output = output_of(one->plugin, ret->counts, ret->count) / choices_of(one);
  if (g->output > g->most) g->most = g->output;
  if (g->by_line && g->output - before > g->stride) g->stride = g->output - before;
  if (g->output > 0 && g->output_since == 0) g->output_since = clock_mono_us();
  return true;
}

// The ledger's answer may be as far away as the database: whether a COMMIT that was lost has landed is told by the database
// alone, and what is queued behind waits for that too.
static bool is_overdue(const struct grow *g) {
  return g->asking && clock_mono_us() - g->asked_at >= LIMIT_LEDGER_WAIT_MS * INT64_C(1000);
}

// Who is paused here is looked at again by the time as well, so that no stream waits for an answer alone.
static void look(struct gateway_call *c) {
  struct grow *g = c->grow;
  struct tollgate_usage usage;
  if (!output_see(c, &usage)) {
    relay_pause(c, PAUSED_HOLD, false);
    return;
  }
  bool used_up = is_used_up(g);
  if (used_up && is_overdue(g)) no_more_away(g);
  if (used_up && g->last) {
    stop(c);
    return;
  }
  relay_pause(c, PAUSED_HOLD, used_up);
  if (used_up) look_again(c);
  if (g->asking || g->waiting || g->last) return;
  if (!used_up && !slices_due(&g->slices, g->output)) return;
  if (!g->trimmed) g->wanted = slices_next(&g->slices, g->output, rate_of(c, g->output));
  ask(c, &usage);
}

// A line at a time where the whole might use the hold up, a unit of output being no less than a byte: so the stream waits,
// or ends, with the last event that is within it.
size_t grow_piece(const struct gateway_call *c, struct str bytes) {
  struct grow *g = c->grow;
  if (!g || g->slices.held >= g->slices.cap) return bytes.len;
  g->by_line = g->slices.held - g->stride - g->output <= (int64_t)bytes.len;
  if (!g->by_line) return bytes.len;
  const char *line = memchr(bytes.ptr, '\n', bytes.len);
  return line ? (size_t)(line - bytes.ptr) + 1 : bytes.len;
}

void grow_seen(struct gateway_call *c) {
  if (c->grow && c->step == STEP_RELAY && c->exchange) look(c);
}
