// One customer at a time: claim under the customer's row, then call, then say what came of it as the event would.
#include "payment/top_up_run.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "customer/customer.h"
#include "db/db.h"
#include "payment/billing.h"
#include "payment/fact.h"
#include "payment/order.h"
#include "payment/product.h"
#include "payment/reconcile.h"
#include "payment/top_up.h"
#include "stripe/client.h"
#include "stripe/form.h"

#define ARENA_MAX (4 * 1024 * 1024)
#define FORM_MAX (16 * 1024)
#define ANSWER_US INT64_C(60000000)           // after that nobody else is asking for it
#define DAY_US INT64_C(86400000000)
#define KEY_LIVES_US (INT64_C(23) * 3600000000) // at Stripe a day

// ---- the claim

static int facts_read(struct db *db, struct uuid customer, struct top_up_facts *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  if (db_run(db, STATEMENT_TOP_UP_FACTS, &p, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return TOP_UP_UNKNOWN;
  *ret = (struct top_up_facts){.caught_up = reconcile_caught_up(db),
                               .available = db_i64(r, 0, 0),
                               .in_flight = db_bool(r, 0, 1),
                               .has_card = db_bool(r, 0, 2),
                               .disputed = db_bool(r, 0, 3),
                               .past_due = db_bool(r, 0, 4),
                               .product_sold = db_bool(r, 0, 5),
                               .price = db_i64(r, 0, 6),
                               .credits = db_i64(r, 0, 7),
                               .bought_today = db_i64(r, 0, 8),
                               .spent_this_month = db_i64(r, 0, 9),
                               .lately = db_i64(r, 0, 10),
                               .last_at = db_is_null(r, 0, 11) ? 0 : db_time(r, 0, 11),
                               .now = db_time(r, 0, 12)};
  return TOP_UP_DONE;
}

static int enough(struct db *db, struct uuid customer) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  if (db_run(db, STATEMENT_TOP_UP_ENOUGH, &p, NULL) != 0) return FAULT_DB;
  return db_run(db, STATEMENT_TOP_UP_CALM, &p, NULL) == 0 ? 0 : FAULT_DB;
}

static int later(struct db *db, struct uuid customer, const struct top_up_decision *d, int64_t now) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_time(&p, d->retry_at > now ? d->retry_at : now + ANSWER_US);
  db_param_text(&p, str_from(d->reason));
  return db_run(db, STATEMENT_TOP_UP_LATER, &p, NULL) == 0 ? 0 : FAULT_DB;
}

static struct str form_of(struct arena *arena, const struct order *o, int64_t packs, const struct billing *b) {
  CLEANUP(buf_finish) struct buf form;
  buf_init(&form, FORM_MAX);
  form_int(&form, "amount", o->price);
  form_text(&form, "currency", o->currency);
  form_text(&form, "customer", b->stripe_customer);
  form_text(&form, "payment_method", b->payment_method);
  form_bool(&form, "off_session", true);
  form_bool(&form, "confirm", true);
  form_text(&form, "metadata[kind]", STR("auto_topup"));
  form_id(&form, "metadata[order_id]", "ord", o->id);
  form_id(&form, "metadata[customer_id]", "cus", o->customer_id);
  form_id(&form, "metadata[product_id]", "prd", o->product_id);
  form_int(&form, "metadata[quantity]", packs);
  ASSERT(!form.full);
  return arena_str(arena, buf_str(&form));
}

// The order of so many packs, with the form that is sent for it. TOO_MUCH: nobody can count that.
enum { TOO_MUCH = 2 };
static int order_make(struct db *db, struct arena *arena, const struct top_up *t, int64_t packs, int64_t now, bool live, struct order *ret) {
  struct product pack;
  struct billing b;
  struct str form;
  int r = product_read(db, arena, t->product_id, &pack);
  if (r != PRODUCT_DONE || billing_read(db, arena, t->customer_id, &b) < 0) return FAULT_DB;
  *ret = (struct order){.customer_id = t->customer_id, .id = uuid_v7(now), .kind = ORDER_TOP_UP, .product_id = pack.id, .currency = pack.currency,
                        .expires_after_days = pack.expires_after_days, .bonus_expires_after_days = pack.bonus_expires_after_days, .livemode = live};
  bool counts = !__builtin_mul_overflow(pack.price, packs, &ret->price) && !__builtin_mul_overflow(pack.credits, packs, &ret->credits) &&
                !__builtin_mul_overflow(pack.bonus, packs, &ret->bonus);
  if (!counts) return TOO_MUCH;
  if (payment_order_create(db, ret) < 0) return FAULT_DB;
  return payment_order_freeze(db, arena, ret->customer_id, ret->id, form_of(arena, ret, packs, &b), &form);
}

