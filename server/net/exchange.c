// The life of an exchange. libcurl forbids to add, remove or resume a transfer from inside its callbacks, and the body
// a caller lent may be freed as soon as it has cancelled. So net_start, net_resume and net_cancel only mark the
// exchange and put it on the loop's list; every callback looks at `gone` before it touches what was lent; and
// exchange_act does the work outside of libcurl, before the loop sleeps.
//
// One timer stands for all four deadlines. It is moved when a deadline comes nearer; when one moves away (each chunk
// does that) it stays, fires early, and is set again.
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/loop.h"

static int64_t exchange_due(const struct net_exchange *x) {
  int64_t total = x->started_us + INT64_C(1000) * x->total_ms, next = INT64_MAX;
  if (!x->sent)
    next = x->started_us + INT64_C(1000) * x->connect_ms;
  else if (!x->answered)
    next = x->sent_us + INT64_C(1000) * x->first_byte_ms;
  else if (!x->paused)
    next = x->last_us + INT64_C(1000) * x->between_ms;
  return next < total ? next : total;
}

void exchange_rearm(struct net_exchange *x) {
  timers_arm(&x->loop->timers, &x->deadline, exchange_due(x));
}

void exchange_judge(struct net_exchange *x, enum net_end end, const char *detail) {
  if (x->judged) return;
  x->judged = true;
  x->end = end;
  size_t len = strlen(detail);
  if (len >= sizeof(x->detail)) len = sizeof(x->detail) - 1;
  memcpy(x->detail, detail, len);
  x->detail[len] = '\0';
}

static void exchange_unlink(struct net_exchange *x) {
  if (x->prev)
    x->prev->next = x->next;
  else
    x->loop->running = x->next;
  if (x->next) x->next->prev = x->prev;
}

void exchange_free(struct net_exchange *x) {
  curl_easy_cleanup(x->easy);
  mem_free(x->url);
  buf_finish(&x->head);
  mem_free(x);
}

// Out of libcurl, out of every list; kept for the next one.
static void exchange_retire(struct net_exchange *x) {
  struct net_loop *loop = x->loop;
  timers_disarm(&loop->timers, &x->deadline);
  if (x->added) ASSERT(curl_multi_remove_handle(x->lane->multi, x->easy) == CURLM_OK);
  exchange_unlink(x);
  headers_destroy(x->out);
  if (loop->spare_count >= NET_SPARE_MAX) {
    exchange_free(x);
    return;
  }
  x->next = loop->spare;
  loop->spare = x;
  loop->spare_count++;
}

// The exchange leaves libcurl before done is called, so that the caller may free the body there.
static void exchange_finish(struct net_exchange *x) {
  if (x->added) ASSERT(curl_multi_remove_handle(x->lane->multi, x->easy) == CURLM_OK);
  x->added = false;
  x->gone = true;
  timers_disarm(&x->loop->timers, &x->deadline);
  x->events->done(x->arg, x->end, x->detail);
  loop_todo(x);
}

static enum net_end exchange_end(const struct net_exchange *x, CURLcode code) {
  if (code == CURLE_OK && x->answered) return NET_DONE;
  if (x->sent) return NET_BROKEN;
  bool refused = x->address_refused || code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL;
  return refused ? NET_REFUSED : NET_UNREACHED;
}

static const char *exchange_detail(const struct net_exchange *x, enum net_end end, CURLcode code) {
  if (end == NET_DONE) return "";
  if (end == NET_REFUSED && x->address_refused) return "the address is not allowed";
  if (code == CURLE_OK) return "no answer came";
  return x->said[0] ? x->said : curl_easy_strerror(code);
}

void exchange_ended(struct net_exchange *x, CURLcode code) {
  if (x->gone) return;
  enum net_end end = exchange_end(x, code);
  exchange_judge(x, end, exchange_detail(x, end, code));
  exchange_finish(x);
}

static const char *deadline_name(const struct net_exchange *x, int64_t now) {
  if (now >= x->started_us + INT64_C(1000) * x->total_ms) return "the whole answer took too long";
  if (!x->sent) return "no connection in time";
  return x->answered ? "nothing more came in time" : "no answer in time";
}

static void exchange_on_deadline(void *arg) {
  struct net_exchange *x = arg;
  int64_t now = clock_mono_us();
  if (x->gone) return;
  if (now < exchange_due(x)) {
    exchange_rearm(x);
    return;
  }
  exchange_judge(x, x->sent ? NET_TIMEOUT : NET_UNREACHED, deadline_name(x, now));
  exchange_finish(x);
}

