// Jobs brought on, piece by piece. A piece is done under a lease of the job's row and saved with the place where the next one
// begins, in one commit, only where the lease still stands: what an instance did not come to save is done again by another.
// Posting bears that, for the ledger is told what is to stand.
#include "rerate/run.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/db.h"
#include "json/write.h"
#include "ledger/ledger.h"
#include "price/holder.h"
#include "rerate/again.h"
#include "rerate/rerate.h"

#define ARENA_MAX ((size_t)256 << 20)
#define TURN_US 1000000 // how long one run goes on
#define EVIDENCE_MAX 4096

// What a piece brings to one customer, or to all.
struct gain {
  struct uuid customer;
  struct rerate_sums sums;
};
struct job {
  struct rerate of;
  struct uuid lease;
  struct piece_place place;
  struct again_pins pins;
  // of the piece under way
  struct gain all, *gains;
  size_t gain_count;
  int64_t seen, unpriced;
};

// ---- taking one

static void pins_read(const struct db_result *r, struct arena *arena, struct again_pins *ret) {
  ret->writer_count = db_array(r, 0, 0, NULL, 0);
  ret->price_count = db_array(r, 0, 2, NULL, 0);
  size_t most = ret->writer_count > ret->price_count ? ret->writer_count : ret->price_count;
  struct str *one = arena_alloc(arena, (most + 1) * sizeof *one), *other = arena_alloc(arena, (most + 1) * sizeof *other);
  ret->writers = arena_alloc(arena, (ret->writer_count + 1) * sizeof *ret->writers);
  ret->prices = arena_alloc(arena, (ret->price_count + 1) * sizeof *ret->prices);
  (void)db_array(r, 0, 0, one, most);
  (void)db_array(r, 0, 1, other, most);
  for (size_t i = 0; i < ret->writer_count; i++) {
    ret->writers[i].writer = (int32_t)db_element_i64(one[i]);
    ret->writers[i].seq = db_element_i64(other[i]);
  }
  (void)db_array(r, 0, 2, one, most);
  (void)db_array(r, 0, 3, other, most);
  for (size_t i = 0; i < ret->price_count; i++) {
    ret->prices[i].price = db_element_uuid(one[i]);
    ret->prices[i].ends = db_element_i64(other[i]);
  }
}

static int pins_load(struct db *db, struct arena *arena, struct uuid id, struct again_pins *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, id);
  if (db_run(db, STATEMENT_RERATE_PINS, &p, &r) != 0 || db_rows(r) != 1) return FAULT_DB;
  pins_read(r, arena, ret);
  return 0;
}

