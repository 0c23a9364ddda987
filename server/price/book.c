// The snapshot is read in the order in which it is asked: by model, then its providers' priority, then time. So a
// model's prices are neighbours, found by halving, and walking them is already the order of routing.
#include "price/book.h"
#include "base/arena.h"
#include "base/log.h"
#include "base/vec.h"
#include "db/db.h"
#include <stdatomic.h>
#include <stdlib.h>

#define BOOK_BYTES_MAX ((size_t)1 << 30)
#define BOOK_PARENTS_MAX 16 // steps from a meter to one that has a rate

struct book {
  atomic_uint refs;
  int64_t version;
  struct arena arena; // every text
  vec(struct book_provider *) providers;
  vec(struct book_price) prices;
  vec(struct book_rate) rates;
  const struct book_price **by_id;
  vec(struct book_meter) meters; // by name
};

enum {
  COL_VERSION,
  COL_PROVIDER,
  COL_NAME,
  COL_PLUGIN,
  COL_BASE_URL,
  COL_SETTINGS,
  COL_SECRET,
  COL_PRIORITY,
  COL_ENABLED,
  COL_PRICE,
  COL_MODEL,
  COL_UPSTREAM,
  COL_FROM,
  COL_UNTIL,
  COL_MAX_INPUT,
  COL_MAX_OUTPUT,
  COL_METER,
  COL_PER,
  COL_CHARGE,
  COL_COST,
};

// ---- reading

static struct str text_of(struct book *b, const struct db_result *r, size_t row, int column) {
  return arena_str(&b->arena, db_text(r, row, column));
}

static struct book_provider *provider_of(struct book *b, const struct db_result *r, size_t row) {
  struct uuid id = db_uuid(r, row, COL_PROVIDER);
  for (size_t i = 0; i < b->providers.count; i++)
    if (uuid_eq(b->providers.at[i]->id, id)) return b->providers.at[i];
  struct book_provider *p = arena_alloc(&b->arena, sizeof *p);
  *p = (struct book_provider){
      .id = id,
      .name = text_of(b, r, row, COL_NAME),
      .plugin = text_of(b, r, row, COL_PLUGIN),
      .base_url = text_of(b, r, row, COL_BASE_URL),
      .settings = text_of(b, r, row, COL_SETTINGS),
      .secret = text_of(b, r, row, COL_SECRET),
      .priority = (int32_t)db_i64(r, row, COL_PRIORITY),
      .enabled = db_bool(r, row, COL_ENABLED),
  };
  *vec_add(&b->providers) = p;
  return p;
}

static void price_add(struct book *b, const struct db_result *r, size_t row, const struct book_provider *provider) {
  struct book_price *last = b->prices.count ? &b->prices.at[b->prices.count - 1] : NULL;
  struct uuid id = db_uuid(r, row, COL_PRICE);
  if (!last || !uuid_eq(last->id, id)) {
    last = vec_add(&b->prices);
    *last = (struct book_price){
        .id = id,
        .provider = provider,
        .model = text_of(b, r, row, COL_MODEL),
        .upstream_model = text_of(b, r, row, COL_UPSTREAM),
        .valid_from = db_time(r, row, COL_FROM),
        .valid_until = db_time(r, row, COL_UNTIL),
        .max_input = db_i64(r, row, COL_MAX_INPUT),
        .max_output = db_i64(r, row, COL_MAX_OUTPUT),
    };
  }
  if (db_is_null(r, row, COL_METER)) return;
  last->rate_count++;
  *vec_add(&b->rates) = (struct book_rate){
      .meter = text_of(b, r, row, COL_METER),
      .per = (int32_t)db_i64(r, row, COL_PER),
      .charge = db_i64(r, row, COL_CHARGE),
      .cost = db_i64(r, row, COL_COST),
  };
}

static int by_id_cmp(const void *a, const void *b) {
  const struct book_price *const *x = a, *const *y = b;
  return uuid_cmp((*x)->id, (*y)->id);
}

// Rows have stopped coming, so that nothing moves any more: point into what was gathered.
static void book_link(struct book *b) {
  const struct book_rate *rate = b->rates.at;
  b->by_id = mem_alloc((b->prices.count + 1) * sizeof(*b->by_id));
  for (size_t i = 0; i < b->prices.count; i++) {
    struct book_price *p = &b->prices.at[i];
    p->rates = rate;
    rate = rate ? rate + p->rate_count : NULL;
    b->by_id[i] = p;
  }
  if (b->prices.count) qsort(b->by_id, b->prices.count, sizeof(*b->by_id), by_id_cmp);
}

// Read after the rest: newer than the version says is no harm, older would be.
static int meters_load(struct book *b, struct db *db) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (db_run(db, STATEMENT_BOOK_METERS, NULL, &r) != 0) return FAULT_DB;
  for (size_t row = 0; row < db_rows(r); row++)
    *vec_add(&b->meters) = (struct book_meter){arena_strdup(&b->arena, db_text(r, row, 0)), (enum book_aggregation)db_i64(r, row, 1)};
  return 0;
}

