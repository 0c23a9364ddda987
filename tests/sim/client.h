// What the clients' files share: how operations are made and run. What an app does by itself is in app.c.
#pragma once
#include "meter/principal.h"
#include "world.h"

#define RELOADS_MAX 3

struct client {
  struct instance *instance;
  struct db *db;         // of the job threads
  struct str last_once;  // what its last call was known by: for a retry
  const struct world_key *last_key;
  unsigned char fingerprint;
};

int64_t client_amount(const struct world_customer *c, int64_t most);
const struct world_customer *client_customer(const struct world_key *k);
struct str client_text(const char *name, int64_t n);
struct str client_json(int64_t n); // {"n":…}, and now and then what no database takes
struct uuid client_price(void);    // one of three
const struct model_call *client_call(const struct world_customer *of); // one that has ended, most often lately; NULL: none
int client_find(struct client *c, const struct world_key *k, bool fresh, struct principal **ret);
int client_load(struct client *c, const struct world_key *k, struct principal **ret);
void client_work(void);

struct ledger_op *client_op(enum ledger_kind kind, struct uuid customer, struct uuid id);
struct ledger_op *client_again(const struct ledger_op *said); // the same, unanswered
int client_run(const struct client *c, struct ledger_op *op);
int client_insist(const struct client *c, struct ledger_op *op); // again, until the ledger has said something

// ---- app.c
void app_report(struct client *c, const struct world_key *k); // one event, or some at once; by a key, or by the operator
void app_hold(struct client *c, const struct world_key *k);   // an explicit hold, from its beginning to whatever end
void app_meddle(const struct client *c);                      // with somebody's hold, or with one that is over
void app_rerate(const struct client *c);                      // calls are priced again