// 0, 1: there is nothing to do, or FAULT_DB.
static int job_claim(struct db *db, struct arena *arena, int64_t lease_us, struct job *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  *ret = (struct job){.lease = uuid_local(clock_wall_us())};
  db_params_init(&p);
  db_param_uuid(&p, ret->lease);
  db_param_i64(&p, lease_us);
  if (db_run(db, STATEMENT_RERATE_CLAIM, &p, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return 1;
  ret->place = (struct piece_place){.customer = db_uuid(r, 0, 1), .call = db_uuid(r, 0, 2)};
  if (rerate_read(db, arena, db_uuid(r, 0, 0), &ret->of) != 0) return FAULT_DB;
  return pins_load(db, arena, ret->of.id, &ret->pins);
}

// ---- counting

static struct gain *gain_of(struct job *job, struct uuid customer) {
  struct gain *last = job->gain_count ? &job->gains[job->gain_count - 1] : NULL;
  if (last && uuid_eq(last->customer, customer)) return last;
  job->gains[job->gain_count] = (struct gain){.customer = customer};
  return &job->gains[job->gain_count++];
}

static bool found_add(struct rerate_sums *s, const struct again_result *r) {
  s->calls++;
  return !__builtin_add_overflow(s->charge_before, r->charge_before, &s->charge_before) &&
         !__builtin_add_overflow(s->charge_after, r->charge, &s->charge_after) &&
         !__builtin_add_overflow(s->cost_before, r->cost_before, &s->cost_before) &&
         !__builtin_add_overflow(s->cost_after, r->cost, &s->cost_after);
}

static bool posted_add(struct rerate_sums *s, const struct again_result *r, bool posted) {
  s->posted += posted;
  s->skipped += !posted;
  return !posted || !__builtin_add_overflow(s->posted_difference, r->charge - r->charge_before, &s->posted_difference);
}

// ---- saving

static void gains_fill(struct db_params *p, const struct job *job, int64_t (*of)(const struct rerate_sums *s)) {
  db_array_begin(p, DB_I64);
  for (size_t i = 0; i < job->gain_count; i++) db_array_i64(p, of(&job->gains[i].sums));
  db_array_end(p);
}
#define SUM(member) \
  static int64_t sum_##member(const struct rerate_sums *s) { return s->member; }
SUM(calls)
SUM(charge_before)
SUM(charge_after)
SUM(cost_before)
SUM(cost_after)
SUM(posted)
SUM(skipped)
SUM(posted_difference)

// *ret_fresh: how many of them were not there before.
static int gains_save(struct db *db, const struct job *job, int64_t *ret_fresh) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  bool posting = job->of.state == RERATE_POSTING;
  *ret_fresh = 0;
  db_params_init(&p);
  if (job->gain_count == 0) return 0;
  db_param_uuid(&p, job->of.id);
  db_array_begin(&p, DB_UUID);
  for (size_t i = 0; i < job->gain_count; i++) db_array_uuid(&p, job->gains[i].customer);
  db_array_end(&p);
  int64_t (*const found[])(const struct rerate_sums *) = {sum_calls, sum_charge_before, sum_charge_after, sum_cost_before, sum_cost_after};
  int64_t (*const done[])(const struct rerate_sums *) = {sum_posted, sum_skipped, sum_posted_difference};
  for (size_t i = 0; i < ARRAY_LEN(found) && !posting; i++) gains_fill(&p, job, found[i]);
  for (size_t i = 0; i < ARRAY_LEN(done) && posting; i++) gains_fill(&p, job, done[i]);
  int fault = db_run(db, posting ? STATEMENT_RERATE_CUSTOMERS_POST : STATEMENT_RERATE_CUSTOMERS_ADD, &p, &r);
  if (fault != 0) return fault;
  for (size_t i = 0; i < db_rows(r) && !posting; i++) *ret_fresh += db_bool(r, i, 0);
  return 0;
}

static int row_save(struct db *db, const struct job *job, int64_t lease_us, int64_t customers, bool ends) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  const struct rerate_sums *s = &job->all.sums;
  const int64_t counts[] = {job->seen,       job->unpriced,   customers,   s->calls,   s->charge_before, s->charge_after,
                            s->cost_before, s->cost_after, s->posted, s->skipped, s->posted_difference};
  db_params_init(&p);
  db_param_uuid(&p, job->of.id);
  db_param_uuid(&p, job->lease);
  db_param_uuid(&p, job->place.customer);
  db_param_uuid(&p, job->place.call);
  db_param_i64(&p, lease_us);
  for (size_t i = 0; i < ARRAY_LEN(counts); i++) db_param_i64(&p, counts[i]);
  db_param_bool(&p, ends);
  int fault = db_run(db, STATEMENT_RERATE_SAVE, &p, &r);
  return fault != 0 ? fault : db_affected(r) == 1 ? 0 : RUN_LOST;
}

static int job_fail(struct db *db, const struct job *job, const char *problem) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, job->of.id);
  db_param_uuid(&p, job->lease);
  db_param_text(&p, str_from(problem));
  log_error("rerate.failed", "%s", problem);
  return db_run(db, STATEMENT_RERATE_FAIL, &p, NULL) == 0 ? RUN_LOST : FAULT_DB;
}

#define SQLSTATE_OUT_OF_RANGE "22003"

// 0, RUN_LOST where the job is not ours any more, or FAULT_DB.
static int job_save(struct db *db, const struct job *job, int64_t lease_us, bool ends) {
  int64_t customers = 0;
  int r = db_begin(db);
  if (r == 0) r = gains_save(db, job, &customers);
  if (r == 0) r = row_save(db, job, lease_us, customers, ends);
  if (r == 0) return db_commit(db) == 0 ? 0 : FAULT_DB;
  bool too_large = r == 1 && strcmp(db_sqlstate(db), SQLSTATE_OUT_OF_RANGE) == 0;
  db_rollback(db);
  if (too_large) return job_fail(db, job, "The sums are larger than an amount can be: price a shorter range again.");
  return r == RUN_LOST ? RUN_LOST : FAULT_DB;
}

