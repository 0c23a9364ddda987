// Parameters in PostgreSQL's binary formats, one after the other in one run of bytes. An array that is being filled is
// the entry behind the last one; its element type and count stand in its own header.
#include "db/params.h"
#include "base/log.h"

#define PARAMS_BYTES_MAX (256 * 1024 * 1024)
#define ARRAY_OPEN SIZE_MAX
// Of an array's header: dimensions, whether it has nulls, element type, then length and lower bound.
enum { AT_DIMENSIONS = 0, AT_NULLS = 4, AT_TYPE = 8, AT_LENGTH = 12, AT_BOUND = 16, HEADER = 20, HEADER_EMPTY = 12 };

static const uint32_t type_oid[] = {
    [DB_I64] = OID_INT8,   [DB_I32] = OID_INT4,    [DB_I16] = OID_INT2,
    [DB_BOOL] = OID_BOOL,  [DB_UUID] = OID_UUID,   [DB_TEXT] = OID_TEXT,
    [DB_JSON] = OID_JSON,  [DB_BYTES] = OID_BYTEA, [DB_TIME] = OID_TIMESTAMPTZ,
    [DB_TID] = OID_TID,
};

// ---- bytes

static void put_be(char *at, uint64_t v, size_t size) {
  for (size_t i = 0; i < size; i++) at[i] = (char)(unsigned char)(v >> (8 * (size - 1 - i)));
}

static uint32_t get_u32(const char *at) {
  uint32_t v = 0;
  for (int i = 0; i < 4; i++) v = v << 8 | (unsigned char)at[i];
  return v;
}

static void add_be(struct db_params *p, uint64_t v, size_t size) {
  char bytes[8];
  put_be(bytes, v, size);
  buf_add(&p->bytes, bytes, size);
}

static uint64_t time_bits(int64_t wall_us) {
  if (wall_us == INT64_MAX) return (uint64_t)INT64_MAX; // infinity on both sides
  ASSERT(wall_us >= INT64_MIN + DB_EPOCH_US);
  return (uint64_t)(wall_us - DB_EPOCH_US);
}

// ---- one value

void db_params_init(struct db_params *p) {
  *p = (struct db_params){0};
  buf_init(&p->bytes, PARAMS_BYTES_MAX);
}

void db_params_clear(struct db_params *p) {
  buf_clear(&p->bytes);
  p->count = 0;
  memset(p->at, 0, sizeof p->at);
}

void db_params_finish(struct db_params *p) {
  buf_finish(&p->bytes);
  p->count = 0;
}

static void param_open(struct db_params *p) {
  ASSERT(p->count < DB_PARAMS_MAX && p->at[p->count].len != ARRAY_OPEN);
  p->at[p->count].at = p->bytes.len;
  p->at[p->count].null = false;
}

static void param_close(struct db_params *p) {
  p->at[p->count].len = p->bytes.len - p->at[p->count].at;
  p->count++;
}

static void param_be(struct db_params *p, uint64_t v, size_t size) {
  param_open(p);
  add_be(p, v, size);
  param_close(p);
}

static void param_bytes(struct db_params *p, struct str v) {
  param_open(p);
  buf_add_str(&p->bytes, v);
  param_close(p);
}

void db_param_null(struct db_params *p) {
  param_open(p);
  p->at[p->count].null = true;
  param_close(p);
}

void db_param_i64(struct db_params *p, int64_t v) {
  param_be(p, (uint64_t)v, 8);
}

void db_param_i32(struct db_params *p, int32_t v) {
  param_be(p, (uint32_t)v, 4);
}

void db_param_i16(struct db_params *p, int16_t v) {
  param_be(p, (uint16_t)v, 2);
}

void db_param_bool(struct db_params *p, bool v) {
  param_be(p, v, 1);
}

void db_param_uuid(struct db_params *p, struct uuid v) {
  param_bytes(p, (struct str){(const char *)v.b, sizeof v.b});
}

void db_param_uuid_or_null(struct db_params *p, struct uuid v) {
  if (uuid_is_nil(v))
    db_param_null(p);
  else
    db_param_uuid(p, v);
}

void db_param_text(struct db_params *p, struct str v) {
  param_bytes(p, v);
}

