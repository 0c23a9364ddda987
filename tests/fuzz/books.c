// See books.h.
#include "books.h"
#include "db/pool.h"
#include "fuzz.h"
#include "ledger/check.h"
#include "meter/principal.h"

#define WRITTEN_MAX (4 * 1024 * 1024)
#define ONE_ID                                                                                                         \
  {                                                                                                                    \
    { 1, 0x9f, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1 }                                                        \
  }
static const struct uuid one_id = ONE_ID;

struct books books;

void books_clear(uint8_t mood, bool customer) {
  buf_finish(&books.written);
  books = (struct books){.mood = mood, .customer = customer};
  buf_init(&books.written, WRITTEN_MAX);
}

// ---- the database

struct db {
  int unused;
};
struct db_result {
  size_t rows;
};
static struct db db;

enum outcome { OUTCOME_ROW, OUTCOME_NOTHING, OUTCOME_CONFLICT, OUTCOME_FAULT };

static enum outcome outcome(void) {
  unsigned turn = books.statements++;
  if (books.mood == 0 || turn % 8 != books.mood % 8) return OUTCOME_ROW;
  return (enum outcome)(books.mood / 8 % 4);
}

int db_run(struct db *d, enum statement_id statement, const struct db_params *params, struct db_result **ret_result) {
  (void)d, (void)statement;
  FUZZ_CHECK(!params || !params->bytes.full, "parameters that do not fit");
  if (params) FUZZ_CHECK(buf_add(&books.written, params->bytes.data, params->bytes.len), "too much is written");
  enum outcome is = outcome();
  if (is == OUTCOME_FAULT) return FAULT_DB;
  if (is == OUTCOME_CONFLICT) return 1;
  if (!ret_result) return 0;
  struct db_result *r = malloc(sizeof *r);
  r->rows = is == OUTCOME_ROW;
  *ret_result = r;
  return 0;
}

int db_begin(struct db *d) {
  (void)d;
  FUZZ_CHECK(!books.open, "a transaction inside another");
  books.open = true;
  return outcome() == OUTCOME_FAULT ? FAULT_DB : 0;
}

int db_commit(struct db *d) {
  (void)d;
  FUZZ_CHECK(books.open, "nothing to commit");
  books.open = false;
  enum outcome is = outcome();
  return is == OUTCOME_FAULT ? FAULT_DB : is == OUTCOME_CONFLICT ? FAULT_DB_UNKNOWN : 0;
}

void db_rollback(struct db *d) {
  (void)d;
  books.rolled_back = books.rolled_back || books.open;
  books.open = false;
}

const char *db_error(const struct db *d) {
  (void)d;
  return "the database of a test";
}

const char *db_sqlstate(const struct db *d) {
  (void)d;
  return "23505";
}

bool db_is_transient(const struct db *d) {
  (void)d;
  return false;
}

int db_submit(struct db_pool *pool, void (*fn)(struct db *, void *), void *arg) {
  (void)pool;
  if (books.mood == 255) return FAULT_FULL;
  fn(books.mood == 254 ? NULL : &db, arg);
  return 0;
}

// ---- its rows: every number is 1, every text an empty object or what is kept with a hold, and of four truths two are, as the mood
// will

size_t db_rows(const struct db_result *r) {
  return r->rows;
}

size_t db_affected(const struct db_result *r) {
  return r->rows;
}

bool db_is_null(const struct db_result *r, size_t row, int column) {
  FUZZ_CHECK(row < r->rows && column >= 0, "row %zu of %zu", row, r->rows);
  return false;
}

int64_t db_i64(const struct db_result *r, size_t row, int column) {
  return db_is_null(r, row, column) ? 0 : 1;
}

bool db_bool(const struct db_result *r, size_t row, int column) {
  return !db_is_null(r, row, column) && ((column & 2) != 0) == ((books.mood & 32) != 0);
}

struct uuid db_uuid(const struct db_result *r, size_t row, int column) {
  return db_is_null(r, row, column) ? UUID_NIL : one_id;
}

struct str db_text(const struct db_result *r, size_t row, int column) {
  if (db_is_null(r, row, column)) return STR("");
  return books.mood & 64 ? STR("{\"explicit\":true,\"model\":\"gpt-4o-mini\",\"metadata\":{\"a\":\"b\"}}") : STR("{}"); // what is kept with a hold
}

int64_t db_time(const struct db_result *r, size_t row, int column) {
  return db_is_null(r, row, column) ? 0 : INT64_C(1700000000000000);
}

