// Providers as rows: which plugin speaks to which address, with which secret. A change bumps the catalogue's version in
// the same commit. Secrets are sealed, bound to the row's id, and never read back but to build a request.
#pragma once
#include "base/arena.h"
#include "base/id.h"
#include "crypto/crypto.h"

struct db;

#define PROVIDER_PRIORITY_DEFAULT 100
struct provider {
  struct uuid id;
  struct str name, plugin, base_url, settings, models; // settings, models: JSON objects
  struct str secret;                                   // to write: as given, ptr NULL for none. Never filled by reading
  bool has_secret, enabled;
  int32_t priority;
  int64_t created_at, updated_at; // microseconds
};

enum provider_answer {
  PROVIDER_DONE = 0,
  PROVIDER_UNKNOWN = 1,
  PROVIDER_NAME_TAKEN = 2, // the transaction is to be rolled back
};
enum provider_member {
  PROVIDER_NAME = 1 << 0,
  PROVIDER_BASE_URL = 1 << 1,
  PROVIDER_SECRET = 1 << 2,
  PROVIDER_SETTINGS = 1 << 3,
  PROVIDER_MODELS = 1 << 4,
  PROVIDER_PRIORITY = 1 << 5,
  PROVIDER_ENABLED = 1 << 6,
};
// What binds a sealed secret to its row: the context of crypto_seal and crypto_open, in the arena.
struct str provider_secret_context(struct arena *arena, struct uuid id);
// In a transaction.
int provider_create(struct db *db, struct arena *arena, const struct crypto_keys *crypto, const struct provider *p);
int provider_update(struct db *db, struct arena *arena, const struct crypto_keys *crypto, unsigned members,
                    const struct provider *p);
// Texts live in the arena.
int provider_read(struct db *db, struct arena *arena, struct uuid id, struct provider *ret);
// Newest first, ids below `before` (nil: from the newest).
int provider_list(struct db *db, struct arena *arena, struct uuid before, size_t max, struct provider **ret,
                  size_t *ret_count);
// "prv_…" or a name.
int provider_resolve(struct db *db, struct str text, struct uuid *ret);