// 1: *ret is to be sent; 0: nothing is bought; or a fault. In a transaction that is open and stays open.
static int claim(struct db *db, struct arena *arena, struct uuid customer, bool live, struct order *ret) {
  struct top_up t;
  struct top_up_facts f;
  int r = customer_lock(db, customer);
  if (r != CUSTOMER_DONE) return r < 0 ? r : 0;
  if ((r = top_up_read(db, arena, customer, &t)) != TOP_UP_DONE || (r = facts_read(db, customer, &f)) != TOP_UP_DONE) return r < 0 ? r : 0;
  struct top_up_decision d = top_up_decide(&t, &f);
  if (d.verdict == TOP_UP_STANDS) return 0;
  if (d.verdict == TOP_UP_ENOUGH) return enough(db, customer);
  if (d.verdict == TOP_UP_LATER) return later(db, customer, &d, f.now);
  r = order_make(db, arena, &t, d.packs, f.now, live, ret);
  if (r == TOO_MUCH) return later(db, customer, &(struct top_up_decision){.reason = "it would bring more credits than can be counted", .retry_at = f.now + DAY_US}, f.now);
  return r < 0 ? r : 1;
}

// ---- what Stripe answers

static int said(struct db *db, struct arena *arena, const struct order *o, struct json *intent) {
  struct str status = fact_text(intent, "status");
  struct fact f = {.db = db, .arena = arena, .created = clock_wall_us() / 1000000, .livemode = o->livemode, .object = intent};
  if (str_eq(status, STR("succeeded"))) return fact_intent_succeeded(&f);
  if (str_eq(status, STR("processing"))) return fact_intent_processing(&f);
  if (str_eq(status, STR("requires_action"))) return fact_intent_action(&f);
  if (str_eq(status, STR("canceled"))) return fact_intent_canceled(&f);
  return fact_intent_failed(&f);
}

static int declined(struct db *db, const struct order *o, const struct stripe_answer *a) {
  struct top_up_error e = {.code = a->code, .decline_code = a->decline_code, .advice_code = a->advice_code};
  return top_up_failed(db, o, fact_id(a->body, "error.payment_intent"), &e);
}

// In one transaction, as the event would be.
static int take(struct db *db, struct arena *arena, const struct order *o, const struct stripe_answer *a, struct json *intent) {
  if (db_begin(db) != 0) return FAULT_DB;
  int r = intent ? said(db, arena, o, intent) : declined(db, o, a);
  if (r == FACT_PARKED || r == FACT_FETCH) log_error("top_up.parked", "Stripe's answer to a top-up cannot be used; its event decides");
  if (r < 0 || db_commit(db) != 0) {
    db_rollback(db);
    return FAULT_DB;
  }
  return 0;
}

static int send(struct db *db, struct stripe *stripe, struct arena *arena, const struct order *o) {
  struct stripe_answer a;
  char id[ID_TEXT_MAX];
  id_print("ord", o->id, id);
  int r = stripe_call(stripe, "POST", "/v1/payment_intents", o->request, arena_printf(arena, "atu:%s:%d", id, (int)o->attempt), &a);
  if (r < 0) return 0;
  if (stripe_done(&a)) r = take(db, arena, o, &a, a.body);
  else if (stripe_refused(&a)) r = take(db, arena, o, &a, NULL);
  else {
    log_warn("top_up.unknown", "%s: nothing is known of it yet: %.*s", id, STR_ARG(a.message));
    r = 0;
  }
  stripe_answer_finish(&a);
  return r;
}

