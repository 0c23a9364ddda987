// Events as they came: kept once, parked, listed, tried anew.
#include "payment/inbox.h"
#include "db/db.h"
#include "rows.h"
#include <stdio.h>

static struct envelope event(const char *id) {
  return (struct envelope){.id = str_from(id),
                           .type = STR("charge.refunded"),
                           .object_id = STR("ch_1"),
                           .api_version = STR("2026-10-28.endive"),
                           .created = 1793700000};
}

static int store(const struct envelope *e, const char *body, const char *reason) {
  assert_int_equal(db_begin(db), 0);
  int r = inbox_store(db, e, str_from(body), reason);
  if (r == INBOX_DONE) assert_int_equal(db_commit(db), 0);
  db_rollback(db);
  return r;
}

static void an_event_is_kept_once_as_it_first_came(void **state) {
  (void)state;
  struct envelope e = event("evt_once");
  struct inbox_event now;
  assert_int_equal(store(&e, "first \xff\x01", NULL), INBOX_DONE);
  assert_int_equal(store(&e, "second", "livemode"), INBOX_KNOWN);
  assert_int_equal(inbox_read(db, &arena, STR("evt_once"), &now), INBOX_DONE);
  assert_true(str_eq(now.type, STR("charge.refunded")) && str_eq(now.object_id, STR("ch_1")) &&
              now.created == 1793700000);
  assert_true(now.state == INBOX_RECEIVED && now.reason.len == 0 && now.attempts == 0 && now.done_at == 0 &&
              now.received_at > 0);
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  assert_int_equal(db_query(db, "SELECT body FROM stripe_events WHERE id = 'evt_once'", &r), 0);
  assert_true(str_eq(db_text(r, 0, 0), STR("first \xff\x01")));
  assert_int_equal(inbox_read(db, &arena, STR("evt_never"), &now), INBOX_UNKNOWN);
}

static void what_is_not_for_this_deployment_is_told_why(void **state) {
  (void)state;
  struct envelope e = event("evt_1");
  assert_null(inbox_objection(&e, false));
  assert_string_equal(inbox_objection(&e, true), "livemode");
  e.livemode = true;
  assert_null(inbox_objection(&e, true));
  assert_string_equal(inbox_objection(&e, false), "livemode");
  e.foreign = "account";
  assert_string_equal(inbox_objection(&e, true), "account");
}

static void what_is_parked_is_tried_anew_and_nothing_else_is(void **state) {
  (void)state;
  struct envelope parked = event("evt_parked"), plain = event("evt_plain");
  struct inbox_event now;
  assert_int_equal(store(&parked, "{}", "livemode"), INBOX_DONE);
  assert_int_equal(store(&plain, "{}", NULL), INBOX_DONE);
  assert_int_equal(inbox_read(db, &arena, parked.id, &now), INBOX_DONE);
  assert_true(now.state == INBOX_PARKED && str_eq(now.reason, STR("livemode")));
  assert_int_equal(inbox_retry(db, parked.id), INBOX_DONE);
  assert_int_equal(inbox_read(db, &arena, parked.id, &now), INBOX_DONE);
  assert_true(now.state == INBOX_RECEIVED && now.reason.len == 0);
  assert_int_equal(inbox_retry(db, parked.id), INBOX_NOT_PARKED);
  assert_int_equal(inbox_retry(db, plain.id), INBOX_NOT_PARKED);
  assert_int_equal(inbox_retry(db, STR("evt_never")), INBOX_UNKNOWN);
}

// Thirty events, of which groups of ten came in one instant: every page size shows each of them once.
static void pages_show_each_event_once_though_instants_are_shared(void **state) {
  (void)state;
  assert_int_equal(db_exec(db, "DELETE FROM stripe_events"), 0);
  for (int i = 0; i < 30; i++) {
    char id[32];
    (void)snprintf(id, sizeof id, "evt_page_%02d", i);
    struct envelope e = event(id);
    assert_int_equal(store(&e, "{}", i % 3 ? NULL : "livemode"), INBOX_DONE);
  }
  assert_int_equal(db_exec(db, "UPDATE stripe_events SET received_at = timestamptz '2026-11-27 10:00:00Z' + "
                               "(substring(id FROM 10)::int / 10) * interval '1 us'"),
                   0);
  for (size_t size = 1; size <= 31; size++) {
    struct inbox_filter filter = {.state = 0};
    struct inbox_event *page;
    size_t count, seen = 0;
    int64_t last = INT64_MAX;
    bool was[30] = {false};
    do {
      assert_int_equal(inbox_list(db, &arena, &filter, size, &page, &count), 0);
      for (size_t i = 0; i < count; i++) {
        int n = (page[i].id.ptr[9] - '0') * 10 + page[i].id.ptr[10] - '0';
        assert_false(was[n]);
        assert_true(page[i].received_at <= last);
        was[n] = true;
        last = page[i].received_at;
      }
      seen += count;
      if (count > 0) filter.before = page[count - 1].place;
    } while (count == size);
    assert_int_equal(seen, 30);
  }
}

static void they_are_listed_by_state_and_type(void **state) {
  (void)state;
  assert_int_equal(db_exec(db, "DELETE FROM stripe_events"), 0);
  struct envelope a = event("evt_a"), b = event("evt_b");
  struct inbox_event *list;
  size_t count;
  b.type = STR("invoice.paid");
  assert_int_equal(store(&a, "{}", NULL), INBOX_DONE);
  assert_int_equal(store(&b, "{}", "account"), INBOX_DONE);
  assert_int_equal(inbox_list(db, &arena, &(struct inbox_filter){.state = INBOX_PARKED}, 10, &list, &count), 0);
  assert_true(count == 1 && str_eq(list[0].id, STR("evt_b")));
  assert_int_equal(inbox_list(db, &arena, &(struct inbox_filter){.type = STR("charge.refunded")}, 10, &list, &count),
                   0);
  assert_true(count == 1 && str_eq(list[0].id, STR("evt_a")));
  assert_int_equal(inbox_list(db, &arena, &(struct inbox_filter){.state = INBOX_SETTLED}, 10, &list, &count), 0);
  assert_int_equal(count, 0);
}

// Whatever a caller's cursor holds.
static void a_place_that_is_none_is_no_fault(void **state) {
  (void)state;
  struct inbox_event *list;
  size_t count;
  for (int byte = 0; byte < 256; byte++) {
    struct inbox_filter filter = {.state = 0};
    memset(&filter.before, byte, sizeof filter.before);
    assert_int_equal(inbox_list(db, &arena, &filter, 10, &list, &count), 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_event_is_kept_once_as_it_first_came),
      cmocka_unit_test(what_is_not_for_this_deployment_is_told_why),
      cmocka_unit_test(what_is_parked_is_tried_anew_and_nothing_else_is),
      cmocka_unit_test(pages_show_each_event_once_though_instants_are_shared),
      cmocka_unit_test(they_are_listed_by_state_and_type),
      cmocka_unit_test(a_place_that_is_none_is_no_fault),
  };
  return cmocka_run_group_tests(tests, rows_open, rows_close);
}
