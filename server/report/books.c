// See books.h. The walk gathers what moved as cells: customer, grant, day, kind. A customer of which all transfers have been
// read is closed: its grants are read, after all that names them, each one's days are folded in their order, and what they
// come to is added to the rows. What is held in memory is one piece and the customer that it ends in.
#include "report/books.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/db.h"
#include "report/books_rows.h"
#include <stdlib.h>

#define DAYS_MAX 400
#define CELLS_MAX (4 << 20)
#define PIECE_LEAST 500
#define PIECE_MOST 50000
#define PIECE_US 500000       // how long one is read: well below what a snapshot may take
#define WALK_US (110 * INT64_C(1000000))
#define RECENT_US (10 * INT64_C(1000000)) // longer than any transaction of the ledger lives
#define SOURCE_PROMOTION 2

struct key {
  struct uuid customer;
  int32_t writer;
  int64_t seq;
  int16_t ordinal;
};
static const struct key last_key = {{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
                                    INT32_MAX, INT64_MAX, INT16_MAX};

struct cell {
  struct uuid customer, grant;
  int32_t day;
  int kind;
  amount moved;
};
struct walk {
  struct db *db;
  const struct books *books;
  int64_t before; // microseconds: transfers of before then
  size_t piece;
  bool fixed;     // the piece is the caller's
  int64_t ends_at; // monotonic
  vec(struct cell) cells;
  struct books_grant grant;
  struct books_rows *rows;
};

// ---- statements

static void param_key(struct db_params *p, const struct key *k) {
  db_param_uuid(p, k->customer);
  db_param_i32(p, k->writer);
  db_param_i64(p, k->seq);
  db_param_i16(p, k->ordinal);
}

// The end of the piece behind `after`; the last key where there are no more than that.
static int reach(struct walk *w, const struct key *after, struct key *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  param_key(&p, after);
  db_param_i64(&p, (int64_t)w->piece - 1);
  if (db_run(w->db, STATEMENT_BOOKS_REACH, &p, &r) != 0) return FAULT_DB;
  *ret = last_key;
  if (db_rows(r) == 1)
    *ret = (struct key){db_uuid(r, 0, 0), (int32_t)db_i64(r, 0, 1), db_i64(r, 0, 2), (int16_t)db_i64(r, 0, 3)};
  return 0;
}

static int cells_read(struct walk *w, const struct key *after, const struct key *until) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  param_key(&p, after);
  param_key(&p, until);
  db_param_text(&p, w->books->time_zone);
  db_param_time(&p, w->before);
  if (db_run(w->db, STATEMENT_BOOKS_PIECE, &p, &r) != 0) return FAULT_DB;
  if (w->cells.count + db_rows(r) > CELLS_MAX) return BOOKS_TOO_MANY;
  for (size_t i = 0; i < db_rows(r); i++)
    *vec_add(&w->cells) = (struct cell){.customer = db_uuid(r, i, 0),
                                        .grant = db_uuid(r, i, 1),
                                        .day = (int32_t)db_i64(r, i, 2),
                                        .kind = (int)db_i64(r, i, 3),
                                        .moved = db_i64(r, i, 4)};
  return 0;
}

// ---- cells

static int cell_cmp(const void *a, const void *b) {
  const struct cell *x = a, *y = b;
  int order = uuid_cmp(x->customer, y->customer);
  if (order == 0) order = uuid_cmp(x->grant, y->grant);
  if (order == 0) order = (x->day > y->day) - (x->day < y->day);
  return order ? order : x->kind - y->kind;
}

// In their order, those of the same name as one.
static int cells_merge(struct walk *w) {
  size_t kept = 0;
  if (w->cells.count > 1) qsort(w->cells.at, w->cells.count, sizeof *w->cells.at, cell_cmp);
  for (size_t i = 0; i < w->cells.count; i++) {
    struct cell *last = kept ? &w->cells.at[kept - 1] : NULL, *c = &w->cells.at[i];
    if (c->kind < 1 || c->kind >= BOOKS_KINDS) return FAULT_CORRUPT;
    if (!last || cell_cmp(last, c) != 0)
      w->cells.at[kept++] = *c;
    else if (!amount_add(last->moved, c->moved, &last->moved))
      return FAULT_CORRUPT;
  }
  w->cells.count = kept;
  return 0;
}

