// From a call's rows to its explanation. Rows are walked in the order they were written: revision 0 says how it ended,
// each later one is a difference; their sum is what stands.
#include "meter/explain.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/db.h"
#include "meter/explain_parts.h"
#include "meter/quantities.h"
#include "price/book.h"

#define METERS_MAX METER_LINES_MAX

enum {
  COL_CUSTOMER,
  COL_KEY,
  COL_PRICE,
  COL_REVISION,
  COL_STATE,
  COL_FLAGS,
  COL_CHARGE,
  COL_COST,
  COL_PLACE,
  COL_USAGE,
  COL_LEG_GRANTS,
  COL_LEG_AMOUNTS,
  COL_RAW,
  COL_ADMISSION,
  COL_EVIDENCE,
  COL_EXPLICIT,
  COL_BY_AMOUNT,
  COL_PART_OF,
};

// ---- the price and its arithmetic

struct pricing {
  struct book_price price;
  struct book_rate rates[METERS_MAX];
  const struct tollgate_plugin *plugin;
};

static int price_read(struct db *db, struct arena *arena, struct uuid id, struct explanation *e, struct pricing *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, id);
  if (db_run(db, STATEMENT_EXPLAIN_PRICE, &p, &r) != 0) return FAULT_DB;
  e->price.id = id;
  if (db_rows(r) == 0) return 0;
  e->price.model = arena_str(arena, db_text(r, 0, 0));
  e->price.provider = arena_str(arena, db_text(r, 0, 1));
  e->price.plugin = arena_str(arena, db_text(r, 0, 2));
  e->price.valid_from = db_time(r, 0, 3);
  e->price.valid_until = db_time(r, 0, 4);
  for (size_t row = 0; row < db_rows(r) && row < METERS_MAX; row++) {
    if (db_is_null(r, row, 5)) continue;
    ret->rates[ret->price.rate_count++] = (struct book_rate){
        arena_str(arena, db_text(r, row, 5)), (int32_t)db_i64(r, row, 6), db_i64(r, row, 7), db_i64(r, row, 8)};
  }
  ret->price.rates = ret->rates;
  return 0;
}

// What the client's leaving spared it is in the cost all the same.
static bool cost_fits(const struct explanation *e, amount cost) {
  return cost == e->cost || (e->flags & CALL_ABORTED && cost < e->cost);
}

// Meters that are for reports alone come with what apps say themselves.
static int uncharged_read(struct db *db, const struct explanation *e, struct meter_quantities *usage) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (!(e->flags & (CALL_REPORTED | CALL_PART)) && !e->explicit) return 0;
  if (db_run(db, STATEMENT_EXPLAIN_UNCHARGED, NULL, &r) != 0) return FAULT_DB;
  for (size_t i = 0; i < usage->count; i++)
    for (size_t row = 0; row < db_rows(r); row++)
      if (str_eq(str_from(usage->at[i].meter), db_text(r, row, 0))) usage->at[i].uncharged = true;
  return 0;
}

static void lines_make(struct arena *arena, const struct pricing *pricing, const struct meter_quantities *usage, struct explanation *e) {
  struct meter_bill bill;
  const char *meter = NULL;
  bool priced = meter_price_quantities(pricing->plugin, &pricing->price, usage->at, usage->count, &bill, &meter) == 0;
  e->lines = arena_alloc(arena, (bill.count + 1) * sizeof *e->lines);
  for (size_t i = 0; i < bill.count; i++)
    e->lines[e->line_count++] = (struct explain_line){.meter = str_from(bill.lines[i].meter),
                                                      .quantity = bill.lines[i].quantity,
                                                      .priced = bill.lines[i].priced,
                                                      .per = bill.lines[i].per,
                                                      .rate = bill.lines[i].charge_rate,
                                                      .charge = bill.lines[i].charge,
                                                      .cost = bill.lines[i].cost};
  if (e->by_amount && bill.count == 0) e->adds_up = true;
  else e->adds_up = priced ? bill.charge == e->charge && cost_fits(e, bill.cost) : e->charge == 0;
}

