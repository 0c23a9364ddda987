// What a segment says of itself: sound records are read back, and a torn tail, a flipped bit, a copy and what stood there
// before are told apart, at every offset and for every bit.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "journal/record.h"

#define ROOM 4096
#define NUMBER 7

static const struct segment_name name = {.journal = {1, 2, 3}, .place = 4, .number = NUMBER};
static const char *const texts[] = {"{\"call\":\"first\"}", "{\"call\":\"the second one, which is longer than a block of sixty-four bytes is\"}", "{}"};

struct seen {
  size_t count;
  uint64_t sequences[16];
};

static void note(void *arg, const struct record *r) {
  struct seen *seen = arg;
  assert_true(seen->count < 16);
  seen->sequences[seen->count++] = r->sequence;
}

// A segment with the three texts, sequences 11 to 13. Returns where it ends.
static size_t fill(unsigned char *bytes, uint64_t number) {
  size_t at = SEGMENT_HEAD;
  memset(bytes, 0, ROOM);
  segment_head_write(&name, bytes);
  for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
    record_write(bytes + at, number, 11 + i, str_from(texts[i]));
    at += RECORD_SPACE(strlen(texts[i]));
  }
  return at;
}

static struct segment_scan scan(const unsigned char *bytes, size_t len, struct seen *seen) {
  struct segment_scan s;
  *seen = (struct seen){0};
  segment_scan((struct str){(const char *)bytes, len}, &s, note, seen);
  assert_int_equal(s.records, seen->count);
  return s;
}

static void records_are_read_back_in_order(void **state) {
  (void)state;
  unsigned char bytes[ROOM];
  struct seen seen;
  size_t end = fill(bytes, NUMBER);
  struct segment_scan s = scan(bytes, ROOM, &seen);
  assert_true(s.named && !s.blank && !s.torn);
  assert_int_equal(s.flipped, 0);
  assert_int_equal(s.name.place, 4);
  assert_int_equal(s.name.number, NUMBER);
  assert_int_equal(s.end, end);
  assert_int_equal(seen.count, 3);
  assert_int_equal(seen.sequences[2], 13);
}

static void an_empty_file_is_blank(void **state) {
  (void)state;
  unsigned char bytes[ROOM] = {0};
  struct seen seen;
  struct segment_scan s = scan(bytes, ROOM, &seen);
  assert_true(s.blank && !s.named && !s.torn);
  bytes[ROOM - 1] = 1; // whatever follows: nothing was begun
  s = scan(bytes, ROOM, &seen);
  assert_true(s.blank && !s.torn);
}

// Wherever a write was cut off, the records before it are read, and no more is said than that the last one is torn.
static void a_tail_cut_at_any_offset_is_torn_and_nothing_else(void **state) {
  (void)state;
  unsigned char bytes[ROOM];
  struct seen seen;
  size_t end = fill(bytes, NUMBER), second = SEGMENT_HEAD + RECORD_SPACE(strlen(texts[0])), third = end - RECORD_SPACE(strlen(texts[2]));
  for (size_t cut = SEGMENT_HEAD; cut < end; cut++) {
    (void)fill(bytes, NUMBER);
    memset(bytes + cut, 0, ROOM - cut);
    struct segment_scan s = scan(bytes, ROOM, &seen);
    bool before_text_ends = cut < third ? (cut < second ? cut < SEGMENT_HEAD + RECORD_HEAD + strlen(texts[0]) : cut < second + RECORD_HEAD + strlen(texts[1]))
                                        : cut < third + RECORD_HEAD + strlen(texts[2]);
    size_t whole = cut < second ? 0 : cut < third ? 1 : 2;
    assert_int_equal(s.records, before_text_ends ? whole : whole + 1);
    size_t at = whole == 0 ? SEGMENT_HEAD : whole == 1 ? second : third;
    if (cut >= at + RECORD_HEAD || cut == at) assert_int_equal(s.flipped, 0); // sectors are whole: no head is cut within
    if (before_text_ends && cut >= at + RECORD_HEAD) assert_true(s.torn);
    if (cut == at) assert_false(s.torn);
  }
}

