// Lanes: what this instance has in hand for each endpoint. Each has a share of its own of everything that can run out
// (attempts at once, deliveries and bytes in hand), so that one that is slow or dead takes nothing from the others. One that
// fails is sent less at once, and where it does nothing else it is only probed, so that a dead endpoint with a long queue
// costs next to nothing.
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "webhook/internal.h"

#define WIDTH_FIRST 8
#define STREAK 10                // failures, from which on it is only probed
#define PROBE_US INT64_C(250000) // between two such
#define BYTES_LEAST (1024 * 1024)

// ---- shares

static size_t share(const struct webhook_sender *s, size_t all, size_t most) {
  size_t each = all / (s->lanes.count ? s->lanes.count : 1);
  return each < most ? each : most;
}

static size_t share_running(const struct webhook_sender *s) {
  return share(s, LIMIT_WEBHOOK_RUNNING, LIMIT_WEBHOOK_RUNNING_EACH);
}

static int64_t share_bytes(const struct webhook_sender *s) {
  int64_t each = (int64_t)share(s, LIMIT_WEBHOOK_BYTES, LIMIT_WEBHOOK_BYTES);
  return each > BYTES_LEAST ? each : BYTES_LEAST;
}

static size_t width_of(const struct webhook_sender *s, const struct lane *lane) {
  size_t most = share_running(s);
  return lane->width < most ? lane->width : most;
}

// As many as may run, and twice as many as it lately took in a turn: those are ended by the time of the next.
static size_t wanted(const struct webhook_sender *s, struct lane *lane, int64_t now) {
  if (lane->streak >= STREAK) return now < lane->next_us ? 0 : 1;
  size_t count = width_of(s, lane) + 2 * lane->rate, most = share(s, LIMIT_WEBHOOK_HAND, LIMIT_WEBHOOK_HAND_EACH);
  return count < most ? count : most;
}

void lanes_room(struct webhook_sender *s, struct turn *t) {
  int64_t now = clock_mono_us();
  vec_clear(&t->rooms);
  for (size_t i = 0; i < s->lanes.count; i++) {
    struct lane *lane = s->lanes.at[i];
    size_t slower = lane->rate * 3 / 4;
    lane->rate = lane->ended > slower ? lane->ended : slower;
    lane->ended = 0;
    size_t want = wanted(s, lane, now), have = lane->queued + lane->running;
    int64_t bytes = share_bytes(s) - lane->bytes;
    if (s->stopping || !lane->target || want <= have || bytes <= 0) continue;
    *vec_add(&t->rooms) = (struct room){.endpoint = lane->id, .rows = (int32_t)(want - have), .bytes = bytes};
  }
}

// ---- jobs

void job_destroy(struct job *job) {
  buf_finish(&job->excerpt);
  mem_free(job->body);
  mem_free(job);
}

void job_release(struct webhook_sender *s, struct job *job) {
  struct result result = {.endpoint = job->endpoint, .event = job->event, .claim = job->claim, .kind = RESULT_RELEASED};
  job_destroy(job);
  sender_result(s, &result);
}

static struct job *queue_pop(struct lane *lane) {
  struct job *job = lane->head;
  lane->head = job->next;
  if (!lane->head) lane->tail = NULL;
  lane->queued--;
  job->next = NULL;
  return job;
}

static void queue_give_back(struct webhook_sender *s, struct lane *lane) {
  while (lane->head) {
    struct job *job = queue_pop(lane);
    lane->bytes -= (int64_t)job->body_len;
    job_release(s, job);
  }
}

void lane_take(struct webhook_sender *s, struct job *job) {
  struct lane *lane = lane_find(s, job->endpoint);
  if (job->lost) {
    attempt_lost(s, job);
    return;
  }
  if (!lane || !lane->target || s->stopping) {
    job_release(s, job);
    return;
  }
  job->lane = lane;
  job->next = NULL;
  if (lane->tail)
    lane->tail->next = job;
  else
    lane->head = job;
  lane->tail = job;
  lane->queued++;
  lane->bytes += (int64_t)job->body_len;
}

static void job_enters(struct webhook_sender *s, struct job *job) {
  job->lane->running++;
  s->running++;
  job->next = s->attempts;
  if (job->next) job->next->prev = job;
  s->attempts = job;
}

