// The sender's life, and its turns as the loop's thread sees them: begun when something has ended, when the clock says so, or
// when the one before brought something, one at a time.
#include "webhook/internal.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include <errno.h>

#define POLL_FIRST_MS 5   // after something came; twice as long each time that nothing does
#define POLL_LAST_MS 100
#define POLL_NOBODY_MS 1000 // where there are no endpoints
#define PAUSE_MS 500      // after a turn that failed
#define AGE_US INT64_C(1000000)
#define LEASE_MORE_MS 5000 // beyond two attempts' time: one to wait for its turn, one to run
#define STOP_MS 5000      // for the database to take what has ended
#define CLERK_QUEUE 4

static void turn_begin(struct webhook_sender *s);

// ---- turns

static void on_poll(void *arg) {
  struct webhook_sender *s = arg;
  s->polling = false;
  if (!s->turning) turn_begin(s);
}

// A timer that is set for later stays, and does no harm when it comes.
static void poll_later(struct webhook_sender *s, int ms) {
  int64_t at = clock_mono_us() + INT64_C(1000) * ms;
  if (s->polling && s->poll_us <= at) return;
  s->polling = true;
  s->poll_us = at;
  net_after(s->loop, ms, on_poll, s);
}

static void stop_check(struct webhook_sender *s) {
  if (!s->stopping || s->turning || s->running > 0 || s->results.count > 0) return;
  pthread_mutex_lock(&s->lock);
  s->stopped = true;
  pthread_cond_signal(&s->idle);
  pthread_mutex_unlock(&s->lock);
}

static void results_take_back(struct webhook_sender *s) {
  for (size_t i = 0; i < s->turn.results.count; i++) *vec_add(&s->results) = s->turn.results.at[i];
  vec_clear(&s->turn.results);
}

static void jobs_take(struct webhook_sender *s, struct turn *t) {
  struct job *job = t->jobs;
  t->jobs = NULL;
  while (job) {
    struct job *next = job->next;
    job->begin_by_us = t->begun_us + INT64_C(1000) * (t->lease_ms - s->config.timeout_ms);
    lane_take(s, job);
    job = next;
  }
  for (size_t i = 0; i < s->lanes.count; i++) lane_advance(s, s->lanes.at[i]);
}

static void fault_tell(struct webhook_sender *s, int fault) {
  bool failing = fault != 0;
  if (failing && !s->failing) log_warn("webhook.failing", "events wait: the database does not take a turn of the sender (%s)", fault_name(fault));
  if (!failing && s->failing) log_info("webhook.recovered", "events are sent again");
  s->failing = failing;
}

static void turn_end(void *arg) {
  struct webhook_sender *s = arg;
  struct turn *t = &s->turn;
  t->apart = t->fault != 0;
  fault_tell(s, t->fault);
  if (t->targets) lanes_aim(s, t->targets);
  t->targets = NULL;
  results_take_back(s); // what a turn has written, it has cleared
  jobs_take(s, t);
  metric_set(METRIC_WEBHOOK_RUNNING, (int64_t)s->running);
  s->turning = false; // what was given back until now goes with the next
  bool brought = t->job_count > 0 || t->told > 0 || s->results.count > 0 || s->again;
  s->quiet_ms = brought ? POLL_FIRST_MS : 2 * s->quiet_ms < POLL_LAST_MS ? 2 * s->quiet_ms : POLL_LAST_MS;
  if (t->fault != 0)
    poll_later(s, PAUSE_MS);
  else if (brought)
    turn_begin(s);
  else
    poll_later(s, s->lanes.count > 0 ? s->quiet_ms : POLL_NOBODY_MS);
  stop_check(s);
}

static void on_clerk(struct db *db, void *arg) {
  struct webhook_sender *s = arg;
  clerk_run(s, &s->turn, db);
  net_post(s->loop, turn_end, s);
}

