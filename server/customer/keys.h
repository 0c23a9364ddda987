// Keys as rows: issued, listed, revoked. A key's text is seen once, when it is made; only its tag is kept. The last
// four bytes of a key's id are its customer's, so that it is found by id alone. An operator's key has no customer
// (nil).
#pragma once
#include "base/arena.h"
#include "base/id.h"
#include "crypto/crypto.h"
#include "customer/key.h"
#include "event/event.h"
#include "json/write.h"

struct db;

struct key_row {
  struct uuid customer_id, id;
  enum key_kind kind;
  struct str public_id, last4, name;
  int64_t created_at, expires_at, revoked_at; // microseconds; 0: never
};

// An id for a key of this customer, at that time.
struct uuid keys_id(struct uuid customer, int64_t now_us);
// In a transaction; of a customer's key after customer_lock, and customer_bump belongs to it. The text is written to
// ret_text. 0 or FAULT_DB.
int keys_create(struct db *db, const struct crypto_keys *crypto, struct uuid customer, struct uuid id, struct str name,
                int64_t expires_at, char ret_text[KEY_TEXT_LEN + 1]);
// 0, 1: unknown, or FAULT_DB. Texts live in the arena.
int keys_read(struct db *db, struct arena *arena, struct uuid id, struct key_row *ret);
// Newest first, ids below `before` (nil: from the newest). customer NULL: everybody's.
int keys_list(struct db *db, struct arena *arena, const struct uuid *customer, struct uuid before, size_t max,
              struct key_row **ret, size_t *ret_count);
// Locks the key's row. 1: it can be revoked; 0: it was already; or FAULT_DB.
int keys_lock(struct db *db, struct uuid customer, struct uuid id);
// In a transaction, after customer_lock of its customer; customer_bump belongs to it. A revoked key stays as it was.
int keys_revoke(struct db *db, struct uuid customer, struct uuid id);
// As the API shows it; secret NULL: without.
void keys_write(struct json_writer *w, const struct key_row *k, const char *secret);
// In the transaction of what happened to the key: tells it to whom it concerns. 0 or FAULT_DB.
int keys_tell(struct db *db, struct uuid id, enum event_type what);