// ---- rows

static struct str json_or_none(struct arena *arena, const struct db_result *r, size_t row, int column) {
  return db_is_null(r, row, column) ? (struct str){0} : arena_str(arena, db_text(r, row, column));
}

static struct explain_legs legs_read(struct arena *arena, const struct db_result *r, size_t row) {
  size_t count = db_array(r, row, COL_LEG_GRANTS, NULL, 0);
  struct str *grants = arena_alloc(arena, (count + 1) * sizeof *grants),
             *amounts = arena_alloc(arena, (count + 1) * sizeof *amounts);
  struct explain_legs legs = {.at = arena_alloc(arena, (count + 1) * sizeof *legs.at), .count = count};
  (void)db_array(r, row, COL_LEG_GRANTS, grants, count);
  (void)db_array(r, row, COL_LEG_AMOUNTS, amounts, count);
  for (size_t i = 0; i < count; i++)
    legs.at[i] = (struct explain_part){db_element_uuid(grants[i]), db_element_i64(amounts[i])};
  return legs;
}

static int row_add(struct arena *arena, const struct db_result *r, size_t row, struct explanation *e,
                   struct meter_quantities *usage, struct explain_paid *paid) {
  struct explain_revision *v = &e->revisions[e->revision_count++];
  *v = (struct explain_revision){
      .revision = (int)db_i64(r, row, COL_REVISION),
      .state = (enum call_state)db_i64(r, row, COL_STATE),
      .flags = (unsigned)db_i64(r, row, COL_FLAGS),
      .price = db_uuid(r, row, COL_PRICE),
      .charge = db_i64(r, row, COL_CHARGE),
      .cost = db_i64(r, row, COL_COST),
      .usage = arena_str(arena, db_text(r, row, COL_USAGE)),
      .evidence = arena_str(arena, db_text(r, row, COL_EVIDENCE)),
  };
  e->state = v->state;
  e->flags = v->flags;
  e->price.id = db_uuid(r, row, COL_PRICE);
  e->charge += v->charge;
  e->cost += v->cost;
  if (row == 0) {
    e->hold = json_or_none(arena, r, row, COL_ADMISSION);
    e->evidence = v->evidence;
  }
  if (db_bool(r, row, COL_EXPLICIT)) e->explicit = true;
  if (db_bool(r, row, COL_BY_AMOUNT)) e->by_amount = true;
  if (v->flags & CALL_PART && row == 0) (void)id_parse("call", db_text(r, row, COL_PART_OF), &e->part_of);
  struct str raw = json_or_none(arena, r, row, COL_RAW);
  if (raw.ptr) e->raw_usage = raw;
  if (v->charge > 0)
    explain_paid_add(arena, paid, legs_read(arena, r, row), db_i64(r, row, COL_PLACE), v->charge);
  else
    explain_paid_take(paid, -v->charge);
  return quantities_add(usage, arena, v->usage);
}

