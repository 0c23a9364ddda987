// Who calls, and what operators change: keys, limits, status. All changes stand between a lock of the customer's row and
// a bump of its version.
#include "check.h"
#include "sql.h"

// ---- reading who calls

static const struct row_key *key_of(struct str public_id) {
  for (size_t i = 0; i < store.keys.count; i++)
    if (memcmp(store.keys.at[i].public_id, public_id.ptr, 12) == 0) return &store.keys.at[i];
  return NULL;
}

static void limits_of(const struct row_customer *c, struct uuid key, struct db_result *r) {
  struct str list[64];
  size_t count = 0;
  for (size_t i = 0; i < c->limits.count && count < 64; i++) {
    const struct row_limit *l = &c->limits.at[i];
    if (!uuid_is_nil(l->key) && !uuid_eq(l->key, key)) continue;
    struct str id = store_text((struct str){(const char *)l->id.b, 16});
    size_t at = count++;
    for (; at > 0 && memcmp(list[at - 1].ptr, id.ptr, 16) > 0; at--) list[at] = list[at - 1];
    list[at] = id;
  }
  result_array(r, list, count);
}

static bool principal_load(struct backend *b, const struct db_params *p, struct db_result **ret) {
  struct db_result *r = *ret = result_create(14);
  const struct row_key *k = key_of(arg_text(p, 1));
  if (!k) return true;
  const struct row_customer *c = store_customer(k->customer);
  result_uuid(r, k->customer);
  result_uuid(r, k->id);
  result_text(r, store_text((struct str){(const char *)k->tag, 32}));
  result_i64(r, 0);
  if (k->expires_at) result_i64(r, k->expires_at);
  else result_null(r);
  result_i64(r, k->revoked_at == 0 && (k->expires_at == 0 || k->expires_at > b->begun_at));
  result_i64(r, c->config_version);
  result_i64(r, c->status == 2);
  result_i64(r, c->short_policy);
  result_i64(r, c->short_debt);
  limits_of(c, k->id, r);
  result_i64(r, 1);
  result_i64(r, 1);
  if (k->expires_at) result_i64(r, k->expires_at - b->begun_at);
  else result_null(r);
  check_key_told(b, k->customer, k->id);
  return true;
}

static bool principal_versions(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)b;
  *ret = result_create(2);
  for (struct walk w = walk_begin(p, 1); walk_more(&w);) {
    const struct row_customer *c = store_customer(walk_uuid(&w));
    if (!c) continue;
    result_uuid(*ret, c->id);
    result_i64(*ret, c->config_version);
  }
  return true;
}

// ---- changing

static bool customer_lock(struct backend *b, const struct db_params *p, struct db_result **ret) {
  struct row_customer *c = store_customer(arg_uuid(p, 1));
  *ret = result_create(1);
  if (!c) return true;
  if (!backend_lock(b, &c->lock)) return false;
  result_uuid(*ret, c->id);
  return true;
}

static bool customer_bump(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)ret;
  struct row_customer *c = store_customer(arg_uuid(p, 1));
  if (!backend_lock(b, &c->lock)) return false;
  (void)backend_change(b, CHANGE_VERSION, c);
  return true;
}

static bool customer_update(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)ret;
  struct row_customer *c = store_customer(arg_uuid(p, 2));
  if (!backend_lock(b, &c->lock)) return false;
  struct change *w = backend_change(b, CHANGE_STATUS, c);
  w->status.members = (int)arg_i64(p, 1);
  w->status.status = (int)arg_i64(p, 3);
  w->status.credit_limit = arg_i64(p, 4);
  w->status.low_balance = arg_i64(p, 5);
  w->status.event_policy = (int)arg_i64(p, 6);
  return true;
}

static bool top_up_mark(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)ret;
  struct row_customer *c = store_customer(arg_uuid(p, 1));
  if (!backend_lock(b, &c->lock)) return false;
  struct change *w = backend_change(b, CHANGE_TOP_UP_MARK, c);
  w->money.top_up_at = arg_null(p, 2) ? -1 : arg_i64(p, 2);
  w->money.top_up_due = w->money.top_up_at >= 0 && (amount_wide)c->balance - c->held <= w->money.top_up_at;
  return true;
}

static bool top_up_enough(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)ret;
  struct row_customer *c = store_customer(arg_uuid(p, 1));
  if (!backend_lock(b, &c->lock)) return false;
  (void)backend_change(b, CHANGE_TOP_UP_ENOUGH, c);
  return true;
}

