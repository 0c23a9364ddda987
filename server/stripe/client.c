// A call and its tries. What one try leaves unknown stays so until an answer under the same key tells: a 200 or a
// refusal does, another failure does not. Each call is told of once, with Stripe's own name for it, never with what was
// sent.
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "crypto/crypto.h"
#include "stripe/internal.h"
#include <time.h>

#define CONNECT_MS 5000
#define TIMEOUT_MS 30000
#define BEGIN_WITHIN_US INT64_C(45000000) // no try begins later than this after the first
#define URL_MAX (16 * 1024)
#define HEADERS_MAX (8 * 1024)

struct call {
  struct stripe *stripe;
  const char *method, *path, *key;
  struct str form;
  struct buf url, headers;
  int64_t began_us;
  int attempt;
  bool is_get;
};

// ---- life

bool stripe_key_is_live(struct str key) {
  return str_starts(key, STR("sk_live_")) || str_starts(key, STR("rk_live_"));
}

bool stripe_is_live(const struct stripe *s) {
  return stripe_key_is_live(str_from(s->key));
}

struct stripe *stripe_create(const struct stripe_config *config) {
  struct stripe *s = mem_alloc(sizeof *s);
  size_t base = strlen(config->base);
  pthread_condattr_t monotonic;
  while (base > 0 && config->base[base - 1] == '/') base--;
  s->base = mem_strndup(config->base, base);
  s->key = mem_strdup(config->key);
  s->version = mem_strdup(config->version);
  s->timeout_ms = config->timeout_ms ? config->timeout_ms : TIMEOUT_MS;
  pthread_mutex_init(&s->lock, NULL);
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&s->changed, &monotonic);
  pthread_condattr_destroy(&monotonic);
  s->loop = net_loop_create("stripe");
  return s;
}

void stripe_stop(struct stripe *s) {
  if (!s) return;
  pthread_mutex_lock(&s->lock);
  s->stopping = true;
  pthread_cond_broadcast(&s->changed);
  pthread_mutex_unlock(&s->lock);
}

void stripe_destroy(struct stripe *s) {
  if (!s) return;
  net_loop_destroy(s->loop);
  pthread_cond_destroy(&s->changed);
  pthread_mutex_destroy(&s->lock);
  crypto_wipe(s->key, strlen(s->key));
  mem_free(s->base);
  mem_free(s->key);
  mem_free(s->version);
  mem_free(s);
}

// ---- waiting one's turn

// False where the client was stopped meanwhile. Under the lock.
static bool wait_until(struct stripe *s, int64_t mono_us) {
  struct timespec until = {mono_us / 1000000, (long)(mono_us % 1000000) * 1000};
  int r = 0;
  while (!s->stopping && r == 0 && clock_mono_us() < mono_us) r = pthread_cond_timedwait(&s->changed, &s->lock, &until);
  return !s->stopping;
}

enum turn { TURN_GO, TURN_STOPPED, TURN_OPEN, TURN_CROWDED };

static bool is_meter_event(const char *path) {
  return strstr(path, "/billing/meter_event") != NULL;
}

static enum turn turn_take(struct call *c, int64_t after_us) {
  struct stripe *s = c->stripe;
  enum turn turn = TURN_GO;
  pthread_mutex_lock(&s->lock);
  if (!wait_until(s, clock_mono_us() + after_us)) turn = TURN_STOPPED;
  if (turn == TURN_GO && !pace_may(&s->breaker, clock_mono_us())) turn = TURN_OPEN;
  if (turn == TURN_GO) {
    bool probe = s->breaker.probing;
    int64_t wait = pace_take(is_meter_event(c->path) ? &s->meter_events : &s->calls, clock_mono_us());
    if (wait < 0) turn = TURN_CROWDED;
    if (wait > 0 && !wait_until(s, clock_mono_us() + wait)) turn = TURN_STOPPED;
    if (turn != TURN_GO && probe) s->breaker.probing = false;
  }
  pthread_mutex_unlock(&s->lock);
  return turn;
}

static void turn_end(struct stripe *s, const struct stripe_try *t) {
  pthread_mutex_lock(&s->lock);
  pace_tell(&s->breaker, clock_mono_us(), pace_is_failure(t->end == NET_DONE ? t->status : 0));
  metric_set(METRIC_STRIPE_BREAKER, pace_is_open(&s->breaker));
  pthread_mutex_unlock(&s->lock);
}

bool stripe_rests(struct stripe *s) {
  pthread_mutex_lock(&s->lock);
  bool rests = pace_rests(&s->breaker, clock_mono_us());
  pthread_mutex_unlock(&s->lock);
  return rests;
}

// Nothing was sent. What an earlier try left unknown stays so.
static int turned_away(enum turn turn, bool unknown, struct stripe_answer *ret) {
  if (turn == TURN_STOPPED && !unknown) return FAULT_CLOSED;
  *ret = (struct stripe_answer){.unknown = unknown};
  ret->type = ret->code = ret->decline_code = ret->advice_code = STR("");
  ret->message = turn == TURN_STOPPED ? STR("Stripe did not answer (this server is stopping)")
                 : turn == TURN_OPEN  ? STR("Stripe has been failing and is not asked for a while")
                                      : STR("Too much is waiting for Stripe");
  return 0;
}

