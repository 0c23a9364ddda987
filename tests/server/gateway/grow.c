// A stream inside a hold that grows: how far it goes while it waits for more, what wakes it, and what ends it. A provider of
// raw sockets, the outbound door and the call are real; the ledger is what a test says. The client has left, and the answer
// is read to its end, so that no client is needed.
#include "../net/wire.h"

#include "gateway/call.h"

#define WORDS 1000
#define USUAL 10
#define HELD_FIRST (USUAL + SLICE_LEAST)
#define LONG_MS (2 * LIMIT_LEDGER_WAIT_MS)

// ---- the plugin: a word is a line

struct heard {
  int64_t words;
  bool whole;
};
static _Atomic bool is_dumb; // it cannot tell its totals

static enum tollgate_result words_bound(const struct tollgate_request *q, const struct tollgate_facts *facts,
                                        const struct tollgate_model *model, struct tollgate_bound *ret) {
  (void)q;
  int64_t cap = facts->output_cap ? facts->output_cap : model->max_output;
  ret->count = 1;
  ret->upper[0] = (struct tollgate_count){0, cap};
  ret->likely[0] = (struct tollgate_count){0, USUAL};
  return TOLLGATE_OK;
}

static enum tollgate_result words_bytes(void *state, struct tollgate_slice piece, struct tollgate_out *relay) {
  struct heard *h = state;
  (void)relay;
  for (size_t i = 0; i < piece.len; i++) h->words += piece.ptr[i] == '\n';
  return TOLLGATE_OK;
}

static enum tollgate_result words_end(void *state, enum tollgate_ending ending, struct tollgate_out *relay) {
  struct heard *h = state;
  (void)relay;
  h->whole = ending == TOLLGATE_ENDED;
  return TOLLGATE_OK;
}

static enum tollgate_result words_totals(const void *state, struct tollgate_usage *ret) {
  const struct heard *h = state;
  if (is_dumb) return TOLLGATE_BROKEN;
  *ret = (struct tollgate_usage){.size = ret->size, .flags = TOLLGATE_USAGE_KNOWN, .count = 1, .totals = {-1, -1, -1}};
  if (h->whole) ret->flags |= TOLLGATE_USAGE_COMPLETE;
  ret->counts[0] = (struct tollgate_count){0, h->words};
  return TOLLGATE_OK;
}

static const struct tollgate_meter meters[] = {{"output_tokens", NULL, TOLLGATE_TOTAL_OUTPUT}};
static const struct tollgate_endpoint endpoints[] = {{"POST", "/words", "words", TOLLGATE_ENDPOINT_STOPPABLE}};
static const struct tollgate_plugin plugin = {.name = "words",
                                              .meters = meters,
                                              .meter_count = 1,
                                              .endpoints = endpoints,
                                              .endpoint_count = 1,
                                              .bound = words_bound,
                                              .bytes = words_bytes,
                                              .end = words_end,
                                              .totals = words_totals};
static const struct book_provider provider = {.name = {"test", 4}};
static const struct book_rate rate = {.meter = {"output_tokens", 13}, .per = 1, .charge = 1};
static const struct book_price price = {
    .provider = &provider, .model = {"m", 1}, .max_output = 10 * WORDS, .rates = &rate, .rate_count = 1};

// ---- the ledger: on the loop's thread, as everything else that a call does

enum says { SAYS_YES, SAYS_NOTHING, SAYS_FAULT, SAYS_SHORT, SAYS_CLOSED };
static _Atomic int says;
static struct ledger_op *_Atomic unanswered;
static _Atomic int asked;
static _Atomic bool settled;
static amount charged, held_at_the_end;
static char evidence[4096];

int __wrap_ledger_submit(struct ledger *l, struct ledger_op *op);
int __wrap_ledger_submit(struct ledger *l, struct ledger_op *op) {
  (void)l;
  op->result = LEDGER_DONE;
  if (op->kind == LEDGER_SETTLE) {
    struct gateway_call *c = op->arg;
    charged = op->charge;
    held_at_the_end = c->hold;
    (void)snprintf(evidence, sizeof evidence, "%.*s", STR_ARG(op->evidence));
    settled = true;
    op->done(op);
    return 0;
  }
  assert_int_equal(op->kind, LEDGER_EXTEND);
  asked++;
  if (says == SAYS_CLOSED) return FAULT_CLOSED;
  if (says == SAYS_NOTHING) {
    unanswered = op;
    return 0;
  }
  if (says == SAYS_FAULT) op->result = FAULT_DB;
  if (says == SAYS_SHORT) op->result = LEDGER_SHORT;
  op->done(op);
  return 0;
}

// ---- a call, from its answer's head on

static struct gateway_context gateway;
static struct gateway_lane lane;
static struct net_loop *loop;
static struct wire wire;
static struct principal *principal;
static struct candidate candidate;
static struct heard heard;
static struct gateway_call *call;
static int refs_at_the_end;