int book_load(struct db *db, struct book **ret) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (db_run(db, STATEMENT_BOOK_LOAD, NULL, &r) != 0 || db_rows(r) == 0) return FAULT_DB;
  struct book *b = mem_alloc(sizeof *b);
  atomic_init(&b->refs, 1);
  arena_init(&b->arena, BOOK_BYTES_MAX);
  b->version = db_i64(r, 0, COL_VERSION);
  for (size_t row = 0; row < db_rows(r); row++) {
    if (db_is_null(r, row, COL_PROVIDER)) continue;
    const struct book_provider *provider = provider_of(b, r, row);
    if (!db_is_null(r, row, COL_PRICE)) price_add(b, r, row, provider);
  }
  book_link(b);
  if (meters_load(b, db) != 0) {
    book_unref(b);
    return FAULT_DB;
  }
  *ret = b;
  return 0;
}

int book_version(struct db *db, int64_t *ret) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (db_run(db, STATEMENT_BOOK_VERSION, NULL, &r) != 0 || db_rows(r) != 1) return FAULT_DB;
  *ret = db_i64(r, 0, 0);
  return 0;
}

// ---- life

int64_t book_version_of(const struct book *b) {
  return b->version;
}

struct book *book_ref(struct book *b) {
  atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
  return b;
}

void book_unref(struct book *b) {
  if (!b || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) > 1) return;
  vec_finish(&b->providers);
  vec_finish(&b->prices);
  vec_finish(&b->rates);
  vec_finish(&b->meters);
  mem_free(b->by_id);
  arena_finish(&b->arena);
  mem_free(b);
}

// ---- asking

size_t book_provider_count(const struct book *b) {
  return b->providers.count;
}

const struct book_provider *book_provider_at(const struct book *b, size_t i) {
  ASSERT(i < b->providers.count);
  return b->providers.at[i];
}

size_t book_price_count(const struct book *b) {
  return b->prices.count;
}

const struct book_price *book_price_at(const struct book *b, size_t i) {
  ASSERT(i < b->prices.count);
  return &b->prices.at[i];
}

static int id_cmp(const void *key, const void *element) {
  const struct uuid *id = key;
  const struct book_price *const *price = element;
  return uuid_cmp(*id, (*price)->id);
}

const struct book_price *book_price_by_id(const struct book *b, struct uuid id) {
  const struct book_price **found = bsearch(&id, b->by_id, b->prices.count, sizeof(*b->by_id), id_cmp);
  return found ? *found : NULL;
}

static int str_cmp(struct str a, struct str b) {
  size_t least = a.len < b.len ? a.len : b.len;
  int order = least ? memcmp(a.ptr, b.ptr, least) : 0;
  return order ? order : (a.len > b.len) - (a.len < b.len);
}

size_t book_meter_count(const struct book *b) {
  return b->meters.count;
}

const struct book_meter *book_meter_at(const struct book *b, size_t i) {
  ASSERT(i < b->meters.count);
  return &b->meters.at[i];
}

static int meter_cmp(const void *key, const void *element) {
  const struct str *name = key;
  const struct book_meter *meter = element;
  return str_cmp(*name, str_from(meter->name));
}

const struct book_meter *book_meter(const struct book *b, struct str name) {
  return b->meters.count ? bsearch(&name, b->meters.at, b->meters.count, sizeof *b->meters.at, meter_cmp) : NULL;
}

// The first price whose model is not below.
static size_t model_find(const struct book *b, struct str model) {
  size_t low = 0, high = b->prices.count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (str_cmp(b->prices.at[middle].model, model) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

const struct book_price *book_versions(const struct book *b, struct str model, size_t *ret_count) {
  size_t first = model_find(b, model), end = first;
  while (end < b->prices.count && str_eq(b->prices.at[end].model, model)) end++;
  *ret_count = end - first;
  return end > first ? &b->prices.at[first] : NULL;
}

static bool price_stands(const struct book_price *p, int64_t now_us) {
  return p->provider->enabled && p->valid_from <= now_us && (p->valid_until == 0 || now_us < p->valid_until);
}

// provider len 0: any. True where the model is in the book at all.
static bool route_model(const struct book *b, struct str provider, struct str model, int64_t now_us,
                        const struct book_price **ret, size_t max, size_t *ret_count) {
  size_t first = model_find(b, model), i = first, count = 0;
  for (; i < b->prices.count && str_eq(b->prices.at[i].model, model); i++) {
    const struct book_price *p = &b->prices.at[i];
    if (provider.len && !str_eq(p->provider->name, provider)) continue;
    if (price_stands(p, now_us) && count < max) ret[count++] = p;
  }
  *ret_count = count;
  return i > first;
}

size_t book_route(const struct book *b, struct str model, int64_t now_us, const struct book_price **ret, size_t max) {
  size_t count = 0;
  if (route_model(b, (struct str){0}, model, now_us, ret, max, &count)) return count;
  const char *slash = model.len ? memchr(model.ptr, '/', model.len) : NULL;
  if (!slash || slash == model.ptr) return 0;
  struct str provider = {model.ptr, (size_t)(slash - model.ptr)};
  struct str rest = {slash + 1, model.len - provider.len - 1};
  (void)route_model(b, provider, rest, now_us, ret, max, &count);
  return count;
}

const struct book_rate *book_rate(const struct book_price *p, struct str meter,
                                  const char *(*parent)(void *arg, struct str meter), void *arg) {
  for (int step = 0; step < BOOK_PARENTS_MAX; step++) {
    for (size_t i = 0; i < p->rate_count; i++)
      if (str_eq(p->rates[i].meter, meter)) return &p->rates[i];
    const char *next = parent ? parent(arg, meter) : NULL;
    if (!next) return NULL;
    meter = str_from(next);
  }
  return NULL;
}
