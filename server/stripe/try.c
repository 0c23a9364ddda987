// One try of a call: an exchange on the client's own loop, and a caller that sleeps until it is over. Where the client
// is stopped meanwhile, the exchange is cancelled on its own thread, so that nothing of it is left when the caller goes
// on.
#include "base/log.h"
#include "base/mem.h"
#include "stripe/internal.h"
#include <stdio.h>

static void text_take(char *out, size_t size, struct str text) {
  (void)snprintf(out, size, "%.*s", (int)(text.len < size ? text.len : size - 1), text.ptr);
}

static void on_head(void *arg, int status, const struct net_header *headers, size_t count) {
  struct stripe_try *t = arg;
  t->status = status;
  for (size_t i = 0; i < count; i++) {
    const struct net_header *h = &headers[i];
    if (str_eq_nocase(h->name, STR("Request-Id")) && str_is_printable(h->value))
      text_take(t->request_id, sizeof t->request_id, h->value);
    if (str_eq_nocase(h->name, STR("Idempotent-Replayed"))) t->replayed = str_eq_nocase(h->value, STR("true"));
    if (str_eq_nocase(h->name, STR("Stripe-Should-Retry")) && str_eq_nocase(h->value, STR("true"))) t->told = PACE_DO;
    if (str_eq_nocase(h->name, STR("Stripe-Should-Retry")) && str_eq_nocase(h->value, STR("false")))
      t->told = PACE_DO_NOT;
  }
}

static size_t on_data(void *arg, struct str bytes) {
  struct stripe_try *t = arg;
  buf_add_str(&t->body, bytes);
  return bytes.len;
}

static void finish(struct stripe_try *t, enum net_end end, const char *detail) {
  t->x = NULL;
  t->end = end;
  text_take(t->detail, sizeof t->detail, str_from(detail ? detail : ""));
  pthread_mutex_lock(&t->stripe->lock);
  t->over = true;
  pthread_cond_broadcast(&t->stripe->changed);
  pthread_mutex_unlock(&t->stripe->lock);
}

static void on_done(void *arg, enum net_end end, const char *detail) {
  finish(arg, end, detail);
}

static void start(void *arg) {
  static const struct net_events events = {on_head, on_data, on_done};
  struct stripe_try *t = arg;
  t->x = net_start(t->stripe->loop, t->spec, &events, t);
}

static void cancel(void *arg) {
  struct stripe_try *t = arg;
  if (t->x) {
    bool sent = net_sent(t->x);
    net_cancel(t->x);
    finish(t, sent ? NET_BROKEN : NET_UNREACHED, "this server is stopping");
  }
  pthread_mutex_lock(&t->stripe->lock);
  t->cancelled = true; // from here on nobody touches t but its caller
  pthread_cond_broadcast(&t->stripe->changed);
  pthread_mutex_unlock(&t->stripe->lock);
}

void try_run(struct stripe_try *t) {
  struct stripe *s = t->stripe;
  bool cancelling = false;
  buf_init(&t->body, STRIPE_ANSWER_MAX);
  net_post(s->loop, start, t);
  pthread_mutex_lock(&s->lock);
  while (!t->over || (cancelling && !t->cancelled)) {
    if (s->stopping && !t->over && !cancelling) {
      cancelling = true;
      net_post(s->loop, cancel, t);
    }
    pthread_cond_wait(&s->changed, &s->lock);
  }
  pthread_mutex_unlock(&s->lock);
}