static size_t on_data(void *arg, struct str bytes) {
  return relay_data(arg, bytes);
}
static void on_done(void *arg, enum net_end end, const char *detail) {
  struct gateway_call *c = arg;
  (void)detail;
  c->exchange = NULL;
  relay_end(c, end);
}
static void on_head(void *arg, int status, const struct net_header *headers, size_t count) {
  (void)arg, (void)status, (void)headers, (void)count;
}
static const struct net_events events = {on_head, on_data, on_done};

static void call_make(void *arg) {
  (void)arg;
  char url[64];
  (void)snprintf(url, sizeof url, "http://127.0.0.1:%d/words", wire.port);
  struct net_spec spec = {.method = "GET", .url = url, .trust = NET_OPERATOR, .block = NET_BLOCK_STREAM};
  struct gateway_call *c = mem_alloc(sizeof *c);
  *c = (struct gateway_call){.lane = &lane,
                             .gateway = &gateway,
                             .refs = 2, // its own and the test's
                             .step = STEP_RELAY,
                             .left = true,
                             .principal = principal,
                             .candidates = &candidate,
                             .candidate_count = 1,
                             .hold = price.max_output,
                             .status = 200,
                             .state = &heard,
                             .begun = true,
                             .mode = RELAY_STREAM};
  buf_init(&c->held, LIMIT_ANSWER_HELD);
  buf_init(&c->usage_json, LIMIT_EVIDENCE);
  buf_init(&c->evidence, LIMIT_EVIDENCE);
  grow_begin(c);
  assert_non_null(c->grow);
  gateway.running = 1;
  lane.calls = c;
  c->exchange = net_start(loop, &spec, &events, c);
  call = c;
}

static void call_drop(void *arg) {
  (void)arg;
  refs_at_the_end = call->refs;
  call->principal = NULL; // the test's
  call_unref(call);
  call = NULL;
}

static void script_words(struct wire_connection *c) {
  static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
  char text[4 * WORDS + 1];
  wire_read(c);
  wire_puts(c, head);
  for (size_t i = 0; i < WORDS; i++) memcpy(text + 4 * i, "wor\n", 4);
  wire_write(c, text, 4 * WORDS);
}

static int begin(void **state) {
  (void)state;
  loop = net_loop_create("test");
  principal = mem_alloc(sizeof *principal);
  *principal = (struct principal){.abort_charge = ABORT_GENERATED};
  lane = (struct gateway_lane){.gateway = &gateway, .loop = loop};
  pthread_mutex_init(&lane.lock, NULL);
  candidate = (struct candidate){.price = &price, .plugin = &plugin, .facts = {.stream = true, .stoppable = true}};
  candidates_bind(&candidate, 1, 0);
  return 0;
}

static int end(void **state) {
  (void)state;
  net_loop_destroy(loop);
  mem_free(lane.scratch.ptr);
  mem_free(principal);
  return 0;
}

static void start(enum says how) {
  says = (int)how;
  unanswered = NULL;
  asked = 0;
  settled = is_dumb = false;
  heard = (struct heard){0};
  lane.usual = usual_create(); // nothing is learnt from another test
  wire_start(&wire, script_words);
  net_post(loop, call_make, NULL);
}

static bool has_settled(void *arg) {
  (void)arg;
  return settled;
}

static bool is_waiting(void *arg) {
  (void)arg;
  return unanswered != NULL;
}

static bool has_ended(void *arg) {
  (void)arg;
  return gateway.running == 0;
}

// The settlement; the call is there until what it asked for is answered.
static void finish(void) {
  assert_true(wait_until(has_settled, NULL, LONG_MS));
  assert_true(wait_until(has_ended, NULL, 5000));
  if (unanswered) unanswered->done(unanswered);
  net_post(loop, call_drop, NULL);
  loop_flush(loop);
  wire_stop(&wire);
  usual_destroy(lane.usual);
  assert_int_equal(refs_at_the_end, 1); // the test's: what else held it, a loop that ends would leave behind
}

static struct {
  int64_t words;
  unsigned paused;
} seen;

static void see(void *arg) {
  (void)arg;
  seen.words = heard.words;
  seen.paused = call->paused;
}

static bool is_paused(void *reasons) {
  net_post(loop, see, NULL);
  loop_flush(loop);
  return seen.paused == *(const unsigned *)reasons;
}

// It is paused for these reasons, at the end of its first hold.
static void stands(unsigned reasons) {
  assert_true(wait_until(is_paused, &reasons, 5000));
  assert_in_range(seen.words, HELD_FIRST - 2, HELD_FIRST);
}

static void wait_for_the_hold(void) {
  assert_true(wait_until(is_waiting, NULL, 5000));
  stands(PAUSED_HOLD);
}

static void answer_yes(void) {
  struct ledger_op *op = unanswered;
  says = SAYS_YES;
  unanswered = NULL;
  op->done(op);
}

