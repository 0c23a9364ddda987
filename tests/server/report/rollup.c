// The sums of usage against the calls themselves: two writers record, settle, undo and re-price calls of many days at random,
// the sums are written, rebuilt and brought back at random moments in between, and at each of them the report is what the calls add
// up to, in every zone and grouping, for whole days and for ranges that begin and end anywhere; and hours and days are what their
// quarters add up to.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../books.h"
#include "report/rollup.h"
#include "report/rollup_dense.h"
#include "report/rollup_rebuild.h"
#include "report/usage.h"
#include <inttypes.h>
#include <stdlib.h>

#define SECOND INT64_C(1000000)
#define DAY (86400 * SECOND)
#define CALLS_MAX 6000
#define KEYS 5

static unsigned seed = 20261128;
static struct ledger *other;
static struct uuid customers[6], user_keys[KEYS], prices[4];
static const char *const zones[] = {"UTC", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "America/New_York", "Europe/Berlin"};
static struct {
  struct uuid customer, id;
} calls[CALLS_MAX];
static size_t call_count;
static int64_t from_us; // the calls' times begin here

static unsigned below(unsigned n) {
  return (unsigned)rand_r(&seed) % n;
}

static struct ledger *either(void) {
  return below(2) ? ledger : other;
}

struct text {
  char text[37];
};
static struct text uuid_text(struct uuid id) {
  struct text t;
  char *at = t.text;
  for (int i = 0; i < 16; i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10) *at++ = '-';
    at += sprintf(at, "%02x", id.b[i]);
  }
  return t;
}

// ---- what happens

static const char *usage_any(char text[256]) {
  static const char *const fixed[] = {"{}", "{\"input_tokens\":3,\"output_tokens\":2}", "{ \"output_tokens\" : 7 }", "{\"zero\":0}"};
  if (below(3) == 0) {
    (void)snprintf(text, 256, "{\"input_tokens\":1,\"peak\":%u,\"seen\":9223372036854775%u,\"user\":%s%u,\"level\":%u}", below(1000), 700 + below(107), below(2) ? "9223372036854775" : "", 700 + below(6), below(50));
    return text;
  }
  if (below(6)) return fixed[below(ARRAY_LEN(fixed))];
  (void)snprintf(text, 256, "{\"a\":%u,\"b\\u0063\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":%u,\"h\":8}", below(100), below(100));
  return text;
}

static void record(struct ledger *by) {
  char usage[256];
  size_t c = below(2) ? below(ARRAY_LEN(customers)) : 3 * below(2);
  if (call_count == CALLS_MAX) return;
  int64_t at = below(2) ? (int64_t)below(4 * 86400) : 86400 + (int64_t)below(2) * 7200 + below(300); // some quarters are full
  struct uuid id = ledger_call_id_at(from_us + at * SECOND, customers[c]);
  enum call_state state = below(8) ? CALL_SETTLED : CALL_UNRATED;
  struct ledger_op op = {.kind = LEDGER_RECORD, .customer = customers[c], .id = id, .key = user_keys[below(KEYS)],
                         .price = state == CALL_SETTLED ? prices[below(4)] : UUID_NIL, .charge = state == CALL_SETTLED ? (amount)below(5000) : 0,
                         .cost = state == CALL_SETTLED ? (amount)below(500) : 0, .usage = str_from(usage_any(usage)), .state = state,
                         .event = {.identity = uuid_v7(clock_wall_us()), .content = uuid_v7(clock_wall_us()), .source = STR("test"), .id = STR("x")}};
  assert_int_equal(ledger_run(by, &op), LEDGER_DONE);
  calls[call_count].customer = customers[c];
  calls[call_count++].id = id;
}

static void correct(struct ledger *by, size_t i) {
  struct ledger_op op = {.kind = below(2) ? LEDGER_VOID : LEDGER_RERATE, .customer = calls[i].customer, .id = calls[i].id, .price = prices[below(4)],
                         .charge = (amount)below(5000), .cost = 7, .usage = STR("{\"input_tokens\":5}"), .evidence = STR("{}")};
  if (op.kind == LEDGER_VOID) op.charge = op.cost = 0;
  assert_true(ledger_run(by, &op) >= 0);
}

// ---- what the calls say

