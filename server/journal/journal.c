// The journal at work: one thread writes all that gathered while the last fsync was under way, and syncs once for all.
#include "journal/journal.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/metric.h"
#include "journal/internal.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define GROUP 64 // entries a write

// ---- what is kept

static int kept_cmp(const void *key, const void *element) {
  uint64_t a = *(const uint64_t *)key, b = ((const struct kept *)element)->sequence;
  return (a > b) - (a < b);
}

static struct kept *kept_find(const struct journal *j, uint64_t sequence) {
  if (j->kept.count == 0) return NULL;
  return bsearch(&sequence, j->kept.at, j->kept.count, sizeof *j->kept.at, kept_cmp);
}

static size_t free_segments(const struct journal *j) {
  size_t n = 0;
  for (size_t i = 0; i < LIMIT_JOURNAL_SEGMENTS; i++) n += &j->segments[i] != j->current && j->segments[i].open == 0;
  return n;
}

// Entries of the largest size that would still go in.
static size_t room(const struct journal *j) {
  size_t here = j->current ? (LIMIT_JOURNAL_SEGMENT - j->current->end) / RECORD_SPACE(LIMIT_JOURNAL_ENTRY) : 0;
  return j->broken ? 0 : here + free_segments(j) * SEGMENT_ENTRIES;
}

static void gauges_set(const struct journal *j) {
  metric_set(METRIC_JOURNAL_ENTRIES, (int64_t)j->kept.count);
  metric_set(METRIC_JOURNAL_REFUSED, (int64_t)j->refused);
  metric_set(METRIC_JOURNAL_ROOM, (int64_t)room(j));
  metric_set(METRIC_JOURNAL_OK, !j->broken);
}

void journal_settled(struct journal *j, uint64_t sequence) {
  pthread_mutex_lock(&j->mutex);
  struct kept *k = kept_find(j, sequence);
  ASSERT(k && j->segments[k->place].open > 0);
  j->segments[k->place].open--;
  size_t at = (size_t)(k - j->kept.at);
  memmove(k, k + 1, (--j->kept.count - at) * sizeof *k);
  gauges_set(j);
  pthread_mutex_unlock(&j->mutex);
}

static void kept_mark(struct journal *j, uint64_t sequence, enum kept_state state) {
  pthread_mutex_lock(&j->mutex);
  struct kept *k = kept_find(j, sequence);
  ASSERT(k && k->state != KEPT_REFUSED);
  k->state = state;
  pthread_mutex_unlock(&j->mutex);
}

void journal_let_go(struct journal *j, uint64_t sequence) {
  kept_mark(j, sequence, KEPT_FREE);
}

// A line of its own, synced: only then is it let go of where it stood. The text is JSON and holds no line end.
static int refusal_write(struct journal *j, uint64_t sequence) {
  CLEANUP(buf_finish) struct buf line;
  buf_init(&line, LIMIT_JOURNAL_ENTRY + 1);
  if (journal_read(j, sequence, &line) != 0 || !buf_putc(&line, '\n')) return FAULT_IO;
  if (write(j->refusals, line.data, line.len) != (ssize_t)line.len) return FAULT_IO;
  return fdatasync(j->refusals) == 0 ? 0 : FAULT_IO;
}

int journal_refuse(struct journal *j, uint64_t sequence) {
  int result = refusal_write(j, sequence);
  pthread_mutex_lock(&j->mutex);
  j->refused++;
  gauges_set(j);
  pthread_mutex_unlock(&j->mutex);
  if (result == 0)
    journal_settled(j, sequence);
  else
    kept_mark(j, sequence, KEPT_REFUSED);
  return result;
}

size_t journal_take(struct journal *j, uint64_t *ret_sequences, size_t max) {
  size_t n = 0;
  pthread_mutex_lock(&j->mutex);
  for (size_t i = 0; i < j->kept.count && n < max; i++) {
    if (j->kept.at[i].state != KEPT_FREE) continue;
    j->kept.at[i].state = KEPT_TAKEN;
    ret_sequences[n++] = j->kept.at[i].sequence;
  }
  pthread_mutex_unlock(&j->mutex);
  return n;
}

int journal_read(struct journal *j, uint64_t sequence, struct buf *ret) {
  pthread_mutex_lock(&j->mutex);
  const struct kept *found = kept_find(j, sequence);
  ASSERT(found);
  struct kept k = *found;
  pthread_mutex_unlock(&j->mutex);
  CLEANUP(mem_freep) char *text = mem_alloc(k.len + 1);
  if (segment_read(&j->segments[k.place], k.offset, k.len, text) != 0) return FAULT_IO;
  return buf_add(ret, text, k.len) ? 0 : FAULT_CORRUPT;
}

// ---- room

bool journal_reserve(struct journal *j) {
  pthread_mutex_lock(&j->mutex);
  bool had = !j->closing && j->reserved < room(j);
  j->reserved += had;
  pthread_mutex_unlock(&j->mutex);
  return had;
}

void journal_unreserve(struct journal *j) {
  pthread_mutex_lock(&j->mutex);
  ASSERT(j->reserved > 0);
  j->reserved--;
  pthread_mutex_unlock(&j->mutex);
}

struct journal_state journal_state(struct journal *j) {
  pthread_mutex_lock(&j->mutex);
  struct journal_state s = {.ok = !j->broken, .entries = j->kept.count, .refused = j->refused, .room = room(j)};
  pthread_mutex_unlock(&j->mutex);
  return s;
}