// ---- what is sent

static bool request_write(struct call *c) {
  const struct stripe *s = c->stripe;
  buf_init(&c->url, URL_MAX);
  buf_init(&c->headers, HEADERS_MAX);
  buf_printf(&c->url, "%s%s", s->base, c->path);
  if (c->is_get && c->form.len > 0) buf_printf(&c->url, "%c%.*s", strchr(c->path, '?') ? '&' : '?', STR_ARG(c->form));
  buf_printf(&c->headers, "Authorization: Bearer %s\nStripe-Version: %s\nUser-Agent: Tollgate/" TOLLGATE_VERSION "\n",
             s->key, s->version);
  if (!c->is_get) buf_puts(&c->headers, "Content-Type: application/x-www-form-urlencoded\n");
  if (!c->is_get && c->key) buf_printf(&c->headers, "Idempotency-Key: %s\n", c->key);
  return !c->url.full && !c->headers.full;
}

static void request_finish(struct call *c) {
  if (c->headers.data) crypto_wipe(c->headers.data, c->headers.len);
  buf_finish(&c->headers);
  buf_finish(&c->url);
}

// ---- the tries

static void call_tell(const struct call *c, const struct stripe_answer *a) {
  bool fine = a->status >= 200 && a->status < 500 && a->status != 401 && a->status != 403 && !a->unknown;
  int64_t ms = (clock_mono_us() - c->began_us) / 1000;
  metric_add(METRIC_STRIPE_CALLS, 1);
  if (!fine) metric_add(METRIC_STRIPE_CALLS_FAILED, 1);
  log_write(fine ? LOG_INFO : LOG_WARN, "stripe.call", "%s %s: %d%s%.*s, %s, try %d, %lld ms%s%.*s", c->method, c->path,
            a->status, a->code.len ? " " : "", STR_ARG(a->code), a->request_id[0] ? a->request_id : "no Request-Id",
            c->attempt, (long long)ms, a->status == 0 ? ": " : "", a->status == 0 ? (int)a->message.len : 0,
            a->message.ptr);
}

static int64_t pause_before_next(const struct call *c, const struct stripe_try *t) {
  uint16_t chance;
  struct pace_seen seen = {.attempt = c->attempt,
                           .status = t->end == NET_DONE ? t->status : 0,
                           .told = t->told,
                           .keyed = c->is_get || c->key != NULL,
                           .sent = t->end != NET_REFUSED && t->end != NET_UNREACHED};
  if (t->end == NET_REFUSED || t->end == NET_TOO_LARGE) return 0; // it would be again
  crypto_random(&chance, sizeof chance);
  int64_t pause = pace_again(&seen, chance);
  return clock_mono_us() + pause < c->began_us + BEGIN_WITHIN_US ? pause : 0;
}

// What an answer leaves open, after tries that left something open: a success or a refusal closes it.
static bool still_unknown(bool before, const struct stripe_answer *a) {
  bool decided = (a->status >= 200 && a->status < 300) || stripe_refused(a);
  return a->unknown || (before && !decided);
}

static int call_run(struct call *c, struct stripe_answer *ret) {
  struct net_spec spec = {.method = c->method,
                          .url = buf_cstr(&c->url),
                          .headers = buf_str(&c->headers),
                          .body = c->is_get ? (struct str){0} : c->form,
                          .trust = NET_OPERATOR,
                          .connect_ms = CONNECT_MS,
                          .first_byte_ms = c->stripe->timeout_ms,
                          .between_ms = c->stripe->timeout_ms,
                          .total_ms = c->stripe->timeout_ms,
                          .bytes_max = STRIPE_ANSWER_MAX};
  bool unknown = false;
  int64_t pause = 0;
  for (c->attempt = 1;; c->attempt++) {
    struct stripe_try t = {.stripe = c->stripe, .spec = &spec};
    enum turn turn = turn_take(c, pause);
    if (turn != TURN_GO) return turned_away(turn, unknown, ret);
    try_run(&t);
    turn_end(c->stripe, &t);
    answer_read(&t, ret);
    buf_finish(&t.body);
    ret->unknown = unknown = !c->is_get && still_unknown(unknown, ret);
    pause = pause_before_next(c, &t);
    if (pause == 0) return 0;
    stripe_answer_finish(ret);
  }
}

int stripe_call(struct stripe *s, const char *method, const char *path, struct str form, const char *idempotency_key,
                struct stripe_answer *ret) {
  struct call c = {.stripe = s, .method = method, .path = path, .key = idempotency_key, .form = form};
  c.began_us = clock_mono_us();
  c.is_get = strcmp(method, "GET") == 0;
  ASSERT(request_write(&c)); // both are made of bounded parts
  int r = call_run(&c, ret);
  if (r == 0) call_tell(&c, ret);
  request_finish(&c);
  return r;
}