// ---- a piece

static struct str evidence_of(struct arena *arena, const struct job *job) {
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, EVIDENCE_MAX);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_member_text(&w, "ending", "priced again");
  json_member_id(&w, "rerate", "rrt", job->of.id);
  json_member_str(&w, "reason", job->of.reason);
  json_member_id(&w, "by", "key", job->of.by);
  json_object_end(&w);
  return arena_str(arena, buf_str(&out));
}

void rerate_op_fill(struct ledger_op *op, struct arena *arena, const struct piece_call *call, const struct again_result *to, struct str evidence) {
  *op = (struct ledger_op){.kind = LEDGER_RERATE,
                           .customer = call->customer,
                           .id = call->id,
                           .price = to->price,
                           .charge = to->charge,
                           .cost = to->cost,
                           .usage = quantities_json(&to->usage, arena),
                           .evidence = evidence};
}

// What the job wrote before it could save that: the one later row brought the call to where it is to be.
static bool stands_so(const struct piece_call *call, const struct again_result *to) {
  const struct piece_row *last = &call->rows[call->row_count - 1];
  return to->later == 1 && last->flags & CALL_RERATED && last->state == CALL_SETTLED && uuid_eq(last->price, to->price) &&
         to->charge_before + last->charge == to->charge && to->cost_before + last->cost == to->cost;
}

// Each of a piece's calls is asked what it is to cost. Those that the ledger has to be told are left in `ops`, by index.
struct asking {
  struct again_result *results;
  size_t *indexes;
  struct ledger_op *ops;
  size_t op_count;
};

static bool call_take(struct job *job, struct arena *arena, const struct piece_call *call, size_t index, struct str evidence, struct asking *ask) {
  const struct again_result *to = &ask->results[index];
  struct gain *gain = gain_of(job, call->customer);
  if (job->of.state == RERATE_SIMULATING) return found_add(&gain->sums, to) && found_add(&job->all.sums, to);
  if (to->later > 0) {
    bool posted = stands_so(call, to);
    return posted_add(&gain->sums, to, posted) && posted_add(&job->all.sums, to, posted);
  }
  ask->indexes[ask->op_count] = index;
  rerate_op_fill(&ask->ops[ask->op_count++], arena, call, to, evidence);
  return true;
}

// 0, RUN_LOST, or a fault. What the ledger does not let happen now is skipped: the call has changed since it was read.
static int ops_run(struct job *job, struct ledger *ledger, const struct piece *piece, struct asking *ask) {
  int done = ask->op_count ? ledger_run_all(ledger, ask->ops, ask->op_count) : 0;
  if (done < 0) return done;
  for (size_t i = 0; i < ask->op_count; i++) {
    const struct piece_call *call = &piece->calls[ask->indexes[i]];
    bool posted = ask->ops[i].result == LEDGER_DONE || ask->ops[i].result == LEDGER_DUPLICATE;
    struct gain *gain = NULL;
    for (size_t g = 0; g < job->gain_count; g++)
      if (uuid_eq(job->gains[g].customer, call->customer)) gain = &job->gains[g];
    ASSERT(gain);
    if (!posted_add(&gain->sums, &ask->results[ask->indexes[i]], posted) || !posted_add(&job->all.sums, &ask->results[ask->indexes[i]], posted))
      return RUN_TOO_LARGE;
  }
  return 0;
}

static int calls_take(struct job *job, const struct rerate_tools *tools, const struct again *again, struct arena *arena, const struct piece *piece) {
  struct asking ask = {.results = arena_alloc(arena, (piece->count + 1) * sizeof *ask.results),
                       .indexes = arena_alloc(arena, (piece->count + 1) * sizeof *ask.indexes),
                       .ops = arena_alloc(arena, (piece->count + 1) * sizeof *ask.ops)};
  struct str evidence = evidence_of(arena, job);
  job->gains = arena_alloc(arena, (piece->count + 1) * sizeof *job->gains);
  job->gain_count = 0;
  job->all = (struct gain){.customer = UUID_NIL};
  job->seen = job->unpriced = 0;
  for (size_t i = 0; i < piece->count; i++) {
    if (uuid_is_nil(piece->calls[i].id)) continue;
    int answer = again_price(again, arena, &piece->calls[i], &ask.results[i]);
    if (answer < 0) return answer;
    if (job->of.state == RERATE_SIMULATING) {
      job->seen += answer != AGAIN_NOT;
      job->unpriced += answer == AGAIN_UNPRICED;
    }
    if (answer == AGAIN_DIFFERS && !call_take(job, arena, &piece->calls[i], i, evidence, &ask)) return RUN_TOO_LARGE;
  }
  return ops_run(job, tools->ledger, piece, &ask);
}

