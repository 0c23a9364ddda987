// See doctor.h. Each check looks at little, also of a large database: nobody waits for it.
#include "app/doctor.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/vec.h"
#include "crypto/signature.h"
#include "db/db.h"
#include "meter/settlement.h"
#include <errno.h>
#include <inttypes.h>

#define LOOKED_AT 500           // settlements asked for at once
#define TAIL_PAGES "256"        // of the newest transfers
#define AHEAD_US (60 * INT64_C(1000000))
#define SQL_MAX (256 * 1024)

__attribute__((format(printf, 3, 4))) static enum verdict say(struct doctor *d, enum verdict v, const char *format, ...) {
  va_list args;
  va_start(args, format);
  buf_vprintf(&d->detail, format, args);
  va_end(args);
  return v;
}

static bool ask(struct doctor *d, const char *sql, struct db_result **ret) {
  if (db_query(d->db, sql, ret) == 0) return true;
  (void)say(d, VERDICT_FAIL, "%s", db_error(d->db));
  return false;
}

// A database that was never used has nothing to fit.
static bool is_used(struct doctor *d, enum verdict *ret) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  *ret = VERDICT_FAIL;
  if (!ask(d, "SELECT to_regclass('receipt_keys') IS NOT NULL AND to_regclass('codes') IS NOT NULL", &r)) return false;
  *ret = VERDICT_OK;
  return db_bool(r, 0, 0);
}

// ---- what belongs together

static void instances_say(struct doctor *d) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  enum verdict ignored;
  if (!is_used(d, &ignored)) return;
  if (!ask(d, "SELECT string_agg(instance, ', ') FROM (SELECT DISTINCT instance FROM writers WHERE lease_until > now() - interval '1 day' LIMIT 20) w", &r)) return;
  struct str names = db_text(r, 0, 0);
  if (names.len > 0) (void)say(d, VERDICT_OK, "; instances of the last day, each with a journal of its own: %.*s", STR_ARG(names));
}

enum verdict restore_backup(struct doctor *d) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  const char *journal = config_text(d->config, SETTING_JOURNAL_DIR);
  if (!ask(d, "SELECT current_database()", &r)) return VERDICT_FAIL;
  struct str name = db_text(r, 0, 0);
  (void)say(d, VERDICT_OK, "keep together: the database %.*s, TOLLGATE_MASTER_KEY (in a place of its own)", STR_ARG(name));
  if (strcmp(journal, "off") != 0) (void)say(d, VERDICT_OK, ", the journal %s", journal);
  instances_say(d);
  return VERDICT_OK;
}

// ---- the master key: what receipts were signed with comes from it, version by version

enum verdict restore_master(struct doctor *d) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  struct crypto_keys keys;
  struct crypto_signer signer;
  enum verdict v;
  if (!is_used(d, &v)) return say(d, v, "%s", v == VERDICT_OK ? "nothing to check yet" : "");
  if (!ask(d, "SELECT version, public_key FROM receipt_keys ORDER BY version DESC", &r)) return VERDICT_FAIL;
  if (!crypto_keys_derive(str_from(config_text(d->config, SETTING_MASTER_KEY)), &keys)) return say(d, VERDICT_FAIL, "there is none");
  size_t at = 0, count = db_rows(r);
  for (; at < count; at++) {
    struct str known = db_text(r, at, 1);
    crypto_signer_derive(&keys, (uint32_t)db_i64(r, at, 0), &signer);
    if (known.len == sizeof signer.verifier && memcmp(signer.verifier, known.ptr, known.len) == 0) break;
  }
  crypto_wipe(&signer, sizeof signer);
  crypto_wipe(&keys, sizeof keys);
  if (count == 0) return say(d, VERDICT_OK, "no instance has used this database yet");
  if (at == 0) return say(d, VERDICT_OK, "this database was last used with it");
  if (at < count) return say(d, VERDICT_WARN, "this database was used with it, and with another one since");
  return say(d, VERDICT_FAIL, "this database was never used with it: its API keys, redeem codes and stored secrets stand on another one");
}

// ---- the journal

struct named {
  struct uuid customer, call;
};
struct gathered {
  vec(struct named) at;
  size_t unreadable;
};

static void segment_pass(void *arg, const char *file, uint64_t number, size_t entries) {
  (void)arg, (void)file, (void)number, (void)entries;
}

static void entry_gather(void *arg, uint64_t sequence, struct str text) {
  struct gathered *g = arg;
  struct arena arena;
  struct ledger_op op;
  (void)sequence;
  arena_init(&arena, LIMIT_REQUEST_ARENA);
  if (settlement_read(text, &arena, &op) == 0)
    *vec_add(&g->at) = (struct named){op.customer, op.id};
  else
    g->unreadable++;
  arena_finish(&arena);
}

static void uuid_put(struct buf *out, struct uuid id) {
  char hex[33];
  crypto_hex(id.b, sizeof id.b, hex);
  buf_printf(out, "'%s'::uuid", hex);
}