static struct str plain(size_t c, const char *where, unsigned groups) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  char sql[8192];
  (void)snprintf(sql, sizeof sql,
    "WITH timed AS (SELECT c.*, first_value(c.price_id) OVER (PARTITION BY c.id ORDER BY c.revision DESC) AS last_price, ('x' || substr(replace(c.id::text, '-', ''), 1, 12))::bit(48)::bigint AS ms FROM calls c WHERE c.customer_id = '%s'), "
    "named AS (SELECT CASE WHEN %u & 1 <> 0 THEN to_char(to_timestamp(t.ms / 1000.0) AT TIME ZONE '%s', 'YYYY-MM-DD') END AS day, "
    "  CASE WHEN %u & 2 <> 0 THEN p.model END AS model, CASE WHEN %u & 4 <> 0 THEN t.key_id END AS key_id, t.id, t.revision, t.state, t.charge, t.cost, t.usage "
    "  FROM timed t LEFT JOIN prices p ON p.id = t.last_price WHERE %s), "
    "money AS (SELECT day, model, key_id, count(*) FILTER (WHERE state = 2 AND NOT EXISTS (SELECT FROM timed x WHERE x.id = n.id AND x.revision < n.revision AND x.state = 2)) AS calls, "
    "  sum(charge) AS charge, sum(cost) AS cost FROM named n GROUP BY 1, 2, 3), "
    "net AS (SELECT n.id, n.key_id, u.key, sum(u.value::numeric) AS q FROM named n CROSS JOIN LATERAL json_each_text(n.usage) u GROUP BY 1, 2, 3), "
    "at_end AS (SELECT DISTINCT ON (id) id, day, model, state FROM named ORDER BY id, revision DESC), "
    "quantities AS (SELECT day, model, key_id, u.key, sum(u.value::numeric) AS q FROM named CROSS JOIN LATERAL json_each_text(usage) u WHERE u.key NOT IN (SELECT name FROM meters WHERE aggregation <> 1) GROUP BY 1, 2, 3, 4 "
    "  UNION ALL SELECT e.day, e.model, n.key_id, n.key, CASE m.aggregation WHEN 2 THEN max(n.q) WHEN 3 THEN count(*) WHEN 4 THEN (array_agg(n.q ORDER BY n.id DESC))[1] ELSE count(DISTINCT n.q) END "
    "  FROM net n JOIN at_end e ON e.id = n.id JOIN meters m ON m.name = n.key AND m.aggregation <> 1 WHERE e.state IN (2, 5) GROUP BY 1, 2, 3, 4, m.aggregation), "
    "summed AS (SELECT day, model, key_id, string_agg(key || '=' || q, ',' ORDER BY key COLLATE \"C\") AS meters FROM quantities s WHERE q <> 0 GROUP BY 1, 2, 3) "
    "SELECT coalesce(string_agg(concat_ws('|', coalesce(m.day, ''), coalesce(m.model, ''), coalesce(m.key_id::text, ''), m.calls, m.charge, m.cost, coalesce(u.meters, '')), E'\\n' "
    "  ORDER BY m.day, m.model COLLATE \"C\", m.key_id), '') FROM money m LEFT JOIN summed u ON u.day IS NOT DISTINCT FROM m.day AND u.model IS NOT DISTINCT FROM m.model "
    "  AND u.key_id IS NOT DISTINCT FROM m.key_id WHERE m.calls <> 0 OR m.charge <> 0 OR m.cost <> 0 OR u.meters IS NOT NULL",
    uuid_text(customers[c]).text, groups, zones[c], groups, groups, where);
  if (db_query(db, sql, &r) != 0) fail_msg("%s", db_error(db));
  return arena_str(&arena, db_text(r, 0, 0));
}

