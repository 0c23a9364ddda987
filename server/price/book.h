// The price book: an immutable, reference-counted snapshot of providers, prices and rates, swapped whole. Built from the
// database; which price holds at an instant is a pure question to it.
#pragma once
#include "base/amount.h"
#include "base/id.h"

struct db;
struct book;

struct book_provider {
  struct uuid id;
  struct str name, plugin, base_url, settings; // settings: a JSON object
  struct str secret;                           // sealed, as stored; opened only to build a request
  int32_t priority;
  bool enabled;
};
struct book_rate {
  struct str meter;
  int32_t per;
  amount charge, cost;
};
struct book_price {
  struct uuid id;
  const struct book_provider *provider;
  struct str model;          // as sold
  struct str upstream_model; // the provider's own name of it
  int64_t valid_from, valid_until; // microseconds; valid_until 0: open
  int64_t max_input, max_output;   // 0: not told
  const struct book_rate *rates;
  size_t rate_count;
};

// A meter that the operator has defined, and how it is added up in reports: as migrations/0009_meters.sql numbers them.
enum book_aggregation { BOOK_SUM = 1, BOOK_MAX = 2, BOOK_COUNT = 3, BOOK_LAST = 4, BOOK_UNIQUE = 5 };
struct book_meter {
  const char *name;
  enum book_aggregation aggregation;
};

// Reads everything in one snapshot. 0 or FAULT_DB.
int book_load(struct db *db, struct book **ret);
// The catalogue's version, to see whether a snapshot is still the newest. 0 or FAULT_DB.
int book_version(struct db *db, int64_t *ret);
int64_t book_version_of(const struct book *b);
struct book *book_ref(struct book *b);
void book_unref(struct book *b); // NULL is fine

size_t book_provider_count(const struct book *b);
const struct book_provider *book_provider_at(const struct book *b, size_t i);
size_t book_price_count(const struct book *b);
const struct book_price *book_price_at(const struct book *b, size_t i); // all versions, by model, provider priority, valid_from
// Every version of a model at every provider, neighbours: by provider priority (then name), then valid_from. NULL: none.
const struct book_price *book_versions(const struct book *b, struct str model, size_t *ret_count);
const struct book_price *book_price_by_id(const struct book *b, struct uuid id);
const struct book_meter *book_meter(const struct book *b, struct str name); // NULL: the operator has defined none of that name
size_t book_meter_count(const struct book *b);
const struct book_meter *book_meter_at(const struct book *b, size_t i); // by name
// Whether quantities of such a meter have a price at all: what is no sum cannot be multiplied.
static inline bool book_meter_is_charged(const struct book_meter *m) {
  return !m || m->aggregation == BOOK_SUM || m->aggregation == BOOK_COUNT;
}
// The prices that serve `model` at `now_us`, in the order of their providers' priority (then name). "provider/model" forces
// one provider, where no model carries that whole name. Returns how many were written, at most max.
size_t book_route(const struct book *b, struct str model, int64_t now_us, const struct book_price **ret, size_t max);
// The rate of a meter, or of the nearest parent that has one (`parent` names the next in line). NULL: none.
const struct book_rate *book_rate(const struct book_price *p, struct str meter, const char *(*parent)(void *arg, struct str meter), void *arg);
