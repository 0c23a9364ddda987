// See held.h. An open hold is looked for first: what ends in between is found by the second look.
#include "meter/held.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/db.h"
#include "json/read.h"
#include "json/write.h"

#define ABOUT_MAX (256 * 1024) // metadata may be as long as it may; quantities are few

// ---- what is kept with it

struct str held_about_write(struct arena *arena, const struct held_about *a) {
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, ABOUT_MAX);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_member_bool(&w, "explicit", true);
  json_member_amount(&w, "hold", a->hold);
  if (a->model.len) json_member_str(&w, "model", a->model);
  if (a->provider.len) json_member_str(&w, "provider", a->provider);
  if (a->bound.len) json_member_raw(&w, "bound", a->bound);
  json_member_text(&w, "request_id", a->request_id);
  if (a->metadata.len) json_member_raw(&w, "metadata", a->metadata);
  json_object_end(&w);
  ASSERT(!out.full);
  return arena_str(arena, buf_str(&out));
}

bool held_about_read(struct arena *arena, struct str about, struct held *ret) {
  CLEANUP(json_finishp) struct json *root = NULL;
  struct json_error error;
  bool explicit = false;
  struct str model = {0};
  if (about.len == 0 || json_parse(about, &root, &error) != 0) return false;
  struct json *said = json_get(root, "explicit"), *named = json_get(root, "model"), *metadata = json_get(root, "metadata");
  if (!said || !json_bool(said, &explicit) || !explicit) return false;
  if (named && json_text(named, &model)) ret->model = arena_str(arena, model);
  ret->metadata = STR("{}");
  if (!metadata) return true;
  CLEANUP(mem_freep) char *text = json_dump(metadata);
  ret->metadata = arena_str(arena, str_from(text));
  return true;
}

// ---- rows

static int run(struct db *db, enum statement_id statement, struct uuid customer, struct uuid id, struct db_result **ret) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, id);
  db_param_uuid_or_null(&p, customer);
  return db_run(db, statement, &p, ret) == 0 ? 0 : FAULT_DB;
}

static int open_read(struct db *db, struct arena *arena, struct uuid customer, struct held *ret) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (run(db, STATEMENT_HELD_OPEN, customer, ret->id, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return 1;
  ret->customer = db_uuid(r, 0, 0);
  ret->key = db_uuid(r, 0, 1);
  ret->price = db_uuid(r, 0, 2);
  ret->amount = db_i64(r, 0, 3);
  ret->expires_at = db_time(r, 0, 4);
  ret->state = CALL_PENDING;
  return held_about_read(arena, db_text(r, 0, 5), ret) ? 0 : FAULT_CORRUPT;
}

static int ended_read(struct db *db, struct arena *arena, struct uuid customer, struct held *ret) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (run(db, STATEMENT_HELD_ENDED, customer, ret->id, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0 || db_is_null(r, 0, 6) || !held_about_read(arena, db_text(r, 0, 6), ret)) return 1;
  ret->customer = db_uuid(r, 0, 0);
  ret->key = db_uuid(r, 0, 1);
  for (size_t row = 0; row < db_rows(r) && uuid_eq(db_uuid(r, row, 0), ret->customer); row++) {
    ret->price = db_uuid(r, row, 2);
    ret->state = (enum call_state)db_i64(r, row, 3);
    unsigned flags = (unsigned)db_i64(r, row, 4);
    if ((ret->state == CALL_SETTLED || ret->state == CALL_UNRATED) && !(flags & CALL_RERATED)) ret->flags |= flags; // how it was settled, whatever came after
    ret->charged += db_i64(r, row, 5);
    if (!db_is_null(r, row, 8)) ret->unpriced_model = arena_str(arena, db_text(r, row, 8));
    if (quantities_add(&ret->usage, arena, db_text(r, row, 7)) != 0) return FAULT_CORRUPT;
  }
  return 0;
}

int held_parts_read(struct db *db, struct arena *arena, struct held *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, ret->customer);
  db_param_uuid(&p, ret->id);
  db_param_i64(&p, HELD_PARTS_TOLD);
  if (db_run(db, STATEMENT_HELD_PARTS, &p, &r) != 0) return FAULT_DB;
  ret->parts_told = db_rows(r);
  ret->parts = arena_alloc(arena, (ret->parts_told + 1) * sizeof *ret->parts);
  for (size_t i = 0; i < ret->parts_told; i++)
    ret->parts[i] = (struct held_part){db_uuid(r, i, 0), db_i64(r, i, 1), (enum call_state)db_i64(r, i, 2), (unsigned)db_i64(r, i, 3)};
  if (ret->parts_told == 0) return 0;
  ret->part_count = (size_t)db_i64(r, 0, 4);
  ret->charged += db_i64(r, 0, 5);
  return 0;
}

int held_read(struct db *db, struct arena *arena, struct uuid customer, struct uuid id, struct held *ret) {
  *ret = (struct held){.id = id};
  int r = open_read(db, arena, customer, ret);
  if (r == 1) r = ended_read(db, arena, customer, ret);
  return r == 0 ? held_parts_read(db, arena, ret) : r;
}

int held_list(struct db *db, struct arena *arena, struct uuid customer, struct uuid before, size_t max, struct held **ret, size_t *ret_count) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_uuid_or_null(&p, before);
  db_param_i64(&p, (int64_t)max);
  if (db_run(db, STATEMENT_HELD_LIST, &p, &r) != 0) return FAULT_DB;
  *ret_count = db_rows(r);
  *ret = arena_alloc(arena, (*ret_count + 1) * sizeof **ret);
  for (size_t i = 0; i < *ret_count; i++) {
    struct held *h = &(*ret)[i];
    *h = (struct held){.customer = customer, .id = db_uuid(r, i, 0), .key = db_uuid(r, i, 1), .price = db_uuid(r, i, 2), .state = CALL_PENDING,
                       .amount = db_i64(r, i, 3), .charged = db_i64(r, i, 6), .expires_at = db_time(r, i, 4)};
    if (!held_about_read(arena, db_text(r, i, 5), h)) return FAULT_CORRUPT;
  }
  return 0;
}
