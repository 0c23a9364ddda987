// Steps are compared by number and by the SHA-256 of their text, which the server computes: this folder is below the
// one that could. A step that was applied is history: it may neither change nor get a new neighbour below it.
#include "db/step.h"
#include "base/log.h"
#include "db/internal.h"
#include <stdio.h>
#include <stdlib.h>

static const char folder[] = "migrations/";

// "migrations/0001_ledger.sql" -> 1, "ledger"
static void name_parse(const char *path, struct step *ret) {
  char *end = NULL;
  long number = strtol(path + sizeof folder - 1, &end, 10);
  const char *dot = strrchr(end, '.');
  ASSERT(number > 0 && number < 1000000 && *end == '_' && dot);
  ret->number = (int)number;
  (void)snprintf(ret->name, sizeof ret->name, "%.*s", (int)(dot - end - 1), end + 1);
}

static void text_copy(char *ret, size_t size, struct str text) {
  (void)snprintf(ret, size, "%.*s", STR_ARG(text));
}

static void carried_read(struct steps *steps, const struct embedded_file *files) {
  for (const struct embedded_file *f = files; f->path; f++) {
    if (strncmp(f->path, folder, sizeof folder - 1) != 0) continue;
    struct step *s = vec_add(&steps->list);
    name_parse(f->path, s);
    s->text = f->text;
    ASSERT(steps->list.count < 2 || s[-1].number < s->number);
  }
}

static int checksums_read(struct steps *steps, struct db *db) {
  static const char sql[] = "SELECT encode(sha256(convert_to(text, 'UTF8')), 'hex')"
                            " FROM unnest($1::text[]) WITH ORDINALITY AS step (text, number) ORDER BY number";
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  struct db_params p;
  db_params_init(&p);
  db_array_begin(&p, DB_TEXT);
  for (size_t i = 0; i < steps->list.count; i++) db_array_text(&p, str_from(steps->list.at[i].text));
  db_array_end(&p);
  int result = db_query_params(db, sql, &p, &r);
  db_params_finish(&p);
  if (result != 0) return FAULT_DB;
  ASSERT(db_rows(r) == steps->list.count);
  for (size_t i = 0; i < db_rows(r); i++)
    text_copy(steps->list.at[i].checksum, sizeof steps->list.at[i].checksum, db_text(r, i, 0));
  return 0;
}

static struct step *step_find(struct steps *steps, int number) {
  for (size_t i = 0; i < steps->list.count; i++)
    if (steps->list.at[i].number == number) return &steps->list.at[i];
  return NULL;
}

static void applied_take(struct steps *steps, const struct db_result *r, size_t row) {
  int number = (int)db_i64(r, row, 0);
  struct step *s = step_find(steps, number);
  if (!s) {
    s = vec_add(&steps->list);
    s->number = number;
    text_copy(s->name, sizeof s->name, db_text(r, row, 1));
  }
  text_copy(s->applied, sizeof s->applied, db_text(r, row, 2));
  s->applied_at = db_time(r, row, 3);
}

static int applied_read(struct steps *steps, struct db *db) {
  CLEANUP(db_result_finishp) struct db_result *there = NULL, *r = NULL;
  if (db_query(db, "SELECT to_regclass('schema_migrations') IS NOT NULL", &there) != 0) return FAULT_DB;
  if (!db_bool(there, 0, 0)) return 0;
  int result = db_query(db, "SELECT number, name, checksum, applied_at FROM schema_migrations ORDER BY number", &r);
  for (size_t i = 0; i < db_rows(r); i++) applied_take(steps, r, i);
  return result == 0 ? 0 : FAULT_DB;
}

static int step_order(const void *a, const void *b) {
  const struct step *x = a, *y = b;
  return (x->number > y->number) - (x->number < y->number);
}

int steps_read(struct steps *steps, struct db *db, const struct embedded_file *files) {
  *steps = (struct steps){0};
  carried_read(steps, files);
  int result = checksums_read(steps, db);
  if (result == 0) result = applied_read(steps, db);
  if (steps->list.count) qsort(steps->list.at, steps->list.count, sizeof *steps->list.at, step_order);
  return result;
}

void steps_finish(struct steps *steps) {
  vec_finish(&steps->list);
}

// ---- the verdict

static void judge_count(const struct steps *steps, struct migrate_status *ret, size_t *ret_pending) {
  *ret_pending = 0;
  for (size_t i = 0; i < steps->list.count; i++) {
    const struct step *s = &steps->list.at[i];
    if (s->applied_at) ret->applied = s->number;
    if (s->text) ret->known = s->number;
    if (!s->applied_at) ++*ret_pending;
  }
}

static bool is_changed(const struct step *s, const struct migrate_status *so_far) {
  if (!s->text) return s->number < so_far->known;
  if (!s->applied_at) return s->number < so_far->applied;
  return strcmp(s->applied, s->checksum) != 0;
}

static void say_changed(const struct step *s, struct migrate_status *ret) {
  const char *how = !s->text         ? "was applied, and this binary does not have it"
                    : !s->applied_at ? "stands below a step that was applied already"
                                     : "was applied with another text than this binary has";
  ret->state = MIGRATE_CHANGED;
  (void)snprintf(ret->detail, sizeof ret->detail,
                 "step %04d_%s %s: applied steps never change; run the binary they came from, or add a new step",
                 s->number, s->name, how);
}

void steps_judge(const struct steps *steps, struct migrate_status *ret) {
  size_t pending;
  *ret = (struct migrate_status){.state = MIGRATE_CURRENT};
  judge_count(steps, ret, &pending);
  if (ret->applied > ret->known) {
    ret->state = MIGRATE_NEWER;
    (void)snprintf(ret->detail, sizeof ret->detail,
                   "the database is at step %d and this binary knows %d: run a newer binary", ret->applied, ret->known);
    return;
  }
  for (size_t i = 0; i < steps->list.count; i++)
    if (is_changed(&steps->list.at[i], ret)) {
      say_changed(&steps->list.at[i], ret);
      return;
    }
  if (pending == 0) {
    (void)snprintf(ret->detail, sizeof ret->detail, "the database is at step %d, the newest", ret->applied);
    return;
  }
  ret->state = ret->applied == 0 ? MIGRATE_EMPTY : MIGRATE_PENDING;
  (void)snprintf(ret->detail, sizeof ret->detail, "the database is at step %d of %d: run tollgate migrate",
                 ret->applied, ret->known);
}