static int lines_compare(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static int meters_compare(const void *a, const void *b) {
  const struct report_meter *x = a, *y = b;
  size_t n = x->name.len < y->name.len ? x->name.len : y->name.len;
  int order = memcmp(x->name.ptr, y->name.ptr, n);
  return order ? order : (x->name.len > y->name.len) - (x->name.len < y->name.len);
}

static struct str sorted(struct str text) {
  char *lines[1024], *copy = arena_strdup(&arena, text);
  size_t count = 0;
  for (char *line = strtok(copy, "\n"); line; line = strtok(NULL, "\n")) lines[count++] = line;
  qsort(lines, count, sizeof *lines, lines_compare);
  struct buf out;
  buf_init(&out, 1 << 20);
  for (size_t i = 0; i < count; i++) buf_printf(&out, "%s\n", lines[i]);
  struct str ret = arena_str(&arena, buf_str(&out));
  buf_finish(&out);
  return ret;
}

static struct str told(const struct report *report, unsigned groups) {
  struct buf out;
  buf_init(&out, 1 << 20);
  for (size_t i = 0; i < report->row_count; i++) {
    struct report_row *row = &report->rows[i];
    qsort(row->meters, row->meter_count, sizeof *row->meters, meters_compare);
    buf_printf(&out, "%.*s|%.*s|%s|%" PRId64 "|%" PRId64 "|%" PRId64 "|", STR_ARG(row->day), STR_ARG(row->model),
               groups & REPORT_KEY ? uuid_text(row->key).text : "", row->calls, row->charge, row->cost);
    bool first = true;
    for (size_t m = 0; m < row->meter_count; m++) {
      if (row->meters[m].quantity == 0) continue;
      buf_printf(&out, "%s%.*s=%" PRId64, first ? "" : ",", STR_ARG(row->meters[m].name), row->meters[m].quantity);
      first = false;
    }
    buf_putc(&out, '\n');
  }
  struct str ret = arena_str(&arena, buf_str(&out));
  buf_finish(&out);
  return ret;
}

static void the_report_is_what_the_calls_say(size_t c, int64_t from, int64_t to, unsigned groups) {
  struct report report;
  char where[256];
  int64_t from_ms = from / 1000, to_ms = to / 1000;
  (void)snprintf(where, sizeof where, "t.ms >= %" PRId64 " AND t.ms < %" PRId64, from_ms, to_ms);
  assert_int_equal(report_usage(db, &arena, customers[c], (struct report_bound){.at = from}, (struct report_bound){.at = to}, groups, &report), REPORT_DONE);
  struct str is = sorted(told(&report, groups)), should = sorted(plain(c, where, groups));
  report.rows = &report.totals;
  report.row_count = report.row_count > 0;
  struct str totals = sorted(told(&report, 0)), all = sorted(plain(c, where, 0));
  if (!str_eq(totals, all)) fail_msg("totals of %s, groups %u\nare\n%.*s\nshould be\n%.*s", zones[c], groups, STR_ARG(totals), STR_ARG(all));
  if (!str_eq(is, should)) fail_msg("%s, groups %u, %" PRId64 " to %" PRId64 "\nis\n%.*s\nshould be\n%.*s", zones[c], groups, from_ms, to_ms, STR_ARG(is), STR_ARG(should));
}

static struct str text_of(const char *sql) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (db_query(db, sql, &r) != 0) fail_msg("%s", db_error(db));
  return arena_str(&arena, db_text(r, 0, 0));
}

// From where they are summed on, and there are none from before.
static void hours_and_days_are_their_quarters(void) {
  static const char wrong[] =
    "WITH spans AS (SELECT d.customer_id, w.width, CASE w.width WHEN 4 THEN d.from_quarter ELSE d.days_from END AS first FROM usage_dense d CROSS JOIN (VALUES (4), (24), (96)) w (width)), "
    "rows AS (SELECT r.customer_id, w.width AS of, r.width, r.quarter / w.width * w.width AS quarter, r.key_id, r.price_id, r.calls, r.charge, r.cost, u.meter, u.quantity "
    "  FROM usage_rollups r JOIN (VALUES (4), (24), (96)) w (width) ON r.width IN (1, w.width) CROSS JOIN LATERAL (SELECT NULL AS meter, 0 AS quantity UNION ALL SELECT * FROM unnest(r.meters, r.quantities)) u "
    "  WHERE r.width > 1 OR EXISTS (SELECT FROM spans s WHERE s.customer_id = r.customer_id AND s.width = w.width AND r.quarter >= s.first)), "
    "sums AS (SELECT customer_id, of, quarter, key_id, price_id, meter, width > 1 AS wide, sum(calls) AS calls, sum(charge) AS charge, sum(cost) AS cost, sum(quantity) AS quantity FROM rows GROUP BY 1, 2, 3, 4, 5, 6, 7 "
    "  HAVING sum(quantity) <> 0 OR (meter IS NULL AND (sum(calls) <> 0 OR sum(charge) <> 0 OR sum(cost) <> 0))) "
    "SELECT coalesce(string_agg(s::text, E'\n'), '') FROM (SELECT customer_id, of, quarter, key_id, price_id, meter FROM sums "
    "  GROUP BY 1, 2, 3, 4, 5, 6 HAVING count(*) <> 2 OR (meter IS NULL AND (min(calls) <> max(calls) OR min(charge) <> max(charge) OR min(cost) <> max(cost))) OR min(quantity) <> max(quantity)) s";
  struct str found = text_of(wrong);
  if (found.len) fail_msg("are not what their quarters add up to:\n%.*s", STR_ARG(found));
}

