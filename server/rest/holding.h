// One request about an explicit hold, from its body to its answer. It is begun on an event thread and, where all that it needs is
// known there, answered by the ledger's writer; what needs the database besides (an operator's key, a name, a hold that another
// instance made, what stands where the ledger says no) is done by jobs in between. One thread has it at a time.
#pragma once
#include "meter/held.h"
#include "price/holder.h"
#include "rest/endpoints.h"
#include "usage/event.h"

struct holding;
typedef void holding_step(struct holding *h, struct db *db); // db NULL: on an event thread, or the ledger's

struct holding {
  struct rest_request *r;
  holding_step *ask;    // makes `op` of what is asked for and submits it
  holding_step *answer; // the ledger has said what became of it
  bool fresh;           // whose it is was read for this request
  int reloads;
  struct uuid id, customer, price; // of the hold; price: pinned, as far as it is known
  bool found;                      // customer and price are known
  struct str model;                // of the price, where the verb found it
  void *body;                      // of the verb's own kind
  amount required;                 // what was asked for, for refusals
  bool taken;                      // the ledger has it: what fails now is the answer alone
  struct ledger_op op;
};

// ---- the way in and through (holding.c)
enum holding_trust {
  HOLDING_TAKES, // credits: a cached key will do, for the commit compares its customer's version; an operator's is read now
  HOLDING_ENDS,  // nothing more is taken: keys are trusted as in the rest of the API, operators' for LIMIT_TRUST_MS
};
// Reads who asks, then the body by `parse` (false: answered), and goes on with `ask`.
void holding_begin(struct rest_request *r, enum holding_trust trust, bool (*parse)(struct holding *h), holding_step *ask, holding_step *answer);
void holding_job(struct holding *h, holding_step *step);
void holding_submit(struct holding *h); // the last thing that a step does
// Finds out whose status, policies and limits bind (r->whose), read anew where it is suspended by what a cache says. False: answered,
// or taken on by a job that asks again.
bool holding_whose(struct holding *h);
// Whose it is where a body names nobody: a key's own customer. False: answered.
bool holding_own(struct rest_request *r, struct uuid *ret);
// Whose the hold of the path is, and under what price. False likewise.
bool holding_find(struct holding *h, struct db *db);

// ---- answers (holding_answer.c)
void hold_summary_write(struct json_writer *w, const struct held *held); // of a list: without its parts
void hold_write(struct json_writer *w, const struct held *held, const struct ledger_op *op); // op NULL: without the balance
// What stands now, read from the database: a success.
holding_step holding_tell;
void holding_tell_known(struct holding *h, const struct held *held);
// 409, with what stands.
void holding_conflict(struct holding *h, const struct held *held, const char *why);
// Reads the hold as it stands. False: answered.
bool holding_read(struct holding *h, struct db *db, struct held *ret);
// What the ledger refused, by credits or by a limit.
void holding_refuse_short(struct holding *h);
void holding_refuse_limited(struct holding *h);
void holding_fault(struct holding *h, int fault);

// ---- prices (holding_price.c)
// The book's price of a model, and the quantities of `usage`. False: answered.
bool holding_usage(struct rest_request *r, struct json *usage, struct usage_event *ret);
const struct book_price *holding_route(struct rest_request *r, struct str model); // NULL: it has none
bool holding_is_of(const struct book_price *price, struct str model); // by its name, or as "provider/model"
// What they can cost at most. False: answered.
bool holding_bound(struct rest_request *r, struct str model, const struct usage_event *e, const struct book_price **ret_price, amount *ret);
struct str holding_quantities(struct arena *arena, const struct usage_event *e); // a JSON object

// ---- verbs, each with a file of its own
holding_step create_ask, create_answer;
void hold_post(struct rest_request *r, struct db *db);
void hold_extend_post(struct rest_request *r, struct db *db);
void hold_settle_post(struct rest_request *r, struct db *db);
void hold_release_post(struct rest_request *r, struct db *db);
void check_post(struct rest_request *r, struct db *db);
