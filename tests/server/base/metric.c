// Rules of metrics: counts are exact over threads, and the page is Prometheus' text format.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/metric.h"
#include <pthread.h>

static void *count(void *arg) {
  for (int i = 0; i < 20000; i++) metric_add(METRIC_HTTP_REQUESTS, 1);
  return arg;
}

static void counts_of_all_threads_arrive(void **state) {
  (void)state;
  pthread_t threads[4];
  int64_t before = metric_get(METRIC_HTTP_REQUESTS);
  for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, count, NULL), 0);
  for (int i = 0; i < 4; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
  assert_int_equal(metric_get(METRIC_HTTP_REQUESTS) - before, 80000);
}

static void a_gauge_is_what_it_was_set_to(void **state) {
  (void)state;
  metric_set(METRIC_LEDGER_QUEUE, 12);
  metric_add(METRIC_LEDGER_QUEUE, -5);
  assert_int_equal(metric_get(METRIC_LEDGER_QUEUE), 7);
  metric_set(METRIC_LEDGER_QUEUE, 0);
}

static int occurrences(const char *text, const char *what) {
  int found = 0;
  for (const char *at = text; (at = strstr(at, what)); at++) found++;
  return found;
}

static void each_name_is_explained_once_before_its_rows(void **state) {
  (void)state;
  CLEANUP(buf_finish) struct buf page;
  buf_init(&page, 64 * 1024);
  metric_set(METRIC_CALLS_SETTLED, 3);
  metric_print(&page);
  assert_false(page.full);
  const char *text = buf_cstr(&page);
  assert_non_null(strstr(text, "# HELP tollgate_calls_total Calls by what became of them.\n"
                               "# TYPE tollgate_calls_total counter\ntollgate_calls_total{state=\"admitted\"} 0\n"
                               "tollgate_calls_total{state=\"settled\"} 3\n"));
  assert_int_equal(occurrences(text, "# TYPE tollgate_calls_total "), 1);
  assert_non_null(strstr(text, "\n# TYPE tollgate_database_up gauge\ntollgate_database_up 0\n"));
  assert_int_equal(text[page.len - 1], '\n');
  metric_set(METRIC_CALLS_SETTLED, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(counts_of_all_threads_arrive),
      cmocka_unit_test(a_gauge_is_what_it_was_set_to),
      cmocka_unit_test(each_name_is_explained_once_before_its_rows),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