static void job_leaves(struct webhook_sender *s, struct job *job) {
  job->lane->running--;
  job->lane->bytes -= (int64_t)job->body_len;
  s->running--;
  if (job->prev)
    job->prev->next = job->next;
  else
    s->attempts = job->next;
  if (job->next) job->next->prev = job->prev;
}

void lane_advance(struct webhook_sender *s, struct lane *lane) {
  int64_t now = clock_mono_us();
  while (lane->head && lane->target && lane->running < width_of(s, lane)) {
    struct job *job = queue_pop(lane);
    if (now > job->begin_by_us) {
      lane->bytes -= (int64_t)job->body_len;
      job_release(s, job);
      continue;
    }
    job_enters(s, job);
    attempt_begin(s, lane->target, job);
  }
}

static void lane_learn(struct webhook_sender *s, struct lane *lane, bool well) {
  lane->ended++;
  if (well) {
    lane->streak = 0;
    lane->width = lane->width * 2 < LIMIT_WEBHOOK_RUNNING_EACH ? lane->width * 2 : LIMIT_WEBHOOK_RUNNING_EACH;
    return;
  }
  lane->streak++;
  lane->width = lane->width > 1 ? lane->width / 2 : 1;
  if (lane->streak < STREAK) return;
  lane->next_us = clock_mono_us() + PROBE_US;
  queue_give_back(s, lane);
}

void lane_ended(struct webhook_sender *s, struct job *job, bool well) {
  struct lane *lane = job->lane;
  job_leaves(s, job);
  job_destroy(job);
  lane_learn(s, lane, well);
  lane_advance(s, lane);
}

// ---- which there are

static size_t lane_place(const struct webhook_sender *s, struct uuid id) {
  size_t low = 0, high = s->lanes.count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (uuid_cmp(s->lanes.at[middle]->id, id) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

struct lane *lane_find(struct webhook_sender *s, struct uuid id) {
  size_t at = lane_place(s, id);
  return at < s->lanes.count && uuid_eq(s->lanes.at[at]->id, id) ? s->lanes.at[at] : NULL;
}

static struct lane *lane_make(struct webhook_sender *s, struct uuid id) {
  struct lane *lane = mem_alloc(sizeof *lane);
  size_t at = lane_place(s, id);
  *lane = (struct lane){.id = id, .width = WIDTH_FIRST};
  (void)vec_add(&s->lanes);
  memmove(&s->lanes.at[at + 1], &s->lanes.at[at], (s->lanes.count - 1 - at) * sizeof *s->lanes.at);
  s->lanes.at[at] = lane;
  return lane;
}

// One that is not sent to any more stays while something of it runs.
static void lanes_sweep(struct webhook_sender *s) {
  size_t kept = 0;
  for (size_t i = 0; i < s->lanes.count; i++) {
    struct lane *lane = s->lanes.at[i];
    if (!lane->target) queue_give_back(s, lane);
    if (lane->target || lane->running)
      s->lanes.at[kept++] = lane;
    else
      mem_free(lane);
  }
  s->lanes.count = kept;
}

void lanes_aim(struct webhook_sender *s, struct targets *targets) {
  for (size_t i = 0; i < s->lanes.count; i++) s->lanes.at[i]->target = NULL;
  for (size_t i = 0; i < targets->count; i++) {
    struct lane *lane = lane_find(s, targets->at[i].id);
    if (!lane) lane = lane_make(s, targets->at[i].id);
    lane->target = &targets->at[i];
  }
  targets_destroy(s->targets);
  s->targets = targets;
  lanes_sweep(s);
}

// ---- the end

void lanes_give_back(struct webhook_sender *s) {
  for (size_t i = 0; i < s->lanes.count; i++) queue_give_back(s, s->lanes.at[i]);
}

void lanes_cut(struct webhook_sender *s) {
  while (s->attempts) {
    struct job *job = s->attempts;
    net_cancel(job->x);
    job_leaves(s, job);
    job_release(s, job);
  }
}

void lanes_finish(struct webhook_sender *s) {
  for (size_t i = 0; i < s->lanes.count; i++) {
    ASSERT(!s->lanes.at[i]->head);
    mem_free(s->lanes.at[i]);
  }
  vec_finish(&s->lanes);
}
