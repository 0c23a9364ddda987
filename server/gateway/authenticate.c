// Who calls. A cached principal will do: the commit that admits the call holds its version against the customer's row.
// What a cache may not decide is a refusal by what it remembers: a suspension is read again before it is believed.
#include "gateway/call.h"

#define RELOADS_MAX 3 // a configuration that moves faster than it can be read: 503

const char invalid_key_text[] = "No valid API key was given. Send it as \"Authorization: Bearer <key>\".";

static struct str bearer(struct str value) {
  if (value.len < 7 || !str_eq_nocase((struct str){value.ptr, 7}, STR("bearer "))) return (struct str){0};
  return str_trim((struct str){value.ptr + 7, value.len - 7});
}

int key_text_find(const struct http_request *r, struct str *ret) {
  struct str first = bearer(http_header(r, "Authorization")), second = str_trim(http_header(r, "x-api-key"));
  if (first.len && second.len && !str_eq(first, second)) return 1;
  *ret = first.len ? first : second;
  return 0;
}

// ---- on a job thread

struct principal_question {
  struct gateway_call *call;
  void (*then)(void *call);
};

static void principal_told(void *arg) {
  struct principal_question *q = arg;
  struct gateway_call *c = q->call;
  void (*then)(void *) = q->then;
  mem_free(q);
  then(c);
  call_unref(c);
}

static void principal_job(struct db *db, void *arg) {
  struct principal_question *q = arg;
  struct gateway_call *c = q->call;
  c->loaded = FAULT_DB;
  if (db)
    c->loaded = principal_load(c->gateway->principals, db, (struct str){c->key_text, c->key_len}, &c->loaded_principal);
  net_post(c->lane->loop, principal_told, q);
}

// Reads the principal again; `then` runs on the lane with c->loaded told. A fault: nothing is coming.
static int principal_ask(struct gateway_call *c, void (*then)(void *call)) {
  struct principal_question *q = mem_alloc(sizeof *q);
  *q = (struct principal_question){c, then};
  c->loaded_principal = NULL;
  call_ref(c);
  int result = db_submit(c->gateway->pool, principal_job, q);
  if (result == 0) return 0;
  call_unref(c);
  mem_free(q);
  return result;
}

// What was loaded becomes the call's.
static void principal_take(struct gateway_call *c) {
  struct principal *old = c->principal;
  pthread_mutex_lock(&c->lane->lock);
  c->principal = c->loaded_principal;
  pthread_mutex_unlock(&c->lane->lock);
  c->loaded_principal = NULL;
  principal_unref(old);
}

// ---- the step

static void refuse(struct gateway_call *c, enum problem p, const char *why) {
  metric_add(METRIC_DENIED_KEY, 1);
  respond_problem(c, p, NULL, "%s", why);
  call_go(c, STEP_DONE);
}

static void on_loaded(void *call);

static void load(struct gateway_call *c) {
  int fault = FAULT_DB;
  if (c->reloads++ < RELOADS_MAX) fault = principal_ask(c, on_loaded);
  if (fault == 0) return;
  respond_fault(c, fault);
  call_go(c, STEP_DONE);
}

static bool has_expired(const struct gateway_call *c) {
  const struct principal *p = c->principal;
  return !p->usable || (p->expires_at != 0 && p->expires_at <= ledger_now(c->gateway->ledger));
}

static void judge(struct gateway_call *c) {
  if (has_expired(c))
    refuse(c, PROBLEM_INVALID_KEY, invalid_key_text);
  else if (c->principal->is_operator)
    refuse(c, PROBLEM_FORBIDDEN,
           "This is an operator's key: calls are made with a customer's key, which pays for them.");
  else if (c->principal->suspended && !c->fresh)
    load(c);
  else if (c->principal->suspended)
    refuse(c, PROBLEM_CUSTOMER_SUSPENDED, "This customer is suspended.");
  else
    call_go(c, c->step == STEP_ADMIT ? STEP_ADMIT : STEP_ROUTE);
}

static void on_loaded(void *call) {
  struct gateway_call *c = call;
  c->fresh = true;
  if (c->loaded == PRINCIPAL_UNKNOWN) {
    refuse(c, PROBLEM_INVALID_KEY, invalid_key_text);
  } else if (c->loaded != PRINCIPAL_FOUND) {
    respond_fault(c, c->loaded);
    call_go(c, STEP_DONE);
  } else {
    principal_take(c);
    judge(c);
  }
}

void principal_reload(struct gateway_call *c) {
  load(c);
}

static bool key_copy(struct gateway_call *c) {
  struct str key = {0};
  if (key_text_find(c->request, &key) != 0) {
    struct problem_more more = {.param = "x-api-key"};
    respond_problem(c, PROBLEM_INVALID_REQUEST, &more,
                    "Authorization and x-api-key carry different keys: send one of them.");
    return false;
  }
  c->key_text = mem_strndup(key.len ? key.ptr : "", key.len);
  c->key_len = key.len;
  return true;
}

void authenticate_enter(struct gateway_call *c) {
  if (!key_copy(c)) {
    call_go(c, STEP_DONE);
    return;
  }
  struct str key = {c->key_text, c->key_len};
  switch (principal_find(c->gateway->principals, key, false, &c->loaded_principal)) {
  case PRINCIPAL_FOUND:
    principal_take(c);
    judge(c);
    break;
  case PRINCIPAL_UNKNOWN:
    refuse(c, PROBLEM_INVALID_KEY, invalid_key_text);
    break;
  case PRINCIPAL_ASK:
    load(c);
    break;
  }
}

// ---- a running call of a customer whose configuration has changed

static void revisited(struct gateway_call *c, int result) {
  c->revisiting = false;
  if (result == PRINCIPAL_UNKNOWN) call_cancel(c, CANCEL_REVOKED);
  if (result != PRINCIPAL_FOUND) return;
  principal_take(c);
  if (c->principal->suspended) call_cancel(c, CANCEL_SUSPENDED);
}

static void on_revisited(void *call) {
  struct gateway_call *c = call;
  bool running = c->step == STEP_UPSTREAM || c->step == STEP_RELAY;
  if (running)
    revisited(c, c->loaded);
  else
    principal_unref(c->loaded_principal);
}

// One job for all calls of a key, where it can be: what the first one read, the others find in the cache. A full queue
// means that it is told once more: the version that is watched stays what it was.
void call_revisit(struct gateway_call *c) {
  struct str key = {c->key_text, c->key_len};
  if ((c->step != STEP_UPSTREAM && c->step != STEP_RELAY) || c->revisiting) return;
  c->loaded_principal = NULL;
  enum principal_answer found = principal_find(c->gateway->principals, key, true, &c->loaded_principal);
  bool newer = found == PRINCIPAL_FOUND && c->loaded_principal->config_version > c->principal->config_version;
  if (found == PRINCIPAL_UNKNOWN || newer) {
    revisited(c, (int)found);
    return;
  }
  if (found == PRINCIPAL_FOUND) principal_unref(c->loaded_principal);
  c->revisiting = principal_ask(c, on_revisited) == 0;
}