static int rows_read(struct db *db, struct arena *arena, const struct db_params *p, struct explanation *e,
                     struct meter_quantities *usage) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  struct explain_paid paid = {0};
  if (db_run(db, STATEMENT_EXPLAIN_ROWS, p, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return 1;
  e->customer = db_uuid(r, 0, COL_CUSTOMER);
  e->key = db_uuid(r, 0, COL_KEY);
  e->revisions = arena_alloc(arena, db_rows(r) * sizeof *e->revisions);
  for (size_t row = 0; row < db_rows(r) && uuid_eq(db_uuid(r, row, COL_CUSTOMER), e->customer); row++) {
    int fault = row_add(arena, r, row, e, usage, &paid);
    if (fault != 0) return fault;
  }
  e->parts = paid.at;
  e->part_count = explain_paid_merge(&paid);
  return 0;
}

// 0 where it is pending, 1 where it is not.
static int hold_read(struct db *db, struct arena *arena, const struct db_params *p, struct explanation *e) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (db_run(db, STATEMENT_EXPLAIN_HOLD, p, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return 1;
  e->customer = db_uuid(r, 0, 0);
  e->key = db_uuid(r, 0, 1);
  e->price.id = db_uuid(r, 0, 2);
  e->held = db_i64(r, 0, 3);
  e->hold = arena_str(arena, db_text(r, 0, 4));
  e->explicit = db_bool(r, 0, 5);
  e->state = CALL_PENDING;
  return 0;
}

static int hold_parts_read(struct db *db, struct arena *arena, struct explanation *e) {
  struct held held = {.customer = e->customer, .id = e->id};
  int fault = e->explicit ? held_parts_read(db, arena, &held) : 0;
  e->of_hold = held.parts;
  e->of_hold_count = held.parts_told;
  return fault;
}

int explain_call(struct db *db, struct arena *arena, const struct plugin_registry *plugins, struct uuid customer,
                 struct uuid call, struct explanation *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  struct meter_quantities usage = {.count = 0};
  struct pricing pricing = {0};
  *ret = (struct explanation){.id = call, .created_at = uuid_time_us(call)};
  db_params_init(&p);
  db_param_uuid(&p, call);
  db_param_uuid_or_null(&p, customer);
  int r = hold_read(db, arena, &p, ret); // first: what ends in between is found by the second look
  if (r == 1) r = rows_read(db, arena, &p, ret, &usage);
  if (r == 0) r = price_read(db, arena, ret->price.id, ret, &pricing);
  if (r == 0) r = uncharged_read(db, ret, &usage);
  if (r == 0) r = hold_parts_read(db, arena, ret);
  if (r != 0) return r;
  pricing.plugin = plugin_by_name(plugins, ret->price.plugin);
  lines_make(arena, &pricing, &usage, ret);
  return 0;
}

// ---- lists

static void summary_read(const struct db_result *r, size_t row, struct arena *arena, struct explain_summary *ret) {
  *ret = (struct explain_summary){
      .id = db_uuid(r, row, 0),
      .key = db_uuid(r, row, 1),
      .state = (enum call_state)db_i64(r, row, 2),
      .flags = (unsigned)db_i64(r, row, 3),
      .charge = db_i64(r, row, 4),
      .cost = db_i64(r, row, 5),
      .usage = arena_str(arena, db_text(r, row, 6)),
      .model = arena_str(arena, db_text(r, row, 7)),
      .provider = arena_str(arena, db_text(r, row, 8)),
  };
}

static struct uuid upper_bound(const struct explain_filter *f) {
  struct uuid upper;
  memset(upper.b, 0xFF, sizeof upper.b);
  if (f->to > 0) upper = uuid_floor(f->to);
  return !uuid_is_nil(f->before) && uuid_cmp(f->before, upper) < 0 ? f->before : upper;
}

int explain_list(struct db *db, struct arena *arena, const struct explain_filter *filter, size_t max,
                 struct explain_summary **ret, size_t *ret_count) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, filter->customer);
  db_param_uuid(&p, filter->from > 0 ? uuid_floor(filter->from) : UUID_NIL);
  db_param_uuid(&p, upper_bound(filter));
  db_param_uuid_or_null(&p, filter->key);
  db_param_i16(&p, (int16_t)filter->state);
  db_param_i64(&p, (int64_t)max);
  if (db_run(db, STATEMENT_EXPLAIN_LIST, &p, &r) != 0) return FAULT_DB;
  *ret_count = db_rows(r);
  *ret = arena_alloc(arena, (*ret_count + 1) * sizeof **ret);
  for (size_t i = 0; i < *ret_count; i++) summary_read(r, i, arena, &(*ret)[i]);
  return 0;
}
