// /api/v1/reports/books.
#include "report/books.h"
#include "base/limits.h"
#include "rest/endpoints.h"

// A day, as a bare date; ptr NULL where it is not given.
static bool day_read(struct rest_request *r, const char *name, struct str *ret) {
  int64_t ignored;
  *ret = (struct str){0};
  if (!rest_query(r, name, ret) || (ret->len == 10 && rest_time_query(r, name, &ignored))) return true;
  if (ret->len != 10) rest_refuse(r, PROBLEM_INVALID_REQUEST, name, "%s must be a day such as 2026-11-01.", name);
  return false;
}

static bool zone_read(struct rest_request *r, struct db *db, struct str *ret) {
  *ret = STR("UTC");
  if (!rest_query(r, "time_zone", ret)) return true;
  int known = customer_zone_check(db, *ret);
  if (known < 0) rest_fault(r, known);
  if (known > 0) rest_refuse(r, PROBLEM_INVALID_REQUEST, "time_zone", "There is no such time zone; give a name such as Europe/Berlin.");
  return known == 0;
}

static bool reported(struct rest_request *r, int answer) {
  if (answer < 0)
    rest_fault(r, answer);
  else if (answer == BOOKS_REVERSED)
    rest_refuse(r, PROBLEM_INVALID_REQUEST, "from", "from must be before until.");
  else if (answer == BOOKS_TOO_MANY)
    rest_refuse(r, PROBLEM_INVALID_REQUEST, "from", "This is more than 400 days or %d rows: ask for a shorter range.", LIMIT_REPORT_ROWS);
  else if (answer == BOOKS_TOO_LONG)
    rest_refuse(r, PROBLEM_INVALID_REQUEST, NULL, "This takes longer than a report may.");
  return answer == BOOKS_DONE;
}

static void books_get(struct rest_request *r, struct db *db) {
  struct books_query q = {0};
  struct books books;
  bool csv = false;
  if (!day_read(r, "from", &q.from) || !day_read(r, "until", &q.until) || !rest_csv_query(r, &csv) || !zone_read(r, db, &q.time_zone)) return;
  if (!reported(r, report_books(db, r->arena, &q, &books))) return;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  if (csv)
    books_write_csv(&out, &books);
  else
    books_write_json(&w, &books);
  if (out.full)
    rest_refuse(r, PROBLEM_INVALID_REQUEST, "from", "The report is too large: ask for a shorter range.");
  else if (csv)
    rest_reply_as(r, 200, "text/csv; charset=utf-8", buf_str(&out));
  else
    rest_reply(r, 200, &out);
}

const struct rest_endpoint rest_books[] = {
    {"GET", "/api/v1/reports/books", REST_OPERATOR, true, "from|until|time_zone|format", books_get},
    {0},
};
