// The books of days, against what the ledger itself keeps: days of grants, calls, debts, expiry, refunds and disputes are
// lived through at random, each day's end is noted from the rows of grants and customers, and the report has to come to it
// to the last unit, whatever the pieces are that it is read in.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../books.h"
#include "json/write.h"
#include "report/books.h"
#include <inttypes.h>
#include <stdlib.h>

#define DAYS 12
#define CUSTOMERS 5
#define GRANTS_MAX 400
#define CALLS_MAX 2000

static unsigned seed = 20261127;
static struct uuid customers[CUSTOMERS];
static struct {
  struct uuid customer;
  char origin[32];
  amount amount;
} given[GRANTS_MAX];
static struct {
  struct uuid customer, id;
} calls[CALLS_MAX];
static size_t grant_count, call_count;

static unsigned below(unsigned n) {
  return (unsigned)rand_r(&seed) % n;
}

// ---- what happens

static void give(void) {
  struct uuid of = customers[below(CUSTOMERS)], id = uuid_v7(clock_wall_us());
  amount a = 1 + below(100000);
  unsigned kind = below(5);
  if (grant_count == GRANTS_MAX) return;
  (void)snprintf(given[grant_count].origin, sizeof given[0].origin, "grant:pi_%zu", grant_count);
  struct ledger_op op = {.kind = LEDGER_GRANT, .customer = of, .id = id,
                         .grant = {.source = kind == 3 ? 2 : kind == 4 ? 4 : 1, .priority = 100 - (int)kind, .amount = a, .reason = STR(""),
                                   .origin = str_from(given[grant_count].origin)}};
  if (kind < 3) op.grant.paid = below(1000), op.grant.currency = kind == 2 ? STR("jpy") : STR("eur");
  if (below(4) == 0) op.grant.expires_at = clock_wall_us() + 1 + below(2) * 100000;
  assert_int_equal(ledger_run(ledger, &op), LEDGER_DONE);
  given[grant_count].customer = of;
  given[grant_count++].amount = a;
}

static void use(void) {
  struct uuid of = customers[below(CUSTOMERS)];
  amount charge = below(30000);
  if (call_count == CALLS_MAX) return;
  struct ledger_op op = {.kind = LEDGER_ADMIT, .customer = of, .id = ledger_call_id(ledger, of), .key = of, .price = chat, .usage = STR("{}"),
                         .config_version = 1, .about = STR("{}"), .debt_allowed = 1000000};
  if (ledger_run(ledger, &op) != LEDGER_DONE) return;
  settle(of, op.id, CALL_SETTLED, charge, 0, "{}");
  calls[call_count].customer = of;
  calls[call_count++].id = op.id;
}

static void void_one(void) {
  if (call_count == 0) return;
  size_t i = below((unsigned)call_count);
  struct ledger_op op = {.kind = LEDGER_VOID, .customer = calls[i].customer, .id = calls[i].id, .evidence = STR("{}")};
  (void)ledger_run(ledger, &op);
}

static void reverse(void) {
  if (grant_count == 0) return;
  size_t i = below((unsigned)grant_count);
  amount refunded = below(3) ? below((unsigned)given[i].amount + 1) : 0, frozen = below(3) ? below((unsigned)given[i].amount + 1) : 0;
  struct ledger_op op = {.kind = LEDGER_REVERSE, .customer = given[i].customer, .grant.origin = str_from(given[i].origin),
                         .reverse = {.refunded = refunded, .frozen = frozen}};
  (void)ledger_run(ledger, &op);
}

static void a_step(void) {
  switch (below(8)) {
  case 0:
  case 1: give(); break;
  case 2: void_one(); break;
  case 3: reverse(); break;
  case 4: assert_true(ledger_expire(ledger, db) >= 0); break;
  default: use(); break;
  }
}

// ---- what stands at a day's end, by the grants' own rows

struct stand {
  struct {
    amount left, used, gone, back, held;
  } of[4]; // eur, jpy, unpaid, promotional
  amount debt, balance;
};

