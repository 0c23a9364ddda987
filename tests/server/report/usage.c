// The usage report and a call's explanation, over calls that the real ledger has written: both equal the books to the last
// unit, corrections included.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../cluster.h"
#include "base/clock.h"
#include "base/mem.h"
#include "customer/customer.h"
#include "json/write.h"
#include "ledger/ledger.h"
#include "meter/explain.h"
#include "price/price.h"
#include "price/provider.h"
#include "report/usage.h"

static struct cluster cluster;
static struct db *db;
static struct ledger *ledger;
static struct arena arena;
static struct crypto_keys keys;
static struct uuid provider_id, chat, embedding;
static struct plugin_registry *plugins;

static struct uuid price(const char *model, amount input, amount output) {
  struct price p = {.id = uuid_v7(clock_wall_us()), .provider_id = provider_id, .model = str_from(model),
                    .rates = {{STR("input_tokens"), 1000000, input, input / 2}, {STR("output_tokens"), 1000000, output, output / 2}},
                    .rate_count = 2};
  assert_int_equal(db_begin(db), 0);
  assert_int_equal(price_create(db, &p), PRICE_DONE);
  assert_int_equal(db_commit(db), 0);
  return p.id;
}

static struct uuid customer(const char *zone) {
  struct customer c = {.id = uuid_v7(clock_wall_us()), .time_zone = str_from(zone), .metadata = STR("{}"), .short_policy = CUSTOMER_REFUSE};
  assert_int_equal(customer_create(db, &c), CUSTOMER_DONE);
  return c.id;
}

static struct uuid grant(struct uuid of, amount credits, int priority) {
  struct ledger_op op = {.kind = LEDGER_GRANT, .customer = of, .id = uuid_v7(clock_wall_us()),
                         .grant = {.source = 1, .priority = priority, .amount = credits, .reason = STR("")}};
  assert_int_equal(ledger_run(ledger, &op), LEDGER_DONE);
  return op.id;
}

static struct uuid admit(struct uuid of, struct uuid key, struct uuid at_price, amount hold) {
  struct ledger_op op = {.kind = LEDGER_ADMIT, .customer = of, .id = ledger_call_id(ledger, of), .key = key, .price = at_price,
                         .hold = hold, .usage = STR("{}"), .config_version = 1, .about = STR("{\"endpoint\":\"/v1/x\"}")};
  assert_int_equal(ledger_run(ledger, &op), LEDGER_DONE);
  return op.id;
}

static void settle(struct uuid of, struct uuid call, enum call_state as, amount charge, amount cost, const char *usage) {
  struct ledger_op op = {.kind = LEDGER_SETTLE, .customer = of, .id = call, .state = as, .charge = charge, .cost = cost,
                         .usage = str_from(usage), .evidence = STR("{\"raw_usage\":{\"prompt_tokens\":3},\"status\":200}")};
  assert_int_equal(ledger_run(ledger, &op), LEDGER_DONE);
}

// Three of input and two of output: 3 * 150 + 2 * 600 nanocredits a million tokens of 0.15 and 0.6 credits.
static struct uuid called(struct uuid of, struct uuid key) {
  struct uuid call = admit(of, key, chat, 5000);
  settle(of, call, CALL_SETTLED, 1650, 825, "{\"input_tokens\":3,\"output_tokens\":2}");
  return call;
}

static void undo(struct uuid of, struct uuid call) {
  struct ledger_op op = {.kind = LEDGER_VOID, .customer = of, .id = call, .evidence = STR("{\"reason\":\"test\"}")};
  assert_int_equal(ledger_run(ledger, &op), LEDGER_DONE);
}

static struct report report(struct uuid of, unsigned groups) {
  struct report r;
  assert_int_equal(report_usage(db, &arena, of, (struct report_bound){0}, (struct report_bound){0}, groups, &r), REPORT_DONE);
  return r;
}

static amount spent(struct uuid of, amount given) {
  struct customer c;
  assert_int_equal(customer_read(db, &arena, of, &c), CUSTOMER_DONE);
  return given - c.balance;
}