static void turn_begin(struct webhook_sender *s) {
  if (s->ended) return; // written on this thread only
  struct turn *t = &s->turn;
  int64_t now = clock_mono_us();
  s->turning = true;
  s->again = false;
  for (size_t i = 0; i < s->results.count; i++) *vec_add(&t->results) = s->results.at[i];
  vec_clear(&s->results);
  lanes_room(s, t);
  t->version = s->targets ? s->targets->version : 0;
  t->begun_us = now;
  t->lease_ms = 2 * s->config.timeout_ms + LEASE_MORE_MS;
  t->look_at_age = now >= s->age_due_us;
  if (t->look_at_age) s->age_due_us = now + AGE_US;
  t->fault = 0;
  t->job_count = t->told = 0;
  if (db_submit(s->pool, on_clerk, s) == 0) return;
  s->turning = false; // the pool ends, and so does this
  results_take_back(s);
}

void sender_result(struct webhook_sender *s, const struct result *result) {
  *vec_add(&s->results) = *result;
  if (s->turning)
    s->again = true;
  else if (!s->failing)
    turn_begin(s);
}

static void on_hint(void *arg) {
  struct webhook_sender *s = arg;
  if (s->turning)
    s->again = true;
  else
    turn_begin(s);
}

void webhook_sender_hint(struct webhook_sender *s) {
  if (s) net_post(s->loop, on_hint, s);
}

// ---- life

struct webhook_sender *webhook_sender_create(const struct webhook_config *config) {
  struct webhook_sender *s = mem_alloc(sizeof *s);
  pthread_condattr_t monotonic;
  s->config = *config;
  pthread_mutex_init(&s->lock, NULL);
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&s->idle, &monotonic);
  pthread_condattr_destroy(&monotonic);
  s->pool = db_pool_create(config->url, 1, CLERK_QUEUE);
  s->loop = net_loop_create("webhooks");
  net_loop_open(s->loop, config->open);
  net_post(s->loop, on_hint, s);
  return s;
}

static void on_stop(void *arg) {
  struct webhook_sender *s = arg;
  s->stopping = true;
  lanes_give_back(s);
  stop_check(s);
}

static void on_cut(void *arg) {
  struct webhook_sender *s = arg;
  lanes_cut(s);
  stop_check(s);
}

// A timer may still be set: what it would begin is not begun.
static void on_end(void *arg) {
  struct webhook_sender *s = arg;
  pthread_mutex_lock(&s->lock);
  s->ended = true;
  pthread_cond_signal(&s->idle);
  pthread_mutex_unlock(&s->lock);
}

static void end(struct webhook_sender *s) {
  net_post(s->loop, on_end, s);
  pthread_mutex_lock(&s->lock);
  while (!s->ended) pthread_cond_wait(&s->idle, &s->lock);
  pthread_mutex_unlock(&s->lock);
}

static bool stopped_within(struct webhook_sender *s, int64_t ms) {
  int64_t at = clock_mono_us() + 1000 * ms;
  struct timespec until = {at / 1000000, at % 1000000 * 1000};
  pthread_mutex_lock(&s->lock);
  int r = 0;
  while (!s->stopped && r == 0) r = pthread_cond_timedwait(&s->idle, &s->lock, &until);
  bool stopped = s->stopped;
  pthread_mutex_unlock(&s->lock);
  return stopped;
}

void webhook_sender_stop(struct webhook_sender *s, int bound_ms) {
  if (!s) return;
  net_post(s->loop, on_stop, s);
  if (stopped_within(s, bound_ms)) return;
  net_post(s->loop, on_cut, s);
  if (!stopped_within(s, STOP_MS)) log_warn("webhook.left", "the database did not take the last deliveries: they are sent again when their leases run out");
}

void webhook_sender_destroy(struct webhook_sender *s) {
  if (!s) return;
  if (!stopped_within(s, 0)) webhook_sender_stop(s, 0);
  end(s);
  db_pool_destroy(s->pool); // a turn that runs ends, and posts its end
  net_loop_destroy(s->loop);
  for (size_t i = 0; i < s->results.count; i++) mem_free(s->results.at[i].attempt);
  vec_finish(&s->results);
  vec_finish(&s->turn.results);
  vec_finish(&s->turn.rooms);
  lanes_finish(s);
  targets_destroy(s->targets);
  pthread_cond_destroy(&s->idle);
  pthread_mutex_destroy(&s->lock);
  mem_free(s);
}
