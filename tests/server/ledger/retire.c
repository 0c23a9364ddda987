// Old months of calls are dropped whole: what is left is what the audit holds the books to, reports say what they said, and what is
// dropped is not changed any more.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../books.h"
#include "ledger/audit.h"
#include "report/rollup.h"
#include "report/rollup_rebuild.h"
#include "report/usage.h"
#include <inttypes.h>
#include <stdlib.h>

#define DAY INT64_C(86400000000)

static struct uuid of, key, recent, old[3];
static int64_t before; // the time of the first call

static int64_t number(const char *sql) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (db_query(db, sql, &r) != 0) fail_msg("%s", db_error(db));
  return db_rows(r) ? db_i64(r, 0, 0) : -1;
}

static void run(const char *sql) {
  if (db_exec(db, sql) != 0) fail_msg("%s", db_error(db));
}

static struct uuid record(int64_t at, amount charge) {
  struct uuid id = ledger_call_id_at(at, of);
  struct ledger_op op = {.kind = LEDGER_RECORD, .customer = of, .id = id, .key = key, .price = chat, .charge = charge, .usage = STR("{\"input_tokens\":3}"),
                         .state = CALL_SETTLED, .event = {.identity = uuid_v7(clock_wall_us()), .content = key, .source = STR("s"), .id = STR("i")}};
  assert_int_equal(ledger_run(ledger, &op), LEDGER_DONE);
  return id;
}

static void month_make(const char *parent, int months_ago) {
  char sql[1024];
  (void)snprintf(sql, sizeof sql,
    "DO $$ DECLARE m timestamptz := (date_trunc('month', now() AT TIME ZONE 'UTC') - interval '%d months') AT TIME ZONE 'UTC'; BEGIN "
    "EXECUTE format('CREATE TABLE IF NOT EXISTS %s_%%s PARTITION OF %s FOR VALUES FROM (%%L) TO (%%L)', to_char(m AT TIME ZONE 'UTC', 'YYYYMM'), "
    "lpad(to_hex((extract(epoch FROM m) * 1000)::bigint), 12, '0') || repeat('0', 20), lpad(to_hex((extract(epoch FROM m + interval '1 month') * 1000)::bigint), 12, '0') || repeat('0', 20)); END $$",
    months_ago, parent, parent);
  run(sql);
}

static void finding(void *arg, const struct audit_finding *f) {
  print_error("%s: %s\n", f->rule, f->row);
  ++*(int *)arg;
}

static void books_are_sound(void) {
  int findings = 0;
  struct audit_progress p;
  assert_int_equal(audit_run(db, finding, NULL, &findings, &p), 0);
  assert_int_equal(findings, 0);
}

static struct report report_from(int64_t from) {
  struct report r;
  assert_int_equal(report_usage(db, &arena, of, (struct report_bound){.at = from}, (struct report_bound){0}, 0, &r), REPORT_DONE);
  return r;
}

static void sum_up(void) {
  struct rollup *rollup = rollup_create();
  bool more;
  assert_true(rollup_run(rollup, db, true, &more) >= 0);
  rollup_destroy(rollup);
}

static int turns(struct ledger_retention *r, int count) {
  int dropped = 0;
  for (int i = 0; i < count; i++) {
    r->again = false;
    int one = ledger_retire(db, r);
    if (one < 0) fail_msg("%s", db_error(db));
    dropped += one;
  }
  return dropped;
}

static void time_passes(void) {
  run("UPDATE calls_kept SET closed_at = closed_at - interval '1 minute'");
}

static struct ledger_retention keep = {.events_late_days = 35, .calls_days = 62};

static void a_month_that_the_default_partition_or_a_hold_reaches_into_stays(void **state) {
  (void)state;
  (void)record(before - 200 * DAY, 0);
  assert_int_equal(turns(&keep, 2), 0);
  assert_true(keep.said);
  run("DELETE FROM calls_default; INSERT INTO holds (customer_id, call_id, key_id, price_id, writer_id, writer_epoch, amount, metered, cost, usage) "
      "SELECT customer_id, id, key_id, price_id, 1, 1, 0, 0, 0, '{}' FROM calls ORDER BY id LIMIT 1");
  keep.said = false;
  assert_int_equal(turns(&keep, 2), 0);
  assert_true(keep.said);
  run("DELETE FROM holds");
  books_are_sound();
  keep.said = false;
}

static void a_dropped_month_leaves_sound_books_and_the_same_report(void **state) {
  (void)state;
  // Two of the old month's calls are changed in batches of today, one of them together with a call that stays.
  struct ledger_op ops[2] = {{.kind = LEDGER_VOID, .customer = of, .id = old[0], .evidence = STR("{}")},
                             {.kind = LEDGER_RERATE, .customer = of, .id = old[1], .price = chat, .charge = 777, .usage = STR("{\"input_tokens\":9}"), .evidence = STR("{}")}};
  assert_int_equal(ledger_run_all(ledger, ops, 2), 2);
  struct report was = report_from(before / DAY * DAY);
  assert_int_equal(was.totals.calls, 5);
  assert_int_equal(turns(&keep, 1), 0); // closes
  assert_true(keep.again);
  struct ledger_op late = {.kind = LEDGER_VOID, .customer = of, .id = old[2], .evidence = STR("{}")};
  assert_int_equal(ledger_run(ledger, &late), LEDGER_GONE);
  books_are_sound();
  assert_int_equal(turns(&keep, 1), 0); // not so soon after it
  time_passes();
  assert_int_equal(turns(&keep, 1), 0); // walked, but the sums do not have all of it
  books_are_sound();
  sum_up();
  assert_true(turns(&keep, 1) > 0);
  assert_int_equal(number("SELECT count(*) FROM calls"), 2);
  assert_true(number("SELECT count(*) FROM calls_dropped") >= 2);
  books_are_sound();
  struct report is = report_from(before / DAY * DAY);
  assert_int_equal(is.totals.charge, was.totals.charge);
  assert_int_equal(is.totals.calls, was.totals.calls);
  assert_int_equal(is.totals.meters[0].quantity, was.totals.meters[0].quantity);
  struct report_bound split = {.at = before / DAY * DAY + 1000};
  assert_int_equal(report_usage(db, &arena, of, split, (struct report_bound){0}, 0, &is), REPORT_GONE);
  late.id = old[2];
  assert_int_equal(ledger_run(ledger, &late), LEDGER_GONE);
  late.id = recent;
  assert_int_equal(ledger_run(ledger, &late), LEDGER_DONE);
  books_are_sound();
  struct rollup_progress p;
  sum_up();
  was = report_from(before / DAY * DAY);
  assert_int_equal(rollup_rebuild(db, 0, NULL, NULL, &p), 0);
  assert_int_equal(report_from(before / DAY * DAY).totals.charge, was.totals.charge);
  assert_int_equal(turns(&keep, 3), 0); // nothing else is so old
}