static void reports_are_right(void) {
  hours_and_days_are_their_quarters();
  for (size_t c = 0; c < ARRAY_LEN(customers); c++) {
    int64_t from = from_us - DAY + (int64_t)below(3 * 86400) * SECOND, to = from + 1000 + (int64_t)below(4 * 86400) * SECOND + below(1000) * 1000;
    the_report_is_what_the_calls_say(c, from_us - DAY, from_us + 6 * DAY, REPORT_DAY | REPORT_MODEL | REPORT_KEY);
    the_report_is_what_the_calls_say(c, from, to, below(8));
    the_report_is_what_the_calls_say(c, from, from + 1000 + (int64_t)below(2000) * SECOND, below(8));
  }
}

// Anything may have happened to the sums: made anew they are right, also in stretches of a few calls.
static void rebuild(void) {
  static const char *const harm[] = {"DELETE FROM usage_rollups WHERE calls % 3 = 1", "UPDATE usage_rollups SET charge = charge + 1, quantities = quantities || 7::bigint, meters = meters || 'x'::text WHERE calls % 2 = 1",
                                     "DELETE FROM usage_values", "UPDATE usage_values SET value = value + 1, calls = 7"};
  struct rollup_progress p;
  assert_int_equal(db_exec(db, harm[below(ARRAY_LEN(harm))]), 0);
  assert_int_equal(rollup_rebuild(db, 1 + below(2) * (1 + (int64_t)below(200)), NULL, NULL, &p), 0);
}

// As an earlier build left them: without days, or summed by hours only from some time on. Then a piece back, or some.
static void bring_back(void) {
  static const char *const unfill[] = {
    "DELETE FROM usage_rollups WHERE width > 4; UPDATE usage_dense SET days_from = 2147483647",
    "UPDATE usage_dense SET from_quarter = greatest(from_quarter, (SELECT max(quarter) FROM usage_rollups) / 4 * 4 - 80), "
    "  days_from = greatest(days_from, (SELECT max(quarter) FROM usage_rollups) / 96 * 96 + 96);"
    "DELETE FROM usage_rollups r USING usage_dense d WHERE d.customer_id = r.customer_id AND r.quarter < CASE r.width WHEN 1 THEN 0 WHEN 4 THEN d.from_quarter ELSE d.days_from END"};
  struct rollup_dense dense = {0};
  assert_int_equal(db_exec(db, unfill[below(ARRAY_LEN(unfill))]), 0);
  reports_are_right();
  for (unsigned n = below(8); n > 0; n--) {
    if (rollup_dense_step(&dense, db, 1 + below(400)) < 0) fail_msg("%s", db_error(db));
    hours_and_days_are_their_quarters();
  }
  reports_are_right();
  rollup_dense_finish(&dense);
}

static void piece_made(void *arg, const struct rollup_progress *p) {
  (void)arg, (void)p;
  hours_and_days_are_their_quarters();
}

// Followed or made anew the sums say the same, and agree at every commit in between; and what says nothing is no row, where corrections came behind what they correct.
static void made_anew_they_say_the_same(bool in_order) {
  static const char nothing[] = "SELECT count(*)::text FROM usage_rollups WHERE 0 = ANY (quantities) OR (calls = 0 AND charge = 0 AND cost = 0 AND quantities = '{}')",
                    sums[] = "SELECT coalesce(string_agg(s::text, E'\\n' ORDER BY s::text), '') FROM (SELECT customer_id, key_id, price_id, quarter, width, calls, charge, cost, "
                             "  ARRAY(SELECT u FROM unnest(meters, quantities) AS u (meter, quantity) WHERE quantity <> 0) FROM usage_rollups "
                             "  WHERE calls <> 0 OR charge <> 0 OR cost <> 0 OR 0 <> ANY (quantities)) s",
                    values[] = "SELECT coalesce(string_agg(v::text, E'\\n' ORDER BY v::text), '') FROM usage_values v";
  struct str sums_were = text_of(sums), values_were = text_of(values);
  struct rollup_progress p;
  if (in_order) assert_true(str_eq(text_of(nothing), STR("0")));
  assert_int_equal(rollup_rebuild(db, 500, piece_made, NULL, &p), 0);
  assert_true(str_eq(text_of(sums), sums_were));
  assert_true(str_eq(text_of(values), values_were));
  assert_true(str_eq(text_of(nothing), STR("0")));
}

