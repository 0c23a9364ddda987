// POST /api/v1/events: what a request is by its content type, and who sends it. CloudEvents' three modes, plain JSON (an event or
// an array of them), and lines of JSON.
#include "base/limits.h"
#include "base/log.h"
#include "rest/intake.h"

#define RELOADS_MAX 3        // a configuration that moves faster than it can be read: 503
#define LONG_BODY LIMIT_EVENT // longer ones are looked at by a job, not on an event thread

// ---- what it is

struct media {
  struct str base, charset;
};

static struct media media_of(const struct http_request *http) {
  struct str rest = http_header(http, "Content-Type"), part;
  struct media m = {0};
  if (str_split(&rest, ';', &part)) m.base = str_trim(part);
  while (str_split(&rest, ';', &part)) {
    part = str_trim(part);
    if (part.len <= 8 || !str_eq_nocase((struct str){part.ptr, 8}, STR("charset="))) continue;
    m.charset = (struct str){part.ptr + 8, part.len - 8};
    if (m.charset.len >= 2 && m.charset.ptr[0] == '"') m.charset = (struct str){m.charset.ptr + 1, m.charset.len - 2};
  }
  return m;
}

static bool is_lines(struct str base) {
  return str_eq_nocase(base, STR("application/x-ndjson")) || str_eq_nocase(base, STR("application/ndjson")) ||
         str_eq_nocase(base, STR("application/jsonl"));
}

size_t events_body_bound(const struct http_request *request) {
  return is_lines(media_of(request).base) ? LIMIT_EVENTS_LINES : LIMIT_EVENTS_BODY;
}

static char first_byte(struct str body) {
  size_t at = 0;
  while (at < body.len && (body.ptr[at] == ' ' || body.ptr[at] == '\t' || body.ptr[at] == '\r' || body.ptr[at] == '\n')) at++;
  return at < body.len ? body.ptr[at] : '\0';
}

static bool unsupported(struct rest_request *r, const char *why) {
  rest_refuse(r, PROBLEM_UNSUPPORTED_MEDIA, NULL, "%s", why);
  return false;
}

static bool charset_check(struct rest_request *r, struct str charset) {
  if (charset.len == 0 || str_eq_nocase(charset, STR("utf-8")) || str_eq_nocase(charset, STR("us-ascii"))) return true;
  return unsupported(r, "JSON is UTF-8: leave charset out, or say charset=utf-8.");
}

// False: answered.
static bool shape_find(struct rest_request *r, enum intake_shape *ret_shape, enum usage_form *ret_form) {
  struct media m = media_of(r->http);
  bool array = first_byte(http_body(r->http)) == '[';
  *ret_form = USAGE_CLOUDEVENT;
  *ret_shape = INTAKE_ONE;
  if (!charset_check(r, m.charset)) return false;
  if (str_eq_nocase(m.base, STR("application/cloudevents+json"))) return true;
  if (str_eq_nocase(m.base, STR("application/cloudevents-batch+json"))) {
    *ret_shape = INTAKE_ARRAY;
    return true;
  }
  if (m.base.len >= 23 && str_eq_nocase((struct str){m.base.ptr, 23}, STR("application/cloudevents")))
    return unsupported(r, "Of CloudEvents the JSON format is taken: application/cloudevents+json or application/cloudevents-batch+json.");
  bool binary = http_header(r->http, "ce-specversion").ptr || http_header(r->http, "ce-id").ptr;
  bool json = m.base.len == 0 || str_eq_nocase(m.base, STR("application/json")) || str_eq_nocase(m.base, STR("text/json")) ||
              (m.base.len > 5 && str_eq_nocase((struct str){m.base.ptr + m.base.len - 5, 5}, STR("+json")));
  *ret_shape = binary ? INTAKE_BINARY : is_lines(m.base) ? INTAKE_LINES : array ? INTAKE_ARRAY : INTAKE_ONE;
  if (binary && !json) return unsupported(r, "An event's data must be JSON: send Content-Type: application/json.");
  if (binary) return true;
  *ret_form = USAGE_PLAIN;
  if (json || is_lines(m.base)) return true;
  return unsupported(r, "Send application/json, application/cloudevents+json, application/cloudevents-batch+json or application/x-ndjson.");
}

// ---- who sends it

static void who_take(struct intake *in, struct principal *who) {
  principal_unref(in->who);
  in->who = who;
}

struct reload {
  struct intake *in;
  void (*then)(struct intake *in, struct db *db);
};

static void reload_job(struct db *db, void *arg) {
  struct reload *reload = arg;
  struct intake *in = reload->in;
  struct principal *who = NULL;
  log_context(http_request_id(in->r->http));
  int found = db ? principal_load(in->r->context->principals, db, in->r->key_text, &who) : FAULT_DB;
  if (found == PRINCIPAL_FOUND) {
    who_take(in, who);
    in->fresh = true;
    reload->then(in, db);
  } else if (found == PRINCIPAL_UNKNOWN && in->first + in->count > 0 && intake_is_batch(in)) {
    in->revoked = true;
    reload->then(in, db);
  } else if (found == PRINCIPAL_UNKNOWN) {
    intake_end_refused(in, PROBLEM_INVALID_KEY, NULL, (struct str){0}, NULL);
  } else {
    intake_end_fault(in, FAULT_DB);
  }
  log_context(NULL);
}

