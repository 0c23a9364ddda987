// Payments: what was paid for credits, once for each PaymentIntent, Session without anything to pay, or line of an invoice;
// and the refunds and disputes against it.
#pragma once
#include "base/amount.h"
#include "base/arena.h"
#include "base/id.h"
#include "payment/target.h"

struct db;

enum payment_kind { PAYMENT_PURCHASE = 1, PAYMENT_TOP_UP = 2, PAYMENT_PLAN = 3, PAYMENT_NOTHING = 4 };
#define PAYMENT_KINDS "purchase|top_up|plan|nothing_to_pay"

struct payment {
  struct str reference; // "pi_…", "cs_…", "in_…:il_…": what its grants are keyed by
  struct uuid customer_id, id, order_id, product_id; // order, product nil: none
  enum payment_kind kind;
  int64_t paid, net; // minor units: tax and all; what the credits cost
  struct str currency;
  amount credits, bonus;
  int64_t expires_at, bonus_expires_at; // microseconds; 0: never
  struct str payment_intent, invoice;   // "": none
  struct str problem;
  int64_t refunded; // minor units, as the ledger was told last
  bool pending, disputed;
  int64_t created_at;
};

// In a transaction: whatever is said of a PaymentIntent comes one after the other. 0 or FAULT_DB.
int payment_lock(struct db *db, struct str payment_intent);
// In a transaction, under the lock. 1 where it is new, 0 where it was known (nothing is changed), or FAULT_DB.
int payment_put(struct db *db, const struct payment *p);
// Which PaymentIntent paid an invoice, told by either of two events: locks the invoice, remembers what is known ("" asks
// only), and tells what is, in the arena. Its payments learn of it.
int payment_invoice_intent(struct db *db, struct arena *arena, struct str invoice, struct str payment_intent, struct str *ret);
// The payments of a PaymentIntent are to be told to the ledger anew; problem "" leaves what stands. Where nobody knows yet
// what it paid for, the problem is kept until then. 0 or FAULT_DB.
int payment_touch(struct db *db, struct str payment_intent, struct str problem);
// Newest first, ids below `before` (nil: from the newest). customer nil: of everybody, those with a problem. *ret in the arena.
int payment_list(struct db *db, struct arena *arena, struct uuid customer, struct uuid before, size_t max, struct payment **ret,
                 size_t *ret_count);
// 0; 1: unknown; FAULT_DB. Texts live in the arena.
int payment_read(struct db *db, struct arena *arena, struct uuid customer, struct uuid id, struct payment *ret);
int payment_seen(struct db *db, struct uuid customer, struct uuid id); // its problem was looked at: likewise
// The oldest that is pending and younger than `after` (0: than nothing), locked until the transaction ends, with its facts:
// 1 one, 0 none, or FAULT_DB. Others skip it.
int payment_take(struct db *db, struct arena *arena, int64_t after, struct payment *ret, struct target_facts *ret_facts);
int payment_told(struct db *db, struct str reference, int64_t refunded, bool disputed, struct str problem);

// ---- charges, refunds, disputes; each in a transaction; 1 where something moved, 0 where not, or FAULT_DB
int payment_charge_put(struct db *db, struct str charge, struct str payment_intent, int64_t refunded);
// The PaymentIntent of a charge, in the arena; "" where it is not known.
int payment_charge_find(struct db *db, struct arena *arena, struct str charge, struct str *ret);
struct refund {
  struct str id, payment, currency, status;
  int64_t amount;
  bool back;
  int64_t created_at; // read only
};
int payment_refund_put(struct db *db, const struct refund *r);
struct dispute {
  struct str id, payment, currency, status;
  int64_t amount;
  int state; // 1 no money moved, 2 withdrawn, 3 reinstated
  bool lost, open;
  int64_t created_at; // read only
};
// Of a PaymentIntent, oldest first, in the arena. 0 or FAULT_DB.
int payment_refund_list(struct db *db, struct arena *arena, struct str payment_intent, struct refund **ret, size_t *ret_count);
int payment_dispute_list(struct db *db, struct arena *arena, struct str payment_intent, struct dispute **ret, size_t *ret_count);
// *ret_state: what stood before; 0: nothing.
int payment_dispute_put(struct db *db, const struct dispute *d, int *ret_state, bool *ret_was_open);
// The customer whose payment it is; nil: not known.
int payment_customer(struct db *db, struct str payment_intent, struct uuid *ret);
// Remembers with the customer's billing whether anything is open against its payments: then nothing is bought by itself.
int payment_disputes_note(struct db *db, struct uuid customer);
