// /api/v1/reports/usage.
#include "base/limits.h"
#include "report/usage.h"
#include "rest/endpoints.h"
#include "rest/words.h"

#define DATE_LEN 10

static bool bound_read(struct rest_request *r, const char *name, struct report_bound *ret) {
  struct str text;
  *ret = (struct report_bound){0};
  if (!rest_query(r, name, &text)) return true;
  if (!rest_time_query(r, name, &ret->at)) return false;
  if (text.len == DATE_LEN) *ret = (struct report_bound){.day = text};
  return true;
}

static bool groups_read(struct rest_request *r, unsigned *ret) {
  struct str text, word;
  *ret = 0;
  if (!rest_query(r, "group_by", &text)) return true;
  bool known = text.len > 0 && !str_ends(text, STR(","));
  while (known && str_split(&text, ',', &word)) {
    int group = word_find(REPORT_GROUPS, str_trim(word));
    known = group > 0;
    if (known) *ret |= 1u << (group - 1);
  }
  if (!known)
    rest_refuse(r, PROBLEM_INVALID_REQUEST, "group_by", "group_by: any of day, model and key, separated by commas.");
  return known;
}

static bool reported(struct rest_request *r, int answer) {
  if (answer < 0)
    rest_fault(r, answer);
  else if (answer == REPORT_UNKNOWN)
    rest_unknown(r, "customer", "customer");
  else if (answer == REPORT_REVERSED)
    rest_refuse(r, PROBLEM_INVALID_REQUEST, "from", "from must be before to.");
  else if (answer == REPORT_TOO_MANY)
    rest_refuse(r, PROBLEM_INVALID_REQUEST, "from", "More than %d rows: ask for a shorter range or fewer groups.",
                LIMIT_REPORT_ROWS);
  else if (answer == REPORT_TOO_LONG)
    rest_refuse(r, PROBLEM_INVALID_REQUEST, "from", "This takes longer than a report may: ask for a shorter range.");
  else if (answer == REPORT_GONE)
    rest_refuse(r, PROBLEM_INVALID_REQUEST, "from", "Calls of that time are kept no longer, only sums of quarter-hours: from and to must be on one.");
  return answer == REPORT_DONE;
}

static void usage_get(struct rest_request *r, struct db *db) {
  struct uuid customer;
  struct report_bound from, to;
  struct report report;
  unsigned groups = 0;
  bool csv = false, costs = r->who->is_operator;
  if (!bound_read(r, "from", &from) || !bound_read(r, "to", &to) || !groups_read(r, &groups) || !rest_csv_query(r, &csv))
    return;
  if (!rest_customer_query(r, &customer)) return;
  if (!reported(r, report_usage(db, r->arena, customer, from, to, groups, &report))) return;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  if (csv)
    report_write_csv(&out, &report, costs);
  else
    report_write_json(&w, r->arena, &report, costs);
  if (out.full)
    rest_refuse(r, PROBLEM_INVALID_REQUEST, "from", "The report is too large: ask for a shorter range.");
  else if (csv)
    rest_reply_as(r, 200, "text/csv; charset=utf-8", buf_str(&out));
  else
    rest_reply(r, 200, &out);
}

const struct rest_endpoint rest_reports[] = {
    {"GET", "/api/v1/reports/usage", REST_OWN, REST_REPLICA, "customer|from|to|group_by|format", usage_get},
    {0},
};
