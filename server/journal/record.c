// Reading a segment as if an enemy had written it: each length is held against what is there before it is believed.
#include "journal/record.h"
#include "base/mem.h"
#include "crypto/crypto.h"

#define MAGIC UINT32_C(0x43455254) // "TREC"
#define FORMAT "TGJRNL01"
#define FORMAT_LEN 8
#define CHECK 8
#define RECORD_CHECKED 24 // bytes of a record's head in front of its checksum
#define SEGMENT_CHECKED (FORMAT_LEN + 16 + 4 + 8)
#define ZERO_RUN 64 // so many zero bytes in a text were never written

static void put(unsigned char *at, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) at[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get(const unsigned char *at, size_t bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; i++) value |= (uint64_t)at[i] << (8 * i);
  return value;
}

static void check_write(const unsigned char *at, size_t len, unsigned char *ret) {
  unsigned char hash[32];
  crypto_hash((struct str){(const char *)at, len}, hash);
  memcpy(ret, hash, CHECK);
}

static bool check_holds(const unsigned char *at, size_t len, const unsigned char *check) {
  unsigned char expected[CHECK];
  check_write(at, len, expected);
  return memcmp(expected, check, CHECK) == 0;
}

static const unsigned char *bytes_at(struct str bytes, size_t offset) {
  return (const unsigned char *)bytes.ptr + offset;
}

static bool is_zero(struct str bytes, size_t from, size_t to) {
  for (size_t i = from; i < to; i++)
    if (bytes.ptr[i]) return false;
  return true;
}

// ---- the segment's head

void segment_head_write(const struct segment_name *name, unsigned char ret[SEGMENT_HEAD]) {
  memset(ret, 0, SEGMENT_HEAD);
  memcpy(ret, FORMAT, FORMAT_LEN);
  memcpy(ret + FORMAT_LEN, name->journal, 16);
  put(ret + FORMAT_LEN + 16, name->place, 4);
  put(ret + FORMAT_LEN + 20, name->number, 8);
  check_write(ret, SEGMENT_CHECKED, ret + SEGMENT_CHECKED);
}

bool segment_head_read(struct str bytes, struct segment_name *ret) {
  if (bytes.len < SEGMENT_HEAD || memcmp(bytes.ptr, FORMAT, FORMAT_LEN) != 0) return false;
  const unsigned char *at = bytes_at(bytes, 0);
  bool sound = check_holds(at, SEGMENT_CHECKED, at + SEGMENT_CHECKED) && is_zero(bytes, SEGMENT_CHECKED + CHECK, SEGMENT_HEAD);
  if (!sound) return false;
  memcpy(ret->journal, at + FORMAT_LEN, 16);
  ret->place = (uint32_t)get(at + FORMAT_LEN + 16, 4);
  ret->number = get(at + FORMAT_LEN + 20, 8);
  return true;
}

// ---- a record

// The hash covers the head up to its checksum, and the payload.
static void record_hash(const unsigned char *head, struct str payload, unsigned char ret[32]) {
  unsigned char both[2][32] = {{0}};
  memcpy(both[0], head, RECORD_CHECKED);
  crypto_hash(payload, both[1]);
  crypto_hash((struct str){(const char *)both, sizeof both}, ret);
}

void record_write(unsigned char *ret, uint64_t number, uint64_t sequence, struct str payload) {
  memset(ret, 0, RECORD_SPACE(payload.len));
  put(ret, MAGIC, 4);
  put(ret + 4, payload.len, 4);
  put(ret + 8, sequence, 8);
  put(ret + 16, number, 8);
  check_write(ret, RECORD_CHECKED, ret + RECORD_CHECKED);
  record_hash(ret, payload, ret + RECORD_CHECKED + CHECK);
  memcpy(ret + RECORD_HEAD, payload.ptr, payload.len);
}

struct look {
  bool headed; // the head is sound
  size_t len;
  uint64_t number;
  bool sound;
  struct record record;
};

