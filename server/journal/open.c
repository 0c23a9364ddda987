// Opening the journal: the folder is taken, each file read, and what was found told. A file in which something is damaged,
// or that is a copy, is set aside for a human under another name; what could be read of it goes on in a new one.
#include "base/fault.h"
#include "base/log.h"
#include "crypto/crypto.h"
#include "journal/internal.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINES_MAX (64 * 1024)
#define LOCK_FILE "lock"
#define REFUSED_FILE "refused.jsonl"
#define ASIDE ".aside"
#define FRESH ".new"

void journal_found_finish(struct journal_found *f) {
  buf_finish(&f->lines);
}

__attribute__((format(printf, 2, 3))) static void tell(struct journal_found *f, const char *format, ...) {
  va_list args;
  va_start(args, format);
  (void)buf_vprintf(&f->lines, format, args);
  va_end(args);
  (void)buf_putc(&f->lines, '\n');
}

// ---- the files' names

static void name_of(uint32_t place, const char *end, char ret[FILE_NAME_MAX]) {
  (void)snprintf(ret, FILE_NAME_MAX, FILE_FORMAT "%s", place, end);
}

static bool is_ours(const char *file) {
  char name[FILE_NAME_MAX];
  if (file[0] == '.' || strcmp(file, LOCK_FILE) == 0 || strcmp(file, REFUSED_FILE) == 0 || strstr(file, ASIDE)) return true;
  for (uint32_t place = 0; place < LIMIT_JOURNAL_SEGMENTS; place++) {
    name_of(place, "", name);
    if (strcmp(file, name) == 0) return true;
    name_of(place, FRESH, name);
    if (strcmp(file, name) == 0) return true;
  }
  return false;
}

static void foreign_find(int folder, struct journal_found *f) {
  int fd = dup(folder);
  DIR *dir = fd < 0 ? NULL : fdopendir(fd);
  if (!dir) return;
  rewinddir(dir);
  for (const struct dirent *e; (e = readdir(dir));) {
    if (is_ours(e->d_name)) continue;
    f->foreign++;
    tell(f, "%.100s is no file of the journal; it is left alone", e->d_name);
  }
  (void)closedir(dir);
}

// ---- what one file holds

struct reading {
  struct str bytes;
  struct segment_scan scan;
  vec(struct record) records;
};

static void record_note(void *arg, const struct record *r) {
  struct reading *reading = arg;
  *vec_add(&reading->records) = *r;
}

static int reading_make(const struct segment *s, struct reading *ret) {
  *ret = (struct reading){.bytes = {0}};
  if (segment_map(s, &ret->bytes) != 0) return FAULT_IO;
  segment_scan(ret->bytes, &ret->scan, record_note, ret);
  return 0;
}

static void reading_finish(struct reading *r) {
  segment_unmap(r->bytes);
  vec_finish(&r->records);
}

enum verdict { SOUND, BLANK, DAMAGED, COPY, STRANGE };

static size_t same_name(const struct reading *readings, const unsigned char name[16]) {
  size_t n = 0;
  for (uint32_t i = 0; i < LIMIT_JOURNAL_SEGMENTS; i++)
    n += readings[i].scan.named && memcmp(readings[i].scan.name.journal, name, 16) == 0;
  return n;
}

// The journal's name is the one that most of its files carry. False: none does.
static bool name_find(const struct reading *readings, unsigned char ret[16]) {
  size_t most = 0;
  for (uint32_t i = 0; i < LIMIT_JOURNAL_SEGMENTS; i++) {
    const unsigned char *name = readings[i].scan.name.journal;
    size_t carry = readings[i].scan.named ? same_name(readings, name) : 0;
    if (carry > most) memcpy(ret, name, 16);
    if (carry > most) most = carry;
  }
  return most > 0;
}

static enum verdict judge(const struct segment_scan *scan, uint32_t place, const unsigned char name[16]) {
  if (scan->blank) return BLANK;
  if (!scan->named) return scan->records ? DAMAGED : STRANGE;
  if (memcmp(scan->name.journal, name, 16) != 0) return STRANGE;
  if (scan->name.place != place) return COPY;
  return scan->flipped ? DAMAGED : SOUND;
}

static void verdict_tell(struct journal_found *f, const char *file, const struct segment_scan *scan, enum verdict v) {
  f->torn += scan->torn;
  if (scan->torn) tell(f, "%s: its last record was not wholly written; it is dropped, nobody was told of it", file);
  if (v == DAMAGED) {
    f->flipped += scan->flipped + !scan->named;
    tell(f, "%s: %zu places in it are damaged%s; %zu entries could be read", file, scan->flipped + !scan->named,
         scan->named ? "" : ", its head among them", scan->records);
  }
  if (v == COPY) {
    f->duplicates++;
    tell(f, "%s is a copy of %u.journal; nothing of it is replayed", file, scan->name.place);
  }
  if (v == STRANGE) {
    f->foreign++;
    tell(f, "%s is not of this journal; nothing of it is replayed", file);
  }
}

// ---- looking