// What moved on the day that cell *at is of; *at becomes the first of another day or grant.
static void day_gather(const struct walk *w, size_t *at, amount ret_moved[BOOKS_KINDS]) {
  struct cell first = w->cells.at[*at];
  memset(ret_moved, 0, BOOKS_KINDS * sizeof *ret_moved);
  for (; *at < w->cells.count; ++*at) {
    const struct cell *c = &w->cells.at[*at];
    if (!uuid_eq(c->grant, first.grant) || !uuid_eq(c->customer, first.customer) || c->day != first.day) return;
    ret_moved[c->kind] = c->moved;
  }
}

// ---- closing customers

static enum books_class class_of(int source, bool paid) {
  return paid ? BOOKS_PAID : source == SOURCE_PROMOTION ? BOOKS_PROMOTIONAL : BOOKS_UNPAID;
}

static bool was_given(const struct walk *w, size_t at, struct uuid customer, struct uuid grant) {
  for (; at < w->cells.count && uuid_eq(w->cells.at[at].grant, grant) && uuid_eq(w->cells.at[at].customer, customer); at++)
    if (w->cells.at[at].kind == TRANSFER_GRANT) return true;
  return false;
}

static int grant_day(struct walk *w, struct books_rows *rows, size_t key, int32_t day, const amount moved[BOOKS_KINDS]) {
  struct books_delta d;
  if (books_grant_day(&w->grant, moved, &d) != 0) return FAULT_CORRUPT;
  books_rows_add(rows, key, day, &d);
  return 0;
}

// Folds the days of the grant in row `row`; its cells begin at *at. A grant that no transfer gave stands for credits that
// came back: it begins on the day that it was made.
static int grant_close(struct walk *w, const struct db_result *r, size_t row, size_t *at) {
  struct uuid customer = db_uuid(r, row, 0), grant = db_uuid(r, row, 1);
  bool paid = !db_is_null(r, row, 5);
  size_t key = 0;
  if (!books_rows_key(w->rows, class_of((int)db_i64(r, row, 2), paid), db_text(r, row, 5), &key)) return BOOKS_TOO_MANY;
  books_grant_begin(&w->grant, db_i64(r, row, 3), db_i64(r, row, 4));
  int fault = 0;
  if (!was_given(w, *at, customer, grant))
    fault = grant_day(w, w->rows, key, (int32_t)db_i64(r, row, 6), (amount[BOOKS_KINDS]){db_i64(r, row, 3)});
  while (fault == 0 && *at < w->cells.count && uuid_eq(w->cells.at[*at].grant, grant) &&
         uuid_eq(w->cells.at[*at].customer, customer)) {
    amount moved[BOOKS_KINDS];
    int32_t day = w->cells.at[*at].day;
    day_gather(w, at, moved);
    fault = grant_day(w, w->rows, key, day, moved);
  }
  books_rows_close(w->rows, key, &w->grant);
  return fault;
}

// The legs of debt stand before those of grants: their grant is nil. What repays it stands at the grants that do.
static int debt_close(struct walk *w) {
  size_t key = 0;
  if (!books_rows_key(w->rows, BOOKS_DEBT, STR(""), &key)) return BOOKS_TOO_MANY;
  for (size_t i = 0; i < w->cells.count; i++) {
    const struct cell *c = &w->cells.at[i];
    struct books_delta d = {{0}, {0}};
    bool owed = uuid_is_nil(c->grant);
    if ((owed && c->kind == TRANSFER_CONSUME) || c->kind == TRANSFER_RECALL)
      d.credits[BOOKS_INCURRED] = c->moved;
    else if (c->kind == TRANSFER_REPAY)
      d.credits[BOOKS_REPAID] = c->moved;
    else if (owed && c->kind == TRANSFER_REVERSE)
      d.credits[BOOKS_RETURNED] = c->moved;
    else
      continue;
    books_rows_add(w->rows, key, c->day, &d);
  }
  return 0;
}

static int grants_close(struct walk *w, struct uuid first, struct uuid until) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  size_t at = 0;
  db_params_init(&p);
  db_param_uuid(&p, first);
  db_param_uuid(&p, until);
  db_param_text(&p, w->books->time_zone);
  db_param_time(&p, w->before);
  if (db_run(w->db, STATEMENT_BOOKS_GRANTS, &p, &r) != 0) return FAULT_DB;
  int fault = 0;
  for (size_t i = 0; fault == 0 && i < db_rows(r); i++) {
    while (at < w->cells.count && uuid_is_nil(w->cells.at[at].grant)) at++;
    fault = grant_close(w, r, i, &at);
  }
  while (at < w->cells.count && uuid_is_nil(w->cells.at[at].grant)) at++;
  return fault != 0 ? fault : at == w->cells.count ? 0 : FAULT_CORRUPT; // legs of a grant that there is not
}

