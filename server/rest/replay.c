// Writes that may be sent twice. The claim on an Idempotency-Key is a row of the same commit as what is made; a second
// request waits for that commit and then finds it. The customer's row is locked before, in the same order as the ledger
// does it, so that the two never wait for each other in a circle.
#include "base/limits.h"
#include "base/log.h"
#include "rest/request.h"
#include "rest/words.h"

#define HEADER_MAX 255

struct uuid rest_new_id(const struct rest_request *r) {
  return uuid_v7(ledger_now(r->context->ledger));
}

bool rest_replay_key(struct rest_request *r, struct str *ret_key, unsigned char ret_fingerprint[32]) {
  struct str header = http_header(r->http, "Idempotency-Key"), body = http_body(r->http);
  char caller[ID_TEXT_MAX];
  *ret_key = (struct str){0};
  if (!header.ptr) return true;
  if (header.len == 0 || header.len > HEADER_MAX || !str_is_printable(header)) {
    rest_refuse(r, PROBLEM_INVALID_REQUEST, "Idempotency-Key", "Idempotency-Key must be 1 to %d printable characters.",
                HEADER_MAX);
    return false;
  }
  id_print("key", r->who->key_id, caller);
  *ret_key = str_from(arena_printf(r->arena, "%s:%.*s", caller, STR_ARG(header)));
  CLEANUP(buf_finish) struct buf whole;
  buf_init(&whole, LIMIT_BODY_API + LIMIT_REQUEST_LINE);
  buf_printf(&whole, "%.*s\n%.*s\n", STR_ARG(http_method(r->http)), STR_ARG(http_path(r->http)));
  buf_add_str(&whole, body);
  crypto_hash(buf_str(&whole), ret_fingerprint);
  return true;
}

enum claim { CLAIMED = 0, CLAIM_MADE = 1, CLAIM_OTHER = 2 };

static int claim_read(struct db *db, const struct db_params *key, const unsigned char fingerprint[32],
                      struct uuid *object) {
  CLEANUP(db_result_finishp) struct db_result *rows = NULL;
  if (db_run(db, STATEMENT_REPLAY_READ, key, &rows) != 0 || db_rows(rows) != 1) return FAULT_DB;
  struct str seen = db_text(rows, 0, 0);
  if (seen.len != 32 || memcmp(seen.ptr, fingerprint, 32) != 0) return CLAIM_OTHER;
  *object = db_uuid(rows, 0, 1);
  return CLAIM_MADE;
}

static int claim(struct db *db, struct uuid customer, struct str key, const unsigned char fingerprint[32],
                 struct uuid *object) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *rows = NULL;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_text(&p, key);
  db_param_bytes(&p, (struct str){(const char *)fingerprint, 32});
  db_param_uuid(&p, *object);
  if (db_run(db, STATEMENT_REPLAY_CLAIM, &p, &rows) != 0) return FAULT_DB;
  if (db_affected(rows) == 1) return CLAIMED;
  db_params_clear(&p);
  db_param_uuid(&p, customer);
  db_param_text(&p, key);
  return claim_read(db, &p, fingerprint, object);
}

bool rest_write_begin(struct rest_request *r, struct uuid customer, struct uuid *object) {
  struct str key;
  unsigned char fingerprint[32];
  if (!rest_replay_key(r, &key, fingerprint)) return false;
  int result = db_begin(r->db);
  if (result == 0 && !uuid_is_nil(customer)) result = customer_lock(r->db, customer);
  if (result == CUSTOMER_UNKNOWN) {
    rest_unknown(r, "customer", "customer");
    return false;
  }
  if (result == 0 && key.len) result = claim(r->db, customer, key, fingerprint, object);
  r->replayed = result == CLAIM_MADE;
  if (r->replayed) db_rollback(r->db);
  if (result < 0)
    rest_fault(r, result);
  else if (result == CLAIM_OTHER)
    rest_refuse(r, PROBLEM_IDEMPOTENCY_REUSED, "Idempotency-Key", "This Idempotency-Key was used for another request.");
  return result == CLAIMED || result == CLAIM_MADE;
}

bool rest_write_end(struct rest_request *r, struct uuid customer) {
  int fault = uuid_is_nil(customer) ? 0 : customer_bump(r->db, customer);
  if (fault == 0) fault = db_commit(r->db);
  if (fault != 0) rest_fault(r, fault);
  return fault == 0;
}
