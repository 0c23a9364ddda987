// The reference's things, and how they are found: by walking.
#include "model.h"
#include <stdlib.h>
#include <string.h>

#define CUSTOMERS_MAX 16
static struct model_customer customers[CUSTOMERS_MAX];
static int customer_count;

// Room for one more, zeroed; lists double at powers of two.
void *model_grow(void *list, int count, size_t size) {
  if ((count & (count - 1)) == 0) {
    list = realloc(list, (size_t)(count ? 2 * count : 1) * size);
    if (!list) abort();
  }
  memset((char *)list + (size_t)count * size, 0, size);
  return list;
}

struct model_customer *model_customer_add(struct uuid id) {
  if (customer_count == CUSTOMERS_MAX) abort();
  struct model_customer *c = &customers[customer_count++];
  memset(c, 0, sizeof *c);
  c->id = id;
  c->version = 1;
  c->top_up_at = c->low_balance = -1;
  return c;
}

int model_customer_count(void) {
  return customer_count;
}

struct model_customer *model_customer_at(int i) {
  return &customers[i];
}

void model_forget(void) {
  for (int i = 0; i < customer_count; i++) {
    struct model_customer *c = &customers[i];
    for (int k = 0; k < c->call_count; k++) free(c->calls[k].paid);
    free(c->holds);
    free(c->grants);
    free(c->calls);
    free(c->limits);
    free(c->keys);
    free(c->kept);
    free(c->events);
    free(c->parts);
    free(c->told);
  }
  customer_count = 0;
}

static bool same(struct uuid a, struct uuid b) {
  return memcmp(a.b, b.b, 16) == 0;
}

struct model_customer *model_customer(struct uuid id) {
  for (int i = 0; i < customer_count; i++)
    if (same(customers[i].id, id)) return &customers[i];
  return NULL;
}

struct model_hold *model_hold(struct model_customer *c, struct uuid call) {
  for (int i = 0; i < c->hold_count; i++)
    if (same(c->holds[i].call, call)) return &c->holds[i];
  return NULL;
}

struct model_call *model_call(struct model_customer *c, struct uuid id) {
  for (int i = c->call_count; i-- > 0;)
    if (same(c->calls[i].id, id)) return &c->calls[i];
  return NULL;
}

struct model_limit *model_limit(struct model_customer *c, struct uuid id) {
  for (int i = 0; i < c->limit_count; i++)
    if (same(c->limits[i].id, id)) return &c->limits[i];
  return NULL;
}

struct model_key *model_key(struct model_customer *c, struct uuid id) {
  for (int i = 0; i < c->key_count; i++)
    if (same(c->keys[i].id, id)) return &c->keys[i];
  return NULL;
}

struct model_grant *model_grant(struct model_customer *c, struct uuid id) {
  for (int i = 0; i < c->grant_count; i++)
    if (same(c->grants[i].id, id)) return &c->grants[i];
  return NULL;
}

const struct model_event *model_event(const struct model_customer *c, struct uuid identity) {
  for (int i = 0; i < c->event_count; i++)
    if (same(c->events[i].identity, identity)) return &c->events[i];
  return NULL;
}

// ---- sums

wide model_balance(const struct model_customer *c) {
  wide sum = -c->debt;
  for (int i = 0; i < c->grant_count; i++) sum += c->grants[i].left;
  return sum;
}

bool model_counts(const struct model_customer *c, wide charge) {
  wide left = model_balance(c) - charge;
  return left > -(wide)INT64_MAX && left <= INT64_MAX;
}

wide model_held(const struct model_customer *c) {
  wide sum = 0;
  for (int i = 0; i < c->hold_count; i++) sum += c->holds[i].amount;
  return sum;
}

int model_open_holds(const struct model_customer *c) {
  int count = 0;
  for (int i = 0; i < c->hold_count; i++) count += c->holds[i].expires_at != 0;
  return count;
}

wide model_bucket_held(const struct model_customer *c, const struct model_limit *l) {
  wide sum = 0;
  for (int i = 0; i < c->hold_count; i++)
    for (int k = 0; k < c->holds[i].draw_count; k++) {
      const struct model_draw *d = &c->holds[i].draws[k];
      if (same(d->limit, l->id) && d->window == l->window_start) sum += d->amount;
    }
  return sum;
}

int model_kept_count(const struct model_customer *c) {
  int count = 0;
  for (int i = 0; i < c->kept_count; i++) count += c->kept[i].gone_at == 0;
  return count;
}

int64_t model_usage(struct str json) {
  const char *colon = json.len ? memchr(json.ptr, ':', json.len) : NULL;
  return colon ? strtoll(colon + 1, NULL, 10) : 0;
}

int64_t model_id_time(struct uuid id) {
  int64_t ms = 0;
  for (int i = 0; i < 6; i++) ms = ms * 256 + id.b[i];
  return ms * 1000;
}

// ---- what happens beside the batches

void model_moved(int32_t from, int32_t to, int64_t truly_now) {
  for (int i = 0; i < customer_count; i++)
    for (int k = 0; k < customers[i].hold_count; k++) {
      struct model_hold *h = &customers[i].holds[k];
      if (h->writer != from) continue;
      h->writer_before = from;
      h->moved_at = truly_now;
      h->writer = to;
    }
}

void model_forget_keys(int64_t before, int64_t truly_now) {
  for (int i = 0; i < customer_count; i++)
    for (int k = 0; k < customers[i].kept_count; k++) {
      struct model_kept *kept = &customers[i].kept[k];
      if (kept->gone_at == 0 && kept->at < before) kept->gone_at = truly_now;
    }
}