static void live(int steps, int64_t from) {
  struct rollup *rollup = rollup_create();
  bool more = false;
  from_us = from;
  for (int i = 0; i < steps; i++) {
    for (unsigned n = below(90); n > 0; n--) record(either());
    for (unsigned n = call_count ? below(12) : 0; n > 0; n--) correct(either(), below((unsigned)call_count));
    if (below(3) == 0) assert_true(rollup_run(rollup, db, true, &more) >= 0);
    if (below(6) == 0) rebuild();
    if (below(6) == 0) bring_back();
    if (below(3) == 0) reports_are_right();
  }
  rollup_destroy(rollup);
  rollup = rollup_create(); // looks for what an earlier one has left
  do assert_true(rollup_run(rollup, db, true, &more) >= 0);
  while (more);
  reports_are_right();
  made_anew_they_say_the_same(true);
  rollup_destroy(rollup);
}

// New York's clocks go forward on the second Sunday of March, Berlin's on the last; Lord Howe's go back on the first of April.
static void days_of_spring(void **state) {
  (void)state;
  live(16, INT64_C(1772924400) * SECOND); // 2026-03-08
  live(16, INT64_C(1775219400) * SECOND); // 2026-04-03
}

static void days_of_autumn(void **state) {
  (void)state;
  live(16, INT64_C(1792800000) * SECOND); // 2026-10-24
}

static struct ledger *ledger_of(const char *instance) {
  struct buf error;
  buf_init(&error, 512);
  struct ledger *l = ledger_create(&(struct ledger_config){.url = cluster.url, .instance = instance, .lease_ms = 10000}, &error);
  assert_non_null(l);
  buf_finish(&error);
  return l;
}

// Of two writers, the one that corrects is followed first.
static void a_correction_may_be_in_the_sums_before_what_it_corrects(void **state) {
  (void)state;
  struct rollup *rollup = rollup_create();
  struct ledger *first = ledger_of("first");
  bool more = false;
  size_t begin = call_count;
  from_us = INT64_C(1777000000) * SECOND; // 2026-04-24
  for (int i = 0; i < 400; i++) record(first);
  ledger_destroy(first);
  assert_int_equal(db_exec(db, "CREATE TEMPORARY TABLE hidden AS SELECT id, seq FROM writers WHERE instance = 'first'"), 0);
  assert_int_equal(db_exec(db, "UPDATE writers w SET seq = 0 FROM hidden h WHERE w.id = h.id"), 0);
  for (size_t i = begin; i < call_count; i++)
    if (below(2)) correct(other, i);
  assert_true(rollup_run(rollup, db, true, &more) > 0);
  assert_int_equal(db_exec(db, "UPDATE writers w SET seq = h.seq FROM hidden h WHERE w.id = h.id"), 0);
  reports_are_right();
  assert_int_equal(rollup_run(rollup, db, true, &more), call_count - begin);
  while (more) assert_true(rollup_run(rollup, db, true, &more) >= 0);
  reports_are_right();
  made_anew_they_say_the_same(false);
  rollup_destroy(rollup);
}

static int64_t number(const char *sql) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  assert_int_equal(db_query(db, sql, &r), 0);
  return db_i64(r, 0, 0);
}

// Of a call in each of many pieces, every one of another key.
static void many_small_pieces_make_a_customer_dense(void **state) {
  (void)state;
  struct rollup *rollup = rollup_create();
  struct uuid of = customers[0];
  bool more = false;
  assert_int_equal(db_exec(db, "DELETE FROM usage_rollups WHERE width > 1; TRUNCATE usage_dense"), 0);
  for (int i = 0; i < 14; i++) {
    struct uuid id = ledger_call_id_at(INT64_C(1778000400) * SECOND, of);
    struct ledger_op op = {.kind = LEDGER_RECORD, .customer = of, .id = id, .key = uuid_v7(clock_wall_us()), .price = chat, .charge = 1, .usage = STR("{\"input_tokens\":1}"), .state = CALL_SETTLED,
                           .event = {.identity = uuid_v7(clock_wall_us()), .content = uuid_v7(clock_wall_us()), .source = STR("test"), .id = STR("x")}};
    assert_int_equal(ledger_run(ledger, &op), LEDGER_DONE);
    assert_int_equal(rollup_run(rollup, db, true, &more), 1);
    if (i == 5) assert_int_equal(number("SELECT count(*) FROM usage_dense"), 0);
  }
  while (more) assert_true(rollup_run(rollup, db, true, &more) >= 0);
  assert_int_equal(number("SELECT count(*) FROM usage_dense WHERE from_quarter = 0 AND days_from = 0"), 1);
  reports_are_right();
  rollup_destroy(rollup);
}