// ---- writing, on the thread

static void break_off(struct journal *j) {
  int why = errno;
  pthread_mutex_lock(&j->mutex);
  bool was = j->broken;
  j->broken = true;
  gauges_set(j);
  pthread_mutex_unlock(&j->mutex);
  if (!was) log_error("journal.broken", "the journal cannot be written; paid calls are refused until a restart: %s", strerror(why));
}

static struct segment *segment_free(struct journal *j) {
  for (size_t i = 0; i < LIMIT_JOURNAL_SEGMENTS; i++)
    if (&j->segments[i] != j->current && j->segments[i].open == 0) return &j->segments[i];
  return NULL;
}

// A segment with space for `len` bytes. NULL: there is none, or the disk has failed.
static struct segment *segment_with(struct journal *j, size_t len) {
  pthread_mutex_lock(&j->mutex);
  struct segment *s = j->current;
  bool fits = s && LIMIT_JOURNAL_SEGMENT - s->end >= len;
  if (!fits) s = segment_free(j);
  uint64_t number = j->next_number;
  pthread_mutex_unlock(&j->mutex);
  if (fits || !s) return s;
  if (segment_begin(s, j->name, number) != 0) {
    break_off(j);
    return NULL;
  }
  pthread_mutex_lock(&j->mutex);
  j->next_number++;
  j->current = s;
  pthread_mutex_unlock(&j->mutex);
  return s;
}

static void keep(struct journal *j, struct segment *s, size_t offset, struct journal_entry *e) {
  *vec_add(&j->kept) = (struct kept){e->sequence, s->place, offset + RECORD_HEAD, e->text.len, KEPT_OWNED};
  s->open++;
}

// Writes one group into one segment. Records are told to `kept` before anybody is told of them.
static int group_write(struct journal *j, struct segment *s, struct journal_entry **group, size_t count, size_t len) {
  CLEANUP(mem_freep) unsigned char *bytes = mem_alloc(len);
  size_t at = 0, end = s->end;
  for (size_t i = 0; i < count; i++) {
    group[i]->sequence = j->next_sequence + i;
    record_write(bytes + at, s->number, group[i]->sequence, group[i]->text);
    at += RECORD_SPACE(group[i]->text.len);
  }
  struct segment written = *s;
  if (segment_append(&written, (struct str){(const char *)bytes, len}) != 0 || segment_sync(s) != 0) {
    break_off(j);
    return FAULT_IO;
  }
  pthread_mutex_lock(&j->mutex);
  s->end = written.end;
  j->next_sequence += count;
  for (size_t i = 0; i < count; i++) {
    keep(j, s, end, group[i]);
    end += RECORD_SPACE(group[i]->text.len);
  }
  gauges_set(j);
  pthread_mutex_unlock(&j->mutex);
  metric_add(METRIC_JOURNAL_WRITTEN, (int64_t)count);
  return 0;
}

static void group_answer(struct journal_entry **group, size_t count, int result) {
  for (size_t i = 0; i < count; i++) {
    group[i]->result = result;
    group[i]->done(group[i]);
  }
}

// As many of the queue as fit where the first one goes.
static struct journal_entry *group_run(struct journal *j, struct journal_entry *e) {
  struct journal_entry *group[GROUP];
  size_t count = 0, len = RECORD_SPACE(e->text.len);
  struct segment *s = j->broken ? NULL : segment_with(j, len);
  group[count++] = e;
  for (e = e->next; s && e && count < GROUP && LIMIT_JOURNAL_SEGMENT - s->end >= len + RECORD_SPACE(e->text.len); e = e->next) {
    len += RECORD_SPACE(e->text.len);
    group[count++] = e;
  }
  int result = s ? group_write(j, s, group, count, len) : j->broken ? FAULT_IO : FAULT_FULL;
  group_answer(group, count, result);
  return e;
}

static void *work(void *arg) {
  struct journal *j = arg;
  pthread_mutex_lock(&j->mutex);
  while (j->first || !j->closing) {
    struct journal_entry *e = j->first;
    if (!e) {
      pthread_cond_wait(&j->wake, &j->mutex);
      continue;
    }
    j->first = j->last = NULL;
    pthread_mutex_unlock(&j->mutex);
    while (e) e = group_run(j, e);
    pthread_mutex_lock(&j->mutex);
  }
  pthread_mutex_unlock(&j->mutex);
  return NULL;
}

int journal_write(struct journal *j, struct journal_entry *e) {
  ASSERT(e->text.len <= LIMIT_JOURNAL_ENTRY);
  e->next = NULL;
  pthread_mutex_lock(&j->mutex);
  int result = j->broken ? FAULT_IO : j->closing ? FAULT_CLOSED : 0;
  if (result == 0) {
    if (j->last) j->last->next = e;
    else j->first = e;
    j->last = e;
    pthread_cond_signal(&j->wake);
  }
  pthread_mutex_unlock(&j->mutex);
  return result;
}

bool journal_start(struct journal *j) {
  gauges_set(j);
  j->started = pthread_create(&j->thread, NULL, work, j) == 0;
  return j->started;
}

void journal_close(struct journal *j) {
  if (!j) return;
  pthread_mutex_lock(&j->mutex);
  j->closing = true;
  pthread_cond_signal(&j->wake);
  pthread_mutex_unlock(&j->mutex);
  if (j->started) pthread_join(j->thread, NULL);
  journal_free(j);
}
