// See piece.h.
#include "rerate/piece.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/db.h"

enum {
  COL_CUSTOMER,
  COL_CALL,
  COL_KEY,
  COL_WRITERS,
  COL_SEQS,
  COL_STATES,
  COL_FLAGS,
  COL_PRICES,
  COL_CHARGES,
  COL_COSTS,
  COL_USAGES,
  COL_GENERATED,
  COL_MODEL,
};
#define COL_ROWS COL_WRITERS
#define ROW_COLUMNS (COL_USAGES - COL_WRITERS + 1)

static struct str *column_read(const struct db_result *r, size_t row, int column, struct arena *arena, size_t count) {
  struct str *at = arena_alloc(arena, (count + 1) * sizeof *at);
  ASSERT(db_array(r, row, column, at, count) == count);
  return at;
}

static void rows_read(const struct db_result *r, size_t row, struct arena *arena, struct piece_call *call) {
  struct str *at[ROW_COLUMNS];
  call->row_count = db_array(r, row, COL_WRITERS, NULL, 0);
  for (int i = 0; i < ROW_COLUMNS; i++) at[i] = column_read(r, row, COL_ROWS + i, arena, call->row_count);
  call->rows = arena_alloc(arena, (call->row_count + 1) * sizeof *call->rows);
  for (size_t i = 0; i < call->row_count; i++)
    call->rows[i] = (struct piece_row){
        .writer = (int32_t)db_element_i64(at[COL_WRITERS - COL_ROWS][i]),
        .seq = db_element_i64(at[COL_SEQS - COL_ROWS][i]),
        .state = (enum call_state)db_element_i64(at[COL_STATES - COL_ROWS][i]),
        .flags = (unsigned)db_element_i64(at[COL_FLAGS - COL_ROWS][i]),
        .price = db_element_uuid(at[COL_PRICES - COL_ROWS][i]),
        .charge = db_element_i64(at[COL_CHARGES - COL_ROWS][i]),
        .cost = db_element_i64(at[COL_COSTS - COL_ROWS][i]),
        .usage = arena_str(arena, at[COL_USAGES - COL_ROWS][i]),
    };
}

static void call_read(const struct db_result *r, size_t row, struct arena *arena, struct piece_call *ret) {
  *ret = (struct piece_call){.customer = db_uuid(r, row, COL_CUSTOMER), .id = db_uuid(r, row, COL_CALL), .key = db_uuid(r, row, COL_KEY)};
  if (uuid_is_nil(ret->id)) return;
  rows_read(r, row, arena, ret);
  if (!db_is_null(r, row, COL_GENERATED)) ret->generated = arena_str(arena, db_text(r, row, COL_GENERATED));
  if (!db_is_null(r, row, COL_MODEL)) ret->model = arena_str(arena, db_text(r, row, COL_MODEL));
}

// ---- where it goes on

#define WIDTH_LEAST 2 // the customer where the last piece ended, and one that is new
#define WIDTH_FIRST 16
#define WIDTH_MOST PIECE_CALLS

static size_t customers_count(const struct piece *piece) {
  size_t count = piece->count > 0;
  for (size_t i = 1; i < piece->count; i++) count += !uuid_eq(piece->calls[i].customer, piece->calls[i - 1].customer);
  return count;
}

// Each customer is read for as many calls as a piece has, so that a piece that was filled by a few of them looks at no more
// than those the next time.
static void place_next(const struct piece_range *range, size_t width, struct piece *piece) {
  bool full = piece->count == PIECE_CALLS;
  size_t seen = customers_count(piece), next = full ? 2 * seen : 4 * width;
  piece->last = !full && (range->unrated || seen < width);
  piece->next.width = next < WIDTH_LEAST ? WIDTH_LEAST : next > WIDTH_MOST ? WIDTH_MOST : next;
  if (piece->count == 0) return;
  const struct piece_call *behind = &piece->calls[piece->count - 1];
  piece->next.customer = behind->customer;
  piece->next.call = behind->id;
  if (!full || uuid_is_nil(behind->id)) memset(piece->next.call.b, 0xFF, sizeof piece->next.call.b); // nothing more of this one
}

int piece_read(struct db *db, struct arena *arena, const struct piece_range *range, struct piece_place after, struct piece *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  bool begun = uuid_cmp(after.customer, range->first) >= 0;
  struct piece_place from = begun ? after : (struct piece_place){.customer = range->first};
  size_t width = after.width ? after.width : WIDTH_FIRST;
  db_params_init(&p);
  db_param_uuid(&p, from.customer);
  db_param_uuid(&p, range->last);
  db_param_uuid(&p, range->from);
  db_param_uuid(&p, range->until);
  db_param_uuid(&p, from.call);
  db_param_i64(&p, PIECE_CALLS);
  if (!range->unrated) {
    db_param_uuid_or_null(&p, range->rerate);
    db_param_i64(&p, (int64_t)width);
  }
  if (db_run(db, range->unrated ? STATEMENT_RERATE_UNRATED : STATEMENT_RERATE_CALLS, &p, &r) != 0) return FAULT_DB;
  *ret = (struct piece){.count = db_rows(r), .next = from};
  ret->calls = arena_alloc(arena, (ret->count + 1) * sizeof *ret->calls);
  for (size_t i = 0; i < ret->count; i++) call_read(r, i, arena, &ret->calls[i]);
  place_next(range, width, ret);
  return 0;
}