// ---- orders without an answer

// The key may have died at Stripe: whether it was made is looked up there before anything else.
static struct json *made_before(struct json *list, const struct order *o) {
  char id[ID_TEXT_MAX];
  id_print("ord", o->id, id);
  for (size_t i = 0; i < json_count(list); i++)
    if (str_eq(fact_text(json_at(list, i), "metadata.order_id"), str_from(id))) return json_at(list, i);
  return NULL;
}

static int look_up(struct db *db, struct stripe *stripe, struct arena *arena, const struct order *o) {
  struct stripe_answer a;
  struct billing b;
  if (billing_read(db, arena, o->customer_id, &b) < 0) return FAULT_DB;
  CLEANUP(buf_finish) struct buf query;
  buf_init(&query, 1024);
  form_text(&query, "customer", b.stripe_customer.ptr ? b.stripe_customer : STR(""));
  form_int(&query, "created[gte]", o->created_at / 1000000 - 60);
  form_int(&query, "limit", 100);
  if (stripe_call(stripe, "GET", "/v1/payment_intents", buf_str(&query), NULL, &a) < 0) return 0;
  int r = 0;
  if (stripe_done(&a)) {
    struct json *made = made_before(json_get(a.body, "data"), o);
    struct stripe_answer never = {.code = STR("never_reached_stripe"), .decline_code = STR(""), .advice_code = STR("")};
    r = take(db, arena, o, &never, made);
  }
  stripe_answer_finish(&a);
  return r;
}

static int try_again(struct db *db, struct stripe *stripe, struct arena *arena, struct uuid customer, struct uuid id, int64_t quiet_us) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  struct order o;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_uuid(&p, id);
  db_param_i64(&p, quiet_us);
  if (db_run(db, STATEMENT_TOP_UP_TRY, &p, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return 0;
  int found = payment_order_read(db, arena, customer, id, &o);
  if (found != ORDER_DONE) return found < 0 ? found : 0;
  return db_i64(r, 0, 0) > KEY_LIVES_US ? look_up(db, stripe, arena, &o) : send(db, stripe, arena, &o);
}

// ---- the rounds

static int buy(struct db *db, struct stripe *stripe, struct arena *arena, struct uuid customer) {
  struct order o;
  if (db_begin(db) != 0) return FAULT_DB;
  int r = claim(db, arena, customer, stripe_is_live(stripe), &o);
  if (r < 0 || db_commit(db) != 0) {
    db_rollback(db);
    return FAULT_DB;
  }
  return r == 1 ? try_again(db, stripe, arena, o.customer_id, o.id, 0) : 0;
}

// One that fails, because somebody keeps its customer's row, say, holds up no other. A turn that could not be used is not
// taken: who is tried has to wait for the next one.
static int each(struct db *db, struct stripe *stripe, struct db_result *rows, bool orders) {
  int fault = 0;
  for (size_t i = 0; i < db_rows(rows) && db_alive(db) && !stripe_rests(stripe); i++) {
    struct arena arena;
    arena_init(&arena, ARENA_MAX);
    int r = orders ? try_again(db, stripe, &arena, db_uuid(rows, i, 0), db_uuid(rows, i, 1), ANSWER_US) : buy(db, stripe, &arena, db_uuid(rows, i, 0));
    if (r < 0) fault = r;
    arena_finish(&arena);
  }
  return fault < 0 ? fault : (int)db_rows(rows);
}

int top_up_run(struct db *db, struct stripe *stripe) {
  CLEANUP(db_result_finishp) struct db_result *due = NULL;
  CLEANUP(db_result_finishp) struct db_result *unanswered = NULL;
  if (db_run(db, STATEMENT_TOP_UP_DUE, NULL, &due) != 0) return FAULT_DB;
  int bought = each(db, stripe, due, false);
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_i64(&p, ANSWER_US);
  if (db_run(db, STATEMENT_TOP_UP_UNANSWERED, &p, &unanswered) != 0) return FAULT_DB;
  int asked = each(db, stripe, unanswered, true);
  return bought < 0 ? bought : asked < 0 ? asked : bought + asked;
}
