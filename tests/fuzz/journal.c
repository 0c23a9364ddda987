// Feeds: a segment of the journal as bytes; one that is made of the input's texts and damaged in one known way, or in
// several; and what its entries hold (settlement.c).
// Oracle: a plain reading of the format finds the same records, in the same order, and the same end. Of one damage is
// said what happened and no more: sectors of the last record that were not written are a torn tail; a flipped bit is
// found wherever it is and costs one record at most; a record that stands twice is told twice, under one sequence;
// what stood there before is none of the segment's.
#include "crypto/crypto.h"
#include "journal/record.h"
#include "settlement.h"

#define RECORDS_MAX 8
#define SECTOR 512
#define SPARE 1024 // behind the last record
#define ROOM (SEGMENT_HEAD + (RECORDS_MAX + 1) * RECORD_SPACE(LIMIT_JOURNAL_ENTRY) + SPARE)
#define TOLD_MAX (ROOM / RECORD_ALIGN)

struct told {
  size_t count;
  struct record at[TOLD_MAX];
};

static void note(void *arg, const struct record *r) {
  struct told *told = arg;
  FUZZ_CHECK(told->count < TOLD_MAX, "more records than blocks");
  told->at[told->count++] = *r;
}

// ---- a plain reading

static uint64_t number_at(struct str bytes, size_t offset, size_t len) {
  uint64_t n = 0; // in the machine's order, which is the format's
  memcpy(&n, bytes.ptr + offset, len);
  return n;
}

static struct str cut(struct str bytes, size_t offset, size_t len) {
  return (struct str){bytes.ptr + offset, len};
}

static bool hash_is(struct str of, struct str hash) {
  unsigned char expected[32];
  crypto_hash(of, expected);
  return memcmp(expected, hash.ptr, hash.len) == 0;
}

static bool only_zeros(struct str bytes) {
  return bytes.len == 0 || (bytes.ptr[0] == '\0' && memcmp(bytes.ptr, bytes.ptr + 1, bytes.len - 1) == 0);
}

static bool plain_head(struct str bytes) {
  return memcmp(bytes.ptr, "TGJRNL01", 8) == 0 && hash_is(cut(bytes, 0, 36), cut(bytes, 36, 8)) &&
         only_zeros(cut(bytes, 44, 512 - 44));
}

// Of a record's head alone.
static bool plain_record_head(struct str bytes, size_t offset) {
  return bytes.len - offset >= 64 && memcmp(bytes.ptr + offset, "TREC", 4) == 0 &&
         hash_is(cut(bytes, offset, 24), cut(bytes, offset + 24, 8)) && number_at(bytes, offset + 4, 4) <= 8192;
}

static bool plain_record(struct str bytes, size_t offset, struct record *ret) {
  unsigned char both[64] = {0};
  if (!plain_record_head(bytes, offset)) return false;
  size_t len = (size_t)number_at(bytes, offset + 4, 4), space = 64 + (len + 63) / 64 * 64;
  if (bytes.len - offset < space) return false;
  *ret = (struct record){number_at(bytes, offset + 8, 8), offset, cut(bytes, offset + 64, len)};
  memcpy(both, bytes.ptr + offset, 24);
  crypto_hash(ret->payload, both + 32);
  return hash_is((struct str){(const char *)both, 64}, cut(bytes, offset + 32, 32)) &&
         only_zeros(cut(bytes, offset + 64 + len, space - 64 - len));
}

struct plain {
  bool named, any;
  uint64_t number; // after named or any
  size_t end, gaps;
  struct told told;
};

static void plain_scan(struct str bytes, struct plain *ret) {
  struct record r;
  ret->told.count = 0;
  ret->any = false;
  ret->gaps = 0;
  ret->end = SEGMENT_HEAD;
  ret->named = plain_head(bytes);
  ret->number = number_at(bytes, 28, 8);
  for (size_t at = SEGMENT_HEAD; at < bytes.len; at += 64) {
    if (at < ret->end || !plain_record(bytes, at, &r)) continue;
    uint64_t number = number_at(bytes, at + 16, 8);
    if ((ret->named || ret->any) && number != ret->number) continue;
    ret->any = true;
    ret->number = number;
    ret->gaps += at != ret->end;
    ret->end = at + 64 + (r.payload.len + 63) / 64 * 64;
    note(&ret->told, &r);
  }
}

static bool same_record(const struct record *a, const struct record *b) {
  return a->sequence == b->sequence && a->offset == b->offset && a->payload.ptr == b->payload.ptr &&
         a->payload.len == b->payload.len;
}

// What stands behind the last record is nothing, or what stood there before, or is judged once.
static void tail_check(struct str bytes, const struct plain *plain, const struct segment_scan *s) {
  size_t judged = s->torn + s->flipped - plain->gaps;
  bool nothing = only_zeros(cut(bytes, s->end, bytes.len - s->end));
  bool before = !nothing && plain->named && plain_record_head(bytes, s->end) &&
                number_at(bytes, s->end + 16, 8) != plain->number;
  FUZZ_CHECK(judged == (nothing || before ? 0 : 1), "%zu judgements of a tail, torn %d", judged, s->torn);
}

