// Who calls: one key with its customer, status, policies and limits, as one immutable, reference-counted snapshot. Paid
// calls need no fresher one than they get: the commit that admits them compares config_version. Everything else asks for
// one that the database confirmed within LIMIT_TRUST_MS.
#pragma once
#include "base/amount.h"
#include "base/id.h"
#include "crypto/crypto.h"

struct db;
struct principals; // the cache; thread-safe

enum short_policy { SHORT_REFUSE = 1, SHORT_LOWER_CAP = 2, SHORT_ALLOW_DEBT = 3 };
enum abort_charge { ABORT_GENERATED = 1, ABORT_DELIVERED = 2, ABORT_INPUT = 3, ABORT_FIRST_TOKEN = 4 };
enum abort_upstream { ABORT_CANCEL = 1, ABORT_DRAIN = 2 };
struct principal_limit {
  struct uuid id;
};
struct principal {
  struct uuid key_id, customer_id; // customer_id nil: an operator's key
  bool is_operator;
  bool usable;     // neither revoked nor expired, as of reading
  bool suspended;  // the customer
  int64_t expires_at;     // microseconds, 0: never
  int64_t runs_out_at;    // the same moment in monotonic microseconds
  int64_t config_version;
  int64_t confirmed_at;   // monotonic microseconds of the reading
  enum short_policy short_policy;
  amount short_debt;
  enum abort_charge abort_charge; // what is charged where the client leaves
  enum abort_upstream abort_upstream;
  unsigned char tag[CRYPTO_TAG_BYTES];
  size_t limit_count;
  struct principal_limit limits[]; // those that bind this key: its own and its customer's
};

struct principals *principals_create(const struct crypto_keys *keys);
void principals_destroy(struct principals *p);
struct principal *principal_ref(struct principal *p);
void principal_unref(struct principal *p);

enum principal_answer {
  PRINCIPAL_FOUND = 0,   // *ret is a reference
  PRINCIPAL_UNKNOWN = 1, // malformed, wrong, unknown, revoked or expired: one 401 for all of them
  PRINCIPAL_ASK = 2,     // not in the cache, or not fresh enough: principal_load on a job thread
};
// `fresh`: only an entry confirmed within LIMIT_TRUST_MS counts (also for a 401 from the negative cache). Operators' keys are always asked for.
enum principal_answer principal_find(struct principals *p, struct str key_text, bool fresh, struct principal **ret);
// For reports of what has happened already: an operator's key counts where it was confirmed within LIMIT_TRUST_MS, and so it
// closes two seconds after it was revoked; a customer's key needs to be no fresher than for paid calls. *ret_ageing: once in a
// while one caller is told that what it got is to be read again (principal_load on a job thread) before it is trusted no more.
enum principal_answer principal_find_reporter(struct principals *p, struct str key_text, struct principal **ret, bool *ret_ageing);
// A customer as an operator sees it: status, policies and the limits that bind all its keys; key_id is nil. As old as it may be: the
// commit that admits compares config_version. FOUND or ASK.
enum principal_answer principal_find_customer(struct principals *p, struct uuid customer, struct principal **ret);
// FOUND, UNKNOWN (no such customer) or FAULT_DB; fills the cache.
int principal_load_customer(struct principals *p, struct db *db, struct uuid customer, struct principal **ret);
// FOUND, UNKNOWN or FAULT_DB; fills the cache.
int principal_load(struct principals *p, struct db *db, struct str key_text, struct principal **ret);
// The config_versions of the customers of cached keys that were used lately are read and old entries dropped; called by
// housekeeping. The customers in `watched` (those with running calls) are told by `changed` where their version moved.
int principal_confirm(struct principals *p, struct db *db, const struct uuid *watched, const int64_t *versions, size_t count,
                      void (*changed)(void *arg, struct uuid customer), void *arg);
