// `tollgate migrate` and `tollgate audit`: straight on the database, without a server.
#include "app/command.h"
#include "app/out.h"
#include "base/clock.h"
#include "base/mem.h"
#include "db/db.h"
#include "db/migrate.h"
#include "ledger/audit.h"
#include "json/write.h"
#include <unistd.h>

#define STATEMENT_MS 60000
#define LINE_BYTES (64 * 1024)

static bool url_required(const struct invocation *in) {
  CLEANUP(buf_finish) struct buf why;
  buf_init(&why, 4096);
  if (config_require(&in->config, SETTING_DATABASE_URL, &why)) return true;
  out_error("%.*s", (int)why.len - 1, why.data);
  return false;
}

// ---- migrate

struct migration {
  bool json;
  struct json_writer w;
  struct out_table table;
};

static void step_tell(void *arg, int number, const char *name) {
  struct migration *m = arg;
  if (!m->json) {
    (void)printf("%04d %s\n", number, name);
    return;
  }
  json_object_begin(&m->w);
  json_member_int(&m->w, "number", number);
  json_member_text(&m->w, "name", name);
  json_object_end(&m->w);
}

static void row_tell(void *arg, int number, const char *name, const char *checksum, int64_t applied_at) {
  struct migration *m = arg;
  if (m->json) {
    json_object_begin(&m->w);
    json_member_int(&m->w, "number", number);
    json_member_text(&m->w, "name", name);
    json_member_text(&m->w, "checksum", checksum);
    json_member_time(&m->w, "applied_at", applied_at);
    json_object_end(&m->w);
    return;
  }
  char text[32], when[CLOCK_TEXT_MAX];
  (void)snprintf(text, sizeof text, "%04d", number);
  out_table_cell(&m->table, text);
  out_table_cell(&m->table, name);
  (void)snprintf(text, sizeof text, "%.12s", checksum);
  out_table_cell(&m->table, text);
  if (applied_at > 0) clock_print(applied_at, when);
  out_table_cell(&m->table, applied_at > 0 ? when : "pending");
}

static const char *state_name(enum migrate_state state) {
  static const char *const names[] = {[MIGRATE_CURRENT] = "current",
                                      [MIGRATE_PENDING] = "pending",
                                      [MIGRATE_CHANGED] = "changed",
                                      [MIGRATE_NEWER] = "newer",
                                      [MIGRATE_EMPTY] = "empty"};
  return names[state];
}

static int migration_run(struct db *db, struct migration *m, bool only_status, struct migrate_status *ret) {
  if (m->json) {
    json_object_begin(&m->w);
    json_key(&m->w, "steps");
    json_array_begin(&m->w);
  }
  int r = only_status ? migrate_list(db, row_tell, m) : migrate_run(db, step_tell, m, ret);
  if (r == 0) r = migrate_status(db, ret);
  if (m->json) {
    json_array_end(&m->w);
    json_member_text(&m->w, "state", r >= 0 ? state_name(ret->state) : "unknown");
    json_member_int(&m->w, "applied", ret->applied);
    json_member_int(&m->w, "known", ret->known);
    json_object_end(&m->w);
    (void)puts(buf_cstr(m->w.out));
  } else if (only_status) {
    out_table_print(&m->table, stdout, "");
  }
  return r;
}

int migrate_command_run(struct invocation *in) {
  CLEANUP(buf_finish) struct buf text;
  buf_init(&text, LINE_BYTES);
  if (!url_required(in)) return EXIT_USAGE;
  struct db *db = db_connect_bare(config_text(&in->config, SETTING_DATABASE_DIRECT_URL), &text);
  if (!db) {
    out_error("the database cannot be reached: %s", buf_cstr(&text));
    return EXIT_NETWORK;
  }
  struct migration m = {.json = in->json, .w = json_writer(&text)};
  struct migrate_status status = {.state = MIGRATE_EMPTY};
  static const char *const headings[] = {"STEP", "NAME", "CHECKSUM", "APPLIED"};
  out_table_init(&m.table);
  for (size_t i = 0; i < ARRAY_LEN(headings); i++) out_table_column(&m.table, headings[i], false);
  int r = migration_run(db, &m, args_flag(&in->args, "status"), &status);
  out_table_finish(&m.table);
  bool refused = r == 1 || status.state == MIGRATE_CHANGED || status.state == MIGRATE_NEWER;
  if (r < 0)
    out_error("%s", db_error(db));
  else if (refused)
    out_error("%s", status.detail);
  else if (!in->json)
    out_note("%s", status.detail);
  db_destroy(db);
  return r < 0 ? EXIT_FAILED : refused ? EXIT_CONFLICT : EXIT_FINE;
}

// ---- audit

struct audit_output {
  bool json, live; // live: a line of progress that is written over
  int64_t told_at;
};

static void finding_tell(void *arg, const struct audit_finding *f) {
  const struct audit_output *o = arg;
  if (!o->json) {
    char id[ID_TEXT_MAX];
    id_print("cus", f->customer, id);
    if (o->live) (void)fputs("\r\x1b[K", stderr);
    (void)printf("%s: %s: %s\n", id, f->rule, f->row);
    return;
  }
  CLEANUP(buf_finish) struct buf line;
  buf_init(&line, LINE_BYTES);
  struct json_writer w = json_writer(&line);
  json_object_begin(&w);
  json_member_text(&w, "rule", f->rule);
  json_member_id(&w, "customer", "cus", f->customer);
  json_member_text(&w, "row", f->row);
  json_object_end(&w);
  (void)printf("%s\n", buf_cstr(&line));
}

static void progress_tell(void *arg, const struct audit_progress *p) {
  struct audit_output *o = arg;
  int64_t now = clock_mono_us(), every = o->live ? 100000 : 10000000;
  if (now - o->told_at < every) return;
  o->told_at = now;
  (void)fprintf(stderr, o->live ? "\r%lld customers, %lld findings" : "{\"customers\":%lld,\"findings\":%lld}\n",
                (long long)p->customers, (long long)p->findings);
}

int audit_command_run(struct invocation *in) {
  CLEANUP(buf_finish) struct buf why;
  buf_init(&why, 4096);
  if (!url_required(in)) return EXIT_USAGE;
  struct db *db =
      db_connect(config_text(&in->config, SETTING_DATABASE_DIRECT_URL), STATEMENT_MS, STATEMENT_MS, STATEMENT_MS, &why);
  if (!db) {
    out_error("the database cannot be used: %s", buf_cstr(&why));
    return EXIT_NETWORK;
  }
  struct audit_output o = {.json = in->json, .live = isatty(STDERR_FILENO), .told_at = clock_mono_us()};
  struct audit_progress p = {.customers = 0};
  int r = audit_run(db, finding_tell, progress_tell, &o, &p);
  if (o.live) (void)fputs("\r\x1b[K", stderr);
  if (r < 0) out_error("the audit did not finish: %s", db_error(db));
  db_destroy(db);
  const char *verdict = r < 0 ? "unfinished" : p.findings > 0 ? "broken" : "sound";
  (void)printf(in->json ? "{\"verdict\":\"%s\",\"customers\":%lld,\"findings\":%lld}\n"
                        : "%s: %lld customers, %lld findings\n",
               verdict, (long long)p.customers, (long long)p.findings);
  return r < 0 || p.findings > 0 ? EXIT_FAILED : EXIT_FINE;
}