static void segment_show(const struct reading *r, const char *file, enum verdict v, const struct journal_visit *visit,
                         struct journal_found *f) {
  verdict_tell(f, file, &r->scan, v);
  if (v != BLANK) visit->segment(visit->arg, file, r->scan.name.number, r->scan.records);
  if (v != SOUND && v != DAMAGED) return;
  f->entries += r->records.count;
  for (size_t i = 0; i < r->records.count; i++) visit->entry(visit->arg, r->records.at[i].sequence, r->records.at[i].payload);
}

int journal_look(const char *folder, const struct journal_visit *visit, struct journal_found *ret_found) {
  struct reading readings[LIMIT_JOURNAL_SEGMENTS] = {0};
  unsigned char name[16] = {0};
  char file[FILE_NAME_MAX];
  *ret_found = (struct journal_found){0};
  buf_init(&ret_found->lines, LINES_MAX);
  int at = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (at < 0) return FAULT_IO;
  foreign_find(at, ret_found);
  for (uint32_t place = 0; place < LIMIT_JOURNAL_SEGMENTS; place++) {
    name_of(place, "", file);
    readings[place].scan.blank = true;
    struct segment s = {.fd = openat(at, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), .place = place};
    if (s.fd >= 0) (void)reading_make(&s, &readings[place]);
    segment_close(&s);
  }
  (void)name_find(readings, name);
  for (uint32_t place = 0; place < LIMIT_JOURNAL_SEGMENTS; place++) {
    name_of(place, "", file);
    segment_show(&readings[place], file, judge(&readings[place].scan, place, name), visit, ret_found);
    reading_finish(&readings[place]);
  }
  (void)close(at);
  return 0;
}

// ---- opening

