// One attempt: the signed request, and what its answer means. The status decides: an endpoint that has said 2xx has taken the
// event, whatever becomes of the rest of its answer.
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "json/write.h"
#include "webhook/internal.h"
#include <stdio.h>

#define CONNECT_MS 5000
#define ATTEMPT_MAX (64 * 1024)
#define GONE 410

enum outcome { OUTCOME_DELIVERED, OUTCOME_STATUS, OUTCOME_TIMEOUT, OUTCOME_UNREACHED, OUTCOME_REFUSED, OUTCOME_BROKEN };
static const struct {
  const char *name;
  enum metric metric;
} outcomes[] = {
    [OUTCOME_DELIVERED] = {"delivered", METRIC_WEBHOOK_DELIVERED}, [OUTCOME_STATUS] = {"status", METRIC_WEBHOOK_STATUS},
    [OUTCOME_TIMEOUT] = {"timeout", METRIC_WEBHOOK_TIMEOUT},       [OUTCOME_UNREACHED] = {"unreached", METRIC_WEBHOOK_UNREACHED},
    [OUTCOME_REFUSED] = {"refused", METRIC_WEBHOOK_REFUSED},       [OUTCOME_BROKEN] = {"broken", METRIC_WEBHOOK_BROKEN},
};

static int connect_ms(const struct webhook_sender *s) {
  return s->config.timeout_ms < CONNECT_MS ? s->config.timeout_ms : CONNECT_MS;
}

static enum outcome outcome_of(const struct job *job, enum net_end end) {
  if (job->status >= 200 && job->status < 300) return OUTCOME_DELIVERED;
  if (job->status) return OUTCOME_STATUS;
  switch (end) {
  case NET_TIMEOUT:
    return OUTCOME_TIMEOUT;
  case NET_REFUSED:
    return OUTCOME_REFUSED;
  case NET_UNREACHED: {
    bool waited = clock_mono_us() - job->started_us >= INT64_C(1000) * connect_ms(job->sender);
    return waited ? OUTCOME_TIMEOUT : OUTCOME_UNREACHED;
  }
  case NET_DONE:
  case NET_BROKEN:
  case NET_TOO_LARGE:
    return OUTCOME_BROKEN;
  }
  return OUTCOME_BROKEN;
}

// ---- what is kept of it

static void reason_write(struct json_writer *w, const struct job *job, const char *detail) {
  char text[64];
  bool redirect = job->status >= 300 && job->status < 400;
  (void)snprintf(text, sizeof text, "answered %d%s", job->status, redirect ? "; redirects are not followed" : "");
  json_member_text(w, "reason", job->status ? text : detail);
}

// The excerpt goes into jsonb, which takes no NUL.
static void excerpt_write(struct json_writer *w, struct buf *excerpt) {
  json_key(w, "response");
  if (excerpt->len == 0) {
    json_put_null(w);
    return;
  }
  for (char *nul; (nul = memchr(excerpt->data, '\0', excerpt->len));) *nul = '?';
  json_put_str(w, buf_str(excerpt));
}

static char *attempt_text(struct job *job, enum outcome outcome, const char *detail) {
  struct buf out;
  buf_init(&out, ATTEMPT_MAX);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_member_time(&w, "at", job->at_us);
  json_member_text(&w, "result", outcomes[outcome].name);
  json_key(&w, "status");
  if (job->status)
    json_put_int(&w, job->status);
  else
    json_put_null(&w);
  json_member_int(&w, "latency_ms", (clock_mono_us() - job->started_us) / 1000);
  if (outcome == OUTCOME_DELIVERED)
    json_member_text(&w, "reason", NULL);
  else
    reason_write(&w, job, detail);
  excerpt_write(&w, &job->excerpt);
  json_object_end(&w);
  ASSERT(!out.full);
  (void)buf_cstr(&out);
  return buf_steal(&out);
}

// ---- what follows from it

static uint32_t luck(void) {
  uint32_t random;
  crypto_random(&random, sizeof random);
  return random;
}

static bool is_busy(const struct job *job, enum outcome outcome) {
  return outcome == OUTCOME_TIMEOUT || job->status == 429 || job->status == 502 || job->status == 504;
}

