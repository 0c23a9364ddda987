// What an event of Stripe says, put into rows: facts about orders, payments, refunds, disputes, subscriptions, cards. Events
// come in any order, twice, or not at all; each function here gives the same rows whatever the order, inside the transaction
// that also marks its event as done. Nothing here moves credits: a payment whose facts have moved is left `pending`, and
// payment/post.h tells the ledger what is to stand.
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/id.h"
#include "json/read.h"

struct db;

enum fact_answer {
  FACT_DONE = 0,
  FACT_IGNORED = 1, // nothing of ours; `reason` says why
  FACT_PARKED = 2,  // money may be concerned and somebody has to look: `reason` says at what
  FACT_FETCH = 3,   // Stripe is to be asked for `want` first: a GET path; the answer comes as `fetched`
  // or FAULT_DB
};

struct fact {
  struct db *db;
  struct arena *arena;
  struct str event_id, type; // type: as of a snapshot event ("refund.created")
  int64_t created;           // seconds since 1970: orders nothing but mirrors
  bool livemode;
  struct json *object, *previous; // previous NULL: none
  struct json *fetched;           // NULL: not asked yet

  // ---- out
  struct str want, reason; // in the arena
};

// Runs the function of f->type. A type that none is for is FACT_IGNORED.
int fact_apply(struct fact *f);
bool fact_known(struct str type);

// ---- what the functions share
int fact_park(struct fact *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
int fact_ignore(struct fact *f, const char *reason);
int fact_want(struct fact *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
// A member that is an id, or an object with one where it was expanded. Empty where there is none.
struct str fact_id(struct json *object, const char *path);
struct str fact_text(struct json *object, const char *path); // empty where missing or no text
bool fact_bool(struct json *object, const char *path);
// An amount in minor units: -1 where missing or beyond what any payment can be (10^15).
int64_t fact_minor(struct json *object, const char *path);
int64_t fact_int(struct json *object, const char *path); // 0 where missing

struct order;
// The order that an object of Stripe names in its metadata, or that is known by the object's id. FACT_DONE; FACT_IGNORED:
// it names none; FACT_PARKED: it names one that is not here, or of the other mode, or in another currency.
int fact_order(struct fact *f, struct str object_id, struct order *ret);
// The customer of a Stripe customer's id, or of the metadata. Nil: not ours.
int fact_customer(struct fact *f, struct str stripe_customer, struct uuid *ret);

// ---- by object; each FACT_… or a fault
int fact_session_completed(struct fact *f);
int fact_session_failed(struct fact *f);
int fact_session_expired(struct fact *f);
int fact_intent_succeeded(struct fact *f);
int fact_intent_processing(struct fact *f);
int fact_intent_failed(struct fact *f);
int fact_intent_action(struct fact *f);
int fact_intent_canceled(struct fact *f);
int fact_refund(struct fact *f);
int fact_charge_refunded(struct fact *f);
int fact_charge(struct fact *f);
int fact_dispute(struct fact *f);
int fact_warning(struct fact *f);
int fact_invoice_paid(struct fact *f);
int fact_invoice_payment(struct fact *f);
int fact_subscription(struct fact *f);
int fact_customer_updated(struct fact *f);
int fact_customer_deleted(struct fact *f);
int fact_setup_succeeded(struct fact *f);
int fact_setup_failed(struct fact *f);
int fact_method(struct fact *f);
int fact_method_detached(struct fact *f);
int fact_mandate(struct fact *f);
int fact_kept(struct fact *f); // stored and no more