// Any bytes.
static struct segment_scan segment_check(struct str bytes, struct told *told) {
  static struct plain plain;
  struct segment_scan s;
  told->count = 0;
  segment_scan(bytes, &s, note, told);
  FUZZ_CHECK(s.records == told->count, "%zu records", s.records);
  bool none = bytes.len < SEGMENT_HEAD || only_zeros(cut(bytes, 0, SEGMENT_HEAD));
  FUZZ_CHECK(s.blank == (none && bytes.len >= SEGMENT_HEAD), "blank %d", s.blank);
  FUZZ_CHECK(!none || (!s.named && !s.records && !s.torn && !s.flipped), "something in nothing");
  if (none) return s;
  plain_scan(bytes, &plain);
  FUZZ_CHECK(s.named == plain.named && s.end == plain.end && s.records == plain.told.count, "%zu records, end %zu of %zu",
             s.records, s.end, plain.end);
  for (size_t i = 0; i < s.records; i++) FUZZ_CHECK(same_record(&told->at[i], &plain.told.at[i]), "record %zu", i);
  if (s.named)
    FUZZ_CHECK(memcmp(s.name.journal, bytes.ptr + 8, 16) == 0 && s.name.place == number_at(bytes, 24, 4), "name");
  if (s.named || s.records) FUZZ_CHECK(s.name.number == plain.number, "number");
  tail_check(bytes, &plain, &s);
  return s;
}

// ---- a segment that is made

struct made {
  char *bytes; // exactly len
  size_t len, end, count;
  size_t at[RECORDS_MAX + 1]; // where each begins; at[count] is the end
  struct segment_name name;
  uint64_t sequence; // of the first
};

// Texts up to a NUL, each some times over: nothing in an entry is zero.
static size_t text_fill(struct fuzz_input *in, char *text) {
  size_t times = 1 + fuzz_byte(in) % 32, len = 0;
  struct str piece = fuzz_until(in, '\0');
  for (; times > 0 && len + piece.len < LIMIT_JOURNAL_ENTRY; times--, len += piece.len)
    if (piece.len) memcpy(text + len, piece.ptr, piece.len);
  text[len] = '}';
  return len + 1;
}

static void made_init(struct made *m, struct fuzz_input *in) {
  static unsigned char bytes[ROOM];
  char text[LIMIT_JOURNAL_ENTRY];
  memset(bytes, 0, sizeof bytes);
  *m = (struct made){.name = {.place = fuzz_byte(in), .number = fuzz_byte(in)}, .sequence = fuzz_u64(in)};
  m->name.number++; // 0 is no number
  memset(m->name.journal, fuzz_byte(in), sizeof m->name.journal);
  segment_head_write(&m->name, bytes);
  for (m->at[0] = SEGMENT_HEAD; m->count < RECORDS_MAX && in->at < in->end; m->count++) {
    size_t len = text_fill(in, text);
    record_write(bytes + m->at[m->count], m->name.number, m->sequence + m->count, (struct str){text, len});
    m->at[m->count + 1] = m->at[m->count] + RECORD_SPACE(len);
  }
  m->end = m->at[m->count];
  m->len = m->end + SPARE + (m->count ? m->end - m->at[m->count - 1] : 0);
  m->bytes = fuzz_copy((struct str){(const char *)bytes, m->len});
}

static struct str made_str(const struct made *m) {
  return (struct str){m->bytes, m->len};
}

// Each of them but `without` is told, in order; `more` follow.
static struct segment_scan made_check(const struct made *m, size_t without, size_t more, struct told *told) {
  struct segment_scan s = segment_check(made_str(m), told);
  size_t n = 0;
  for (size_t i = 0; i < m->count; i++) {
    if (i == without) continue;
    bool there = n < told->count && told->at[n].sequence == m->sequence + i && told->at[n].offset == m->at[i];
    FUZZ_CHECK(there, "record %zu", i);
    n++;
  }
  FUZZ_CHECK(told->count == n + more, "%zu told, %zu of them more", told->count, told->count - n);
  return s;
}

// ---- one damage

#define NONE SIZE_MAX

// The last write did not come to its end: of the record's sectors some were written, in any order.
static void torn_check(struct made *m, uint64_t lost, struct told *told) {
  if (m->count == 0) return;
  size_t from = m->at[m->count - 1];
  char *was = fuzz_copy(cut(made_str(m), from, m->end - from));
  for (size_t at = from; at < m->end; at++)
    if (lost >> (at / SECTOR - from / SECTOR) % 64 & 1) m->bytes[at] = '\0';
  struct str now = cut(made_str(m), from, m->end - from);
  bool whole = memcmp(was, now.ptr, now.len) == 0;
  struct segment_scan s = made_check(m, whole ? NONE : m->count - 1, 0, told);
  FUZZ_CHECK(s.torn == (!whole && !only_zeros(now)), "torn %d", s.torn);
  FUZZ_CHECK(s.named && s.flipped == 0 && s.end == (whole ? m->end : from), "%zu flipped, end %zu", s.flipped, s.end);
  free(was);
}