size_t db_array(const struct db_result *r, size_t row, int column, struct str *ret_elements, size_t max) {
  (void)ret_elements, (void)max;
  return db_is_null(r, row, column);
}

int64_t db_element_i64(struct str element) {
  return (int64_t)element.len;
}

struct uuid db_element_uuid(struct str element) {
  return element.len ? one_id : UUID_NIL;
}

void db_result_finish(struct db_result *r) {
  free(r);
}

// ---- the ledger

int64_t ledger_now(const struct ledger *l) {
  (void)l;
  return INT64_C(1800000000000000); // 2027-01-15
}

int ledger_run(struct ledger *l, struct ledger_op *op) {
  static const int answers[] = {LEDGER_DONE,    LEDGER_DUPLICATE, LEDGER_REUSED, LEDGER_UNKNOWN,
                                LEDGER_REFUSED, FAULT_DB,         FAULT_FULL,    FAULT_CLOSED};
  // Of what takes credits.
  static const int refusals[] = {LEDGER_SHORT, LEDGER_LIMITED, LEDGER_STALE, LEDGER_GONE, LEDGER_CROWDED};
  bool takes = op->kind == LEDGER_ADMIT || op->kind == LEDGER_EXTEND;
  (void)l;
  op->existing = one_id;
  op->limit_measure = 1 + (books.mood & 1);
  op->limit_period = 1 + books.mood / 4 % 4;
  op->seen.about = books.mood & 64 ? STR("{\"explicit\":true}") : STR("{}");
  op->result = takes && books.mood & 8 ? refusals[books.mood % 5] : books.mood ? answers[books.mood % 8] : LEDGER_DONE;
  books.given = *op;
  return op->result;
}

int ledger_submit(struct ledger *l, struct ledger_op *op) {
  if (books.mood % 8 == 7) return FAULT_FULL;
  (void)ledger_run(l, op);
  op->charged = op->result == LEDGER_DONE ? op->charge : 0;
  op->done(op);
  return 0;
}

struct uuid ledger_call_id_at(int64_t at, struct uuid customer) {
  struct uuid id = uuid_floor(at);
  memcpy(id.b + 12, customer.b + 12, 4);
  return id;
}

struct uuid ledger_call_id(const struct ledger *l, struct uuid customer) {
  return ledger_call_id_at(ledger_now(l), customer);
}

int ledger_check(struct db *d, struct ledger_op *op) {
  (void)d;
  return ledger_run(NULL, op);
}

// ---- who asks

// Customers are found at once, operators are asked for.
enum principal_answer principal_find(struct principals *p, struct str key_text, bool fresh, struct principal **ret) {
  (void)fresh;
  return books.customer ? (enum principal_answer)principal_load(p, NULL, key_text, ret) : PRINCIPAL_ASK;
}

enum principal_answer principal_find_reporter(struct principals *p, struct str key_text, struct principal **ret, bool *ret_ageing) {
  *ret_ageing = books.mood & 64;
  return books.mood & 16 ? PRINCIPAL_ASK : (enum principal_answer)principal_load(p, NULL, key_text, ret);
}

int principal_load(struct principals *p, struct db *d, struct str key_text, struct principal **ret) {
  (void)p, (void)d;
  if (!str_starts(key_text, STR("tlg"))) return PRINCIPAL_UNKNOWN;
  struct principal *found = calloc(1, sizeof *found);
  *found = (struct principal){.key_id = one_id, .is_operator = !books.customer, .usable = true, .config_version = 1};
  if (books.customer) found->customer_id = one_id;
  *ret = found;
  return PRINCIPAL_FOUND;
}

enum principal_answer principal_find_customer(struct principals *p, struct uuid customer, struct principal **ret) {
  return books.mood & 16 ? PRINCIPAL_ASK : (enum principal_answer)principal_load_customer(p, NULL, customer, ret);
}

int principal_load_customer(struct principals *p, struct db *d, struct uuid customer, struct principal **ret) {
  (void)p, (void)d;
  struct principal *found = calloc(1, sizeof *found);
  *found = (struct principal){.customer_id = customer, .usable = true, .suspended = books.mood & 128, .config_version = 1};
  *ret = found;
  return PRINCIPAL_FOUND;
}

// Each reference is one of its own.
struct principal *principal_ref(struct principal *p) {
  struct principal *another = malloc(sizeof *another);
  memcpy(another, p, sizeof *another);
  return another;
}

void principal_unref(struct principal *p) {
  free(p);
}
