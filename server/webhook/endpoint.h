// Webhook endpoints as rows: who is told what, where, and how it is signed. Every change says in the same commit what
// anybody listens to (outbox_wanted). Secrets are sealed, bound to the row's id; one is shown when it is made.
#pragma once
#include "base/arena.h"
#include "base/id.h"
#include "crypto/crypto.h"
#include "event/event.h"
#include "webhook/sign.h"

struct db;

enum endpoint_scheme { ENDPOINT_STANDARD = 1, ENDPOINT_STRIPE = 2 };
#define ENDPOINT_SCHEMES "standard|stripe"
enum endpoint_off { ENDPOINT_ON = 0, ENDPOINT_BY_OPERATOR = 1, ENDPOINT_GONE = 2, ENDPOINT_FAILING = 3 };
#define ENDPOINT_OFFS "operator|gone|failing" // from 1: why it is disabled

#define ENDPOINT_ALL UINT64_MAX // every type, also those to come
_Static_assert(EVENT_TYPE_COUNT < 64, "types fit into the bits of `events`");

struct webhook_endpoint {
  struct uuid id;
  struct str url, description, api_version;
  uint64_t events; // bits by enum event_type, or ENDPOINT_ALL
  enum endpoint_scheme scheme;
  bool forward_stripe;
  enum endpoint_off off;
  int64_t failures;
  unsigned char public_key[SIGN_PUBLIC_BYTES]; // read, never written by a caller
  int64_t failing_since, old_secret_until, created_at, updated_at; // microseconds; 0: none
};

enum endpoint_answer {
  ENDPOINT_DONE = 0,
  ENDPOINT_UNKNOWN = 1,
  ENDPOINT_TOO_MANY = 2, // LIMIT_WEBHOOK_ENDPOINTS; the transaction is to be rolled back
};
enum endpoint_member {
  ENDPOINT_URL = 1 << 0,
  ENDPOINT_DESCRIPTION = 1 << 1,
  ENDPOINT_EVENTS = 1 << 2,
  ENDPOINT_SCHEME = 1 << 3,
  ENDPOINT_FORWARD = 1 << 4,
  ENDPOINT_VERSION = 1 << 5,
  ENDPOINT_ENABLED = 1 << 6, // off: ENDPOINT_ON forgets that it failed
};
// In a transaction.
int endpoint_create(struct db *db, const struct crypto_keys *crypto, const struct webhook_endpoint *e, char ret_secret[SIGN_TEXT_MAX]);
int endpoint_update(struct db *db, unsigned members, const struct webhook_endpoint *e);
// The secret before signs too for overlap_s.
int endpoint_rotate(struct db *db, const struct crypto_keys *crypto, struct uuid id, int64_t overlap_s, char ret_secret[SIGN_TEXT_MAX]);
int endpoint_delete(struct db *db, struct uuid id);
// In a transaction, after endpoints were changed: what anybody listens to now.
int endpoints_listen(struct db *db);

// Texts live in the arena.
int endpoint_read(struct db *db, struct arena *arena, struct uuid id, struct webhook_endpoint *ret);
// Newest first, ids below `before` (nil: from the newest).
int endpoint_list(struct db *db, struct arena *arena, struct uuid before, size_t max, struct webhook_endpoint **ret, size_t *ret_count);

// What binds a sealed value to its row: "secret" or "sign_key".
enum endpoint_sealed { ENDPOINT_SECRET, ENDPOINT_SIGN_KEY };
// 0 or FAULT_CRYPTO.
int endpoint_open(const struct crypto_keys *crypto, struct uuid id, enum endpoint_sealed what, struct str sealed, struct buf *ret);