// Closes the customers from `first` up to the one that the piece ends in, whose cells stay.
static int customers_close(struct walk *w, struct uuid first, struct uuid until) {
  size_t whole = 0, all = w->cells.count;
  int fault = cells_merge(w);
  if (fault != 0) return fault;
  all = w->cells.count;
  while (whole < all && uuid_cmp(w->cells.at[whole].customer, until) < 0) whole++;
  if (uuid_cmp(first, until) >= 0) return 0;
  w->cells.count = whole;
  fault = debt_close(w);
  if (fault == 0) fault = grants_close(w, first, until);
  w->cells.count = all - whole;
  if (w->cells.count) memmove(w->cells.at, w->cells.at + whole, w->cells.count * sizeof *w->cells.at);
  return fault;
}

// ---- the walk

static void piece_adapt(struct walk *w, int64_t took_us) {
  if (w->fixed) return;
  if (took_us > PIECE_US && w->piece > PIECE_LEAST) w->piece /= 2;
  if (took_us < PIECE_US / 4 && w->piece < PIECE_MOST) w->piece *= 2;
}

static int walk_all(struct walk *w) {
  struct key after = {.customer = UUID_NIL}, until = {.customer = UUID_NIL};
  struct uuid closed = UUID_NIL; // all customers below it are
  int fault = 0;
  while (fault == 0 && memcmp(&until.customer, &last_key.customer, sizeof until.customer) != 0) {
    int64_t began = clock_mono_us();
    if (began > w->ends_at) return BOOKS_TOO_LONG;
    fault = reach(w, &after, &until);
    if (fault == 0) fault = cells_read(w, &after, &until);
    if (fault == 0) fault = customers_close(w, closed, until.customer);
    piece_adapt(w, clock_mono_us() - began);
    closed = until.customer;
    after = until;
  }
  return fault;
}

static int bounds_read(struct db *db, struct arena *arena, const struct books_query *q, struct books *ret, int64_t *ret_before) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_text(&p, q->time_zone);
  db_param_text_or_null(&p, q->from);
  db_param_text_or_null(&p, q->until);
  if (db_run(db, STATEMENT_BOOKS_BOUNDS, &p, &r) != 0 || db_rows(r) != 1) return FAULT_DB;
  int64_t until = db_time(r, 0, 3), now = db_time(r, 0, 4);
  *ret = (struct books){.time_zone = arena_str(arena, q->time_zone),
                        .first = (int32_t)db_i64(r, 0, 0),
                        .last = (int32_t)db_i64(r, 0, 1),
                        .known = (int32_t)db_i64(r, 0, 2)};
  *ret_before = ret->as_of = until < now ? until : now;
  if (ret->first >= ret->last) return BOOKS_REVERSED;
  return ret->last - ret->first <= DAYS_MAX ? BOOKS_DONE : BOOKS_TOO_MANY;
}

static int walk_once(struct db *db, struct arena *arena, const struct books_query *q, int64_t before, struct books *ret) {
  struct walk w = {.db = db, .books = ret, .before = before, .piece = q->piece ? q->piece : PIECE_LEAST * 8, .fixed = q->piece > 0,
                   .ends_at = clock_mono_us() + WALK_US, .rows = books_rows_create(ret->first, ret->known)};
  int answer = walk_all(&w);
  if (answer == BOOKS_DONE) answer = books_rows_take(w.rows, arena, ret);
  books_grant_finish(&w.grant);
  books_rows_destroy(w.rows);
  vec_finish(&w.cells);
  return answer;
}

// A piece is read after another: of the transactions that were running, one may be seen in the later and another that came
// before it not in the earlier. Those of the last seconds are then left out.
int report_books(struct db *db, struct arena *arena, const struct books_query *q, struct books *ret) {
  int64_t before;
  int answer = bounds_read(db, arena, q, ret, &before);
  if (answer == BOOKS_DONE && ret->first >= ret->known) return BOOKS_DONE; // of days to come nothing is known
  if (answer == BOOKS_DONE) answer = walk_once(db, arena, q, before, ret);
  if (answer == FAULT_CORRUPT) answer = walk_once(db, arena, q, ret->as_of = before - RECENT_US, ret);
  if (answer == FAULT_DB && strcmp(db_sqlstate(db), "57014") == 0) return BOOKS_TOO_LONG;
  return answer;
}
