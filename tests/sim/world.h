// One world: some customers, two instances with their clients and keepers, an operator, and fate. A seed is all it takes.
#pragma once
#include "check.h"
#include "crypto/crypto.h"
#include "customer/key.h"

#define INSTANCES 2
#define JANITOR (HOME_FIRST + INSTANCES) // the instance that cleans up behind the others
#define CUSTOMERS_MOST 5

struct world_key {
  struct uuid customer, id;
  char text[KEY_TEXT_LEN + 1];
};
struct world_customer {
  struct uuid id;
  int64_t scale; // of its amounts
};
struct instance {
  int home;
  struct ledger *ledger;
  struct principals *principals;
  int running;   // its clients that have not come to an end
  uint64_t life; // counts its starts
};
struct world {
  struct crypto_keys crypto;
  struct instance instances[INSTANCES];
  struct world_customer customers[CUSTOMERS_MOST];
  size_t customer_count;
  vec(struct world_key *) keys;
  char strangers[4][KEY_TEXT_LEN + 1]; // well-formed, and nobody's
  uint64_t ops_until; // check_operations() by then: enough
  bool stopping;
};
extern struct world world;

void world_run(uint64_t seed, int64_t ops, uint64_t without);
bool world_enough(void);
struct world_customer *world_customer_any(void);

void instance_start(struct instance *i); // a fiber of its home boots it
void instance_kill(struct instance *i);
void client_start(struct instance *i);
void keeper_start(struct instance *i);
void operator_start(void);
struct db *world_db(struct db *before); // a session of the job threads: the same where it lives; NULL: away
// A configuration change by the product's own verbs, in one transaction.
bool operator_key_new(struct db *db, const struct world_customer *c);
