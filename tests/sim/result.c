// Rows: cells in one array, each knows what it is. Texts are the store's and live as long as the world.
#include "base/log.h"
#include "sql.h"

struct cell {
  enum { CELL_NULL, CELL_NUMBER, CELL_UUID, CELL_TEXT, CELL_ARRAY } kind;
  union {
    int64_t number;
    struct uuid uuid;
    struct str text;
    struct {
      struct str *at;
      size_t count;
    } array;
  };
};
struct db_result {
  size_t columns, affected;
  vec(struct cell) cells;
};

struct db_result *result_create(size_t columns) {
  struct db_result *r = mem_alloc(sizeof *r);
  r->columns = columns;
  return r;
}

static struct cell *add(struct db_result *r, int kind) {
  struct cell *c = vec_add(&r->cells);
  c->kind = (__typeof__(c->kind))kind;
  return c;
}

void result_null(struct db_result *r) {
  (void)add(r, CELL_NULL);
}

void result_i64(struct db_result *r, int64_t v) {
  add(r, CELL_NUMBER)->number = v;
}

void result_uuid(struct db_result *r, struct uuid v) {
  add(r, CELL_UUID)->uuid = v;
}

void result_text(struct db_result *r, struct str v) {
  add(r, CELL_TEXT)->text = v;
}

void result_array(struct db_result *r, const struct str *elements, size_t count) {
  struct cell *c = add(r, CELL_ARRAY);
  c->array.at = mem_dup(elements, count * sizeof *elements);
  c->array.count = count;
}

void result_affected(struct db_result *r, size_t count) {
  r->affected = count;
}

void db_result_finish(struct db_result *r) {
  if (!r) return;
  for (size_t i = 0; i < r->cells.count; i++) {
    struct cell *c = &r->cells.at[i];
    if (c->kind == CELL_ARRAY) mem_free(c->array.at);
  }
  vec_finish(&r->cells);
  mem_free(r);
}

size_t db_rows(const struct db_result *r) {
  return r->cells.count / r->columns;
}

static const struct cell *cell(const struct db_result *r, size_t row, int column) {
  ASSERT(row < db_rows(r) && (size_t)column < r->columns && r->cells.count % r->columns == 0);
  return &r->cells.at[row * r->columns + (size_t)column];
}

bool db_is_null(const struct db_result *r, size_t row, int column) {
  return cell(r, row, column)->kind == CELL_NULL;
}

int64_t db_i64(const struct db_result *r, size_t row, int column) {
  const struct cell *c = cell(r, row, column);
  ASSERT(c->kind == CELL_NUMBER || c->kind == CELL_NULL);
  return c->kind == CELL_NUMBER ? c->number : 0;
}

bool db_bool(const struct db_result *r, size_t row, int column) {
  return db_i64(r, row, column) != 0;
}

int64_t db_time(const struct db_result *r, size_t row, int column) {
  return db_i64(r, row, column);
}

struct uuid db_uuid(const struct db_result *r, size_t row, int column) {
  const struct cell *c = cell(r, row, column);
  ASSERT(c->kind == CELL_UUID || c->kind == CELL_NULL);
  return c->kind == CELL_UUID ? c->uuid : UUID_NIL;
}

struct str db_text(const struct db_result *r, size_t row, int column) {
  const struct cell *c = cell(r, row, column);
  ASSERT(c->kind == CELL_TEXT || c->kind == CELL_NULL);
  return c->kind == CELL_TEXT ? c->text : (struct str){0};
}

// Rows lie nowhere here: they are found by their ids.
void db_tid(const struct db_result *r, size_t row, int column, unsigned char ret[DB_TID_BYTES]) {
  (void)r, (void)row, (void)column;
  memset(ret, 0, DB_TID_BYTES);
}

size_t db_array(const struct db_result *r, size_t row, int column, struct str *ret_elements, size_t max) {
  const struct cell *c = cell(r, row, column);
  if (c->kind == CELL_NULL) return 0;
  ASSERT(c->kind == CELL_ARRAY);
  for (size_t i = 0; i < c->array.count && i < max; i++) ret_elements[i] = c->array.at[i];
  return c->array.count;
}

int64_t db_element_i64(struct str element) {
  uint64_t v = 0;
  ASSERT(element.len == 8);
  for (size_t i = 0; i < 8; i++) v = v << 8 | (unsigned char)element.ptr[i];
  return (int64_t)v;
}

struct uuid db_element_uuid(struct str element) {
  struct uuid id;
  ASSERT(element.len == sizeof id.b);
  memcpy(id.b, element.ptr, sizeof id.b);
  return id;
}

size_t db_affected(const struct db_result *r) {
  return r->affected;
}
