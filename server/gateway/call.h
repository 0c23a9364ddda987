// What the files of this folder share: a call, its steps, and the lane it lives on. A call belongs to its lane's
// thread: what comes from elsewhere (a job, the ledger's writer, the client's socket) is posted there first. So nothing
// here is locked but what gateway_watched reads.
#pragma once
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "gateway/gateway.h"
#include "http/problem.h"
#include "meter/call.h"
#include "meter/refusal.h"
#include "meter/slices.h"
#include "meter/usual.h"
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

//  id, what is entered, what a cancel does while the call is there (NULL: the step's own answer comes and is then
//  refused)
#define CALL_STEPS(X)                                                                                                  \
  X(AUTHENTICATE, authenticate_enter, NULL)                                                                            \
  X(ROUTE, route_enter, NULL)                                                                                          \
  X(ADMIT, admit_enter, NULL)                                                                                          \
  X(UPSTREAM, upstream_enter, upstream_cancel)                                                                         \
  X(RELAY, relay_enter, upstream_cancel)                                                                               \
  X(SETTLE, settle_enter, NULL)                                                                                        \
  X(DONE, call_done, NULL)

enum call_step {
#define X(id, enter, cancel) STEP_##id,
  CALL_STEPS(X)
#undef X
};

enum call_paused { PAUSED_CLIENT = 1, PAUSED_HOLD = 2 }; // why upstream is paused

enum call_cancel { CANCEL_NOT, CANCEL_GONE, CANCEL_STOPPING, CANCEL_REVOKED, CANCEL_SUSPENDED };

// How upstream's answer reaches the client.
enum relay_mode {
  RELAY_HELD,    // kept back until it is settled
  RELAY_THROUGH, // too large for that: passed on as it comes
  RELAY_STREAM,  // events, passed on as they come
};

// What the client gets once the call has ended in the books.
enum call_answer {
  ANSWER_BODY,    // upstream's own
  ANSWER_PROBLEM, // ours; in a stream, an event in the provider's shape
};

#define CANDIDATES_MAX 8
struct candidate {
  const struct book_price *price;
  const struct tollgate_plugin *plugin;
  struct tollgate_request request;
  struct tollgate_facts facts;
  struct tollgate_bound bound;
};

#define RELAYED_HEADERS_MAX 32
#define PENDING_ANSWER_US INT64_C(5000000) // a client waits no longer for its settlement than this

struct gateway_route {
  struct gateway_context *gateway;
  const char *method, *path;
};

struct gateway_lane {
  struct gateway_context *gateway;
  struct net_loop *loop;
  pthread_mutex_t lock; // guards the list, and of each call in it `principal`; changed on the loop's thread only
  struct gateway_call *calls;
  struct tollgate_out scratch; // where plugins write
  struct usual *usual;         // what its calls usually produced
  bool ticking, looking; // settle.c, grow.c: its timer is set
};

struct gateway_call {
  struct gateway_call *next, *prev; // lane->calls
  struct gateway_lane *lane;
  struct gateway_context *gateway;
  const struct gateway_route *route;
  _Atomic int refs; // the steps' own, and one for each thing posted or asked from outside of them
  enum call_step step;
  enum call_cancel cancelled;
  bool left;    // the client is gone, and upstream is read to its end
  struct http_request
      *request; // NULL once it is answered. Its arena is the call's: what ends with the answer lives there
  char request_id[ID_TEXT_MAX];

  // who
  char *key_text; // a copy: jobs read it; wiped at the end
  size_t key_len;
  struct principal *principal;
  int loaded; // what the last job said
  struct principal *loaded_principal;
  unsigned reloads;
  bool fresh, revisiting;

  // what
  struct book *book;
  struct candidate *candidates; // in order of preference
  size_t candidate_count, at;
  int64_t routed_at; // the ledger's clock: which prices hold

  // how much
  struct uuid id; // nil before the hold was asked for
  char id_text[ID_TEXT_MAX];
  amount hold, input_charge, input_cost;
  struct tollgate_usage input; // what of the bound's likely usage is input: the last resort of an estimate
  int64_t output_cap;          // lowered to; 0: as the caller wrote it
  unsigned lowered;
  struct grow *grow;    // NULL: the hold is the whole bound
  char *once;           // the idempotency key, the caller's or derived; NULL: none
  struct ledger_op op;

  // upstream
  struct net_exchange *exchange;
  char *body; // built, lent to the exchange
  int status; // of the answer; 0: none has come
  struct http_header *relayed; // the request's
  size_t relayed_count;
  struct str upstream_request_id;
  void *state; // the plugin's
  bool begun;  // the plugin has seen the head
  bool broken; // the plugin gave up on the bytes
  enum relay_mode mode;
  struct buf held; // the answer kept back; of a stream, its terminator
  int64_t received, written, delivered; // bytes: from upstream; meant for the client; handed to its connection
  int64_t taken;                        // of those, by the client's socket when it was seen to be gone
  bool streaming;
  unsigned paused; // enum call_paused

  // the end
  enum call_answer answer;
  enum problem problem;
  const char *problem_text; // one of few
  struct meter_bill *bill; // of its settlement: a call that runs needs none. NULL before
  struct buf usage_json, evidence;
  int64_t settling_since, retry_at;
  int retry_ms;
  bool submitted, reserved; // the ledger has the settlement; the journal keeps room for it
  struct saved *saved;      // NULL: it did not have to go to the journal
};