void db_param_text_or_null(struct db_params *p, struct str v) {
  if (v.ptr)
    param_bytes(p, v);
  else
    db_param_null(p);
}

void db_param_json(struct db_params *p, struct str v) {
  param_open(p);
  buf_putc(&p->bytes, DB_JSONB_VERSION);
  buf_add_str(&p->bytes, v);
  param_close(p);
}

void db_param_bytes(struct db_params *p, struct str v) {
  param_bytes(p, v);
}

void db_param_time(struct db_params *p, int64_t wall_us) {
  param_be(p, time_bits(wall_us), 8);
}

void db_param_time_or_null(struct db_params *p, int64_t wall_us) {
  if (wall_us <= 0)
    db_param_null(p);
  else
    db_param_time(p, wall_us);
}

// ---- arrays

void db_array_begin(struct db_params *p, enum db_type type) {
  param_open(p);
  p->at[p->count].len = ARRAY_OPEN;
  char header[HEADER] = {0};
  put_be(header + AT_DIMENSIONS, 1, 4);
  put_be(header + AT_TYPE, type_oid[type], 4);
  put_be(header + AT_BOUND, 1, 4);
  buf_add(&p->bytes, header, sizeof header);
}

static char *array_header(struct db_params *p) {
  ASSERT(p->count < DB_PARAMS_MAX && p->at[p->count].len == ARRAY_OPEN);
  return p->bytes.full ? NULL : p->bytes.data + p->at[p->count].at;
}

// Counts one more element and adds its length; len < 0 is a null.
static void element_open(struct db_params *p, int64_t len) {
  char *header = array_header(p);
  if (!header) return;
  ASSERT(len <= INT32_MAX);
  put_be(header + AT_LENGTH, get_u32(header + AT_LENGTH) + UINT32_C(1), 4);
  if (len < 0) put_be(header + AT_NULLS, 1, 4);
  add_be(p, (uint64_t)len, 4);
}

static void check_type(struct db_params *p, enum db_type type) {
  const char *header = array_header(p);
  ASSERT(!header || get_u32(header + AT_TYPE) == type_oid[type]);
}

static void element_be(struct db_params *p, enum db_type type, uint64_t v, size_t size) {
  check_type(p, type);
  element_open(p, (int64_t)size);
  add_be(p, v, size);
}

static void element_bytes(struct db_params *p, enum db_type type, struct str v) {
  check_type(p, type);
  element_open(p, (int64_t)v.len);
  buf_add_str(&p->bytes, v);
}

void db_array_i64(struct db_params *p, int64_t v) {
  element_be(p, DB_I64, (uint64_t)v, 8);
}

void db_array_i32(struct db_params *p, int32_t v) {
  element_be(p, DB_I32, (uint32_t)v, 4);
}

void db_array_i16(struct db_params *p, int16_t v) {
  element_be(p, DB_I16, (uint16_t)v, 2);
}

void db_array_bool(struct db_params *p, bool v) {
  element_be(p, DB_BOOL, v, 1);
}

void db_array_uuid(struct db_params *p, struct uuid v) {
  element_bytes(p, DB_UUID, (struct str){(const char *)v.b, sizeof v.b});
}

void db_array_text(struct db_params *p, struct str v) {
  element_bytes(p, DB_TEXT, v);
}

void db_array_json(struct db_params *p, struct str v) {
  element_bytes(p, DB_JSON, v);
}

void db_array_bytes(struct db_params *p, struct str v) {
  element_bytes(p, DB_BYTES, v);
}

void db_array_time(struct db_params *p, int64_t wall_us) {
  element_be(p, DB_TIME, time_bits(wall_us), 8);
}

void db_array_tid(struct db_params *p, const unsigned char tid[DB_TID_BYTES]) {
  element_bytes(p, DB_TID, (struct str){(const char *)tid, DB_TID_BYTES});
}

void db_array_null(struct db_params *p) {
  element_open(p, -1);
}

// An empty array has no dimensions at all.
void db_array_end(struct db_params *p) {
  char *header = array_header(p);
  if (header && get_u32(header + AT_LENGTH) == 0) {
    put_be(header + AT_DIMENSIONS, 0, 4);
    p->bytes.len = p->at[p->count].at + HEADER_EMPTY;
  }
  param_close(p);
}
