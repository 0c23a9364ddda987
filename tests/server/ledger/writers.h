// A writer by hand: its row, and no thread.
#pragma once
#include "ledger/batch.h"

static inline struct batch_writer writer_new(struct db *on) {
  struct batch_writer w = {.lease_us = INT64_C(3600000000)};
  struct db_result *r = NULL;
  struct db_params p;
  db_params_init(&p);
  db_param_i64(&p, w.lease_us);
  db_param_text(&p, STR("test"));
  assert_int_equal(db_run(on, STATEMENT_LEDGER_REGISTER, &p, &r), 0);
  w.id = (int32_t)db_i64(r, 0, 0);
  w.epoch = db_i64(r, 0, 1);
  w.seq = db_i64(r, 0, 2);
  db_result_finish(r);
  db_params_finish(&p);
  return w;
}