static void ended_as(const char *ending) {
  char member[64];
  (void)snprintf(member, sizeof member, "\"ending\":\"%s\"", ending);
  if (!strstr(evidence, member)) fail_msg("not %s: %s", ending, evidence);
}

static void came_whole(void) {
  ended_as("done");
  assert_int_equal(charged, WORDS);
  assert_true(held_at_the_end >= WORDS);
}

static void was_cut_inside_its_hold(const char *ending) {
  ended_as(ending);
  assert_in_range(charged, HELD_FIRST - 2, HELD_FIRST);
  assert_int_equal(held_at_the_end, HELD_FIRST);
}

// ---- the rules

static void a_stream_whose_hold_grows_in_time_comes_whole(void **state) {
  (void)state;
  start(SAYS_YES);
  finish();
  came_whole();
  assert_true(asked >= 3);
}

static void a_stream_waits_inside_its_hold_and_loses_nothing(void **state) {
  (void)state;
  start(SAYS_NOTHING);
  wait_for_the_hold();
  poll(NULL, 0, 500); // it is looked at again meanwhile
  stands(PAUSED_HOLD);
  assert_int_equal(asked, 1);
  answer_yes();
  finish();
  came_whole();
}

static void client_stalls_and_drains(void *arg) {
  (void)arg;
  relay_pause(call, PAUSED_CLIENT, true);
  relay_drained(call);
}

static void a_client_that_drains_does_not_wake_a_stream_that_waits_for_its_hold(void **state) {
  (void)state;
  start(SAYS_NOTHING);
  wait_for_the_hold();
  net_post(loop, client_stalls_and_drains, NULL);
  loop_flush(loop);
  stands(PAUSED_HOLD);
  answer_yes();
  finish();
  came_whole();
}

static void client_stalls(void *arg) {
  (void)arg;
  relay_pause(call, PAUSED_CLIENT, true);
}

static void client_drains(void *arg) {
  (void)arg;
  relay_drained(call);
}

static void a_hold_that_grows_does_not_wake_a_stream_whose_client_stalls(void **state) {
  (void)state;
  start(SAYS_NOTHING);
  wait_for_the_hold();
  net_post(loop, client_stalls, NULL);
  answer_yes();
  loop_flush(loop);
  poll(NULL, 0, 300);
  stands(PAUSED_CLIENT);
  net_post(loop, client_drains, NULL);
  finish();
  came_whole();
}

static void an_answer_that_does_not_come_is_not_waited_for(void **state) {
  (void)state;
  start(SAYS_NOTHING);
  finish();
  was_cut_inside_its_hold("storage_unavailable");
  assert_int_equal(asked, 1);
}

static void where_the_database_is_away_a_stream_ends_with_its_hold(void **state) {
  (void)state;
  start(SAYS_FAULT);
  finish();
  was_cut_inside_its_hold("storage_unavailable");
}

static void where_the_ledger_is_closed_too(void **state) {
  (void)state;
  start(SAYS_CLOSED);
  finish();
  was_cut_inside_its_hold("storage_unavailable");
}

static void where_no_credits_are_left_a_stream_ends_with_the_last_of_them(void **state) {
  (void)state;
  start(SAYS_SHORT);
  finish();
  was_cut_inside_its_hold("credits_exhausted");
}

static void cancel(void *arg) {
  (void)arg;
  call_cancel(call, CANCEL_REVOKED);
}

static void a_stream_that_waits_can_be_cancelled(void **state) {
  (void)state;
  start(SAYS_NOTHING);
  wait_for_the_hold();
  net_post(loop, cancel, NULL);
  finish();
  was_cut_inside_its_hold("cancelled");
}

static void where_the_output_cannot_be_told_any_more_nothing_waits(void **state) {
  (void)state;
  start(SAYS_NOTHING);
  wait_for_the_hold();
  is_dumb = true;
  finish();
  ended_as("done");
  assert_int_equal(heard.words, WORDS);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_stream_whose_hold_grows_in_time_comes_whole),
      cmocka_unit_test(a_stream_waits_inside_its_hold_and_loses_nothing),
      cmocka_unit_test(a_client_that_drains_does_not_wake_a_stream_that_waits_for_its_hold),
      cmocka_unit_test(a_hold_that_grows_does_not_wake_a_stream_whose_client_stalls),
      cmocka_unit_test(an_answer_that_does_not_come_is_not_waited_for),
      cmocka_unit_test(where_the_database_is_away_a_stream_ends_with_its_hold),
      cmocka_unit_test(where_the_ledger_is_closed_too),
      cmocka_unit_test(where_no_credits_are_left_a_stream_ends_with_the_last_of_them),
      cmocka_unit_test(a_stream_that_waits_can_be_cancelled),
      cmocka_unit_test(where_the_output_cannot_be_told_any_more_nothing_waits),
  };
  return cmocka_run_group_tests(tests, begin, end);
}