static void flip_check(struct made *m, uint64_t place, struct told *told) {
  size_t bit = place % (m->end * 8), hit = NONE;
  m->bytes[bit / 8] = (char)(m->bytes[bit / 8] ^ 1 << bit % 8);
  for (size_t i = 0; i < m->count; i++)
    if (bit / 8 >= m->at[i] && bit / 8 < m->at[i + 1]) hit = i;
  struct segment_scan s = made_check(m, hit, 0, told);
  FUZZ_CHECK(s.named == (hit != NONE) && s.flipped == (hit != NONE), "bit %zu: named %d, %zu flipped", bit, s.named,
             s.flipped);
  FUZZ_CHECK(!s.torn, "bit %zu: torn", bit);
}

static void twice_check(struct made *m, uint64_t which, struct told *told) {
  if (m->count == 0) return;
  size_t i = which % m->count, len = m->at[i + 1] - m->at[i];
  if (len > m->len - m->end) return;
  memcpy(m->bytes + m->end, m->bytes + m->at[i], len);
  struct segment_scan s = made_check(m, NONE, 1, told);
  FUZZ_CHECK(s.named && !s.torn && s.flipped == 0, "torn %d, %zu flipped", s.torn, s.flipped);
  struct record *first = &told->at[i], *again = &told->at[told->count - 1];
  FUZZ_CHECK(again->sequence == first->sequence && str_eq(again->payload, first->payload), "told as another");
}

static void before_check(struct made *m, uint64_t number, struct told *told) {
  const struct str text = STR("{\"of\":\"another life\"}");
  if (number == m->name.number) number++;
  record_write((unsigned char *)m->bytes + m->end, number, m->sequence, text);
  struct segment_scan s = made_check(m, NONE, 0, told);
  FUZZ_CHECK(s.named && !s.torn && s.flipped == 0 && s.end == m->end, "torn %d, %zu flipped", s.torn, s.flipped);
}

static void one_damage(struct fuzz_input *in, struct told *told) {
  static void (*const damages[])(struct made *, uint64_t, struct told *) = {torn_check, flip_check, twice_check,
                                                                            before_check};
  uint8_t which = fuzz_byte(in) % 4;
  uint64_t place = fuzz_u64(in);
  struct made m;
  made_init(&m, in);
  struct segment_scan s = made_check(&m, NONE, 0, told);
  FUZZ_CHECK(s.named && !s.torn && s.flipped == 0 && s.end == m.end, "an unharmed segment");
  damages[which](&m, place, told);
  free(m.bytes);
}

// ---- several

// Bytes are changed, blocks are copied, sectors emptied; the file may be cut.
static void damage(struct made *m, uint64_t how) {
  size_t at = (how >> 8) % m->len, to = (how >> 32) % (m->len / RECORD_ALIGN) * RECORD_ALIGN;
  size_t block = at / RECORD_ALIGN * RECORD_ALIGN, len = ((how >> 5 & 7) + 1) * RECORD_ALIGN;
  if (block + len > m->len || to + len > m->len) len = RECORD_ALIGN;
  if ((how & 3) == 0) m->bytes[at] = (char)(how >> 56);
  if ((how & 3) == 1 && block + len <= m->len && to + len <= m->len) memmove(m->bytes + to, m->bytes + block, len);
  if ((how & 3) == 2 && block + len <= m->len) memset(m->bytes + block, 0, len);
  if ((how & 31) == 31) m->len = at;
}

static void many_damages(struct fuzz_input *in, struct told *told) {
  uint64_t how[4];
  struct made m;
  for (int i = 0; i < 4; i++) how[i] = fuzz_u64(in);
  made_init(&m, in);
  for (int i = 0; i < 4 && how[i] && m.len >= RECORD_ALIGN; i++) damage(&m, how[i]);
  char *exact = fuzz_copy(made_str(&m));
  (void)segment_check((struct str){exact, m.len}, told);
  for (size_t i = 0; i < told->count; i++) settlement_text_check(told->at[i].payload);
  free(exact);
  free(m.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct told told;
  struct fuzz_input in = fuzz_input(data, size);
  uint8_t mode = fuzz_byte(&in) % 5;
  if (mode == 1) one_damage(&in, &told);
  if (mode == 2) many_damages(&in, &told);
  if (mode == 3) settlement_made_check(&in);
  if (mode == 1 || mode == 2 || mode == 3) return 0;
  struct str rest = fuzz_rest(&in);
  char *copy = fuzz_copy(rest);
  if (mode == 4)
    settlement_text_check((struct str){copy, rest.len});
  else
    (void)segment_check((struct str){copy, rest.len}, &told);
  free(copy);
  return 0;
}