static bool key_insert(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)ret;
  struct row_key k = {.customer = arg_uuid(p, 1), .id = arg_uuid(p, 2), .expires_at = arg_time(p, 8)};
  memcpy(k.public_id, arg_text(p, 3).ptr, 12);
  memcpy(k.tag, arg_text(p, 4).ptr, 32);
  backend_change(b, CHANGE_KEY_NEW, NULL)->key = k;
  return true;
}

static bool key_revoke(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)ret;
  const struct row_key *k = store_key(arg_uuid(p, 2));
  if (!k || k->revoked_at) return true;
  backend_change(b, CHANGE_KEY_REVOKED, NULL)->key = (struct row_key){.id = k->id, .revoked_at = store_clock()};
  return true;
}

static bool limit_room(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)b;
  const struct row_customer *c = store_customer(arg_uuid(p, 1));
  struct uuid key = arg_uuid(p, 2);
  *ret = result_create(2);
  result_i64(*ret, c->limits.count < 8 ? 0 : 16); // a bound that leaves the admissions some
  result_i64(*ret, uuid_is_nil(key) || store_key(key) != NULL);
  return true;
}

static bool limit_insert(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)ret;
  backend_change(b, CHANGE_LIMIT_NEW, store_customer(arg_uuid(p, 1)))->limit =
      (struct row_limit){.id = arg_uuid(p, 2), .key = arg_uuid(p, 3), .measure = (int)arg_i64(p, 4),
                         .period = (int)arg_i64(p, 5), .amount = arg_i64(p, 6),
                         .window_end = arg_i64(p, 5) == 4 ? INT64_MAX : 0};
  return true;
}

static bool limit_update(struct backend *b, const struct db_params *p, struct db_result **ret) {
  struct row_customer *c = store_customer(arg_uuid(p, 1));
  bool there = store_limit(c, arg_uuid(p, 2)) != NULL;
  *ret = result_create(1);
  result_affected(*ret, there);
  if (there) backend_change(b, CHANGE_LIMIT_AMOUNT, c)->limit = (struct row_limit){.id = arg_uuid(p, 2), .amount = arg_i64(p, 3)};
  return true;
}

static bool limit_delete(struct backend *b, const struct db_params *p, struct db_result **ret) {
  struct row_customer *c = store_customer(arg_uuid(p, 1));
  bool there = store_limit(c, arg_uuid(p, 2)) != NULL;
  *ret = result_create(1);
  result_affected(*ret, there);
  if (there) backend_change(b, CHANGE_LIMIT_GONE, c)->limit = (struct row_limit){.id = arg_uuid(p, 2)};
  return true;
}

static bool affected_one(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)b, (void)p;
  *ret = result_create(1);
  result_affected(*ret, 1);
  return true;
}

// Of a profile and of what was agreed to nobody here looks at anything; the directory's row goes with its key, a bucket with its limit.
static bool nothing(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)b, (void)p, (void)ret;
  return true;
}

const struct sql_statement sql_configs[] = {
    {STATEMENT_PRINCIPAL_LOAD, principal_load},
    {STATEMENT_PRINCIPAL_VERSIONS, principal_versions},
    {STATEMENT_CUSTOMER_LOCK, customer_lock},
    {STATEMENT_CUSTOMER_BUMP, customer_bump},
    {STATEMENT_CUSTOMER_UPDATE, customer_update},
    {STATEMENT_CUSTOMER_UPDATE_PROFILE, nothing},
    {STATEMENT_TOP_UP_PUT, nothing},
    {STATEMENT_TOP_UP_DROP, nothing},
    {STATEMENT_TOP_UP_MARK, top_up_mark},
    {STATEMENT_TOP_UP_ENOUGH, top_up_enough},
    {STATEMENT_KEY_INSERT, key_insert},
    {STATEMENT_KEY_INSERT_DIRECTORY, nothing},
    {STATEMENT_KEY_REVOKE, key_revoke},
    {STATEMENT_LIMIT_ROOM, limit_room},
    {STATEMENT_LIMIT_INSERT, limit_insert},
    {STATEMENT_LIMIT_INSERT_BUCKET, nothing},
    {STATEMENT_LIMIT_UPDATE, limit_update},
    {STATEMENT_LIMIT_DELETE, limit_delete},
    {STATEMENT_LIMIT_DELETE_BUCKET, affected_one},
    {0},
};
