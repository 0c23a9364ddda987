// What Stripe knows of a customer: its customer there, the card that may be charged, and whether it owes or disputes.
#pragma once
#include "base/arena.h"
#include "base/id.h"

struct db;

struct billing {
  struct uuid customer_id;
  struct str stripe_customer, payment_method; // ptr NULL: none
  struct str email, brand, last4, fingerprint;
  int32_t exp_month, exp_year; // 0: not known
  bool past_due, disputed;     // disputed: an inquiry or dispute is open
  int64_t updated_at;          // microseconds; 0: nothing is known of this customer
};

// A customer of which nothing is known reads as one without anything. Texts live in the arena. 0 or FAULT_DB.
int billing_read(struct db *db, struct arena *arena, struct uuid customer, struct billing *ret);
// Each makes the row where there is none. 0 or FAULT_DB.
// The first one stays; *ret (in the arena) is the one that counts. In a transaction; it is put among the objects too.
int billing_customer_put(struct db *db, struct arena *arena, struct uuid customer, struct str stripe_customer,
                         struct str *ret);
// How many customers at Stripe this one has had.
int billing_customers_before(struct db *db, struct uuid customer, int64_t *ret);
int billing_customer_drop(struct db *db, struct uuid customer); // deleted at Stripe: its card goes with it
// payment_method ptr NULL: no card any more.
int billing_card_put(struct db *db, const struct billing *card); // payment_method, brand, last4, exp_*, fingerprint
int billing_email_put(struct db *db, struct uuid customer, struct str email);
int billing_lock(struct db *db, struct uuid customer); // in a transaction, before what is summed up in it is read
int billing_past_due_note(struct db *db, struct uuid customer); // by its subscriptions
int billing_disputed_put(struct db *db, struct uuid customer, bool disputed);
