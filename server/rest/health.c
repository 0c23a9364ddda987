// Operational endpoints: whether the process lives, whether it can serve, its metrics, and its own description.
#include "base/metric.h"
#include "db/embedded.h"
#include "rest/endpoints.h"

#define METRICS_MAX (1024 * 1024)

static void health_get(struct rest_request *r, struct db *db) {
  (void)db;
  rest_reply_as(r, 200, "application/json", STR("{\"status\":\"ok\"}"));
}

static void ready_get(struct rest_request *r, struct db *db) {
  (void)db;
  struct rest_ready is = {0};
  r->context->ready(r->context->ready_arg, &is);
  bool all = is.database && is.migrations && is.plugins && is.ledger && is.journal;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_member_text(&w, "status", all ? "ready" : "unready");
  json_key(&w, "checks");
  json_object_begin(&w);
  json_member_bool(&w, "database", is.database);
  json_member_bool(&w, "migrations", is.migrations);
  json_member_bool(&w, "plugins", is.plugins);
  json_member_bool(&w, "ledger", is.ledger);
  json_member_bool(&w, "journal", is.journal);
  json_object_end(&w);
  json_object_end(&w);
  rest_reply(r, all ? 200 : 503, &out);
}

static void metrics_get(struct rest_request *r, struct db *db) {
  (void)db;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, METRICS_MAX);
  metric_print(&out);
  rest_reply_as(r, 200, "text/plain; version=0.0.4; charset=utf-8", buf_str(&out));
}

static void openapi_get(struct rest_request *r, struct db *db) {
  (void)db;
  for (const struct embedded_file *f = embedded_files; f->path; f++)
    if (strcmp(f->path, "api/openapi.yaml") == 0) {
      rest_reply_as(r, 200, "application/yaml", (struct str){f->text, f->size});
      return;
    }
  rest_unknown(r, NULL, "file");
}

const struct rest_endpoint rest_health[] = {
    {"GET", "/healthz", REST_OPEN, REST_PRIMARY, NULL, health_get},
    {"GET", "/readyz", REST_OPEN, REST_PRIMARY, NULL, ready_get},
    {"GET", "/metrics", REST_METRICS, REST_PRIMARY, NULL, metrics_get},
    {"GET", "/openapi.yaml", REST_OPEN, REST_PRIMARY, NULL, openapi_get},
    {0},
};