static int64_t quantity(const struct report_row *row, const char *meter) {
  for (size_t i = 0; i < row->meter_count; i++)
    if (str_eq(row->meters[i].name, str_from(meter))) return row->meters[i].quantity;
  return 0;
}

static struct explanation explain(struct uuid call) {
  struct explanation e;
  assert_int_equal(explain_call(db, &arena, plugins, UUID_NIL, call, &e), 0);
  return e;
}

static void the_report_equals_the_ledger(void **state) {
  (void)state;
  struct uuid of = customer("UTC"), one = uuid_v7(clock_wall_us()), two = uuid_v7(clock_wall_us());
  (void)grant(of, 1000000, 100);
  for (int i = 0; i < 4; i++) (void)called(of, i % 2 ? one : two);
  struct uuid call = admit(of, one, embedding, 1000);
  settle(of, call, CALL_SETTLED, 200, 100, "{\"input_tokens\":10}");
  call = admit(of, one, chat, 1000);
  settle(of, call, CALL_RELEASED, 0, 0, "{}");
  struct report r = report(of, REPORT_DAY | REPORT_MODEL | REPORT_KEY);
  assert_int_equal(r.totals.charge, spent(of, 1000000));
  assert_int_equal(r.totals.charge, 4 * 1650 + 200);
  assert_int_equal(r.totals.cost, 4 * 825 + 100);
  assert_int_equal(r.totals.calls, 5);
  assert_int_equal(r.row_count, 3);
  amount sum = 0;
  for (size_t i = 0; i < r.row_count; i++) sum += r.rows[i].charge;
  assert_int_equal(sum, r.totals.charge);
  r = report(of, REPORT_MODEL);
  assert_int_equal(r.row_count, 2);
  assert_true(str_eq(r.rows[0].model, STR("chat")) && str_eq(r.rows[1].model, STR("embedding")));
  assert_int_equal(r.rows[0].calls, 4);
  assert_int_equal(quantity(&r.rows[0], "input_tokens"), 12);
  assert_int_equal(quantity(&r.rows[0], "output_tokens"), 8);
  assert_int_equal(report(of, 0).row_count, 1);
}

static void what_is_undone_is_taken_out_again(void **state) {
  (void)state;
  struct uuid of = customer("UTC"), key = uuid_v7(clock_wall_us());
  (void)grant(of, 1000000, 100);
  (void)called(of, key);
  undo(of, called(of, key));
  struct report r = report(of, REPORT_KEY);
  assert_int_equal(r.totals.charge, spent(of, 1000000));
  assert_int_equal(r.totals.charge, 1650);
  assert_int_equal(quantity(&r.rows[0], "input_tokens"), 3);
}

static void days_are_the_customers(void **state) {
  (void)state;
  struct uuid of = customer("Pacific/Kiritimati"); // fourteen hours ahead
  (void)grant(of, 1000000, 100);
  struct uuid call = called(of, uuid_v7(clock_wall_us()));
  char local[CLOCK_TEXT_MAX];
  clock_print(uuid_time_us(call) + INT64_C(14) * 3600 * 1000000, local);
  struct str day = {local, 10};
  struct report r;
  assert_int_equal(report_usage(db, &arena, of, (struct report_bound){.day = day}, (struct report_bound){0}, REPORT_DAY, &r), REPORT_DONE);
  assert_int_equal(r.row_count, 1);
  assert_true(str_eq(r.rows[0].day, day));
  assert_int_equal(report_usage(db, &arena, of, (struct report_bound){.at = 1}, (struct report_bound){.day = day}, REPORT_DAY, &r), REPORT_DONE);
  assert_int_equal(r.row_count, 0);
  assert_int_equal(report_usage(db, &arena, of, (struct report_bound){.day = day}, (struct report_bound){.day = day}, 0, &r), REPORT_REVERSED);
  assert_int_equal(report_usage(db, &arena, uuid_v7(clock_wall_us()), (struct report_bound){0}, (struct report_bound){0}, 0, &r), REPORT_UNKNOWN);
}