static int64_t one(const char *sql) {
  struct db_result *r = NULL;
  assert_int_equal(db_query(db, sql, &r), 0);
  int64_t n = db_i64(r, 0, 0);
  db_result_finish(r);
  return n;
}

static struct stand stand_now(void) {
  static const char *const which[] = {"currency = 'eur'", "currency = 'jpy'", "currency IS NULL AND source <> 2",
                                      "currency IS NULL AND source = 2"};
  static const char *const columns[] = {"left_over", "consumed", "expired", "refunded", "frozen"};
  struct stand s;
  for (size_t i = 0; i < 4; i++) {
    amount *at = &s.of[i].left;
    for (size_t c = 0; c < 5; c++) {
      char sql[256];
      (void)snprintf(sql, sizeof sql, "SELECT coalesce(sum(%s), 0)::bigint FROM grants WHERE %s", columns[c], which[i]);
      at[c] = one(sql);
    }
  }
  s.debt = one("SELECT coalesce(sum(debt), 0)::bigint FROM customers");
  s.balance = one("SELECT coalesce(sum(balance), 0)::bigint FROM customers");
  return s;
}

static struct stand ends[DAYS];
static char zone[32]; // one in which it is about noon, so that no day ends while they are lived through
static char from[CLOCK_TEXT_MAX], until[CLOCK_TEXT_MAX];

static void zone_choose(void) {
  int hour = (int)(clock_wall_us() / 1000000 / 3600 % 24), behind = hour - 12; // Etc/GMT+3 is three hours behind UTC
  (void)snprintf(zone, sizeof zone, "Etc/GMT%+d", behind);
  clock_print(clock_wall_us() - INT64_C(200) * 86400 * 1000000, from);
  clock_print(clock_wall_us() + INT64_C(10) * 86400 * 1000000, until);
  from[10] = until[10] = '\0';
}

// A day passes: all that is written becomes a day older.
static void day_pass(void) {
  struct buf why;
  buf_init(&why, 512);
  struct db *patient = db_connect_bare(cluster.url, &why); // a busy machine may take longer than a job's bounds
  assert_non_null(patient);
  int r = db_exec(patient, "UPDATE transfers SET at = at - interval '1 day'; UPDATE grant_rows SET created_at = created_at - interval '1 day'");
  if (r != 0) print_message("%s\n", db_error(patient));
  assert_int_equal(r, 0);
  db_destroy(patient);
  buf_finish(&why);
}

static int live(void **state) {
  if (books_open(state) != 0) return -1;
  zone_choose();
  for (size_t i = 0; i < CUSTOMERS; i++) customers[i] = customer("UTC");
  for (int d = 0; d < DAYS; d++) {
    if (d > 0) day_pass();
    for (int i = 0; i < 60; i++) a_step();
    ends[d] = stand_now();
  }
  return 0;
}

// ---- what the report says

static struct books report(const char *first, size_t piece) {
  struct books b;
  struct books_query q = {.time_zone = str_from(zone), .from = str_from(first), .until = str_from(until), .piece = piece};
  assert_int_equal(report_books(db, &arena, &q, &b), BOOKS_DONE);
  return b;
}

static const struct books_row *row_of(const struct books *b, int32_t day, enum books_class of, const char *currency) {
  for (size_t i = 0; i < b->row_count; i++)
    if (b->rows[i].day == day && b->rows[i].of == of && strcmp(b->rows[i].currency, currency) == 0) return &b->rows[i];
  return NULL;
}

static struct books_sums none;
static const struct books_sums *credits(const struct books *b, int32_t day, size_t which) {
  static const struct {
    enum books_class of;
    const char *currency;
  } rows[] = {{BOOKS_PAID, "eur"}, {BOOKS_PAID, "jpy"}, {BOOKS_UNPAID, ""}, {BOOKS_PROMOTIONAL, ""}, {BOOKS_DEBT, ""}};
  const struct books_row *row = row_of(b, day, rows[which].of, rows[which].currency);
  return row ? &row->credits : &none;
}