static struct look look_at(struct str bytes, size_t offset) {
  struct look l = {.headed = false};
  unsigned char hash[32];
  if (bytes.len - offset < RECORD_HEAD) return l;
  const unsigned char *at = bytes_at(bytes, offset);
  if (get(at, 4) != MAGIC || !check_holds(at, RECORD_CHECKED, at + RECORD_CHECKED)) return l;
  l.len = (size_t)get(at + 4, 4);
  l.number = get(at + 16, 8);
  l.headed = l.len <= LIMIT_JOURNAL_ENTRY;
  if (!l.headed || bytes.len - offset < RECORD_SPACE(l.len)) return l;
  l.record = (struct record){get(at + 8, 8), offset, {bytes.ptr + offset + RECORD_HEAD, l.len}};
  record_hash(at, l.record.payload, hash);
  l.sound = memcmp(hash, at + RECORD_CHECKED + CHECK, sizeof hash) == 0 &&
            is_zero(bytes, offset + RECORD_HEAD + l.len, offset + RECORD_SPACE(l.len));
  return l;
}

// ---- a segment

// Where the head is damaged, the first sound record's number stands for all.
static bool is_ours(const struct segment_scan *s, const struct look *l) {
  bool told = s->named || s->records > 0;
  return l->sound && (!told || l->number == s->name.number);
}

// The next sound record at or after `from`, or bytes.len.
static size_t next_sound(struct str bytes, const struct segment_scan *s, size_t from) {
  for (size_t at = from; at + RECORD_HEAD <= bytes.len; at += RECORD_ALIGN) {
    if (get(bytes_at(bytes, at), 4) != MAGIC) continue;
    struct look l = look_at(bytes, at);
    if (is_ours(s, &l)) return at;
  }
  return bytes.len;
}

static bool has_zero_run(struct str payload) {
  size_t run = 0;
  for (size_t i = 0; i < payload.len; i++) {
    run = payload.ptr[i] ? 0 : run + 1;
    if (run == ZERO_RUN) return true;
  }
  return payload.len > 0 && payload.ptr[payload.len - 1] == '\0';
}

// What stands after the last sound record. Payloads are text: a byte of it that is zero was not written.
static void tail_judge(struct str bytes, struct segment_scan *s) {
  if (is_zero(bytes, s->end, bytes.len)) return;
  size_t head = bytes.len - s->end < RECORD_HEAD ? bytes.len - s->end : RECORD_HEAD;
  struct look l = look_at(bytes, s->end);
  if (l.headed && s->named && l.number != s->name.number) return; // left from before
  size_t left = bytes.len - s->end - head;
  struct str payload = {bytes.ptr + s->end + head, l.headed && l.len < left ? l.len : left};
  bool cut = head < RECORD_HEAD || is_zero(bytes, s->end, s->end + head) || (l.headed && (l.len > left || has_zero_run(payload)));
  if (cut)
    s->torn = true;
  else
    s->flipped++;
}

void segment_scan(struct str bytes, struct segment_scan *ret, void (*each)(void *arg, const struct record *r), void *arg) {
  *ret = (struct segment_scan){.end = SEGMENT_HEAD};
  if (bytes.len < SEGMENT_HEAD) {
    ret->end = bytes.len;
    return;
  }
  ret->blank = is_zero(bytes, 0, SEGMENT_HEAD);
  if (ret->blank) return;
  ret->named = segment_head_read(bytes, &ret->name);
  for (size_t at = next_sound(bytes, ret, SEGMENT_HEAD); at < bytes.len; at = next_sound(bytes, ret, ret->end)) {
    struct look l = look_at(bytes, at);
    if (!ret->named) ret->name.number = l.number;
    if (at != ret->end) ret->flipped++;
    ret->records++;
    ret->end = at + RECORD_SPACE(l.len);
    each(arg, &l.record);
  }
  tail_judge(bytes, ret);
}