static void csv_has_a_line_of_headings_and_one_for_each_row(void **state) {
  (void)state;
  struct uuid of = customer("UTC");
  (void)grant(of, 1000000, 100);
  (void)called(of, uuid_v7(clock_wall_us()));
  struct report r = report(of, REPORT_MODEL);
  struct buf out;
  buf_init(&out, 4096);
  report_write_csv(&out, &r, true);
  assert_string_equal(buf_cstr(&out), "model,calls,charge,cost,input_tokens,output_tokens\r\nchat,1,0.00000165,0.000000825,3,2\r\n");
  buf_clear(&out);
  report_write_csv(&out, &r, false);
  assert_string_equal(buf_cstr(&out), "model,calls,charge,input_tokens,output_tokens\r\nchat,1,0.00000165,3,2\r\n");
  buf_finish(&out);
}

static void a_call_is_explained_by_its_id_alone(void **state) {
  (void)state;
  struct uuid of = customer("UTC"), key = uuid_v7(clock_wall_us());
  struct uuid first = grant(of, 1000, 1), second = grant(of, 1000000, 2);
  struct explanation e = explain(called(of, key));
  assert_true(uuid_eq(e.customer, of) && uuid_eq(e.key, key) && uuid_eq(e.price.id, chat));
  assert_int_equal(e.state, CALL_SETTLED);
  assert_true(e.adds_up);
  assert_int_equal(e.line_count, 2);
  assert_int_equal(e.lines[0].charge + e.lines[1].charge, e.charge);
  assert_int_equal(e.lines[0].cost + e.lines[1].cost, e.cost);
  assert_int_equal(e.part_count, 2);
  assert_true(uuid_eq(e.parts[0].grant, first) && uuid_eq(e.parts[1].grant, second));
  assert_int_equal(e.parts[0].amount, 1000);
  assert_int_equal(e.parts[1].amount, 650);
  assert_true(str_eq(e.raw_usage, STR("{\"prompt_tokens\": 3}")));
  assert_true(str_eq(e.hold, STR("{\"endpoint\": \"/v1/x\"}")));
  struct explanation other;
  assert_int_equal(explain_call(db, &arena, plugins, customer("UTC"), e.id, &other), 1);
  assert_int_equal(explain_call(db, &arena, plugins, of, e.id, &other), 0);
  assert_int_equal(explain_call(db, &arena, plugins, UUID_NIL, ledger_call_id(ledger, of), &other), 1);
}

static void a_pending_call_is_found_with_what_it_holds(void **state) {
  (void)state;
  struct uuid of = customer("UTC");
  (void)grant(of, 1000000, 100);
  struct uuid call = admit(of, uuid_v7(clock_wall_us()), chat, 4711);
  struct explanation e = explain(call);
  assert_int_equal(e.state, CALL_PENDING);
  assert_int_equal(e.held, 4711);
  assert_int_equal(e.line_count, 0);
  assert_true(e.adds_up);
  settle(of, call, CALL_RELEASED, 0, 0, "{}");
  e = explain(call);
  assert_int_equal(e.state, CALL_RELEASED);
  assert_int_equal(e.held, 0);
}

static void an_undone_call_says_so_and_nobody_paid(void **state) {
  (void)state;
  struct uuid of = customer("UTC");
  (void)grant(of, 1000000, 100);
  struct uuid call = called(of, uuid_v7(clock_wall_us()));
  undo(of, call);
  struct explanation e = explain(call);
  assert_int_equal(e.state, CALL_VOIDED);
  assert_int_equal(e.charge, 0);
  assert_int_equal(e.part_count, 0);
  assert_int_equal(e.revision_count, 2);
  assert_int_equal(e.revisions[1].charge, -1650);
  assert_true(e.adds_up && e.line_count == 0);
}

static void a_charge_that_is_not_the_lines_is_told(void **state) {
  (void)state;
  struct uuid of = customer("UTC");
  (void)grant(of, 1000000, 100);
  struct uuid call = admit(of, uuid_v7(clock_wall_us()), chat, 5000);
  settle(of, call, CALL_SETTLED, 1651, 825, "{\"input_tokens\":3,\"output_tokens\":2}");
  assert_false(explain(call).adds_up);
}

