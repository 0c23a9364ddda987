// See redeem.h. The rows that guard are the rows that are written: the redemption is inserted before the counter is raised,
// so that a second request of the same customer waits for the first and never takes a place of another's; the counter is
// raised and held against its bound in one statement.
#include "code/redeem.h"
#include "base/mem.h"
#include "db/db.h"
#include "ledger/ledger.h"
#include <stdio.h>

#define SOURCE_PROMOTION 2
#define FINISH_MAX 100

// ---- rows

static void row_read(const struct db_result *r, size_t row, struct redemption *ret) {
  *ret = (struct redemption){
      .customer = db_uuid(r, row, 0),
      .code = db_uuid(r, row, 1),
      .grant = db_uuid(r, row, 2),
      .amount = db_i64(r, row, 3),
      .expires_at = db_time(r, row, 4),
      .posted = db_bool(r, row, 5),
      .created_at = db_time(r, row, 6),
  };
}

// 0, 1: there is none, or FAULT_DB.
static int redemption_read(struct db *db, struct uuid customer, struct uuid code, struct redemption *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_uuid(&p, code);
  if (db_run(db, STATEMENT_REDEMPTION_READ, &p, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return 1;
  row_read(r, 0, ret);
  return 0;
}

static int code_find(struct db *db, const struct crypto_keys *keys, struct str text, struct uuid *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  char canonical[CODE_TEXT_MAX];
  unsigned char tag[CRYPTO_TAG_BYTES];
  db_params_init(&p);
  if (!code_canonical(text, canonical)) return REDEEM_UNKNOWN;
  crypto_tag_code(keys, str_from(canonical), tag);
  db_param_bytes(&p, (struct str){(const char *)tag, sizeof tag});
  if (db_run(db, STATEMENT_REDEMPTION_CODE, &p, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return REDEEM_UNKNOWN;
  *ret = db_uuid(r, 0, 0);
  return REDEEM_DONE;
}

// ---- the claim

static int claim_insert(struct db *db, struct uuid customer, struct uuid code, struct uuid grant) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_uuid(&p, code);
  db_param_uuid(&p, grant);
  if (db_run(db, STATEMENT_REDEMPTION_CLAIM, &p, &r) != 0) return FAULT_DB;
  return db_affected(r) == 1 ? REDEEM_DONE : REDEEM_AGAIN;
}

// Raises the counter; where the code refuses, says why.
static int claim_count(struct db *db, struct uuid code) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *counted = NULL, *why = NULL;
  db_params_init(&p);
  db_param_uuid(&p, code);
  if (db_run(db, STATEMENT_REDEMPTION_COUNT, &p, &counted) != 0) return FAULT_DB;
  if (db_affected(counted) == 1) return REDEEM_DONE;
  if (db_run(db, STATEMENT_REDEMPTION_REFUSED, &p, &why) != 0 || db_rows(why) != 1) return FAULT_DB;
  return !db_bool(why, 0, 0) ? REDEEM_ENDED : db_bool(why, 0, 1) ? REDEEM_EXPIRED : REDEEM_USED_UP;
}

static int claim(struct db *db, struct uuid customer, struct uuid code, struct uuid grant) {
  int r = db_begin(db);
  if (r == 0) r = claim_insert(db, customer, code, grant);
  if (r == 0) r = claim_count(db, code);
  if (r == 0) return db_commit(db);
  db_rollback(db);
  return r;
}

// ---- the credits

static int posted_note(struct db *db, const struct redemption *of) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, of->customer);
  db_param_uuid(&p, of->code);
  return db_run(db, STATEMENT_REDEMPTION_POSTED, &p, NULL) == 0 ? 0 : FAULT_DB;
}

// Whoever comes second finds the grant there: its origin is the code.
static int credits_give(struct db *db, struct ledger *ledger, struct redemption *of) {
  char code[ID_TEXT_MAX], origin[ID_TEXT_MAX + 8];
  id_print("cod", of->code, code);
  (void)snprintf(origin, sizeof origin, "code:%s", code);
  struct ledger_op op = {.kind = LEDGER_GRANT,
                         .customer = of->customer,
                         .id = of->grant,
                         .grant = {.source = SOURCE_PROMOTION,
                                   .priority = CODE_PRIORITY,
                                   .expires_at = of->expires_at,
                                   .amount = of->amount,
                                   .reason = STR("redeemed a code"),
                                   .origin = str_from(origin)}};
  int r = ledger_run(ledger, &op);
  if (r != LEDGER_DONE && r != LEDGER_DUPLICATE) return r < 0 ? r : FAULT_FULL; // no room in the balance: tried again
  of->posted = true;
  return posted_note(db, of);
}

int code_redeem(struct db *db, struct ledger *ledger, const struct crypto_keys *keys, struct str text, struct uuid customer,
                struct uuid grant, struct redemption *ret) {
  struct uuid code;
  int r = code_find(db, keys, text, &code);
  if (r != REDEEM_DONE) return r;
  r = claim(db, customer, code, grant);
  if (r != REDEEM_DONE && r != REDEEM_AGAIN) return r;
  if (redemption_read(db, customer, code, ret) != 0) return FAULT_DB;
  if (!ret->posted) (void)credits_give(db, ledger, ret); // what cannot be given now is given later
  return r;
}

int redemption_list(struct db *db, struct arena *arena, struct uuid code, struct uuid before, size_t max, struct redemption **ret,
                    size_t *ret_count) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, code);
  db_param_uuid_or_null(&p, before);
  db_param_i64(&p, (int64_t)max);
  if (db_run(db, STATEMENT_REDEMPTION_LIST, &p, &r) != 0) return FAULT_DB;
  *ret_count = db_rows(r);
  *ret = arena_alloc(arena, (*ret_count + 1) * sizeof **ret);
  for (size_t i = 0; i < *ret_count; i++) row_read(r, i, &(*ret)[i]);
  return 0;
}

// ---- what was left

// Those that were tried least recently first, so that one that cannot be given holds up no other.
static int tried_note(struct db *db, const struct redemption *of) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, of->customer);
  db_param_uuid(&p, of->code);
  return db_run(db, STATEMENT_REDEMPTION_TRIED, &p, NULL) == 0 ? 0 : FAULT_DB;
}

int codes_finish(struct db *db, struct ledger *ledger) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  int given = 0;
  db_params_init(&p);
  db_param_i64(&p, FINISH_MAX);
  if (db_run(db, STATEMENT_REDEMPTION_PENDING, &p, &r) != 0) return FAULT_DB;
  for (size_t i = 0; i < db_rows(r); i++) {
    struct redemption of;
    row_read(r, i, &of);
    if (tried_note(db, &of) != 0) return FAULT_DB;
    int result = credits_give(db, ledger, &of);
    if (result < 0 && result != FAULT_FULL) return result;
    given += result == 0;
  }
  return given;
}