static void a_file_cut_at_any_offset_says_no_more_than_what_is_left(void **state) {
  (void)state;
  unsigned char bytes[ROOM];
  struct seen seen;
  size_t end = fill(bytes, NUMBER);
  for (size_t len = 0; len <= end; len++) {
    unsigned char *exact = mem_alloc(len + 1); // so that reading beyond is seen
    memcpy(exact, bytes, len);
    struct segment_scan s = scan(exact, len, &seen);
    assert_true(seen.count <= 3);
    assert_true(len < SEGMENT_HEAD || s.named);
    mem_free(exact);
  }
}

// Each bit of a segment in turn: what it hit is found, the other records are still read, and no wrong text ever is.
static void a_flipped_bit_is_found_wherever_it_is(void **state) {
  (void)state;
  unsigned char bytes[ROOM];
  struct seen seen;
  size_t end = fill(bytes, NUMBER);
  for (size_t bit = 0; bit < end * 8; bit++) {
    bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    struct segment_scan s = scan(bytes, ROOM, &seen);
    if (bit < SEGMENT_HEAD * 8) {
      assert_false(s.named);
      assert_int_equal(seen.count, 3);
    } else {
      assert_true(s.named);
      assert_int_equal(seen.count, 2);
      assert_int_equal(s.flipped, 1);
      assert_false(s.torn);
    }
    bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
  }
}

static void what_stood_there_before_is_none_of_the_segments(void **state) {
  (void)state;
  unsigned char bytes[ROOM];
  struct seen seen;
  (void)fill(bytes, NUMBER - 1); // records of an older number under a new head
  struct segment_scan s = scan(bytes, ROOM, &seen);
  assert_int_equal(s.records, 0);
  assert_int_equal(s.end, SEGMENT_HEAD);
  assert_false(s.torn);
  assert_int_equal(s.flipped, 0);
}

static void a_text_of_the_largest_size_goes_in(void **state) {
  (void)state;
  size_t len = SEGMENT_HEAD + RECORD_SPACE(LIMIT_JOURNAL_ENTRY);
  unsigned char *bytes = mem_alloc(len);
  char *text = mem_alloc(LIMIT_JOURNAL_ENTRY);
  struct seen seen;
  memset(text, 'x', LIMIT_JOURNAL_ENTRY);
  segment_head_write(&name, bytes);
  record_write(bytes + SEGMENT_HEAD, NUMBER, 1, (struct str){text, LIMIT_JOURNAL_ENTRY});
  assert_int_equal(scan(bytes, len, &seen).records, 1);
  mem_free(text);
  mem_free(bytes);
}

// Lengths are not believed: whatever stands in a file, no more is read than there is.
static void any_bytes_are_read_without_harm(void **state) {
  (void)state;
  unsigned seed = 5;
  struct seen seen;
  for (int round = 0; round < 3000; round++) {
    unsigned char bytes[ROOM];
    size_t end = fill(bytes, NUMBER);
    for (int i = rand_r(&seed) % 40; i >= 0; i--) bytes[(size_t)rand_r(&seed) % end] = (unsigned char)rand_r(&seed);
    size_t len = (size_t)rand_r(&seed) % ROOM;
    unsigned char *exact = mem_alloc(len + 1);
    memcpy(exact, bytes, len);
    (void)scan(exact, len, &seen);
    mem_free(exact);
  }
}

int main(void) {
  const struct CMUnitTest rules[] = {
      cmocka_unit_test(records_are_read_back_in_order),
      cmocka_unit_test(an_empty_file_is_blank),
      cmocka_unit_test(a_tail_cut_at_any_offset_is_torn_and_nothing_else),
      cmocka_unit_test(a_file_cut_at_any_offset_says_no_more_than_what_is_left),
      cmocka_unit_test(a_flipped_bit_is_found_wherever_it_is),
      cmocka_unit_test(what_stood_there_before_is_none_of_the_segments),
      cmocka_unit_test(a_text_of_the_largest_size_goes_in),
      cmocka_unit_test(any_bytes_are_read_without_harm),
  };
  return cmocka_run_group_tests(rules, NULL, NULL);
}
