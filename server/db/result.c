// Rows in PostgreSQL's binary formats. A column read as another type than the statement gives is a mistake in this
// program (numeric, for one, is never read: sums are cast in SQL), so it stops the process before a wrong number is
// used.
#include "base/log.h"
#include "base/mem.h"
#include "db/internal.h"
#include "db/params.h"
#include <stdlib.h>

struct db_result *db_result_create(PGresult *rows) {
  if (!rows) return NULL;
  struct db_result *r = mem_alloc(sizeof *r);
  r->rows = rows;
  return r;
}

void db_result_finish(struct db_result *r) {
  if (!r) return;
  PQclear(r->rows);
  mem_free(r);
}

size_t db_rows(const struct db_result *r) {
  return r ? (size_t)PQntuples(r->rows) : 0;
}

size_t db_affected(const struct db_result *r) {
  return r ? strtoull(PQcmdTuples(r->rows), NULL, 10) : 0;
}

static void check_place(const struct db_result *r, size_t row, int column) {
  ASSERT(row < db_rows(r) && column >= 0 && column < PQnfields(r->rows));
}

bool db_is_null(const struct db_result *r, size_t row, int column) {
  check_place(r, row, column);
  return PQgetisnull(r->rows, (int)row, column) == 1;
}

static uint32_t type_of(const struct db_result *r, int column) {
  return PQftype(r->rows, column);
}

// The bytes of a value; a null has none.
static struct str value(const struct db_result *r, size_t row, int column) {
  if (db_is_null(r, row, column)) return (struct str){0};
  return (struct str){PQgetvalue(r->rows, (int)row, column), (size_t)PQgetlength(r->rows, (int)row, column)};
}

// ---- values

int64_t db_element_i64(struct str e) {
  uint64_t v = e.len > 0 && (unsigned char)e.ptr[0] & 0x80 ? UINT64_MAX : 0;
  ASSERT(e.len <= 8);
  for (size_t i = 0; i < e.len; i++) v = v << 8 | (unsigned char)e.ptr[i];
  return (int64_t)v;
}

struct uuid db_element_uuid(struct str e) {
  struct uuid id = UUID_NIL;
  ASSERT(e.len == 0 || e.len == sizeof id.b);
  if (e.len) memcpy(id.b, e.ptr, sizeof id.b);
  return id;
}

int64_t db_i64(const struct db_result *r, size_t row, int column) {
  struct str v = value(r, row, column);
  uint32_t type = type_of(r, column);
  ASSERT(type == OID_INT8 || type == OID_INT4 || type == OID_INT2);
  return db_element_i64(v);
}

bool db_bool(const struct db_result *r, size_t row, int column) {
  struct str v = value(r, row, column);
  ASSERT(type_of(r, column) == OID_BOOL);
  return v.len == 1 && v.ptr[0] != 0;
}

struct uuid db_uuid(const struct db_result *r, size_t row, int column) {
  struct str v = value(r, row, column);
  ASSERT(type_of(r, column) == OID_UUID);
  return db_element_uuid(v);
}

static bool is_text(uint32_t type) {
  static const uint32_t texts[] = {OID_TEXT, OID_JSONB,   OID_BYTEA,  OID_JSON, OID_VARCHAR,
                                   OID_NAME, OID_UNKNOWN, OID_BPCHAR, OID_CHAR};
  for (size_t i = 0; i < ARRAY_LEN(texts); i++)
    if (texts[i] == type) return true;
  return false;
}

// jsonb is text behind a version byte.
static struct str without_version(struct str v) {
  if (!v.ptr) return v;
  ASSERT(v.len >= 1 && v.ptr[0] == DB_JSONB_VERSION);
  return (struct str){v.ptr + 1, v.len - 1};
}

struct str db_text(const struct db_result *r, size_t row, int column) {
  struct str v = value(r, row, column);
  uint32_t type = type_of(r, column);
  ASSERT(is_text(type));
  if (type == OID_JSONB) v = without_version(v);
  return v.ptr ? v : STR("");
}

int64_t db_time(const struct db_result *r, size_t row, int column) {
  struct str v = value(r, row, column);
  ASSERT(type_of(r, column) == OID_TIMESTAMPTZ);
  if (v.len == 0) return 0;
  int64_t us = db_element_i64(v);
  return us == INT64_MAX || us == INT64_MIN ? us : us + DB_EPOCH_US;
}

void db_tid(const struct db_result *r, size_t row, int column, unsigned char ret[DB_TID_BYTES]) {
  struct str v = value(r, row, column);
  ASSERT(type_of(r, column) == OID_TID && v.len == DB_TID_BYTES);
  memcpy(ret, v.ptr, DB_TID_BYTES);
}

// ---- arrays

static struct str take(struct str *rest, size_t len) {
  ASSERT(rest->len >= len);
  struct str taken = {rest->ptr, len};
  rest->ptr += len;
  rest->len -= len;
  return taken;
}

static int32_t take_i32(struct str *rest) {
  return (int32_t)db_element_i64(take(rest, 4));
}

static struct str take_element(struct str *rest, uint32_t type) {
  int32_t len = take_i32(rest);
  if (len < 0) return (struct str){0};
  struct str element = take(rest, (size_t)len);
  return type == OID_JSONB ? without_version(element) : element;
}

size_t db_array(const struct db_result *r, size_t row, int column, struct str *ret_elements, size_t max) {
  struct str rest = value(r, row, column);
  if (!rest.ptr) return 0;
  int32_t dimensions = take_i32(&rest);
  (void)take_i32(&rest); // whether there are nulls: each says so itself
  uint32_t type = (uint32_t)take_i32(&rest);
  ASSERT(dimensions == 0 || dimensions == 1);
  if (dimensions == 0) return 0;
  int32_t count = take_i32(&rest);
  (void)take_i32(&rest); // lower bound
  ASSERT(count >= 0);
  for (size_t i = 0; i < (size_t)count && i < max; i++) ret_elements[i] = take_element(&rest, type);
  return (size_t)count;
}