// call.c
void call_handle(struct http_request *r, void *route);
void call_ref(struct gateway_call *c);
void call_unref(struct gateway_call *c);
void call_go(struct gateway_call *c, enum call_step step); // the last thing a step does
void call_cancel(struct gateway_call *c, enum call_cancel why);
void call_done(struct gateway_call *c);
static inline const struct candidate *call_candidate(const struct gateway_call *c) {
  return &c->candidates[c->at];
}

// authenticate.c
// 0 with the key's text (empty: none was given), or 1 where two different ones were.
int key_text_find(const struct http_request *r, struct str *ret);
extern const char invalid_key_text[];
void authenticate_enter(struct gateway_call *c);
void principal_reload(struct gateway_call *c); // the ledger knows a newer configuration: read it and admit again
void call_revisit(struct gateway_call *c);

// route.c
void route_enter(struct gateway_call *c);
// The hold for the dearest candidate at an output cap for one choice (0: the caller's own). False: `ret_meter` has no rate (NULL:
// another reason, or the plugin knows no bound).
bool candidates_hold(const struct candidate *candidates, size_t count, int64_t cap, amount *ret_hold, const char **ret_meter);

// What the candidates are bounded by from now on, at that cap.
void candidates_bind(struct candidate *candidates, size_t count, int64_t cap);

// cap.c
// The largest cap in [1, below) whose hold is within `available`; 0: none. hold_of grows with the cap; -1: no hold.
int64_t cap_lower(int64_t below, amount available, amount (*hold_of)(void *arg, int64_t cap), void *arg);

// admit.c
void admit_enter(struct gateway_call *c);

// grow.c
void grow_begin(struct gateway_call *c); // a first, small hold where the call allows it
void grow_seen(struct gateway_call *c);  // output has come: may ask for more, pause upstream, or end the call
size_t grow_piece(const struct gateway_call *c, struct str bytes); // how much of it to take at once
void grow_learn(struct gateway_call *c, const struct tollgate_usage *usage); // a whole answer's
void grow_end(struct gateway_call *c);   // nothing is asked any more; NULL is fine

// abort.c
struct json_writer;
struct abort_figures {
  enum abort_charge policy;
  bool drained;
  int64_t taken, written;
  struct meter_bill generated, delivered;
};
bool abort_drains(const struct gateway_call *c); // the client may leave, the answer is read to its end
bool abort_happened(const struct gateway_call *c);
void abort_note(struct gateway_call *c);
// What of the usage is charged: by the policy, and by how many bytes of the answer were taken of those written.
void abort_usage(enum abort_charge policy, const struct tollgate_plugin *plugin, struct tollgate_usage *usage, int64_t taken,
                 int64_t written);
void abort_share(const struct tollgate_plugin *plugin, struct tollgate_usage *usage, int64_t taken, int64_t written);
void abort_write(struct json_writer *w, const struct abort_figures *f);

// refuse.c: the answers to what the ledger refuses
void refuse_admission(struct gateway_call *c);

// build.c, upstream.c
struct build {
  struct tollgate_out url, headers, body;
};
void build_finish(struct build *b);                           // wipes the headers: credentials are in them
int build_request(struct gateway_call *c, struct build *ret); // 0, a fault, or 1 where the plugin cannot
void upstream_enter(struct gateway_call *c);
void upstream_cancel(struct gateway_call *c);
void upstream_drop(struct gateway_call *c);

// relay.c
void relay_enter(struct gateway_call *c);
void relay_head(struct gateway_call *c, const struct net_header *headers, size_t count);
size_t relay_data(struct gateway_call *c, struct str bytes);
void relay_drained(struct gateway_call *c);
void relay_pause(struct gateway_call *c, enum call_paused why, bool on);
void relay_end(struct gateway_call *c, enum net_end end);
void relay_finish(struct gateway_call *c, enum tollgate_ending ending); // the plugin's last word, kept in c->held
// What the plugin says when asked to end a stream early; lent by the lane's scratch.
struct str relay_failure(struct gateway_call *c);

// settle.c
void settle_release(struct gateway_call *c, const char *ending); // nothing was used; goes on to SETTLE
// By what the plugin counted, and where it counted nothing by what such calls usually use. ret_complete: the answer
// came to its proper end.
void settle_usage(struct gateway_call *c, enum tollgate_ending ending, const char *ending_name, bool *ret_complete);
void settle_enter(struct gateway_call *c);
void settle_saved(struct gateway_call *c); // the journal has written it, or failed to

// saved.c
bool saved_reserve(struct gateway_call *c); // false: the journal has no room for one more call, or is broken
void saved_finish(struct gateway_call *c);
bool saved_begin(struct gateway_call *c); // false: there is no journal, it is broken, or it was asked before
bool saved_is_writing(const struct gateway_call *c);
bool saved_is_kept(const struct gateway_call *c);
void saved_conclude(const struct gateway_call *c, bool landed); // of one that is kept

// evidence.c
struct evidence {
  struct str raw, upstream_request_id, provider_id, model_served, tier, provider;
  const char *request_id, *ending, *unrated_meter;
  int status;
  int64_t delivered;
  const struct meter_bill *bill;
  const struct abort_figures *abort; // NULL: the client stayed
};
void evidence_write(struct buf *out, const struct evidence *e);

// respond.c
void respond_problem(struct gateway_call *c, enum problem p, const struct problem_more *more, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void respond_fault(struct gateway_call *c, int fault);
void respond_cancelled(struct gateway_call *c);
void respond_stream_start(struct gateway_call *c);
void respond_end(struct gateway_call *c, bool settled); // what c->answer says
void respond_drop(struct gateway_call *c);              // the client is gone

// models.c
void models_list(struct http_request *r, void *gateway);
void models_get(struct http_request *r, void *gateway);
