// Parameters out of their binary form, and whose turn a statement is.
#include "sql.h"
#include "base/log.h"

static uint64_t be(const char *at, size_t len) {
  uint64_t v = 0;
  for (size_t i = 0; i < len; i++) v = v << 8 | (unsigned char)at[i];
  return v;
}

static int64_t integer(struct str s) {
  ASSERT(s.len == 1 || s.len == 2 || s.len == 4 || s.len == 8);
  int64_t v = (int64_t)(be(s.ptr, s.len) << (64 - 8 * s.len));
  return v >> (64 - 8 * s.len);
}

static struct uuid uuid_of(struct str s) {
  struct uuid id;
  ASSERT(s.len == sizeof id.b);
  memcpy(id.b, s.ptr, sizeof id.b);
  return id;
}

struct str arg_text(const struct db_params *p, int n) {
  ASSERT(n <= p->count);
  return (struct str){p->bytes.data + p->at[n - 1].at, p->at[n - 1].len};
}

bool arg_null(const struct db_params *p, int n) {
  return p->at[n - 1].null;
}

int64_t arg_i64(const struct db_params *p, int n) {
  return integer(arg_text(p, n));
}

static int64_t time_of(struct str s) { // microseconds since 2000
  return integer(s) + INT64_C(946684800000000);
}

int64_t arg_time(const struct db_params *p, int n) {
  return arg_null(p, n) ? 0 : time_of(arg_text(p, n));
}

struct uuid arg_uuid(const struct db_params *p, int n) {
  return arg_null(p, n) ? UUID_NIL : uuid_of(arg_text(p, n));
}

// Of an array: dimensions, nulls, type; then, unless it is empty, length and lower bound; then the elements.
struct walk walk_begin(const struct db_params *p, int n) {
  struct str s = arg_text(p, n);
  if (be(s.ptr, 4) == 0) return (struct walk){0};
  return (struct walk){s.ptr + 20, (size_t)be(s.ptr + 12, 4)};
}

bool walk_more(const struct walk *w) {
  return w->left > 0;
}

struct str walk_bytes(struct walk *w) {
  ASSERT(w->left-- > 0);
  uint64_t len = be(w->at, 4);
  w->at += 4;
  if (len == UINT32_MAX) return (struct str){0};
  struct str s = {w->at, (size_t)len};
  w->at += len;
  return s;
}

int64_t walk_i64(struct walk *w) {
  return integer(walk_bytes(w));
}

int64_t walk_i64_or(struct walk *w, int64_t null) {
  struct str s = walk_bytes(w);
  return s.ptr ? integer(s) : null;
}

struct uuid walk_uuid(struct walk *w) {
  return uuid_of(walk_bytes(w));
}

int64_t walk_time(struct walk *w) {
  struct str s = walk_bytes(w);
  return s.ptr ? time_of(s) : 0;
}

bool text_is_poison(struct str s) {
  return s.len >= sizeof POISON - 1 && memmem(s.ptr, s.len, POISON, sizeof POISON - 1);
}

bool statement_run(struct backend *b, enum statement_id id, const struct db_params *p, struct db_result **ret) {
  static const struct sql_statement *known[STATEMENT_COUNT];
  const struct sql_statement *const lists[] = {sql_reads, sql_writes, sql_writers, sql_events, sql_configs};
  for (size_t i = 0; !known[id] && i < ARRAY_LEN(lists); i++)
    for (const struct sql_statement *s = lists[i]; s->run; s++)
      if (s->id == id) known[id] = s;
  if (!known[id]) log_assert_failed(statement_table[id].name, "a statement the simulation does not know", 0);
  return known[id]->run(b, p, ret);
}
