// Events and parts of explicit holds: by what they are known.
#include "base/log.h"
#include "check.h"
#include "sql.h"

#define WEEK_US (INT64_C(7) * 24 * 3600 * 1000000)

// An identity that was asked for twice comes twice, as a join gives it.
static bool identities_but(int64_t week, const struct db_params *p, struct db_result **ret) {
  struct walk ofs = walk_begin(p, 1), asked = walk_begin(p, 2);
  *ret = result_create(4);
  while (walk_more(&ofs)) {
    const struct row_customer *c = store_customer(walk_uuid(&ofs));
    struct uuid identity = walk_uuid(&asked);
    for (size_t i = 0; c && i < c->identities.count; i++) {
      const struct row_identity *e = &c->identities.at[i];
      if (!uuid_eq(e->identity, identity) || e->week == week) continue;
      result_uuid(*ret, c->id);
      result_uuid(*ret, e->identity);
      result_uuid(*ret, e->content);
      result_uuid(*ret, e->call);
    }
  }
  return true;
}

static bool identities(struct backend *b, const struct db_params *p, struct db_result **ret) {
  b->looked = true;
  return identities_but(-1, p, ret);
}

static bool identities_before(struct backend *b, const struct db_params *p, struct db_result **ret) {
  return identities_but(b->begun_at / WEEK_US, p, ret);
}

// Unique within a week of arrival; that it is once for ever is the ledger's own doing.
static bool is_new_identity(const struct backend *b, const struct change *w) {
  const struct row_customer *c = w->customer;
  for (size_t i = 0; i < c->identities.count; i++)
    if (uuid_eq(c->identities.at[i].identity, w->identity.identity) && c->identities.at[i].week == w->identity.week) return false;
  for (const struct change *o = b->changes.at; o < w; o++)
    if (o->kind == CHANGE_IDENTITY && o->customer == c && uuid_eq(o->identity.identity, w->identity.identity)) return false;
  return true;
}

static bool insert_identities(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)ret;
  struct walk of = walk_begin(p, 1), identity = walk_begin(p, 2), call = walk_begin(p, 3), content = walk_begin(p, 4),
              source = walk_begin(p, 5), id = walk_begin(p, 6);
  while (walk_more(&of)) {
    struct change *w = backend_change(b, CHANGE_IDENTITY, store_customer(walk_uuid(&of)));
    w->identity = (struct row_identity){.identity = walk_uuid(&identity), .call = walk_uuid(&call), .content = walk_uuid(&content),
                                        .source = store_text(walk_bytes(&source)), .id = store_text(walk_bytes(&id)),
                                        .week = b->begun_at / WEEK_US};
    if (text_is_poison(w->identity.source) || text_is_poison(w->identity.id)) return backend_fail(b, "22021");
    if (is_new_identity(b, w)) continue;
    if (b->looked) check_fail("a constraint fires: one event of an identity");
    return backend_fail(b, "23505");
  }
  return true;
}

static bool is_new_part(const struct backend *b, const struct change *w) {
  for (size_t i = 0; i < w->customer->parts.count; i++)
    if (uuid_eq(w->customer->parts.at[i].part, w->part.part)) return false;
  for (const struct change *o = b->changes.at; o < w; o++)
    if (o->kind == CHANGE_PART && uuid_eq(o->part.part, w->part.part)) return false;
  return true;
}

static bool insert_parts(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)ret;
  struct walk of = walk_begin(p, 1), hold = walk_begin(p, 2), part = walk_begin(p, 3);
  while (walk_more(&of)) {
    struct change *w = backend_change(b, CHANGE_PART, store_customer(walk_uuid(&of)));
    w->part = (struct row_part){walk_uuid(&hold), walk_uuid(&part)};
    if (!is_new_part(b, w)) check_fail("a constraint fires: a part of one hold");
  }
  return true;
}

const struct sql_statement sql_events[] = {
    {STATEMENT_LEDGER_IDENTITIES, identities},
    {STATEMENT_LEDGER_IDENTITIES_BEFORE, identities_before},
    {STATEMENT_LEDGER_INSERT_IDENTITIES, insert_identities},
    {STATEMENT_LEDGER_INSERT_PARTS, insert_parts},
    {0},
};