static struct piece_range range_of(const struct job *job) {
  struct piece_range range = {.from = uuid_floor(job->of.from), .until = uuid_floor(job->of.to), .first = job->of.customer,
                              .last = job->of.customer, .unrated = job->of.unrated};
  if (uuid_is_nil(job->of.customer)) memset(range.last.b, 0xFF, sizeof range.last.b);
  if (job->of.state == RERATE_POSTING) range.rerate = job->of.id;
  return range;
}

static struct again again_of(const struct job *job, const struct rerate_tools *tools, const struct book *book) {
  return (struct again){.book = book,
                        .plugins = tools->plugins,
                        .pins = &job->pins,
                        .now = job->of.created_at,
                        .priced_at = job->of.priced_at,
                        .key = job->of.key,
                        .provider = job->of.provider,
                        .model = job->of.model,
                        .unrated = job->of.unrated};
}

// 0, 1 where it was the last one, RUN_LOST, or a fault.
static int piece_run(struct db *db, const struct rerate_tools *tools, const struct book *book, struct job *job, int64_t lease_us) {
  CLEANUP(arena_finish) struct arena arena;
  struct piece piece;
  struct piece_range range = range_of(job);
  struct again again = again_of(job, tools, book);
  arena_init(&arena, ARENA_MAX);
  int r = piece_read(db, &arena, &range, job->place, &piece);
  if (r == 0) r = calls_take(job, tools, &again, &arena, &piece);
  if (r == RUN_TOO_LARGE) return job_fail(db, job, "The sums are larger than an amount can be: price a shorter range again.");
  if (r == FAULT_CORRUPT) return job_fail(db, job, "The usage of a call cannot be read.");
  if (r != 0) return r;
  job->place = piece.next;
  r = job_save(db, job, piece.last ? 0 : lease_us, piece.last);
  return r != 0 ? r : piece.last ? 1 : 0;
}

// Gives the lease back, so that whoever comes next need not wait for its end.
static int job_leave(struct db *db, struct job *job) {
  job->all = (struct gain){.customer = UUID_NIL};
  job->gain_count = 0;
  job->seen = job->unpriced = 0;
  return job_save(db, job, 0, false);
}

static int job_run(struct db *db, const struct rerate_tools *tools, const struct book *book, struct job *job, int64_t until) {
  int64_t lease_us = ledger_lease_us(tools->ledger);
  int r = 0, pieces = 0;
  if (book_version_of(book) < job->of.book_version) return job_leave(db, job) < 0 ? FAULT_DB : 0; // it will be read soon
  do {
    r = piece_run(db, tools, book, job, lease_us);
    pieces += r >= 0;
  } while (r == 0 && clock_mono_us() < until);
  if (r == 0) r = job_leave(db, job);
  return r < 0 ? r : pieces;
}

// One job, as far as the turn goes. How many pieces were done, or a fault.
static int next_run(struct db *db, const struct rerate_tools *tools, const struct book *book, int64_t until) {
  CLEANUP(arena_finish) struct arena arena;
  struct job job;
  arena_init(&arena, ARENA_MAX);
  int r = job_claim(db, &arena, ledger_lease_us(tools->ledger), &job);
  if (r != 0) return r == 1 ? 0 : r;
  return job_run(db, tools, book, &job, until);
}

int rerates_run(struct db *db, const struct rerate_tools *tools) {
  int64_t until = clock_mono_us() + TURN_US;
  int r = 1, pieces = 0;
  struct book *book = book_take(tools->books);
  while (r > 0 && book && ledger_up(tools->ledger) && clock_mono_us() < until) {
    r = next_run(db, tools, book, until);
    pieces += r > 0 ? r : 0;
  }
  book_unref(book);
  return r < 0 ? r : pieces;
}
