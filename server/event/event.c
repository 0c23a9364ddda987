// See event.h.
#include "event/event.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/db.h"

static const char *const names[EVENT_TYPE_COUNT] = {
#define X(id, name) [EVENT_##id] = name,
    EVENT_TYPES(X)
#undef X
};

static _Thread_local struct str cause_request, cause_key;

const char *event_name(enum event_type type) {
  ASSERT(type < EVENT_TYPE_COUNT);
  return names[type];
}

bool event_find(struct str name, enum event_type *ret) {
  for (size_t i = 0; i < EVENT_TYPE_COUNT; i++)
    if (str_eq(name, str_from(names[i]))) {
      *ret = (enum event_type)i;
      return true;
    }
  return false;
}

void event_cause(struct str request_id, struct str idempotency_key) {
  cause_request = request_id;
  cause_key = idempotency_key;
}

static struct str or_none(struct str s) {
  return s.len ? s : (struct str){0};
}

int event_add(struct db *db, struct uuid customer, enum event_type type, struct str data_json) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_text(&p, str_from(event_name(type)));
  db_param_text(&p, data_json);
  db_param_text_or_null(&p, or_none(cause_request));
  db_param_text_or_null(&p, or_none(cause_key));
  return db_run(db, STATEMENT_EVENT_ADD, &p, NULL) == 0 ? 0 : FAULT_DB;
}

int event_forward(struct db *db, struct uuid customer, struct str stripe_event_id, struct str type) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_text(&p, type);
  db_param_text(&p, stripe_event_id);
  return db_run(db, STATEMENT_EVENT_FORWARD, &p, NULL) == 0 ? 0 : FAULT_DB;
}

int event_wanted(struct db *db) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (db_run(db, STATEMENT_EVENT_WANTED, NULL, &r) != 0 || db_rows(r) != 1) return FAULT_DB;
  return db_bool(r, 0, 0);
}
