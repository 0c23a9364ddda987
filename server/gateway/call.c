// A call's life: made by the server's thread that read the request, then its lane's alone. The table of steps is in
// call.h; a step ends by naming the next one, and a cancel is looked at between two steps or, where upstream is at
// work, at once.
#include "gateway/call.h"

static const struct {
  void (*enter)(struct gateway_call *c);
  void (*cancel)(struct gateway_call *c);
} steps[] = {
#define X(id, enter, cancel) [STEP_##id] = {enter, cancel},
    CALL_STEPS(X)
#undef X
};

void call_ref(struct gateway_call *c) {
  atomic_fetch_add(&c->refs, 1);
}

void call_unref(struct gateway_call *c) {
  if (atomic_fetch_sub(&c->refs, 1) != 1) return;
  ASSERT(!c->request && !c->exchange && !c->body);
  if (c->key_text) crypto_wipe(c->key_text, c->key_len);
  mem_free(c->key_text);
  mem_free(c->once);
  grow_end(c);
  saved_finish(c);
  principal_unref(c->principal);
  book_unref(c->book);
  buf_finish(&c->held);
  mem_free(c->bill);
  buf_finish(&c->usage_json);
  buf_finish(&c->evidence);
  mem_free(c);
}

// ---- from other threads

static void on_gone(void *arg) {
  struct gateway_call *c = arg;
  call_cancel(c, CANCEL_GONE);
  call_unref(c);
}

static void on_drained(void *arg) {
  struct gateway_call *c = arg;
  relay_drained(c);
  call_unref(c);
}

// The call is there: it ends after its request was answered, and then neither of these is called any more.
static void watch_gone(void *arg) {
  struct gateway_call *c = arg;
  call_ref(c);
  net_post(c->lane->loop, on_gone, c);
}

static void watch_drained(void *arg) {
  struct gateway_call *c = arg;
  call_ref(c);
  net_post(c->lane->loop, on_drained, c);
}

// ---- the life

static void lane_add(struct gateway_lane *lane, struct gateway_call *c) {
  pthread_mutex_lock(&lane->lock);
  c->next = lane->calls;
  if (c->next) c->next->prev = c;
  lane->calls = c;
  pthread_mutex_unlock(&lane->lock);
}

static void lane_remove(struct gateway_lane *lane, struct gateway_call *c) {
  pthread_mutex_lock(&lane->lock);
  if (c->prev)
    c->prev->next = c->next;
  else
    lane->calls = c->next;
  if (c->next) c->next->prev = c->prev;
  pthread_mutex_unlock(&lane->lock);
}

static void call_begin(void *arg) {
  struct gateway_call *c = arg;
  lane_add(c->lane, c);
  if (atomic_load(&c->gateway->stopping)) call_cancel(c, CANCEL_STOPPING);
  call_go(c, STEP_AUTHENTICATE);
}

void call_done(struct gateway_call *c) {
  ASSERT(!c->request);
  lane_remove(c->lane, c);
  atomic_fetch_sub(&c->gateway->running, 1);
  call_unref(c);
}

// Before the hold is asked for nothing is in the books yet, and a cancelled call just ends.
static bool is_refused(const struct gateway_call *c, enum call_step step) {
  return c->cancelled != CANCEL_NOT && step <= STEP_ADMIT;
}

void call_go(struct gateway_call *c, enum call_step step) {
  ASSERT(net_on_loop(c->lane->loop) && step >= c->step);
  if (is_refused(c, step)) {
    respond_cancelled(c);
    step = STEP_DONE;
  }
  c->step = step;
  steps[step].enter(c);
}

void call_cancel(struct gateway_call *c, enum call_cancel why) {
  if (c->cancelled != CANCEL_NOT) return;
  if (why == CANCEL_GONE && !c->left) abort_note(c);
  if (why == CANCEL_GONE && abort_drains(c)) {
    c->left = true;
    relay_pause(c, PAUSED_CLIENT, false);
    return;
  }
  c->cancelled = why;
  if (steps[c->step].cancel) steps[c->step].cancel(c);
}

static struct gateway_call *call_create(struct gateway_lane *lane, struct http_request *r,
                                        const struct gateway_route *route) {
  struct gateway_call *c = mem_alloc(sizeof *c);
  c->lane = lane;
  c->gateway = lane->gateway;
  c->route = route;
  c->refs = 1;
  c->request = r;
  c->problem_text = "";
  buf_init(&c->held, LIMIT_ANSWER_HELD);
  buf_init(&c->usage_json, LIMIT_EVIDENCE);
  buf_init(&c->evidence, LIMIT_EVIDENCE);
  (void)snprintf(c->request_id, sizeof c->request_id, "%s", http_request_id(r));
  return c;
}

// On a thread of the server. Watched before it is posted: afterwards the request may be answered at any time.
void call_handle(struct http_request *r, void *arg) {
  const struct gateway_route *route = arg;
  struct gateway_context *g = route->gateway;
  struct problem_more more = {.retry_after_ms = 1000};
  if (atomic_fetch_add(&g->running, 1) >= LIMIT_RUNNING_CALLS) {
    atomic_fetch_sub(&g->running, 1);
    http_problem(r, PROBLEM_OVERLOADED, &more, "Too many calls are running. Try again in a moment.");
    return;
  }
  struct gateway_lane *lane = &g->lanes[atomic_fetch_add(&g->turn, 1) % g->loop_count];
  struct gateway_call *c = call_create(lane, r, route);
  http_watch(r, (struct http_watch){.gone = watch_gone, .drained = watch_drained, .arg = c});
  net_post(lane->loop, call_begin, c);
}
