// See holding.h: who asks, and whose thread has the request.
#include "rest/holding.h"
#include "base/limits.h"
#include "base/log.h"
#include "rest/lately.h"
#include <stdatomic.h>

#define RELOADS_MAX 3 // a configuration that moves faster than it can be read: 503

// ---- jobs

struct step {
  struct holding *h;
  holding_step *run;
};

static void step_job(struct db *db, void *arg) {
  struct step *s = arg;
  struct rest_request *r = s->h->r;
  r->db = db;
  log_context(http_request_id(r->http));
  if (db) s->run(s->h, db);
  else holding_fault(s->h, FAULT_DB);
  log_context(NULL);
}

void holding_job(struct holding *h, holding_step *step) {
  struct step *s = arena_alloc(h->r->arena, sizeof *s);
  *s = (struct step){h, step};
  h->r->db = NULL;
  int fault = db_submit(h->r->context->pool, step_job, s);
  if (fault != 0) holding_fault(h, fault);
}

// ---- who asks

static void who_read(struct holding *h, struct db *db) {
  struct rest_request *r = h->r;
  struct principal *who = NULL;
  int found = principal_load(r->context->principals, db, r->key_text, &who);
  if (found == PRINCIPAL_FOUND) {
    principal_unref(r->who);
    r->who = who;
    h->fresh = !who->is_operator;
    h->ask(h, db);
  } else if (found == PRINCIPAL_UNKNOWN) {
    rest_unknown_key(r);
  } else {
    rest_fault(r, found);
  }
}

static enum principal_answer who_find(struct rest_request *r, enum holding_trust trust) {
  struct principals *all = r->context->principals;
  bool ageing = false;
  if (trust == HOLDING_TAKES) return principal_find(all, r->key_text, false, &r->who);
  enum principal_answer found = principal_find(all, r->key_text, true, &r->who);
  if (found != PRINCIPAL_ASK) return found;
  found = principal_find_reporter(all, r->key_text, &r->who, &ageing);
  if (found != PRINCIPAL_FOUND || r->who->is_operator) return found;
  principal_unref(r->who); // a customer's that is not fresh
  r->who = NULL;
  return PRINCIPAL_ASK;
}

void holding_begin(struct rest_request *r, enum holding_trust trust, bool (*parse)(struct holding *h), holding_step *ask, holding_step *answer) {
  r->key_text = rest_bearer(http_header(r->http, "Authorization"));
  enum principal_answer found = who_find(r, trust);
  if (found == PRINCIPAL_UNKNOWN) {
    rest_unknown_key(r);
    return;
  }
  struct holding *h = arena_alloc(r->arena, sizeof *h);
  *h = (struct holding){.r = r, .ask = ask, .answer = answer};
  atomic_fetch_add(&r->context->waiting, 1);
  r->counted = true;
  if (!rest_media_check(r) || !rest_parameters_check(r) || !parse(h)) return;
  if (found == PRINCIPAL_FOUND) ask(h, NULL);
  else holding_job(h, who_read);
}

// ---- whose

static void whose_read(struct holding *h, struct db *db) {
  struct rest_request *r = h->r;
  struct principal *whose = NULL;
  if (!r->who->is_operator) {
    who_read(h, db);
    return;
  }
  int found = principal_load_customer(r->context->principals, db, h->customer, &whose);
  if (found == PRINCIPAL_FOUND) {
    principal_unref(r->whose);
    r->whose = whose;
    h->fresh = true;
    h->ask(h, db);
  } else if (found == PRINCIPAL_UNKNOWN) {
    rest_unknown(r, "customer", "customer");
  } else {
    rest_fault(r, found);
  }
}

static void reload(struct holding *h) {
  if (h->reloads++ < RELOADS_MAX) holding_job(h, whose_read);
  else holding_fault(h, FAULT_FULL);
}

bool holding_whose(struct holding *h) {
  struct rest_request *r = h->r;
  if (!r->who->is_operator) {
    principal_unref(r->whose);
    r->whose = principal_ref(r->who);
  } else if (!r->whose && principal_find_customer(r->context->principals, h->customer, &r->whose) != PRINCIPAL_FOUND) {
    reload(h);
    return false;
  }
  if (!r->whose->suspended) return true;
  if (h->fresh) rest_refuse(r, PROBLEM_CUSTOMER_SUSPENDED, NULL, "This customer is suspended.");
  else reload(h); // what a cache says against somebody is read again before it is believed
  return false;
}

bool holding_own(struct rest_request *r, struct uuid *ret) {
  *ret = r->who->customer_id;
  if (!r->who->is_operator) return true;
  rest_refuse(r, PROBLEM_INVALID_REQUEST, "customer", "Say whose: customer (cus_… or ext:…) is missing.");
  return false;
}

static void hold_find(struct holding *h, struct db *db) {
  struct held held;
  if (!holding_read(h, db, &held)) return;
  h->customer = held.customer;
  h->price = held.price;
  h->found = true;
  lately_put(h->r->context->lately, h->id, h->customer, h->price);
  h->ask(h, db);
}

bool holding_find(struct holding *h, struct db *db) {
  struct rest_request *r = h->r;
  if (h->found) return true;
  h->found = lately_find(r->context->lately, h->id, &h->customer, &h->price);
  if (h->found && !r->who->is_operator && !uuid_eq(h->customer, r->who->customer_id)) {
    rest_unknown(r, "id", "hold");
    return false;
  }
  if (h->found) return true;
  if (db) hold_find(h, db);
  else holding_job(h, hold_find);
  return false;
}

// ---- the ledger

static void done(struct ledger_op *op) {
  struct holding *h = op->arg;
  h->taken = op->result == LEDGER_DONE || op->result == LEDGER_DUPLICATE;
  if (op->result == LEDGER_STALE) reload(h);
  else h->answer(h, NULL);
}

void holding_submit(struct holding *h) {
  h->r->db = NULL; // the answer may come before this returns, and elsewhere
  h->op.done = done;
  h->op.arg = h;
  int fault = ledger_submit(h->r->context->ledger, &h->op);
  if (fault != 0) holding_fault(h, fault);
}
