// Events are compared without their order, by their type, by what they are about, and by two of their numbers.
#include "told.h"
#include "base/log.h"
#include "check.h"
#include "json/read.h"

static const struct kind {
  const char *type, *prefix, *of; // of: the member that names what it is about, NULL: the customer
  const char *a, *b;
} kinds[] = {
    {"grant.created", "grt", "grant", "amount", NULL},
    {"grant.expired", "grt", "grant", "amount", NULL},
    {"usage.settled", NULL, NULL, "charge", "count"},
    {"budget.threshold", "lim", "limit", "used", "amount"},
    {"limit.reached", "lim", "limit", "used", "amount"},
    {"balance.low", NULL, NULL, "balance", "debt"},
    {"balance.exhausted", NULL, NULL, "balance", "debt"},
    {"balance.refilled", NULL, NULL, "balance", "debt"},
};
uint64_t told_counts;

static const struct kind *kind_of(struct str type) {
  for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
    if (str_eq(type, str_from(kinds[i].type))) return &kinds[i];
  check_fail("an event of the type '%.*s'", STR_ARG(type));
}

// A count, or an amount as a text.
static wide number(struct json *data, const char *member) {
  struct str text;
  int64_t v = 0;
  if (!member) return 0;
  struct json *value = json_get(data, member);
  bool ok = json_int(value, &v) || (json_text(value, &text) && amount_parse(text, &v));
  if (!ok) check_fail("an event has no number '%s'", member);
  return v;
}

static struct uuid id(struct json *data, const char *prefix, const char *member) {
  struct uuid id = UUID_NIL;
  struct str text;
  bool ok = json_text(json_get(data, member), &text) && id_parse(prefix, text, &id);
  if (!ok) check_fail("an event has no id '%s'", member);
  return id;
}

static struct model_told read_event(const struct change *w) {
  const struct kind *k = kind_of(w->event.type);
  struct json_error error;
  CLEANUP(json_finishp) struct json *data = NULL;
  if (json_parse(w->event.data, &data, &error) != 0) check_fail("an event that cannot be read: %.*s", STR_ARG(w->event.data));
  if (!uuid_eq(id(data, "cus", "customer"), w->customer->id)) check_fail("an event of another customer: %.*s", STR_ARG(w->event.data));
  return (struct model_told){k->type, k->of ? id(data, k->prefix, k->of) : UUID_NIL, number(data, k->a), number(data, k->b)};
}

static bool is_wanted(const struct backend *b, const struct model_told *t) {
  return b->told && (b->told_usage || strcmp(t->type, "usage.settled") != 0);
}

static bool is_same(const struct model_told *a, const struct model_told *b) {
  return strcmp(a->type, b->type) == 0 && uuid_eq(a->of, b->of) && a->a == b->a && a->b == b->b;
}

// What was settled may come in parts.
static bool is_part(const struct model_told *all, const struct model_told *t) {
  return strcmp(all->type, t->type) == 0 && strcmp(t->type, "usage.settled") == 0 && t->b > 0 && t->b < all->b;
}

// Takes it out of what should be told.
static bool was_expected(const struct backend *b, struct model_customer *c, const struct model_told *t) {
  for (int i = 0; i < c->told_count; i++) {
    struct model_told *expected = &c->told[i];
    if (!is_wanted(b, expected)) continue;
    if (is_same(expected, t)) {
      *expected = c->told[--c->told_count];
      return true;
    }
    if (is_part(expected, t)) {
      expected->a -= t->a;
      expected->b -= t->b;
      return true;
    }
  }
  return false;
}

void told_check(const struct backend *b) {
  for (size_t i = 0; i < b->changes.count; i++) {
    const struct change *w = &b->changes.at[i];
    if (w->kind != CHANGE_EVENT) continue;
    struct model_told t = read_event(w);
    if (!was_expected(b, model_customer(w->customer->id), &t))
      check_fail("told, but it is not so: %s, %lld, %lld: %.*s", t.type, (long long)t.a, (long long)t.b, STR_ARG(w->event.data));
    told_counts++;
  }
  for (int i = 0; i < model_customer_count(); i++) {
    const struct model_customer *c = model_customer_at(i);
    for (int k = 0; k < c->told_count; k++)
      if (is_wanted(b, &c->told[k]))
        check_fail("not told: %s, %lld, %lld", c->told[k].type, (long long)c->told[k].a, (long long)c->told[k].b);
  }
}
