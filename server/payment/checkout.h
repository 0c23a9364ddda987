// Selling: an order, and the page at Stripe where it is paid. The order and the form that Stripe is sent are written down
// first, so that whatever is lost on the way, asking again leads to the same page and never to a second one. What Stripe is
// told of a customer is its id here, nothing about the person.
#pragma once
#include "payment/order.h"
#include "payment/product.h"
#include "stripe/client.h"

enum checkout_mode { CHECKOUT_PAYMENT = 1, CHECKOUT_SUBSCRIPTION = 2, CHECKOUT_SETUP = 3 };
#define CHECKOUT_MODES "payment|subscription|setup"
#define CHECKOUT_URL_MAX 2000
#define CHECKOUT_QUANTITY_MAX 100
// A page is open for so long after its order was made: less than Stripe remembers an Idempotency-Key, so that a form is
// either answered as before or, being late, refused.
#define CHECKOUT_OPEN_S (23 * 3600)

struct checkout_wish {
  enum checkout_mode mode;
  const struct product *product; // NULL: a setup
  struct str currency;           // of a setup: which cards may be saved follows from it
  struct str success_url, cancel_url; // cancel_url ptr NULL: none
  int64_t quantity;
  bool save_payment_method;   // payments: for later ones, without the customer being there
  bool allow_promotion_codes; // of what is bought
  bool automatic_tax;
};

// What is ordered; false where it would cost or bring more than can be counted. Texts are lent.
bool checkout_order(const struct checkout_wish *wish, struct uuid customer, struct uuid id, bool livemode,
                    struct order *ret);
// What Stripe is sent for it.
void checkout_form(const struct checkout_wish *wish, const struct order *order, struct str stripe_customer,
                   int64_t expires_at_s, struct buf *form);

enum checkout_answer {
  CHECKOUT_DONE = 0,    // it has its page
  CHECKOUT_REFUSED = 1, // Stripe refused it, and `said` tells why: the order has failed
  CHECKOUT_UNKNOWN = 2, // nothing is known, or nothing was done: ask again. `said` tells why
  CHECKOUT_ENDED = 3,   // the order is not open any more
};
struct checkout_said {
  struct str message, code; // of Stripe, in the arena; code may be empty
  char request_id[64];
};
// Continues an order that is committed; outside of a transaction. *order is read anew. Or a fault.
int checkout_run(struct db *db, struct arena *arena, struct stripe *stripe, const struct checkout_wish *wish,
                 struct order *order, struct checkout_said *said);

// Where a customer sees what it has bought at Stripe, its cards and plans. CHECKOUT_DONE with *ret_url in the arena,
// CHECKOUT_REFUSED, CHECKOUT_UNKNOWN, or a fault. idempotency_key: of this request.
int checkout_portal(struct db *db, struct arena *arena, struct stripe *stripe, struct uuid customer, struct str return_url,
                    const char *idempotency_key, struct str *ret_url, struct checkout_said *said);

// The Session of an order as it stands at Stripe, with its payment and its lines: to be believed instead of an event, or of
// a buyer's word. 0 with an answer, which stripe_answer_finish ends; or a fault. order: has a stripe_id that is a Session's.
int payment_session_fetch(struct stripe *stripe, struct str session_id, struct stripe_answer *ret);
