// The keys that receipts are signed with: one for each version, made of the master key. Their public halves stand in the
// database and stay published for ever, also under another master key, so that every receipt can be checked as long as it
// is kept. The newest that has been published for long enough signs.
#pragma once
#include "receipt/jwks.h"

struct db;

// What an instance knows of them. Thread-safe.
struct receipt_ring;
struct receipt_ring *receipt_ring_create(const struct crypto_keys *keys); // keys are copied
void receipt_ring_destroy(struct receipt_ring *r);                        // NULL is fine
// Reads them anew; where none is of this master key, it makes one, which signs at once. 0 or FAULT_DB.
int receipt_ring_load(struct receipt_ring *r, struct db *db);
// 0; 1: there is no key yet. crypto_wipe(ret_signer).
int receipt_ring_signer(struct receipt_ring *r, struct crypto_signer *ret_signer, char ret_kid[CRYPTO_THUMBPRINT_MAX]);
// The set that is published, all versions, as JSON.
void receipt_ring_publish(struct receipt_ring *r, struct buf *out);

// Makes the next version, published at once; it signs when whoever keeps the published set has fetched it again. 0;
// 1: there are LIMIT_RECEIPT_KEYS of them; or FAULT_DB.
int receipt_ring_rotate(struct db *db, const struct crypto_keys *keys, uint32_t *ret_version, char ret_kid[CRYPTO_THUMBPRINT_MAX]);