static void conclude(struct webhook_sender *s, struct job *job, enum outcome outcome, struct result *ret) {
  struct retry_cause cause = {.tries = job->tries, .busy = is_busy(job, outcome), .asked_ms = job->asked_ms, .luck = luck()};
  ret->gone = job->status == GONE;
  ret->delay_ms = ret->gone ? RETRY_OVER : retry_delay_ms(s->config.schedule, &cause);
  ret->kind = outcome == OUTCOME_DELIVERED ? RESULT_DELIVERED : ret->delay_ms == RETRY_OVER ? RESULT_FAILED : RESULT_RETRY;
  metric_add(outcomes[outcome].metric, 1);
  if (ret->kind == RESULT_DELIVERED) metric_add(METRIC_WEBHOOK_ENDED, 1);
  if (ret->kind == RESULT_FAILED) metric_add(METRIC_WEBHOOK_FAILED, 1);
}

static void on_head(void *arg, int status, const struct net_header *headers, size_t count) {
  struct job *job = arg;
  job->status = status;
  for (size_t i = 0; i < count; i++)
    if (str_eq_nocase(headers[i].name, STR("Retry-After")))
      (void)retry_after_parse(headers[i].value, clock_wall_us() / 1000000, &job->asked_ms);
}

static size_t on_data(void *arg, struct str bytes) {
  struct job *job = arg;
  size_t room = LIMIT_WEBHOOK_EXCERPT - job->excerpt.len;
  buf_add(&job->excerpt, bytes.ptr, bytes.len < room ? bytes.len : room);
  return bytes.len;
}

static void on_done(void *arg, enum net_end end, const char *detail) {
  struct job *job = arg;
  struct webhook_sender *s = job->sender;
  enum outcome outcome = outcome_of(job, end);
  struct result result = {.endpoint = job->endpoint, .event = job->event, .claim = job->claim};
  conclude(s, job, outcome, &result);
  result.attempt = attempt_text(job, outcome, detail);
  lane_ended(s, job, outcome == OUTCOME_DELIVERED);
  sender_result(s, &result);
}

void attempt_lost(struct webhook_sender *s, struct job *job) {
  struct result result = {.endpoint = job->endpoint, .event = job->event, .claim = job->claim, .kind = RESULT_FAILED, .blameless = true};
  job->at_us = clock_wall_us();
  job->started_us = clock_mono_us();
  result.attempt = attempt_text(job, OUTCOME_REFUSED, "what is to be sent is not kept any more");
  metric_add(METRIC_WEBHOOK_FAILED, 1);
  job_destroy(job);
  sender_result(s, &result);
}

// ---- the request

static void headers_write(const struct target *target, const struct job *job, struct buf *out) {
  struct sign_keys keys = target->keys;
  if (target->old_until_us <= job->at_us && keys.count > 1) keys.count = 1;
  buf_puts(out, "Content-Type: application/json\nUser-Agent: Tollgate/" TOLLGATE_VERSION " (webhooks)\n");
  sign_headers(&keys, str_from(job->name), job->at_us / 1000000, (struct str){job->body, job->body_len}, target->stripe || job->forwarded, out);
  crypto_wipe(&keys, sizeof keys);
}

void attempt_begin(struct webhook_sender *s, const struct target *target, struct job *job) {
  static const struct net_events events = {.head = on_head, .data = on_data, .done = on_done};
  CLEANUP(buf_finish) struct buf headers;
  job->at_us = clock_wall_us();
  job->started_us = clock_mono_us();
  job->asked_ms = RETRY_NOT_ASKED;
  buf_init(&job->excerpt, LIMIT_WEBHOOK_EXCERPT);
  buf_init(&headers, 8192);
  headers_write(target, job, &headers);
  ASSERT(!headers.full);
  struct net_spec spec = {.method = "POST",
                          .url = target->url,
                          .headers = buf_str(&headers),
                          .body = {job->body, job->body_len},
                          .trust = NET_FOREIGN,
                          .connect_ms = connect_ms(s),
                          .first_byte_ms = s->config.timeout_ms,
                          .between_ms = s->config.timeout_ms,
                          .total_ms = s->config.timeout_ms,
                          .bytes_max = LIMIT_WEBHOOK_ANSWER,
                          .block = NET_BLOCK_STREAM};
  job->x = net_start(s->loop, &spec, &events, job);
}