static struct net_exchange *exchange_take(struct net_loop *loop) {
  struct net_exchange *x = loop->spare;
  if (!x) {
    x = mem_alloc(sizeof(*x));
    x->easy = easy_create(x);
    buf_init(&x->head, NET_ANSWER_HEAD_MAX);
    return x;
  }
  loop->spare = x->next;
  loop->spare_count--;
  *x = (struct net_exchange){.easy = x->easy, .url = x->url, .url_trust = x->url_trust, .url_plain = x->url_plain, .head = x->head};
  buf_clear(&x->head);
  return x;
}

static int deadline_or(int ms, int otherwise) {
  return ms > 0 ? ms : otherwise;
}

struct net_exchange *net_start(struct net_loop *loop, const struct net_spec *spec, const struct net_events *events,
                               void *arg) {
  ASSERT(net_on_loop(loop));
  struct net_exchange *x = exchange_take(loop);
  x->loop = loop;
  x->lane = &loop->lanes[spec->trust];
  x->events = events;
  x->arg = arg;
  x->body = spec->body;
  x->trust = spec->trust;
  x->connect_ms = deadline_or(spec->connect_ms, LIMIT_CONNECT_MS);
  x->first_byte_ms = deadline_or(spec->first_byte_ms, LIMIT_FIRST_BYTE_MS);
  x->between_ms = deadline_or(spec->between_ms, LIMIT_BETWEEN_CHUNKS_MS);
  x->total_ms = deadline_or(spec->total_ms, LIMIT_UPSTREAM_TOTAL_MS);
  x->bytes_max = spec->bytes_max > 0 ? spec->bytes_max : LIMIT_STREAM_BYTES;
  x->started_us = clock_mono_us();
  x->deadline = (struct net_timer){.fn = exchange_on_deadline, .arg = x};
  x->next = loop->running;
  if (x->next) x->next->prev = x;
  loop->running = x;
  easy_aim(x, spec);
  loop_todo(x);
  return x;
}

static void exchange_add(struct net_exchange *x) {
  CURLMcode added = curl_multi_add_handle(x->lane->multi, x->easy);
  if (added == CURLM_OUT_OF_MEMORY) (void)mem_had(NULL);
  ASSERT(added == CURLM_OK);
  x->added = true;
  exchange_rearm(x);
}

// Gives the bytes that libcurl kept, by the data callback, from inside this call.
static void exchange_unstall(struct net_exchange *x) {
  x->stalled = false;
  CURLcode code = curl_easy_pause(x->easy, CURLPAUSE_CONT);
  if (code != CURLE_OK) exchange_ended(x, code);
}

void exchange_act(struct net_exchange *x) {
  if (x->gone)
    exchange_retire(x);
  else if (x->judged)
    exchange_finish(x);
  else if (!x->added)
    exchange_add(x);
  else if (x->stalled && !x->paused)
    exchange_unstall(x);
}

void net_pause(struct net_exchange *x) {
  ASSERT(net_on_loop(x->loop));
  x->paused = true;
}

void net_resume(struct net_exchange *x) {
  ASSERT(net_on_loop(x->loop));
  if (!x->paused || x->gone) return;
  x->paused = false;
  x->last_us = clock_mono_us();
  if (x->added) exchange_rearm(x);
  if (x->stalled) loop_todo(x);
}

void net_cancel(struct net_exchange *x) {
  ASSERT(net_on_loop(x->loop));
  if (x->gone) return;
  x->gone = true;
  timers_disarm(&x->loop->timers, &x->deadline);
  loop_todo(x);
}

bool net_sent(const struct net_exchange *x) {
  return x->sent;
}

bool net_body_release(struct net_exchange *x) {
  ASSERT(net_on_loop(x->loop));
  bool sent = x->answered && (x->body_copied || x->body_at == x->body.len);
  if (sent) x->body = (struct str){0}, x->body_at = 0;
  return sent;
}

const char *net_end_name(enum net_end end) {
  switch (end) {
  case NET_DONE:
    return "done";
  case NET_REFUSED:
    return "refused";
  case NET_UNREACHED:
    return "unreached";
  case NET_BROKEN:
    return "broken";
  case NET_TIMEOUT:
    return "timeout";
  case NET_TOO_LARGE:
    return "too_large";
  }
  return "unknown";
}