// Of `count` from `from`: how many are of customers, and of calls, that the database does not know.
static bool known_ask(struct doctor *d, const struct gathered *g, size_t from, size_t count, int64_t ret_unknown[2]) {
  CLEANUP(buf_finish) struct buf sql;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  buf_init(&sql, SQL_MAX);
  buf_puts(&sql, "SELECT count(*) FILTER (WHERE c.id IS NULL), count(*) FILTER (WHERE c.id IS NOT NULL AND h.call_id IS NULL AND k.id IS NULL) FROM (VALUES ");
  for (size_t i = 0; i < count; i++) {
    buf_puts(&sql, i ? ", (" : "(");
    uuid_put(&sql, g->at.at[from + i].customer);
    buf_puts(&sql, ", ");
    uuid_put(&sql, g->at.at[from + i].call);
    buf_putc(&sql, ')');
  }
  buf_puts(&sql, ") v (customer, call) LEFT JOIN customers c ON c.id = v.customer "
                 "LEFT JOIN holds h ON h.customer_id = v.customer AND h.call_id = v.call "
                 "LEFT JOIN calls k ON k.customer_id = v.customer AND k.id = v.call AND k.revision = 0");
  if (!ask(d, buf_cstr(&sql), &r)) return false;
  ret_unknown[0] += db_i64(r, 0, 0);
  ret_unknown[1] += db_i64(r, 0, 1);
  return true;
}

static enum verdict journal_judge(struct doctor *d, const struct gathered *g) {
  int64_t unknown[2] = {0, 0};
  for (size_t i = 0; i < g->at.count; i += LOOKED_AT)
    if (!known_ask(d, g, i, g->at.count - i < LOOKED_AT ? g->at.count - i : LOOKED_AT, unknown)) return VERDICT_FAIL;
  if (unknown[0] > 0)
    return say(d, VERDICT_FAIL, "%" PRId64 " of %zu settlements in it are of customers that this database does not know: one of the two is another's",
               unknown[0], g->at.count);
  if (unknown[1] > 0)
    return say(d, VERDICT_WARN, "%" PRId64 " of %zu settlements in it are of calls that this database does not know: it was restored from before "
               "them; serve sets them aside in refused.jsonl", unknown[1], g->at.count);
  if (g->unreadable > 0) return say(d, VERDICT_WARN, "%zu entries in it are no settlements", g->unreadable);
  return say(d, VERDICT_OK, g->at.count ? "this database knows the calls of all %zu settlements in it" : "%zu settlements wait in it", g->at.count);
}

enum verdict restore_journal(struct doctor *d) {
  const char *folder = config_text(d->config, SETTING_JOURNAL_DIR);
  struct gathered g = {.unreadable = 0};
  struct journal_visit visit = {.segment = segment_pass, .entry = entry_gather, .arg = &g};
  struct journal_found found;
  enum verdict v;
  if (!is_used(d, &v)) return say(d, v, "%s", v == VERDICT_OK ? "nothing to check yet" : "");
  if (strcmp(folder, "off") == 0) return say(d, VERDICT_OK, "there is none");
  int r = journal_look(folder, &visit, &found);
  int why = errno;
  journal_found_finish(&found);
  if (r == 0)
    v = journal_judge(d, &g);
  else
    v = why == ENOENT ? say(d, VERDICT_OK, "there is none yet") : say(d, VERDICT_FAIL, "%s cannot be read: %s", folder, strerror(why));
  vec_finish(&g.at);
  return v;
}

// ---- rows of one moment

// The newest transfers stand at the table's end: it is only ever added to.
static const char sequences_sql[] =
    "SELECT (SELECT count(*) FROM writers w WHERE EXISTS (SELECT 1 FROM calls c WHERE c.writer_id = w.id AND c.seq > w.seq)), "
    "(SELECT count(*) FROM transfers t LEFT JOIN writers w ON w.id = t.writer_id "
    "  WHERE t.ctid >= format('(%s,0)', greatest(pg_relation_size('transfers') / current_setting('block_size')::bigint - " TAIL_PAGES ", 0))::tid "
    "    AND (w.id IS NULL OR t.seq > w.seq)), "
    "(SELECT count(*) FROM holds h LEFT JOIN writers w ON w.id = h.writer_id WHERE w.id IS NULL OR h.writer_epoch > w.epoch), "
    "(SELECT id FROM customers ORDER BY id DESC LIMIT 1), clock_timestamp()";

enum verdict restore_sequences(struct doctor *d) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  enum verdict v;
  if (!is_used(d, &v)) return say(d, v, "%s", v == VERDICT_OK ? "nothing to check yet" : "");
  if (!ask(d, sequences_sql, &r)) return VERDICT_FAIL;
  int64_t writers = db_i64(r, 0, 0), transfers = db_i64(r, 0, 1), holds = db_i64(r, 0, 2);
  int64_t ahead = db_is_null(r, 0, 3) ? 0 : uuid_time_us(db_uuid(r, 0, 3)) - db_time(r, 0, 4);
  if (writers + transfers + holds > 0)
    return say(d, VERDICT_FAIL, "tables of different moments were put together: %" PRId64 " writers, %" PRId64 " transfers and %" PRId64
               " holds are ahead of what `writers` says was written", writers, transfers, holds);
  if (ahead > AHEAD_US)
    return say(d, VERDICT_FAIL, "the newest customer was made %" PRId64 " s from now: this database's clock is behind that of what was restored", ahead / 1000000);
  return say(d, VERDICT_OK, "nothing is ahead of what was committed; `tollgate audit` checks the books themselves");
}