static void a_lie_about_what_was_dropped_is_found(void **state) {
  (void)state;
  int findings = 0;
  struct audit_progress p;
  run("UPDATE calls_dropped SET charged = charged + 1");
  assert_int_equal(audit_run(db, finding, NULL, &findings, &p), 0);
  assert_true(findings > 0);
  run("UPDATE calls_dropped SET charged = charged - 1");
}

static void the_next_month_goes_the_same_way(void **state) {
  (void)state;
  struct ledger_retention sooner = {.events_late_days = 35, .calls_days = 1};
  int64_t dropped = 0;
  struct report was = report_from(before / DAY * DAY);
  for (int i = 0; i < 12; i++) {
    dropped += turns(&sooner, 1);
    books_are_sound();
    time_passes();
  }
  assert_true(dropped > 0);
  assert_int_equal(report_from(before / DAY * DAY).totals.charge, was.totals.charge);
}

static void evidence_and_identities_go_by_their_age(void **state) {
  (void)state;
  struct ledger_retention r = {.events_late_days = 35, .evidence_days = 70};
  int64_t week = number("SELECT floor(extract(epoch FROM now()) / 604800)::bigint");
  char sql[256];
  for (int ago = 5; ago <= 8; ago++) {
    (void)snprintf(sql, sizeof sql, "CREATE TABLE event_identities_%" PRId64 " PARTITION OF event_identities FOR VALUES FROM (%" PRId64 ") TO (%" PRId64 ")", week - ago, week - ago, week - ago + 1);
    run(sql);
  }
  assert_true(turns(&r, 1) >= 3);
  (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE inhparent = 'event_identities'::regclass AND relname ~ '[0-9]' AND substring(relname FROM 18)::bigint < %" PRId64, week);
  assert_int_equal(number(sql), 2); // weeks that began five and six weeks ago: of those an event may still come
  assert_int_equal(turns(&r, 1), 0);
}

static void who_holds_a_table_is_not_waited_for(void **state) {
  (void)state;
  struct ledger_retention r = {.events_late_days = 35};
  struct buf error;
  buf_init(&error, 512);
  struct db *reader = db_connect(cluster.url, 5000, 2000, 5000, &error);
  assert_non_null(reader);
  assert_true(ledger_partitions(db, &r) >= 0); // what other tests have dropped
  run("DO $$ BEGIN EXECUTE (SELECT format('DROP TABLE %s', max(inhrelid::regclass::text)) FROM pg_inherits WHERE inhparent = 'calls'::regclass AND inhrelid::regclass::text ~ '[0-9]'); END $$");
  assert_int_equal(db_begin(reader), 0);
  assert_int_equal(db_exec(reader, "SELECT count(*) FROM calls"), 0);
  int64_t began = clock_mono_us();
  assert_int_equal(ledger_partitions(db, &r), 0);
  assert_true(r.again && clock_mono_us() - began < 2000000);
  db_rollback(reader);
  r.again = false;
  assert_true(ledger_partitions(db, &r) > 0);
  assert_false(r.again);
  db_destroy(reader);
  buf_finish(&error);
}

static int open_all(void **state) {
  int r = books_open(state);
  of = customer("UTC");
  key = uuid_v7(clock_wall_us());
  (void)grant(of, 1000000000, 100);
  assert_true(ledger_partitions(db, &keep) > 0);
  month_make("calls", 4);
  month_make("call_evidence", 4);
  before = number("SELECT (extract(epoch FROM (date_trunc('month', now() AT TIME ZONE 'UTC') - interval '4 months') AT TIME ZONE 'UTC') * 1000000)::bigint") + 5 * DAY;
  for (size_t i = 0; i < 3; i++) old[i] = record(before + (int64_t)i * DAY, 1000 + (amount)i);
  (void)record(clock_wall_us(), 50);
  recent = record(clock_wall_us(), 60);
  // As if the old ones had been charged in their time.
  run("UPDATE transfers SET at = at - interval '110 days' WHERE amount BETWEEN 1000 AND 1002");
  return r;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_month_that_the_default_partition_or_a_hold_reaches_into_stays),
      cmocka_unit_test(a_dropped_month_leaves_sound_books_and_the_same_report),
      cmocka_unit_test(a_lie_about_what_was_dropped_is_found),
      cmocka_unit_test(the_next_month_goes_the_same_way),
      cmocka_unit_test(evidence_and_identities_go_by_their_age),
      cmocka_unit_test(who_holds_a_table_is_not_waited_for),
  };
  return cmocka_run_group_tests(tests, open_all, books_close);
}
