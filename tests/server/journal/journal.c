// The journal over real files: what was acknowledged is there after any end; damage is told apart and harms nothing else;
// room is kept for each call; a failed write or fsync ends its use.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/mem.h"
#include "crypto/crypto.h"
#include "journal/internal.h"

// ---- failing on request: these stand in for the real ones at link time

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
ssize_t __real_pwrite(int fd, const void *bytes, size_t len, off_t at);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t len, off_t at);
static _Atomic int sync_error, write_error, write_short;

int __wrap_fdatasync(int fd) {
  if (!sync_error) return __real_fdatasync(fd);
  errno = sync_error;
  return -1;
}

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t len, off_t at) {
  if (write_short && len > 1) len /= 2;
  if (!write_error) return __real_pwrite(fd, bytes, len, at);
  errno = write_error;
  return -1;
}

// ---- a folder of its own

struct place {
  char folder[64], found[4096];
  struct journal *journal;
  struct journal_found seen;
};

static void open_it(struct place *p) {
  struct buf why;
  buf_init(&why, 1024);
  p->journal = journal_open(p->folder, &p->seen, &why);
  if (!p->journal) print_error("%s\n", buf_cstr(&why));
  assert_non_null(p->journal);
  (void)snprintf(p->found, sizeof p->found, "%.*s", STR_ARG(buf_str(&p->seen.lines)));
  journal_found_finish(&p->seen);
  buf_finish(&why);
}

static void reopen(struct place *p) {
  journal_close(p->journal);
  open_it(p);
}

static int setup(void **state) {
  struct place *p = mem_alloc(sizeof *p);
  (void)snprintf(p->folder, sizeof p->folder, "/tmp/tg-journal-XXXXXX");
  assert_non_null(mkdtemp(p->folder));
  sync_error = write_error = write_short = 0;
  open_it(p);
  *state = p;
  return 0;
}

static int teardown(void **state) {
  struct place *p = *state;
  char command[128];
  sync_error = write_error = write_short = 0;
  journal_close(p->journal);
  (void)snprintf(command, sizeof command, "rm -rf '%s'", p->folder);
  assert_int_equal(system(command), 0);
  mem_free(p);
  return 0;
}

struct waiter {
  struct journal_entry entry;
  pthread_mutex_t mutex;
  pthread_cond_t cond;
  bool done;
};

static void written(struct journal_entry *e) {
  struct waiter *w = e->arg;
  pthread_mutex_lock(&w->mutex);
  w->done = true;
  pthread_cond_signal(&w->cond);
  pthread_mutex_unlock(&w->mutex);
}