static int sequence_cmp(const void *a, const void *b) {
  const struct kept *x = a, *y = b;
  return (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

static void numbers_note(struct journal *j, const struct reading *r) {
  if (r->scan.name.number >= j->next_number) j->next_number = r->scan.name.number + 1;
  for (size_t i = 0; i < r->records.count; i++)
    if (r->records.at[i].sequence >= j->next_sequence) j->next_sequence = r->records.at[i].sequence + 1;
}

static void records_keep(struct journal *j, struct segment *s, const struct reading *r) {
  for (size_t i = 0; i < r->records.count; i++) {
    const struct record *record = &r->records.at[i];
    *vec_add(&j->kept) = (struct kept){record->sequence, s->place, record->offset + RECORD_HEAD, record->payload.len, KEPT_FREE};
    s->open++;
  }
}

// The new file is whole before it takes the old one's name; a crash between the two renames is mended by segment_restore.
static int segment_replace(struct journal *j, struct segment *s, const struct reading *r, bool keep) {
  char file[FILE_NAME_MAX], fresh[FILE_NAME_MAX], aside[FILE_NAME_MAX];
  struct segment made;
  name_of(s->place, "", file);
  name_of(s->place, FRESH, fresh);
  (void)snprintf(aside, sizeof aside, "%u" ASIDE ".%llu", s->place, (unsigned long long)j->next_number);
  (void)unlinkat(j->folder, fresh, 0);
  if (segment_open(&made, j->folder, fresh, s->place) != 0) return FAULT_IO;
  int result = segment_begin(&made, j->name, j->next_number++);
  for (size_t i = 0; keep && result == 0 && i < r->records.count; i++) {
    const struct record *record = &r->records.at[i];
    size_t len = RECORD_SPACE(record->payload.len), offset = made.end;
    CLEANUP(mem_freep) unsigned char *bytes = mem_alloc(len);
    record_write(bytes, made.number, record->sequence, record->payload);
    result = segment_append(&made, (struct str){(const char *)bytes, len});
    *vec_add(&j->kept) = (struct kept){record->sequence, s->place, offset + RECORD_HEAD, record->payload.len, KEPT_FREE};
    made.open++;
  }
  if (result == 0) result = segment_sync(&made);
  if (result == 0 && renameat(j->folder, file, j->folder, aside) != 0) result = FAULT_IO;
  if (result == 0 && renameat(j->folder, fresh, j->folder, file) != 0) result = FAULT_IO;
  if (result == 0 && fsync(j->folder) != 0) result = FAULT_IO;
  segment_close(s);
  *s = made;
  return result;
}

// Of two renames only the first was made.
static void segment_restore(struct journal *j, uint32_t place) {
  char file[FILE_NAME_MAX], fresh[FILE_NAME_MAX];
  struct stat is;
  name_of(place, "", file);
  name_of(place, FRESH, fresh);
  if (fstatat(j->folder, file, &is, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT) (void)renameat(j->folder, fresh, j->folder, file);
}

static int segment_take(struct journal *j, struct segment *s, struct journal_found *f, struct reading *r, enum verdict v) {
  char file[FILE_NAME_MAX];
  name_of(s->place, "", file);
  verdict_tell(f, file, &r->scan, v);
  if (v == BLANK) return 0;
  if (v != SOUND) return segment_replace(j, s, r, v == DAMAGED);
  s->number = r->scan.name.number;
  s->end = r->scan.end;
  records_keep(j, s, r);
  if (!r->scan.torn) return 0;
  return segment_clear_tail(s);
}

// Writing goes on in the youngest file, where it has space.
static void current_choose(struct journal *j) {
  for (size_t i = 0; i < LIMIT_JOURNAL_SEGMENTS; i++) {
    struct segment *s = &j->segments[i];
    if (s->number && (!j->current || s->number > j->current->number)) j->current = s;
  }
  if (j->current && LIMIT_JOURNAL_SEGMENT - j->current->end < RECORD_SPACE(LIMIT_JOURNAL_ENTRY)) j->current = NULL;
}

static int segment_look(struct journal *j, uint32_t place, struct reading *ret) {
  char file[FILE_NAME_MAX];
  name_of(place, "", file);
  segment_restore(j, place);
  if (segment_open(&j->segments[place], j->folder, file, place) != 0) return FAULT_IO;
  j->opened++;
  if (reading_make(&j->segments[place], ret) != 0) return FAULT_IO;
  numbers_note(j, ret);
  return 0;
}

// All files are looked at before one is changed: what is new must not take a number or a sequence that one of them has.
static int segments_open(struct journal *j, struct journal_found *f) {
  struct reading readings[LIMIT_JOURNAL_SEGMENTS] = {0};
  int result = 0;
  for (uint32_t place = 0; place < LIMIT_JOURNAL_SEGMENTS && result == 0; place++)
    result = segment_look(j, place, &readings[place]);
  if (result == 0 && !name_find(readings, j->name)) crypto_random(j->name, sizeof j->name);
  for (uint32_t place = 0; place < LIMIT_JOURNAL_SEGMENTS && result == 0; place++)
    result = segment_take(j, &j->segments[place], f, &readings[place], judge(&readings[place].scan, place, j->name));
  int why = errno;
  for (size_t i = 0; i < LIMIT_JOURNAL_SEGMENTS; i++) reading_finish(&readings[i]);
  if (j->kept.count) qsort(j->kept.at, j->kept.count, sizeof *j->kept.at, sequence_cmp);
  current_choose(j);
  f->entries = j->kept.count;
  errno = why;
  return result;
}

// What was refused in former lives is still an alarm.
static int refusals_open(struct journal *j, struct journal_found *f) {
  char piece[4096];
  ssize_t got;
  j->refusals = openat(j->folder, REFUSED_FILE, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (j->refusals < 0) return FAULT_IO;
  while ((got = read(j->refusals, piece, sizeof piece)) > 0)
    for (ssize_t i = 0; i < got; i++) j->refused += piece[i] == '\n';
  if (j->refused > 0) tell(f, REFUSED_FILE " holds %zu settlements that the ledger has refused", j->refused);
  return got == 0 ? 0 : FAULT_IO;
}

static bool folder_take(struct journal *j, const char *folder, struct buf *ret_error) {
  if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
    buf_printf(ret_error, "the journal's folder %s cannot be made: %s", folder, strerror(errno));
    return false;
  }
  j->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (j->folder >= 0) j->lock = openat(j->folder, LOCK_FILE, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (j->lock < 0) {
    buf_printf(ret_error, "the journal's folder %s cannot be used: %s", folder, strerror(errno));
    return false;
  }
  if (flock(j->lock, LOCK_EX | LOCK_NB) == 0) return true;
  buf_printf(ret_error, "the journal's folder %s is in use by another process; each needs one of its own", folder);
  return false;
}

struct journal *journal_open(const char *folder, struct journal_found *ret_found, struct buf *ret_error) {
  struct journal *j = mem_alloc(sizeof *j);
  j->folder = j->lock = j->refusals = -1;
  j->next_sequence = j->next_number = 1;
  pthread_mutex_init(&j->mutex, NULL);
  pthread_cond_init(&j->wake, NULL);
  *ret_found = (struct journal_found){0};
  buf_init(&ret_found->lines, LINES_MAX);
  bool sound = folder_take(j, folder, ret_error);
  if (sound) foreign_find(j->folder, ret_found);
  if (sound && (refusals_open(j, ret_found) != 0 || segments_open(j, ret_found) != 0)) {
    buf_printf(ret_error, "the journal in %s cannot be opened (it takes %d MiB): %s", folder,
               LIMIT_JOURNAL_SEGMENTS * (LIMIT_JOURNAL_SEGMENT / 1024 / 1024), strerror(errno));
    sound = false;
  }
  if (sound && !journal_start(j)) {
    buf_puts(ret_error, "the journal's thread cannot be started");
    sound = false;
  }
  if (sound) return j;
  journal_free(j);
  return NULL;
}

void journal_free(struct journal *j) {
  for (size_t i = 0; i < j->opened; i++) segment_close(&j->segments[i]);
  if (j->refusals >= 0) (void)close(j->refusals);
  if (j->lock >= 0) (void)close(j->lock); // gives the folder back
  if (j->folder >= 0) (void)close(j->folder);
  vec_finish(&j->kept);
  pthread_cond_destroy(&j->wake);
  pthread_mutex_destroy(&j->mutex);
  mem_free(j);
}