static void the_list_has_pending_ended_and_undone_calls_newest_first(void **state) {
  (void)state;
  struct uuid of = customer("UTC"), key = uuid_v7(clock_wall_us()), other = uuid_v7(clock_wall_us());
  (void)grant(of, 1000000, 100);
  struct uuid first = called(of, key), second = called(of, other), third = admit(of, key, chat, 10);
  undo(of, second);
  struct explain_filter filter = {.customer = of};
  struct explain_summary *list = NULL;
  size_t count = 0;
  assert_int_equal(explain_list(db, &arena, &filter, 10, &list, &count), 0);
  assert_int_equal(count, 3);
  assert_true(uuid_eq(list[0].id, third) && uuid_eq(list[1].id, second) && uuid_eq(list[2].id, first));
  assert_int_equal(list[0].state, CALL_PENDING);
  assert_int_equal(list[1].state, CALL_VOIDED);
  assert_int_equal(list[1].charge, 0);
  assert_true(str_eq(list[1].usage, STR("{}")) && str_eq(list[2].model, STR("chat")));
  filter.state = CALL_SETTLED;
  assert_int_equal(explain_list(db, &arena, &filter, 10, &list, &count), 0);
  assert_int_equal(count, 1);
  filter = (struct explain_filter){.customer = of, .key = key, .before = third};
  assert_int_equal(explain_list(db, &arena, &filter, 10, &list, &count), 0);
  assert_int_equal(count, 1);
  assert_true(uuid_eq(list[0].id, first));
  filter = (struct explain_filter){.customer = of, .from = uuid_time_us(first), .to = uuid_time_us(first)};
  assert_int_equal(explain_list(db, &arena, &filter, 10, &list, &count), 0);
  assert_int_equal(count, 0);
  settle(of, third, CALL_RELEASED, 0, 0, "{}");
}

static int start(void **state) {
  (void)state;
  struct buf error;
  buf_init(&error, 512);
  arena_init(&arena, 1 << 26);
  assert_true(crypto_start());
  crypto_random(&keys, sizeof keys);
  cluster_start(&cluster);
  cluster_migrate(&cluster);
  db = db_connect(cluster.url, 5000, 2000, 5000, &error);
  assert_non_null(db);
  ledger = ledger_create(&(struct ledger_config){.url = cluster.url, .instance = "test", .lease_ms = 10000}, &error);
  assert_non_null(ledger);
  assert_true(plugin_registry_load(BINARY_DIR "/plugins", &plugins, &error) >= 0);
  buf_finish(&error);
  provider_id = uuid_v7(clock_wall_us());
  struct provider p = {.id = provider_id, .name = STR("up"), .plugin = STR("openai"), .base_url = STR("https://x"), .enabled = true};
  assert_int_equal(provider_create(db, &arena, &keys, &p), PROVIDER_DONE);
  chat = price("chat", 150000000, 600000000);
  embedding = price("embedding", 20000000, 0);
  return 0;
}

static int finish(void **state) {
  (void)state;
  ledger_destroy(ledger);
  plugin_registry_destroy(plugins);
  db_destroy(db);
  arena_finish(&arena);
  cluster_remove(&cluster);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_report_equals_the_ledger),
      cmocka_unit_test(what_is_undone_is_taken_out_again),
      cmocka_unit_test(days_are_the_customers),
      cmocka_unit_test(csv_has_a_line_of_headings_and_one_for_each_row),
      cmocka_unit_test(a_call_is_explained_by_its_id_alone),
      cmocka_unit_test(a_pending_call_is_found_with_what_it_holds),
      cmocka_unit_test(an_undone_call_says_so_and_nobody_paid),
      cmocka_unit_test(a_charge_that_is_not_the_lines_is_told),
      cmocka_unit_test(the_list_has_pending_ended_and_undone_calls_newest_first),
  };
  return cmocka_run_group_tests(tests, start, finish);
}
