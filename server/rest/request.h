// One request on its way through an endpoint, and what endpoints share: who asks, parameters, bodies, pages, writes
// that may be replayed, answers. A helper that returns false has answered already; an endpoint answers exactly once.
#pragma once
#include "base/mem.h"
#include "customer/customer.h"
#include "db/db.h"
#include "http/problem.h"
#include "rest/rest.h"
#include "json/read.h"
#include "json/write.h"

enum rest_access {
  REST_OPEN,     // anybody; runs on the event thread, without a database
  REST_METRICS,  // operators, or anybody where the context says so
  REST_SIGNED,   // whoever signs the body as Stripe does; no other key, no matter what else it says
  REST_OPERATOR, // operators
  REST_OPERATOR_BARE, // operators; a POST that takes no body
  REST_OWN,      // operators, and customers what is their own
  REST_REPORTS,  // the same; asked and answered without a job where it can be (events.c)
  REST_HOLDS,    // likewise (holding.c): `run` is called on the event thread, before it is known who asks
  REST_HOLDS_BARE, // likewise; a POST that takes no body
};

enum rest_pool {
  REST_PRIMARY = 0,
  REST_REPLICA, // may be answered by a replica
  REST_STRIPE,  // waits for Stripe: on threads of its own, so that nothing else waits for it too
};

struct rest_request;
struct rest_endpoint {
  const char *method, *path;
  enum rest_access access;
  enum rest_pool pool;
  const char *query; // the query parameters it knows: "customer|limit|cursor"
  void (*run)(struct rest_request *r, struct db *db);
};

struct rest_request {
  struct rest_context *context;
  struct http_request *http;
  const struct rest_endpoint *endpoint;
  struct principal *who; // NULL until authenticated
  struct str key_text;
  struct arena *arena; // the request's own
  struct json *body;   // parsed, NULL before rest_body
  struct db *db;       // of the job, NULL before
  bool replayed;       // the answer is what an earlier request made

  // ---- of a request about a hold, let go of with the answer
  struct principal *whose; // whose status, policies and limits count: its own reference
  struct book *book;
  bool counted; // among those that wait for the ledger
};

// ---- answers
#define REST_ANSWER_MAX (32 * 1024 * 1024)
void rest_reply(struct rest_request *r, int status, struct buf *body); // JSON
void rest_reply_as(struct rest_request *r, int status, const char *content_type, struct str body);
void rest_refuse(struct rest_request *r, enum problem p, const char *param, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
// The same with error.details, a JSON object.
void rest_refuse_with(struct rest_request *r, enum problem p, const char *param, struct str details, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
// The same, with how long the caller has to wait before it may ask again; 0: not told.
void rest_refuse_for(struct rest_request *r, enum problem p, const char *param, int64_t retry_after_ms, const char *message);
// The same with all that a refusal may add.
void rest_refuse_more(struct rest_request *r, enum problem p, struct problem_more more, const char *message);
void rest_fault(struct rest_request *r, int fault); // 503; logged here
void rest_payments_off(struct rest_request *r); // 501: no key of Stripe's is set
// 404 of the thing that the path or a parameter names.
void rest_unknown(struct rest_request *r, const char *param, const char *what);

// ---- what was asked
bool rest_query(const struct rest_request *r, const char *name, struct str *ret);
// The first segment of the path that is a name, read as an id.
bool rest_path_id(struct rest_request *r, const char *prefix, struct uuid *ret);
bool rest_body(struct rest_request *r, const struct json_field *fields, size_t count, void *target, size_t size);
// metadata NULL: none was given. may_clear: null takes a member away.
bool rest_metadata_check(struct rest_request *r, struct json *metadata, bool may_clear);
bool rest_time_query(struct rest_request *r, const char *name, int64_t *ret_us); // 0 where it is not given
bool rest_csv_query(struct rest_request *r, bool *ret); // whether format, or else Accept, asks for CSV
// 1 to LIMIT_NAME characters; ptr NULL where it is not given.
bool rest_text_query(struct rest_request *r, const char *name, struct str *ret);
// A customer that is named by `text`, from the parameter or field `param`; of a customer's key it must be its own.
bool rest_customer(struct rest_request *r, struct str text, const char *param, struct uuid *ret);
bool rest_customer_there(struct rest_request *r, struct uuid customer); // an id is only a form until it is looked up
// The query parameter customer, one that is there; of a customer's key its own where it is not given.
bool rest_customer_query(struct rest_request *r, struct uuid *ret);

// ---- lists
struct rest_page {
  struct uuid before; // nil: from the newest
  size_t limit;       // rows to show; ask for one more
};
bool rest_page(struct rest_request *r, struct rest_page *ret);
void rest_list_begin(struct json_writer *w);
// count: rows read, at most limit + 1; last: the id of the last row shown.
void rest_list_end(struct json_writer *w, const struct rest_request *r, const struct rest_page *page, size_t count,
                   struct uuid last);
static inline size_t rest_shown(const struct rest_page *page, size_t count) {
  return count < page->limit ? count : page->limit;
}

// ---- writes
// The caller's Idempotency-Key as it is kept, or empty where there is none; the fingerprint of the request.
bool rest_replay_key(struct rest_request *r, struct str *ret_key, unsigned char ret_fingerprint[32]);
// Begins the transaction of a write to a resource of `customer` (nil: none), locks the customer and claims the
// Idempotency-Key for *object. Where it was claimed before, nothing is open any more, r->replayed is set and *object is
// what was made then.
bool rest_write_begin(struct rest_request *r, struct uuid customer, struct uuid *object);
// Bumps the customer's config_version (nil: none) and commits.
bool rest_write_end(struct rest_request *r, struct uuid customer);
// A new id of the database's time.
struct uuid rest_new_id(const struct rest_request *r);
