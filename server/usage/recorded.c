// One look-up for all calls that are asked for.
#include "usage/recorded.h"
#include "base/fault.h"
#include "base/mem.h"
#include "db/db.h"

int usage_recorded_read(struct db *db, struct arena *arena, struct usage_recorded *calls, size_t count) {
  CLEANUP(db_params_finish) struct db_params params;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&params);
  db_array_begin(&params, DB_UUID);
  for (size_t i = 0; i < count; i++) db_array_uuid(&params, calls[i].customer);
  db_array_end(&params);
  db_array_begin(&params, DB_UUID);
  for (size_t i = 0; i < count; i++) db_array_uuid(&params, calls[i].call);
  db_array_end(&params);
  if (db_run(db, STATEMENT_USAGE_RECORDED, &params, &r) != 0 || db_rows(r) != count) return FAULT_DB;
  for (size_t i = 0; i < count; i++) {
    calls[i].found = !db_is_null(r, i, 0);
    calls[i].state = (enum call_state)db_i64(r, i, 0);
    calls[i].charge = db_i64(r, i, 1);
    calls[i].usage = arena_str(arena, db_text(r, i, 2));
    calls[i].model = arena_str(arena, db_text(r, i, 3));
    calls[i].more = arena_str(arena, db_text(r, i, 4));
  }
  return 0;
}
