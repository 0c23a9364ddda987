// For the tests of what events say: one is told as JSON with single quotes, in a transaction of its own, as the worker does it.
#pragma once
#include "rows.h"

#include "base/log.h"
#include "payment/fact.h"
#include "payment/order.h"
#include "payment/payment.h"
#include "payment/product.h"
#include <stdio.h>
#include <stdlib.h>

static struct fact last; // texts live in the arena

static inline struct json *parsed(const char *text) {
  struct json *root = NULL;
  struct json_error error;
  char *strict = arena_strdup(&arena, str_from(text));
  for (char *c = strict; *c; c++)
    if (*c == '\'') *c = '"';
  assert_int_equal(json_parse(str_from(strict), &root, &error), 0);
  return root;
}

// previous, fetched: NULL for none. What is not done writes nothing.
static inline int told_at(int64_t created, const char *type, const char *object, const char *previous, const char *fetched) {
  struct json *roots[] = {parsed(object), previous ? parsed(previous) : NULL, fetched ? parsed(fetched) : NULL};
  last = (struct fact){.db = db, .arena = &arena, .event_id = STR("evt_test"), .type = str_from(type), .created = created,
                       .object = roots[0], .previous = roots[1], .fetched = roots[2]};
  assert_int_equal(db_begin(db), 0);
  int r = fact_apply(&last);
  assert_true(r >= 0);
  if (r == FACT_DONE)
    assert_int_equal(db_commit(db), 0);
  else
    db_rollback(db);
  for (size_t i = 0; i < ARRAY_LEN(roots); i++) json_finish(roots[i]);
  return r;
}

static inline int told(const char *type, const char *object) {
  return told_at(1800000000, type, object, NULL, NULL);
}

static inline bool says(struct str text, const char *part) {
  return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

// An order of 2000 for 20 credits, and what Stripe is told of it: "'metadata':{…}".
static inline struct order ordered(enum order_kind kind) {
  struct order o = {.customer_id = new_id(), .id = new_id(), .kind = kind, .currency = STR("usd")};
  if (kind != ORDER_SETUP) o.price = 2000, o.credits = 20 * AMOUNT_ONE;
  if (kind != ORDER_SETUP) o.product_id = new_id();
  assert_int_equal(payment_order_create(db, &o), 0);
  return o;
}

static inline const char *named(const struct order *o) {
  char id[ID_TEXT_MAX], customer[ID_TEXT_MAX];
  id_print("ord", o->id, id);
  id_print("cus", o->customer_id, customer);
  return arena_printf(&arena, "'metadata':{'order_id':'%s','customer_id':'%s','kind':'%s'}", id, customer, o->kind == ORDER_TOP_UP ? "auto_topup" : "credit_purchase");
}

static inline enum order_state state_of(const struct order *o) {
  struct order now;
  assert_int_equal(payment_order_read(db, &arena, o->customer_id, o->id, &now), ORDER_DONE);
  return now.state;
}

// All payments of a customer, the newest first.
static inline size_t payments_of(struct uuid customer, struct payment **ret) {
  size_t count = 0;
  assert_int_equal(payment_list(db, &arena, customer, UUID_NIL, 100, ret, &count), 0);
  return count;
}

static inline struct payment the_payment(struct uuid customer) {
  struct payment *list;
  assert_int_equal(payments_of(customer, &list), 1);
  return list[0];
}

// A name that nothing else has.
static inline const char *fresh(const char *prefix) {
  static int count;
  return arena_printf(&arena, "%s_%d", prefix, ++count);
}