static void days_are_as_the_ledger_kept_them(void **state) {
  (void)state;
  struct books b = report(from, 0);
  int32_t today = b.known - 1;
  for (int d = 0; d < DAYS; d++) {
    int32_t day = today - (DAYS - 1 - d);
    amount_wide left = 0;
    for (size_t k = 0; k < 4; k++) {
      const struct books_sums *s = credits(&b, day, k);
      struct stand zero = {0}, *before = d ? &ends[d - 1] : &zero;
      assert_true(s->closing == ends[d].of[k].left && s->opening == before->of[k].left);
      assert_true(s->frozen_closing == ends[d].of[k].held && s->frozen_opening == before->of[k].held);
      assert_true(s->flows[BOOKS_CONSUMED] == ends[d].of[k].used - before->of[k].used);
      assert_true(s->flows[BOOKS_EXPIRED] == ends[d].of[k].gone - before->of[k].gone);
      assert_true(s->flows[BOOKS_REFUNDED] + s->flows[BOOKS_LOST] == ends[d].of[k].back - before->of[k].back);
      left += s->closing;
    }
    assert_true(credits(&b, day, 4)->closing == ends[d].debt);
    assert_true(left - ends[d].debt == ends[d].balance);
  }
}

static void money_adds_up_to_what_was_paid(void **state) {
  (void)state;
  struct books b = report(from, 0);
  static const char *const currencies[] = {"eur", "jpy"};
  size_t seen = 0;
  for (size_t i = 0; i < b.total_count; i++)
    for (size_t c = 0; c < 2; c++) {
      const struct books_row *t = &b.totals[i];
      char sql[128];
      if (t->of != BOOKS_PAID || strcmp(t->currency, currencies[c]) != 0) continue;
      const amount_wide *f = t->money.flows;
      (void)snprintf(sql, sizeof sql, "SELECT coalesce(sum(paid), 0)::bigint FROM grants WHERE currency = '%s'", currencies[c]);
      assert_true(f[BOOKS_GRANTED] == one(sql) && t->money.opening == 0);
      assert_true(f[BOOKS_GRANTED] == f[BOOKS_CONSUMED] + f[BOOKS_EXPIRED] + f[BOOKS_REFUNDED] + f[BOOKS_LOST] + t->money.closing +
                                          t->money.frozen_closing);
      seen++;
    }
  assert_int_equal(seen, 2);
}

// Else what follows would say little.
static void everything_has_happened(void **state) {
  (void)state;
  struct books b = report(from, 0);
  for (int f = 0; f < BOOKS_FLOW_COUNT; f++) {
    bool moved = false;
    for (size_t i = 0; i < b.row_count; i++) moved = moved || b.rows[i].credits.flows[f] != 0;
    assert_true(moved);
  }
}

static struct str as_json(const struct books *b) {
  struct buf out;
  buf_init(&out, 16 << 20);
  struct books plain = *b;
  plain.as_of = 0;
  struct json_writer w = json_writer(&out);
  books_write_json(&w, &plain);
  struct str text = arena_str(&arena, buf_str(&out));
  buf_finish(&out);
  return text;
}

static void the_pieces_make_no_difference(void **state) {
  (void)state;
  static const size_t pieces[] = {1, 2, 3, 7, 50, 1000};
  struct books whole = report(from, 0);
  struct str text = as_json(&whole);
  for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
    struct books b = report(from, pieces[i]);
    assert_true(str_eq(as_json(&b), text));
  }
}

static void a_range_begins_with_what_the_range_before_it_ends_with(void **state) {
  (void)state;
  struct books whole = report(from, 0);
  for (int back = 1; back < DAYS; back++) {
    char later[CLOCK_TEXT_MAX];
    clock_print((int64_t)(whole.known - back) * 86400 * 1000000, later);
    later[10] = '\0';
    struct books part = report(later, 0);
    assert_true(part.row_count > 0);
    for (size_t i = 0; i < part.row_count; i++) {
      const struct books_row *p = &part.rows[i], *w = row_of(&whole, p->day, p->of, p->currency);
      assert_non_null(w);
      assert_memory_equal(&p->credits, &w->credits, sizeof p->credits);
      assert_memory_equal(&p->money, &w->money, sizeof p->money);
    }
  }
}

