// A call's receipt, and the keys that it is checked with: those are for everybody, and come from memory.
#include "receipt/receipt.h"
#include "base/limits.h"
#include "rest/endpoints.h"

#define KEYS_MAX (256 * LIMIT_RECEIPT_KEYS)
#define KEYS_KEPT "public, max-age=300" // a new key is published twice as long before it signs

static void receipt_get(struct rest_request *r, struct db *db) {
  CLEANUP(buf_finish) struct buf out;
  struct receipt_call of = {.customer = r->who->is_operator ? UUID_NIL : r->who->customer_id,
                            .issued_at = ledger_now(r->context->ledger)};
  enum call_state state = CALL_PENDING;
  buf_init(&out, 2 * JWS_MAX);
  if (!rest_path_id(r, "call", &of.call)) return;
  int answer = receipt_make(db, r->arena, r->context->plugins, r->context->receipts, &of, &out, &state);
  if (answer == RECEIPT_DONE)
    rest_reply_as(r, 200, "application/jose", buf_str(&out));
  else if (answer == RECEIPT_UNKNOWN)
    rest_unknown(r, "id", "call");
  else if (answer == RECEIPT_UNSETTLED)
    rest_refuse(r, PROBLEM_CONFLICT, "id", "Only a call that was charged has a receipt; this one is %s.", call_state_name(state));
  else
    rest_fault(r, answer < 0 ? answer : FAULT_DB);
}

static void keys_get(struct rest_request *r, struct db *db) {
  (void)db;
  static const struct http_header headers[] = {{{"Content-Type", 12}, {"application/jwk-set+json", 24}},
                                               {{"Cache-Control", 13}, {KEYS_KEPT, sizeof KEYS_KEPT - 1}}};
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, KEYS_MAX);
  receipt_ring_publish(r->context->receipts, &out);
  http_reply(r->http, 200, headers, ARRAY_LEN(headers), buf_str(&out));
}

const struct rest_endpoint rest_receipts[] = {
    {"GET", "/api/v1/calls/{id}/receipt", REST_OWN, false, NULL, receipt_get},
    {"GET", "/.well-known/jwks.json", REST_OPEN, false, NULL, keys_get},
    {0},
};
