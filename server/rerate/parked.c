// Calls that were used and had no price: rated as soon as the book has one. Rounds over all of them, in pieces, whenever the book
// has moved; what is saved is only how far the round is, since a call that was rated is not waiting any more.
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/db.h"
#include "price/holder.h"
#include "rerate/rerate.h"
#include "rerate/run.h"

#define ARENA_MAX ((size_t)256 << 20)
#define TURN_US 1000000
#define EVIDENCE STR("{\"ending\":\"rated when its price had come\"}")

struct parked {
  struct uuid lease;
  int64_t version; // of the book that this round goes by, at least
  struct piece_place place;
  int64_t now; // the database's clock, which prices begin by: what this instance knows of it may be behind
};

// 0, 1: there is nothing to do, or FAULT_DB.
static int claim(struct db *db, int64_t lease_us, struct parked *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  *ret = (struct parked){.lease = uuid_local(clock_wall_us())};
  db_params_init(&p);
  db_param_uuid(&p, ret->lease);
  db_param_i64(&p, lease_us);
  if (db_run(db, STATEMENT_PARKED_CLAIM, &p, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return 1;
  ret->version = db_i64(r, 0, 0);
  ret->place = (struct piece_place){.customer = db_uuid(r, 0, 1), .call = db_uuid(r, 0, 2)};
  ret->now = db_i64(r, 0, 3);
  return 0;
}

// 0, RUN_LOST, or FAULT_DB.
static int save(struct db *db, const struct parked *of, int64_t lease_us, int rated, bool ends) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, of->lease);
  db_param_uuid(&p, of->place.customer);
  db_param_uuid(&p, of->place.call);
  db_param_i64(&p, lease_us);
  db_param_i64(&p, rated);
  db_param_bool(&p, ends);
  if (db_run(db, STATEMENT_PARKED_SAVE, &p, &r) != 0) return FAULT_DB;
  return db_affected(r) == 1 ? 0 : RUN_LOST;
}

// How many were rated, or a fault. One whose usage cannot be read waits on and holds up no other.
static int rate(const struct rerate_tools *tools, const struct again *again, struct arena *arena, const struct piece *piece) {
  struct ledger_op *ops = arena_alloc(arena, (piece->count + 1) * sizeof *ops);
  size_t count = 0;
  for (size_t i = 0; i < piece->count; i++) {
    struct again_result to;
    if (again_price(again, arena, &piece->calls[i], &to) == AGAIN_DIFFERS) rerate_op_fill(&ops[count++], arena, &piece->calls[i], &to, EVIDENCE);
  }
  return count ? ledger_run_all(tools->ledger, ops, count) : 0;
}

// 0, 1 where it was the last one, RUN_LOST, or a fault.
static int piece_run(struct db *db, const struct rerate_tools *tools, const struct book *book, struct parked *of, int *rated) {
  CLEANUP(arena_finish) struct arena arena;
  struct piece piece;
  struct piece_range range = {.unrated = true};
  struct again again = {.book = book, .plugins = tools->plugins, .now = of->now, .unrated = true};
  memset(range.last.b, 0xFF, sizeof range.last.b);
  memset(range.until.b, 0xFF, sizeof range.until.b);
  arena_init(&arena, ARENA_MAX);
  int r = piece_read(db, &arena, &range, of->place, &piece);
  int done = r == 0 ? rate(tools, &again, &arena, &piece) : r;
  if (done < 0) return done;
  *rated += done;
  of->place = piece.next;
  r = save(db, of, piece.last ? 0 : ledger_lease_us(tools->ledger), done, piece.last);
  return r != 0 ? r : piece.last ? 1 : 0;
}

static int round_run(struct db *db, const struct rerate_tools *tools, const struct book *book, struct parked *of) {
  int64_t until = clock_mono_us() + TURN_US;
  int r = 0, rated = 0;
  if (book_version_of(book) < of->version) return save(db, of, 0, 0, false) < 0 ? FAULT_DB : 0; // it will be read soon
  do r = piece_run(db, tools, book, of, &rated);
  while (r == 0 && clock_mono_us() < until);
  if (r == 0) r = save(db, of, 0, 0, false);
  if (rated > 0) log_info("rerate.parked", "%d calls that had waited for a price were rated", rated);
  return r < 0 ? r : rated;
}

int parked_run(struct db *db, const struct rerate_tools *tools) {
  struct parked of;
  struct book *book = book_take(tools->books);
  int r = book && ledger_up(tools->ledger) ? claim(db, ledger_lease_us(tools->ledger), &of) : 1;
  if (r == 0) r = round_run(db, tools, book, &of);
  else if (r == 1) r = 0;
  book_unref(book);
  return r;
}