// Reads again who asks. It goes on with `then`, on a job's thread.
void intake_reload(struct intake *in, void (*then)(struct intake *in, struct db *db)) {
  struct reload *reload = arena_alloc(in->r->arena, sizeof *reload);
  *reload = (struct reload){in, then};
  int fault = in->reloads++ < RELOADS_MAX ? db_submit(in->r->context->pool, reload_job, reload) : FAULT_DB;
  if (fault != 0) intake_end_fault(in, fault);
}

static void begin(struct intake *in, struct db *db) {
  (void)db;
  intake_begin(in);
}

// What a cache says against a caller is read again before it is believed.
void intake_begin(struct intake *in) {
  if (in->who->suspended && !in->fresh)
    intake_reload(in, begin);
  else if (in->who->suspended)
    intake_end_refused(in, PROBLEM_CUSTOMER_SUSPENDED, NULL, (struct str){0}, "This customer is suspended.");
  else if (intake_is_batch(in) || http_body(in->r->http).len > LONG_BODY)
    intake_job(in, intake_take);
  else
    intake_take(in, NULL);
}

// An operator's key is read again beside the request, before what is known of it is too old.
struct renewal {
  struct principals *principals;
  char *key;
};

static void renewal_job(struct db *db, void *arg) {
  struct renewal *n = arg;
  struct principal *who = NULL;
  if (db && principal_load(n->principals, db, str_from(n->key), &who) == PRINCIPAL_FOUND) principal_unref(who);
  crypto_wipe(n->key, strlen(n->key));
  mem_free(n->key);
  mem_free(n);
}

static void renew(struct rest_request *r) {
  struct renewal *n = mem_alloc(sizeof *n);
  *n = (struct renewal){r->context->principals, mem_strndup(r->key_text.ptr, r->key_text.len)};
  if (db_submit(r->context->pool, renewal_job, n) == 0) return;
  crypto_wipe(n->key, strlen(n->key));
  mem_free(n->key);
  mem_free(n);
}

// ---- the way in

// Whose body it is to be, asked before it is taken.
struct asking {
  struct rest_context *context;
  struct http_request *http;
  struct str key;
};

static void asking_end(struct asking *a, int found, struct principal *who) {
  struct rest_context *context = a->context; // the request may be gone with the answer
  principal_unref(who);
  if (found == PRINCIPAL_FOUND) http_body_take(a->http);
  else if (found == PRINCIPAL_UNKNOWN) http_body_refuse(a->http, PROBLEM_INVALID_KEY, REST_UNKNOWN_KEY);
  else if (found == FAULT_FULL) http_body_refuse(a->http, PROBLEM_OVERLOADED, "Too much is waiting for the database. Nothing was recorded; send it again in a moment.");
  else http_body_refuse(a->http, PROBLEM_STORAGE_UNAVAILABLE, "The database cannot be reached. Nothing was recorded; send it again, it is charged once.");
  atomic_fetch_sub(&context->reporting, 1);
}

static void asking_job(struct db *db, void *arg) {
  struct asking *a = arg;
  struct principal *who = NULL;
  int found = db ? principal_load(a->context->principals, db, a->key, &who) : FAULT_DB;
  asking_end(a, found, who);
}

bool events_body_ask(struct rest_context *context, struct http_request *http) {
  if (!http_body_may_pass(http, LIMIT_EVENT)) return false;
  struct asking *a = arena_alloc(http_arena(http), sizeof *a);
  struct principal *who = NULL;
  bool ageing = false;
  *a = (struct asking){context, http, rest_bearer(http_header(http, "Authorization"))};
  atomic_fetch_add(&context->reporting, 1);
  int found = (int)principal_find_reporter(context->principals, a->key, &who, &ageing);
  if (found == PRINCIPAL_UNKNOWN || (found == PRINCIPAL_FOUND && !ageing)) {
    asking_end(a, found, who);
    return true;
  }
  principal_unref(who);
  int fault = db_submit(context->pool, asking_job, a);
  if (fault != 0) asking_end(a, fault, NULL);
  return true;
}

void events_enter(struct rest_request *r) {
  struct principal *who = NULL;
  bool ageing = false;
  r->key_text = rest_bearer(http_header(r->http, "Authorization"));
  enum principal_answer found = principal_find_reporter(r->context->principals, r->key_text, &who, &ageing);
  if (found == PRINCIPAL_UNKNOWN) {
    rest_unknown_key(r);
    return;
  }
  struct intake *in = arena_alloc(r->arena, sizeof *in);
  if (!rest_parameters_check(r) || !shape_find(r, &in->shape, &in->form)) {
    principal_unref(who);
    return;
  }
  in->r = r;
  in->who = who;
  in->arena = r->arena;
  if (intake_is_batch(in)) {
    in->arena = &in->window;
    arena_init(&in->window, LIMIT_REQUEST_ARENA);
    in->walk = (struct usage_walk){.text = http_body(r->http), .lines = in->shape == INTAKE_LINES};
    in->more = true;
  }
  atomic_fetch_add(&r->context->reporting, 1);
  if (ageing) renew(r);
  if (found == PRINCIPAL_FOUND) intake_begin(in);
  else intake_reload(in, begin);
}

const struct rest_endpoint rest_events[] = {
    {"POST", "/api/v1/events", REST_REPORTS, REST_PRIMARY, NULL, NULL},
    {0},
};