// A statement that runs into its time-out is asked for less, until it fits.
static void a_piece_that_takes_too_long_becomes_smaller(void **state) {
  (void)state;
  struct rollup *rollup = rollup_create();
  bool more = true;
  int failed = 0;
  char restore[64];
  (void)snprintf(restore, sizeof restore, "SET statement_timeout = %d", (int)number("SELECT setting::integer FROM pg_settings WHERE name = 'statement_timeout'"));
  from_us = INT64_C(1779000000) * SECOND; // 2026-05-17
  for (int i = 0; i < 400; i++) record(ledger);
  assert_int_equal(db_exec(db, "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.003); RETURN NEW; END'"), 0);
  assert_int_equal(db_exec(db, "CREATE TRIGGER slow BEFORE INSERT ON usage_values FOR EACH ROW EXECUTE FUNCTION slow()"), 0);
  assert_int_equal(db_exec(db, "SET statement_timeout = 300"), 0);
  for (int i = 0; more && i < 100; i++) {
    more = false;
    if (rollup_run(rollup, db, true, &more) >= 0) continue;
    failed++;
    more = true;
  }
  assert_int_equal(db_exec(db, restore), 0);
  assert_int_equal(db_exec(db, "DROP TRIGGER slow ON usage_values; DROP FUNCTION slow()"), 0);
  assert_false(more);
  assert_true(failed > 1);
  reports_are_right();
  rollup_destroy(rollup);
}

static void nothing_was_left_to_the_calls_alone(void **state) {
  (void)state;
  assert_true(number("SELECT count(*) FROM usage_rollups WHERE width = 1") > 1000);
  assert_true(number("SELECT count(*) FROM usage_rollups WHERE width = 4") > 20);
  assert_true(number("SELECT count(*) FROM usage_rollups WHERE width = 24") > 20);
  assert_true(number("SELECT count(*) FROM usage_rollups WHERE width = 96") > 20);
  assert_int_equal(number("SELECT count(*) FROM usage_dense WHERE from_quarter > 0 OR days_from > 0"), 0);
  assert_int_equal(number("SELECT count(DISTINCT c.writer_id) FROM rollup_cursors c JOIN calls k ON k.writer_id = c.writer_id"), 3);
  assert_int_equal(number("SELECT count(*) FROM calls k LEFT JOIN rollup_cursors c ON c.writer_id = k.writer_id WHERE k.seq > coalesce(c.seq, 0)"), 0);
  assert_int_equal(number("SELECT ((SELECT sum(charge) FROM usage_rollups WHERE width = 1) - (SELECT sum(charge) FROM calls))::bigint"), 0);
}

static int open_all(void **state) {
  int r = books_open(state);
  other = ledger_of("other");
  for (size_t i = 0; i < ARRAY_LEN(customers); i++) {
    customers[i] = customer(zones[i]);
    (void)grant(customers[i], 1000000000, 100);
  }
  for (size_t i = 0; i < KEYS; i++) user_keys[i] = uuid_v7(clock_wall_us());
  assert_int_equal(db_exec(db, "INSERT INTO meters (name, unit, aggregation) VALUES ('peak', 'x', 2), ('seen', 'x', 3), ('level', 'x', 4), ('user', 'x', 5), ('input_tokens', 'x', 1)"), 0);
  prices[0] = chat, prices[1] = embedding, prices[2] = price("third", 1, 1), prices[3] = uuid_v7(clock_wall_us());
  return r;
}

static int close_all(void **state) {
  ledger_destroy(other);
  return books_close(state);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(days_of_spring),
      cmocka_unit_test(days_of_autumn),
      cmocka_unit_test(a_correction_may_be_in_the_sums_before_what_it_corrects),
      cmocka_unit_test(a_piece_that_takes_too_long_becomes_smaller),
      cmocka_unit_test(nothing_was_left_to_the_calls_alone),
      cmocka_unit_test(many_small_pieces_make_a_customer_dense),
  };
  return cmocka_run_group_tests(tests, open_all, close_all);
}