static void wrong_ranges_are_answered(void **state) {
  (void)state;
  struct books b;
  struct books_query q = {.time_zone = STR("UTC"), .from = STR("2026-02-01"), .until = STR("2026-02-01")};
  assert_int_equal(report_books(db, &arena, &q, &b), BOOKS_REVERSED);
  q.from = STR("2020-01-01");
  assert_int_equal(report_books(db, &arena, &q, &b), BOOKS_TOO_MANY);
  q = (struct books_query){.time_zone = STR("UTC"), .from = STR("2020-02-11")};
  assert_int_equal(report_books(db, &arena, &q, &b), BOOKS_DONE); // of a month of which nothing is known
  assert_int_equal(b.last - b.first, 19);
  assert_int_equal(b.row_count + b.total_count, 0);
  q = (struct books_query){.time_zone = STR("UTC"), .until = STR("2020-02-11")};
  assert_int_equal(report_books(db, &arena, &q, &b), BOOKS_DONE);
  assert_int_equal(b.last - b.first, 10);
  q = (struct books_query){.time_zone = STR("UTC"), .from = STR("9000-01-01")};
  assert_int_equal(report_books(db, &arena, &q, &b), BOOKS_DONE);
  assert_int_equal(b.row_count + b.total_count, 0);
  q = (struct books_query){.time_zone = STR("UTC")};
  assert_int_equal(report_books(db, &arena, &q, &b), BOOKS_DONE);
  assert_true(b.row_count > 0 && b.known <= b.last);
}

static void days_are_those_of_the_zone(void **state) {
  (void)state;
  struct books utc = report(from, 0), far;
  struct books_query q = {.time_zone = STR("Pacific/Kiritimati"), .from = str_from(from), .until = str_from(until)};
  assert_int_equal(report_books(db, &arena, &q, &far), BOOKS_DONE);
  assert_int_equal(utc.total_count, far.total_count);
  for (size_t i = 0; i < utc.total_count; i++) assert_memory_equal(&utc.totals[i].credits, &far.totals[i].credits, sizeof far.totals[i].credits);
}

// The books that do not add up are no report: a leg that nothing covers.
static void what_does_not_add_up_is_a_fault(void **state) {
  (void)state;
  struct books b;
  struct books_query q = {.time_zone = STR("UTC"), .from = str_from(from), .until = str_from(until)};
  assert_int_equal(db_exec(db, "UPDATE transfers SET leg_amounts[1] = leg_amounts[1] + 1000000000000 WHERE (customer_id, writer_id, seq, ordinal) = "
                               "(SELECT customer_id, writer_id, seq, ordinal FROM transfers WHERE kind = 3 LIMIT 1)"), 0);
  assert_int_equal(report_books(db, &arena, &q, &b), FAULT_CORRUPT);
  assert_int_equal(db_exec(db, "UPDATE transfers SET leg_amounts[1] = leg_amounts[1] - 1000000000000 WHERE leg_amounts[1] >= 1000000000000"), 0);
  assert_int_equal(report_books(db, &arena, &q, &b), BOOKS_DONE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(days_are_as_the_ledger_kept_them),
      cmocka_unit_test(money_adds_up_to_what_was_paid),
      cmocka_unit_test(everything_has_happened),
      cmocka_unit_test(the_pieces_make_no_difference),
      cmocka_unit_test(a_range_begins_with_what_the_range_before_it_ends_with),
      cmocka_unit_test(wrong_ranges_are_answered),
      cmocka_unit_test(days_are_those_of_the_zone),
      cmocka_unit_test(what_does_not_add_up_is_a_fault),
  };
  return cmocka_run_group_tests(tests, live, books_close);
}
