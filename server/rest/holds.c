// /api/v1/holds: credits that an app sets aside by itself, before work that is no call through the gateway. What changes them is in
// holding_*.c; here they are shown.
#include "base/limits.h"
#include "rest/holding.h"

static void hold_get(struct rest_request *r, struct db *db) {
  struct uuid id, customer = r->who->is_operator ? UUID_NIL : r->who->customer_id;
  struct held held;
  if (!rest_path_id(r, "call", &id)) return;
  int found = held_read(db, r->arena, customer, id, &held);
  if (found < 0) rest_fault(r, found);
  else if (found > 0) rest_unknown(r, "id", "hold");
  if (found != 0) return;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  hold_write(&w, &held, NULL);
  rest_reply(r, 200, &out);
}

static void hold_list_get(struct rest_request *r, struct db *db) {
  struct rest_page page;
  struct uuid customer;
  struct held *list = NULL;
  size_t count = 0;
  if (!rest_page(r, &page) || !rest_customer_query(r, &customer)) return;
  int fault = held_list(db, r->arena, customer, page.before, page.limit + 1, &list, &count);
  if (fault != 0) {
    rest_fault(r, fault);
    return;
  }
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  size_t shown = rest_shown(&page, count);
  rest_list_begin(&w);
  for (size_t i = 0; i < shown; i++) hold_summary_write(&w, &list[i]);
  rest_list_end(&w, r, &page, count, shown ? list[shown - 1].id : UUID_NIL);
  rest_reply(r, 200, &out);
}

const struct rest_endpoint rest_holds[] = {
    {"POST", "/api/v1/holds", REST_HOLDS, REST_PRIMARY, NULL, hold_post},
    {"GET", "/api/v1/holds", REST_OWN, REST_PRIMARY, "customer|limit|cursor", hold_list_get},
    {"GET", "/api/v1/holds/{id}", REST_OWN, REST_PRIMARY, NULL, hold_get},
    {"POST", "/api/v1/holds/{id}/extend", REST_HOLDS, REST_PRIMARY, NULL, hold_extend_post},
    {"POST", "/api/v1/holds/{id}/settle", REST_HOLDS, REST_PRIMARY, NULL, hold_settle_post},
    {"POST", "/api/v1/holds/{id}/release", REST_HOLDS_BARE, REST_PRIMARY, NULL, hold_release_post},
    {"POST", "/api/v1/check", REST_OWN, REST_PRIMARY, NULL, check_post},
    {0},
};