// Writes a text and waits. Its sequence, or 0 with the fault in *ret_fault.
static uint64_t put(struct place *p, const char *text, int *ret_fault) {
  struct waiter w = {.mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
  w.entry = (struct journal_entry){.text = str_from(text), .done = written, .arg = &w};
  int fault = journal_write(p->journal, &w.entry);
  pthread_mutex_lock(&w.mutex);
  while (fault == 0 && !w.done) pthread_cond_wait(&w.cond, &w.mutex);
  pthread_mutex_unlock(&w.mutex);
  if (fault == 0) fault = w.entry.result;
  if (ret_fault) *ret_fault = fault;
  else assert_int_equal(fault, 0);
  return fault ? 0 : w.entry.sequence;
}

static size_t waiting(struct place *p, uint64_t sequences[64]) {
  return journal_take(p->journal, sequences, 64);
}

static void assert_text(struct place *p, uint64_t sequence, const char *text) {
  struct buf read;
  buf_init(&read, LIMIT_JOURNAL_ENTRY);
  assert_int_equal(journal_read(p->journal, sequence, &read), 0);
  assert_true(str_eq(buf_str(&read), str_from(text)));
  buf_finish(&read);
}

// The youngest segment's file, and its record i's place in it.
static void path_of(const struct place *p, const char *file, char ret[128]) {
  (void)snprintf(ret, 128, "%s/%s", p->folder, file);
}

static void flip(const struct place *p, const char *file, off_t at) {
  char path[128];
  unsigned char byte;
  path_of(p, file, path);
  int fd = open(path, O_RDWR);
  assert_true(fd >= 0);
  assert_int_equal(pread(fd, &byte, 1, at), 1);
  byte ^= 4;
  assert_int_equal(__real_pwrite(fd, &byte, 1, at), 1);
  close(fd);
}

#define FIRST "{\"a\":1}"
#define SECOND "{\"b\":2}"
#define THIRD "{\"c\":3}"
#define RECORD_AT(i) (SEGMENT_HEAD + (i) * (RECORD_HEAD + 64))

// ---- the rules

static void what_was_written_is_there_after_any_end(void **state) {
  struct place *p = *state;
  uint64_t first = put(p, FIRST, NULL), second = put(p, SECOND, NULL), sequences[64];
  assert_int_equal(waiting(p, sequences), 0); // their writer still owns them
  reopen(p);
  assert_int_equal(p->seen.entries, 2);
  assert_string_equal(p->found, "");
  assert_int_equal(waiting(p, sequences), 2);
  assert_int_equal(sequences[0], first);
  assert_text(p, first, FIRST);
  assert_text(p, second, SECOND);
  assert_int_equal(waiting(p, sequences), 0); // taken once
}

static void what_was_let_go_is_taken_and_what_was_settled_is_not(void **state) {
  struct place *p = *state;
  uint64_t first = put(p, FIRST, NULL), second = put(p, SECOND, NULL), third = put(p, THIRD, NULL), sequences[64];
  journal_settled(p->journal, first);
  journal_let_go(p->journal, second);
  journal_let_go(p->journal, third);
  assert_int_equal(waiting(p, sequences), 2);
  assert_int_equal(sequences[0], second);
  journal_let_go(p->journal, third);
  assert_int_equal(waiting(p, sequences), 1);
}

static void what_was_refused_is_kept_in_a_file_of_its_own_and_takes_no_room(void **state) {
  struct place *p = *state;
  char line[64] = "", path[128];
  uint64_t first = put(p, FIRST, NULL), sequences[64];
  assert_int_equal(journal_refuse(p->journal, first), 0);
  struct journal_state is = journal_state(p->journal);
  assert_int_equal(is.entries, 0);
  assert_int_equal(is.refused, 1);
  path_of(p, "refused.jsonl", path);
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  assert_non_null(fgets(line, sizeof line, file));
  (void)fclose(file);
  assert_string_equal(line, FIRST "\n");
  reopen(p); // and is an alarm until somebody takes the file away
  assert_int_equal(journal_state(p->journal).refused, 1);
  assert_non_null(strstr(p->found, "refused.jsonl"));
  while (waiting(p, sequences) > 0) continue;
  uint64_t second = put(p, SECOND, NULL);
  sync_error = EIO;
  assert_int_equal(journal_refuse(p->journal, second), FAULT_IO);
  assert_int_equal(journal_state(p->journal).refused, 2);
  assert_true(journal_state(p->journal).entries >= 1); // it stays where it is
}

static void many_threads_write_and_all_of_it_is_kept(void **state) {
  struct place *p = *state;
  enum { COUNT = 600 };
  static struct waiter w[COUNT];
  static char texts[COUNT][32];
  for (int i = 0; i < COUNT; i++) {
    w[i] = (struct waiter){.mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    (void)snprintf(texts[i], sizeof texts[i], "{\"i\":%d}", i);
    w[i].entry = (struct journal_entry){.text = str_from(texts[i]), .done = written, .arg = &w[i]};
    assert_int_equal(journal_write(p->journal, &w[i].entry), 0);
  }
  for (int i = 0; i < COUNT; i++) {
    pthread_mutex_lock(&w[i].mutex);
    while (!w[i].done) pthread_cond_wait(&w[i].cond, &w[i].mutex);
    pthread_mutex_unlock(&w[i].mutex);
    assert_int_equal(w[i].entry.result, 0);
    assert_int_equal(w[i].entry.sequence, w[0].entry.sequence + (uint64_t)i);
  }
  reopen(p);
  assert_int_equal(p->seen.entries, COUNT);
}

static void a_torn_tail_is_dropped_and_told(void **state) {
  struct place *p = *state;
  char path[128];
  put(p, FIRST, NULL);
  put(p, SECOND, NULL);
  path_of(p, "0.journal", path);
  assert_int_equal(truncate(path, RECORD_AT(1) + RECORD_HEAD + 3), 0);
  reopen(p);
  assert_int_equal(p->seen.torn, 1);
  assert_int_equal(p->seen.flipped, 0);
  assert_int_equal(p->seen.entries, 1);
  assert_non_null(strstr(p->found, "0.journal"));
  put(p, THIRD, NULL); // writing goes on where it was cut
  reopen(p);
  assert_int_equal(p->seen.torn, 0);
  assert_int_equal(p->seen.entries, 2);
}

static void a_flipped_bit_is_an_alarm_and_costs_one_entry(void **state) {
  struct place *p = *state;
  uint64_t sequences[64];
  put(p, FIRST, NULL);
  uint64_t second = put(p, SECOND, NULL);
  (void)second;
  uint64_t third = put(p, THIRD, NULL);
  flip(p, "0.journal", RECORD_AT(1) + RECORD_HEAD + 2);
  reopen(p);
  assert_int_equal(p->seen.flipped, 1);
  assert_int_equal(p->seen.torn, 0);
  assert_int_equal(waiting(p, sequences), 2);
  assert_text(p, sequences[0], FIRST);
  assert_text(p, third, THIRD);
  reopen(p); // the file was set aside, what could be read of it goes on
  assert_int_equal(p->seen.flipped, 0);
  assert_int_equal(p->seen.entries, 2);
  char command[256];
  (void)snprintf(command, sizeof command, "ls '%s'/0.aside.* >/dev/null", p->folder);
  assert_int_equal(system(command), 0);
}

static void so_is_one_in_the_last_entry_or_in_the_head(void **state) {
  struct place *p = *state;
  put(p, FIRST, NULL);
  put(p, SECOND, NULL);
  flip(p, "0.journal", RECORD_AT(1) + RECORD_HEAD + 2);
  reopen(p);
  assert_int_equal(p->seen.flipped, 1);
  assert_int_equal(p->seen.torn, 0);
  assert_int_equal(p->seen.entries, 1);
  flip(p, "0.journal", 12);
  reopen(p);
  assert_int_equal(p->seen.flipped, 1);
  assert_int_equal(p->seen.entries, 1);
}

static void copy_file(const struct place *p, const char *from, const char *to) {
  char command[256];
  (void)snprintf(command, sizeof command, "cp '%s/%s' '%s/%s'", p->folder, from, p->folder, to);
  assert_int_equal(system(command), 0);
}

static void a_copy_of_a_segment_is_not_replayed_twice(void **state) {
  struct place *p = *state;
  put(p, FIRST, NULL);
  journal_close(p->journal);
  copy_file(p, "0.journal", "3.journal");
  open_it(p);
  assert_int_equal(p->seen.duplicates, 1);
  assert_int_equal(p->seen.entries, 1);
  reopen(p);
  assert_int_equal(p->seen.duplicates, 0);
  assert_int_equal(p->seen.entries, 1);
}

static void files_that_are_none_of_its_own_are_told_and_left_out(void **state) {
  struct place *p = *state;
  char command[256];
  put(p, FIRST, NULL);
  journal_close(p->journal);
  (void)snprintf(command, sizeof command, "echo hello >'%s/notes.txt'; head -c 5000 /dev/urandom >'%s/5.journal'", p->folder, p->folder);
  assert_int_equal(system(command), 0);
  open_it(p);
  assert_int_equal(p->seen.foreign, 2);
  assert_int_equal(p->seen.entries, 1);
  assert_non_null(strstr(p->found, "notes.txt"));
}

static void a_segment_of_another_journal_is_set_aside(void **state) {
  struct place *p = *state, other = {0};
  char command[256];
  (void)snprintf(other.folder, sizeof other.folder, "/tmp/tg-journal-XXXXXX");
  assert_non_null(mkdtemp(other.folder));
  open_it(&other);
  put(&other, SECOND, NULL);
  journal_close(other.journal);
  for (int i = 0; i < 3; i++) put(p, FIRST, NULL);
  journal_close(p->journal);
  copy_file(p, "0.journal", "0.keep");
  (void)snprintf(command, sizeof command, "cp '%s/0.journal' '%s/2.journal'; rm -rf '%s'", other.folder, p->folder, other.folder);
  assert_int_equal(system(command), 0);
  (void)snprintf(command, sizeof command, "rm '%s/0.keep'", p->folder);
  assert_int_equal(system(command), 0);
  open_it(p);
  assert_int_equal(p->seen.foreign, 1);
  assert_int_equal(p->seen.entries, 3);
}

static void one_process_has_a_folder_at_a_time(void **state) {
  struct place *p = *state;
  struct journal_found found;
  struct buf why;
  buf_init(&why, 1024);
  assert_null(journal_open(p->folder, &found, &why));
  assert_non_null(strstr(buf_cstr(&why), "in use by another process"));
  journal_found_finish(&found);
  buf_finish(&why);
}

static void a_folder_that_cannot_be_used_is_refused_with_its_name(void **state) {
  struct journal_found found;
  struct buf why;
  (void)state;
  buf_init(&why, 1024);
  assert_null(journal_open("/dev/null/journal", &found, &why));
  assert_non_null(strstr(buf_cstr(&why), "/dev/null/journal"));
  journal_found_finish(&found);
  buf_finish(&why);
}

static void assert_broken(struct place *p) {
  int fault = 0;
  (void)put(p, SECOND, &fault);
  assert_int_equal(fault, FAULT_IO);
  assert_false(journal_state(p->journal).ok);
  assert_false(journal_reserve(p->journal));
  sync_error = write_error = 0;
  (void)put(p, THIRD, &fault); // also when the disk works again: it is not tried
  assert_int_equal(fault, FAULT_IO);
}

static void a_failed_fsync_is_never_tried_again(void **state) {
  struct place *p = *state;
  put(p, FIRST, NULL);
  assert_true(journal_reserve(p->journal));
  sync_error = EIO;
  assert_broken(p);
  journal_unreserve(p->journal);
  reopen(p); // what had been acknowledged before is there
  assert_true(p->seen.entries >= 1);
  assert_true(journal_state(p->journal).ok);
}

static void nor_a_failed_write(void **state) {
  struct place *p = *state;
  put(p, FIRST, NULL);
  write_error = ENOSPC;
  assert_broken(p);
  reopen(p);
  assert_int_equal(p->seen.entries, 1);
}

static void short_writes_are_continued(void **state) {
  struct place *p = *state;
  write_short = 1;
  put(p, FIRST, NULL);
  put(p, SECOND, NULL);
  reopen(p);
  assert_int_equal(p->seen.entries, 2);
  assert_string_equal(p->found, "");
}

static void there_is_room_for_every_running_call_and_no_more_is_promised(void **state) {
  struct place *p = *state;
  size_t promised = 0;
  while (journal_reserve(p->journal)) promised++;
  assert_true(promised >= LIMIT_RUNNING_CALLS);
  assert_int_equal(promised, journal_state(p->journal).room);
  for (size_t i = 0; i < promised; i++) journal_unreserve(p->journal);
}

// Writes the text `count` times at once. How many went in; their sequences stand one after the other.
static size_t put_many(struct place *p, struct str text, size_t count, uint64_t *ret_first, int *ret_fault) {
  static struct waiter w[SEGMENT_ENTRIES];
  size_t kept = 0;
  assert_true(count <= ARRAY_LEN(w));
  for (size_t i = 0; i < count; i++) {
    w[i] = (struct waiter){.mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    w[i].entry = (struct journal_entry){.text = text, .done = written, .arg = &w[i]};
    assert_int_equal(journal_write(p->journal, &w[i].entry), 0);
  }
  for (size_t i = 0; i < count; i++) {
    pthread_mutex_lock(&w[i].mutex);
    while (!w[i].done) pthread_cond_wait(&w[i].cond, &w[i].mutex);
    pthread_mutex_unlock(&w[i].mutex);
    if (w[i].entry.result == 0) kept++;
    else *ret_fault = w[i].entry.result;
  }
  *ret_first = w[0].entry.sequence;
  return kept;
}

static char largest[LIMIT_JOURNAL_ENTRY];

static void segments_are_used_again_when_all_in_them_is_settled(void **state) {
  struct place *p = *state;
  uint64_t first = 0, sequences[64];
  int fault = 0;
  memset(largest, 'x', sizeof largest);
  for (size_t round = 0; round < LIMIT_JOURNAL_SEGMENTS + 2; round++) {
    assert_int_equal(put_many(p, (struct str){largest, sizeof largest}, SEGMENT_ENTRIES, &first, &fault), SEGMENT_ENTRIES);
    for (size_t i = 0; i < SEGMENT_ENTRIES; i++) journal_settled(p->journal, first + i);
  }
  put(p, FIRST, NULL);
  reopen(p);
  assert_string_equal(p->found, "");
  size_t left = 0, n;
  while ((n = waiting(p, sequences)) > 0) left += n; // settled ones of segments not yet begun anew are told again: the ledger knows
  assert_true(left >= 1);
}

static void a_full_journal_takes_no_more_and_loses_nothing(void **state) {
  struct place *p = *state;
  uint64_t first = 0;
  int fault = 0;
  size_t count = 0;
  memset(largest, 'y', sizeof largest);
  while (fault == 0) count += put_many(p, (struct str){largest, sizeof largest}, SEGMENT_ENTRIES / 2, &first, &fault);
  assert_int_equal(fault, FAULT_FULL);
  assert_int_equal(count, LIMIT_JOURNAL_SEGMENTS * SEGMENT_ENTRIES);
  assert_true(journal_state(p->journal).ok);
  assert_false(journal_reserve(p->journal));
  reopen(p);
  assert_int_equal(p->seen.entries, count);
}

static void a_crash_between_the_two_renames_is_mended(void **state) {
  struct place *p = *state;
  char from[128], to[128];
  put(p, FIRST, NULL);
  journal_close(p->journal);
  path_of(p, "0.journal", from);
  path_of(p, "0.journal.new", to);
  assert_int_equal(rename(from, to), 0);
  open_it(p);
  assert_int_equal(p->seen.entries, 1);
}

static size_t looked;
static void look_entry(void *arg, uint64_t sequence, struct str text) {
  (void)arg, (void)sequence;
  assert_true(str_eq(text, STR(FIRST)));
  looked++;
}
static void look_segment(void *arg, const char *file, uint64_t number, size_t entries) {
  (void)arg, (void)number;
  assert_string_equal(file, "0.journal");
  assert_int_equal(entries, 2);
}

static void a_folder_can_be_looked_at_while_it_is_in_use(void **state) {
  struct place *p = *state;
  struct journal_found found;
  put(p, FIRST, NULL);
  put(p, FIRST, NULL);
  looked = 0;
  assert_int_equal(journal_look(p->folder, &(struct journal_visit){.segment = look_segment, .entry = look_entry}, &found), 0);
  assert_int_equal(looked, 2);
  assert_int_equal(found.entries, 2);
  journal_found_finish(&found);
  assert_true(journal_look("/nowhere/at/all", &(struct journal_visit){.segment = look_segment, .entry = look_entry}, &found) < 0);
  journal_found_finish(&found);
}

int main(void) {
#define RULE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
  const struct CMUnitTest rules[] = {
      RULE(what_was_written_is_there_after_any_end),
      RULE(what_was_let_go_is_taken_and_what_was_settled_is_not),
      RULE(what_was_refused_is_kept_in_a_file_of_its_own_and_takes_no_room),
      RULE(many_threads_write_and_all_of_it_is_kept),
      RULE(a_torn_tail_is_dropped_and_told),
      RULE(a_flipped_bit_is_an_alarm_and_costs_one_entry),
      RULE(so_is_one_in_the_last_entry_or_in_the_head),
      RULE(a_copy_of_a_segment_is_not_replayed_twice),
      RULE(files_that_are_none_of_its_own_are_told_and_left_out),
      RULE(a_segment_of_another_journal_is_set_aside),
      RULE(one_process_has_a_folder_at_a_time),
      RULE(a_folder_that_cannot_be_used_is_refused_with_its_name),
      RULE(a_failed_fsync_is_never_tried_again),
      RULE(nor_a_failed_write),
      RULE(short_writes_are_continued),
      RULE(there_is_room_for_every_running_call_and_no_more_is_promised),
      RULE(segments_are_used_again_when_all_in_them_is_settled),
      RULE(a_full_journal_takes_no_more_and_loses_nothing),
      RULE(a_crash_between_the_two_renames_is_mended),
      RULE(a_folder_can_be_looked_at_while_it_is_in_use),
  };
  if (!crypto_start()) return 1;
  return cmocka_run_group_tests(rules, NULL, NULL);
}
