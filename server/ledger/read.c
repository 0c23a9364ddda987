// Trip one: BEGIN, the fence, the customers' locks in order of id, and what stands behind those locks. Which statements a
// batch needs follows from its operations: an admission reads no grants, a batch without idempotency keys does not look
// for any. Nor does a charge that the grant covers which burns; those of customers where it does not are read by a trip more.
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "ledger/batch.h"

enum slot { SLOT_BEGIN, SLOT_FENCE, SLOT_CUSTOMERS, SLOT_HOLDS, SLOT_GRANTS, SLOT_BUCKETS, SLOT_ORIGINS, SLOT_IDENTITIES, SLOT_IDEMPOTENCY, SLOT_TWINS, SLOT_CLOSED, SLOT_ENDED, SLOT_COUNT };
_Static_assert(SLOT_COUNT < DB_PIPELINE_MAX, "and one result more");

#define UNSOUND_SAY_US INT64_C(1000000)

static bool needs_hold(const struct ledger_op *op) {
  return op->kind == LEDGER_SETTLE || op->kind == LEDGER_EXTEND || op->kind == LEDGER_SWEEP || op->kind == LEDGER_PART;
}
static bool takes_credits(const struct ledger_op *op) {
  return op->kind != LEDGER_ADMIT && op->kind != LEDGER_EXTEND;
}
static bool needs_grants(const struct ledger_op *op) {
  return takes_credits(op) && !burn_is_plain(op);
}
static bool is_late(const struct ledger_op *op) {
  return op->late || op->kind == LEDGER_VOID || op->kind == LEDGER_RERATE;
}
static bool needs_closed_grants(const struct ledger_op *op) {
  return is_late(op) || op->kind == LEDGER_REVERSE;
}
static bool has_origin(const struct ledger_op *op) {
  return (op->kind == LEDGER_GRANT || op->kind == LEDGER_REVERSE) && op->grant.origin.len > 0;
}
static bool is_derived(const struct ledger_op *op) {
  return op->idempotency_key.len > 0 && op->idempotency_key.ptr[0] == LEDGER_DERIVED;
}
static bool has_idempotency(const struct ledger_op *op) {
  bool makes = op->kind == LEDGER_ADMIT || op->kind == LEDGER_GRANT || op->kind == LEDGER_PART || (op->kind == LEDGER_SETTLE && op->explicit);
  return makes && op->idempotency_key.len > 0 && (op->retry || !is_derived(op));
}
static bool has_identity(const struct ledger_op *op) {
  return op->kind == LEDGER_RECORD;
}
static bool may_have_twin(const struct ledger_op *op) {
  return op->kind == LEDGER_ADMIT && op->retry && is_derived(op);
}
static bool any(const struct ledger_op *op) {
  (void)op;
  return true;
}
static bool needs_buckets(const struct ledger_op *op) {
  return op->kind != LEDGER_GRANT && op->kind != LEDGER_EXPIRE && op->kind != LEDGER_REVERSE && !(op->kind == LEDGER_ADMIT && op->limit_count == 0);
}

static size_t count_if(const struct batch *b, bool (*wanted)(const struct ledger_op *)) {
  size_t n = 0;
  for (size_t i = 0; i < b->count; i++) n += wanted(b->ops[i]);
  return n;
}

static void param_customers(struct batch *b, bool (*wanted)(const struct ledger_op *)) {
  const struct ledger_op *last = NULL;
  db_array_begin(&b->params, DB_UUID);
  for (size_t i = 0; i < b->count; i++) {
    if (!wanted(b->ops[i])) continue;
    if (last && uuid_eq(last->customer, b->ops[i]->customer)) continue;
    last = b->ops[i];
    db_array_uuid(&b->params, last->customer);
  }
  db_array_end(&b->params);
}

static struct uuid call_of(const struct ledger_op *op) {
  return op->id;
}
static struct uuid identity_of(const struct ledger_op *op) {
  return op->event.identity;
}

static void param_pairs(struct batch *b, bool (*wanted)(const struct ledger_op *), struct uuid (*id)(const struct ledger_op *)) {
  db_array_begin(&b->params, DB_UUID);
  for (size_t i = 0; i < b->count; i++)
    if (wanted(b->ops[i])) db_array_uuid(&b->params, b->ops[i]->customer);
  db_array_end(&b->params);
  db_array_begin(&b->params, DB_UUID);
  for (size_t i = 0; i < b->count; i++)
    if (wanted(b->ops[i])) db_array_uuid(&b->params, id(b->ops[i]));
  db_array_end(&b->params);
}

static void send_customers(struct batch *b, struct db *db, enum statement_id s, bool (*wanted)(const struct ledger_op *)) {
  db_params_clear(&b->params);
  param_customers(b, wanted);
  db_pipe_exec(db, s, &b->params);
}

static void send_pairs(struct batch *b, struct db *db, enum statement_id s, bool (*wanted)(const struct ledger_op *),
                       struct uuid (*id)(const struct ledger_op *)) {
  db_params_clear(&b->params);
  param_pairs(b, wanted, id);
  db_pipe_exec(db, s, &b->params);
}

static struct str key_of(const struct ledger_op *op) {
  return op->idempotency_key;
}
static struct str origin_of(const struct ledger_op *op) {
  return op->grant.origin;
}

static void send_texts(struct batch *b, struct db *db, enum statement_id s, bool (*wanted)(const struct ledger_op *),
                       struct str (*text)(const struct ledger_op *)) {
  db_params_clear(&b->params);
  db_array_begin(&b->params, DB_UUID);
  for (size_t i = 0; i < b->count; i++)
    if (wanted(b->ops[i])) db_array_uuid(&b->params, b->ops[i]->customer);
  db_array_end(&b->params);
  db_array_begin(&b->params, DB_TEXT);
  for (size_t i = 0; i < b->count; i++)
    if (wanted(b->ops[i])) db_array_text(&b->params, text(b->ops[i]));
  db_array_end(&b->params);
  db_pipe_exec(db, s, &b->params);
}

static void send_fence(struct batch *b, struct db *db, const struct batch_writer *w) {
  db_params_clear(&b->params);
  db_param_i32(&b->params, w->id);
  db_param_i64(&b->params, w->epoch);
  db_param_i64(&b->params, w->seq + 1);
  db_param_i64(&b->params, w->lease_us);
  db_pipe_exec(db, STATEMENT_LEDGER_FENCE, &b->params);
}

// Queues the trip; slots[i] says where in the pipeline statement i stands, 0 where it was not needed.
static void send_all(struct batch *b, struct db *db, const struct batch_writer *w, size_t slots[SLOT_COUNT]) {
  size_t at = 0;
  db_pipe_begin(db);
  slots[SLOT_BEGIN] = at++;
  send_fence(b, db, w);
  slots[SLOT_FENCE] = at++;
  if (b->count == 0) return;
  send_customers(b, db, STATEMENT_LEDGER_CUSTOMERS, any);
  slots[SLOT_CUSTOMERS] = at++;
  if (count_if(b, needs_hold)) {
    send_pairs(b, db, STATEMENT_LEDGER_HOLDS, needs_hold, call_of);
    slots[SLOT_HOLDS] = at++;
  }
  if (count_if(b, needs_grants)) {
    bool all = count_if(b, needs_closed_grants) > 0;
    send_customers(b, db, all ? STATEMENT_LEDGER_GRANTS_ALL : STATEMENT_LEDGER_GRANTS, needs_grants);
    slots[SLOT_GRANTS] = at++;
  }
  if (count_if(b, needs_buckets)) {
    send_customers(b, db, STATEMENT_LEDGER_BUCKETS, needs_buckets);
    slots[SLOT_BUCKETS] = at++;
  }
  if (count_if(b, has_origin)) {
    send_texts(b, db, STATEMENT_LEDGER_ORIGINS, has_origin, origin_of);
    slots[SLOT_ORIGINS] = at++;
  }
  if (count_if(b, has_identity)) {
    b->looks = b->looks_for > 0;
    send_pairs(b, db, b->looks ? STATEMENT_LEDGER_IDENTITIES : STATEMENT_LEDGER_IDENTITIES_BEFORE, has_identity, identity_of);
    slots[SLOT_IDENTITIES] = at++;
  }
  if (count_if(b, has_idempotency)) {
    send_texts(b, db, STATEMENT_LEDGER_IDEMPOTENCY, has_idempotency, key_of);
    slots[SLOT_IDEMPOTENCY] = at++;
  }
  if (count_if(b, may_have_twin)) {
    send_texts(b, db, STATEMENT_LEDGER_TWINS, may_have_twin, key_of);
    slots[SLOT_TWINS] = at++;
  }
  if (count_if(b, is_late)) {
    db_pipe_exec(db, STATEMENT_LEDGER_CLOSED, NULL);
    slots[SLOT_CLOSED] = at++;
    send_pairs(b, db, STATEMENT_LEDGER_ENDED, is_late, call_of);
    slots[SLOT_ENDED] = at++;
  }
}

// ---- rows into the fold

void batch_take_customers(struct batch *b, const struct db_result *r) {
  for (size_t i = 0; i < db_rows(r); i++) {
    struct fold_customer *c = vec_add(&b->fold.customers);
    c->id = db_uuid(r, i, 0);
    c->config_version = db_i64(r, i, 1);
    c->balance = db_i64(r, i, 2);
    c->held = db_i64(r, i, 3);
    c->debt = db_i64(r, i, 4);
    c->credit_limit = db_i64(r, i, 5);
    c->suspended = db_bool(r, i, 6);
    c->low_balance = db_is_null(r, i, 7) ? -1 : db_i64(r, i, 7);
    c->top_up_at = db_is_null(r, i, 8) ? -1 : db_i64(r, i, 8);
    c->top_up_due = db_bool(r, i, 9);
    c->refuses_events = db_bool(r, i, 10);
    c->open_holds = db_i64(r, i, 11);
    c->burning_known = !db_is_null(r, i, 12);
    c->burning = db_uuid(r, i, 12);
    c->burning_left = db_i64(r, i, 13);
    c->burned = db_i64(r, i, 14);
    db_tid(r, i, 15, c->tid);
    c->balance_before = c->balance;
  }
}

static void draws_decode(struct str text, struct fold_hold *h) {
  ASSERT(text.len % FOLD_DRAW_BYTES == 0 && text.len / FOLD_DRAW_BYTES <= LIMIT_DRAWS);
  for (size_t i = 0; i < text.len / FOLD_DRAW_BYTES; i++) {
    struct str at = {text.ptr + i * FOLD_DRAW_BYTES, FOLD_DRAW_BYTES};
    struct fold_draw *d = &h->draws[h->draw_count++];
    d->limit = db_element_uuid((struct str){at.ptr, 16});
    d->window = db_element_i64((struct str){at.ptr + 16, 8});
    d->amount = db_element_i64((struct str){at.ptr + 24, 8});
  }
}

static void read_holds(struct batch *b, const struct db_result *r) {
  for (size_t i = 0; i < db_rows(r); i++) {
    struct fold_hold *h = vec_add(&b->fold.holds);
    h->customer = db_uuid(r, i, 0);
    h->call = db_uuid(r, i, 1);
    h->key = db_uuid(r, i, 2);
    h->price = db_uuid(r, i, 3);
    h->writer_id = (int32_t)db_i64(r, i, 4);
    h->writer_epoch = db_i64(r, i, 5);
    h->amount = db_i64(r, i, 6);
    h->metered = db_i64(r, i, 7);
    h->cost = db_i64(r, i, 8);
    h->usage = db_text(r, i, 9);
    draws_decode(db_text(r, i, 10), h);
    h->idempotency_key = db_text(r, i, 11);
    h->about = db_text(r, i, 12);
    h->expires_at = db_is_null(r, i, 13) ? 0 : db_time(r, i, 13);
    h->parted = db_bool(r, i, 14);
    db_tid(r, i, 15, h->tid);
  }
}

// Rows come in order of customer: each run of one customer becomes that customer's array.
static size_t run_length(const struct db_result *r, size_t first) {
  size_t n = 1;
  while (first + n < db_rows(r) && uuid_eq(db_uuid(r, first, 0), db_uuid(r, first + n, 0))) n++;
  return n;
}

static void read_grants(struct batch *b, const struct db_result *r) {
  for (size_t i = 0, n; i < db_rows(r); i += n) {
    n = run_length(r, i);
    struct fold_customer *c = fold_customer_find(&b->fold, db_uuid(r, i, 0));
    ASSERT(c);
    c->grants = arena_alloc(&b->arena, n * sizeof *c->grants);
    c->grant_count = n;
    for (size_t k = 0; k < n; k++) {
      c->grants[k] = (struct fold_grant){.id = db_uuid(r, i + k, 1), .source = (int)db_i64(r, i + k, 2),
                                         .priority = (int)db_i64(r, i + k, 3),
                                         .expires_at = db_is_null(r, i + k, 4) ? 0 : db_time(r, i + k, 4),
                                         .granted = db_i64(r, i + k, 5), .left = db_i64(r, i + k, 6),
                                         .consumed = db_i64(r, i + k, 7), .expired = db_i64(r, i + k, 8),
                                         .refunded = db_i64(r, i + k, 9), .frozen = db_i64(r, i + k, 10)};
      db_tid(r, i + k, 11, c->grants[k].tid);
    }
    fold_grants_sort(c);
  }
}

// One customer's operations, which stand side by side, up to `end`.
struct asked {
  size_t end;
  bool takes, reads; // credits; and grants, whatever burns
  amount charge;     // what is taken; AMOUNT_MAX: that or more
};

static struct asked asked_from(const struct batch *b, size_t first) {
  struct asked a = {.end = first};
  for (; a.end < b->count && uuid_eq(b->ops[a.end]->customer, b->ops[first]->customer); a.end++) {
    const struct ledger_op *op = b->ops[a.end];
    a.takes |= takes_credits(op);
    a.reads |= needs_grants(op);
    if (burn_is_plain(op) && !amount_add(a.charge, op->charge, &a.charge)) a.charge = AMOUNT_MAX;
  }
  return a;
}

// What burns does for those who take less than it has left; the customers of whom more has to be read go into the parameters. How many.
static size_t burning_take(struct batch *b) {
  size_t missing = 0;
  db_params_clear(&b->params);
  db_array_begin(&b->params, DB_UUID);
  for (size_t i = 0; i < b->count;) {
    struct asked a = asked_from(b, i);
    struct fold_customer *c = fold_customer_find(&b->fold, b->ops[i]->customer);
    i = a.end;
    if (!c || !a.takes) continue;
    if (!a.reads && burn_covers(c, a.charge)) {
      burn_begin(&b->fold, c);
      continue;
    }
    c->grants_are = GRANTS_READ;
    if (a.reads) continue;
    db_array_uuid(&b->params, c->id);
    missing++;
  }
  db_array_end(&b->params);
  return missing;
}

// Somebody has changed rows that are the ledger's alone, and nobody knows what that customer has: its operations wait for their repair.
static void burning_apply(struct batch *b) {
  for (size_t i = 0; i < b->fold.customers.count; i++) {
    struct fold_customer *c = &b->fold.customers.at[i];
    if (c->grants_are != GRANTS_READ || burn_read(c)) continue;
    char id[ID_TEXT_MAX];
    id_print("cus", c->id, id);
    c->unsound = true;
    metric_add(METRIC_LEDGER_POISONED, 1);
    if (clock_mono_us() - b->unsound_said_at < UNSOUND_SAY_US) continue;
    b->unsound_said_at = clock_mono_us();
    log_error("ledger.unsound", "%s: its grants' rows do not have what its own row says of the one that burns; tollgate audit tells more", id);
  }
}

// The trip more.
static int missing_read(struct batch *b, struct db *db) {
  struct db_result *results[DB_PIPELINE_MAX];
  size_t count = 0;
  db_pipe_exec(db, STATEMENT_LEDGER_GRANTS, &b->params);
  int r = db_pipe_flush(db, results, &count);
  ASSERT(count == 1);
  b->results[b->result_count++] = results[0];
  if (r == 0) read_grants(b, results[0]);
  return r;
}

void batch_take_buckets(struct batch *b, const struct db_result *r) {
  for (size_t i = 0, n; i < db_rows(r); i += n) {
    n = run_length(r, i);
    struct fold_customer *c = fold_customer_find(&b->fold, db_uuid(r, i, 0));
    ASSERT(c);
    c->buckets = arena_alloc(&b->arena, n * sizeof *c->buckets);
    c->bucket_count = n;
    for (size_t k = 0; k < n; k++) {
      c->buckets[k] = (struct bucket){.limit = db_uuid(r, i + k, 1), .measure = (enum bucket_measure)db_i64(r, i + k, 2),
                                      .period = (enum bucket_period)db_i64(r, i + k, 3), .amount = db_i64(r, i + k, 4),
                                      .level = db_i64(r, i + k, 5), .drawn_at = db_i64(r, i + k, 6),
                                      .window_start = db_i64(r, i + k, 7), .window_end = db_i64(r, i + k, 8),
                                      .used = db_i64(r, i + k, 9), .used_before = db_i64(r, i + k, 9), .held = db_i64(r, i + k, 10),
                                      .current_start = db_i64(r, i + k, 11), .current_end = db_i64(r, i + k, 12),
                                      .key = db_uuid(r, i + k, 13)};
      db_tid(r, i + k, 14, c->buckets[k].tid);
    }
  }
}

static void read_idempotency(struct batch *b, const struct db_result *r) {
  for (size_t i = 0; i < db_rows(r); i++) {
    struct fold_idempotent *seen = vec_add(&b->fold.idempotents);
    seen->customer = db_uuid(r, i, 0);
    seen->key = db_text(r, i, 1);
    struct str fingerprint = db_text(r, i, 2);
    ASSERT(fingerprint.len == sizeof seen->fingerprint);
    memcpy(seen->fingerprint, fingerprint.ptr, fingerprint.len);
    seen->object = db_uuid(r, i, 3);
    seen->at = db_i64(r, i, 4);
  }
}

static void read_origins(struct batch *b, const struct db_result *r) {
  for (size_t i = 0; i < db_rows(r); i++)
    *vec_add(&b->fold.origins) = (struct fold_origin){db_uuid(r, i, 0), db_uuid(r, i, 1), db_text(r, i, 2)};
}

static void read_identities(struct batch *b, const struct db_result *r) {
  if (b->looks && db_rows(r) > 0) b->looks_for = BATCH_LOOKS_FOR;
  for (size_t i = 0; i < db_rows(r); i++)
    *vec_add(&b->fold.identities) = (struct fold_identity){
        .customer = db_uuid(r, i, 0), .identity = db_uuid(r, i, 1), .content = db_uuid(r, i, 2), .call = db_uuid(r, i, 3)};
}

static void read_twins(struct batch *b, const struct db_result *r) {
  for (size_t i = 0; i < db_rows(r); i++)
    *vec_add(&b->fold.idempotents) = (struct fold_idempotent){
        .customer = db_uuid(r, i, 0), .key = db_text(r, i, 1), .object = db_uuid(r, i, 2), .pending = true};
}

// The transfer's legs, flattened: 16 bytes of each grant and 8 of each amount.
static void legs_read(struct batch *b, const struct db_result *r, size_t row, struct fold_ended *e) {
  size_t n = db_array(r, row, 11, NULL, 0);
  struct str *elements = arena_alloc(&b->arena, (n + 1) * sizeof *elements);
  char *flat = arena_alloc(&b->arena, n * 24 + 1);
  e->leg_count = n;
  (void)db_array(r, row, 11, elements, n);
  for (size_t i = 0; i < n; i++) memcpy(flat + i * 16, elements[i].ptr, 16);
  ASSERT(db_array(r, row, 12, elements, n) == n);
  for (size_t i = 0; i < n; i++) memcpy(flat + n * 16 + i * 8, elements[i].ptr, 8);
  e->legs[0] = (struct str){flat, n * 16};
  e->legs[1] = (struct str){flat + n * 16, n * 8};
}

static void read_ended(struct batch *b, const struct db_result *r) {
  for (size_t i = 0; i < db_rows(r); i++) {
    struct fold_ended *e = vec_add(&b->fold.ended);
    e->customer = db_uuid(r, i, 0);
    e->call = db_uuid(r, i, 1);
    e->key = db_uuid(r, i, 2);
    e->price = db_uuid(r, i, 3);
    e->revision = (int)db_i64(r, i, 4);
    e->state = (enum call_state)db_i64(r, i, 5);
    e->flags = (unsigned)db_i64(r, i, 6);
    e->charge = db_i64(r, i, 7);
    e->cost = db_i64(r, i, 8);
    e->place = db_i64(r, i, 9);
    e->usage = db_text(r, i, 10);
    if (!db_is_null(r, i, 11)) legs_read(b, r, i, e);
  }
}

// Of a trip that failed. COMMIT was not sent: nothing was written.
static int read_failed(struct db *db, int r) {
  if (r < 0) return FAULT_DB;
  db_pipe_rollback(db);
  return BATCH_BAD;
}

int batch_read(struct batch *b, struct db *db, const struct batch_writer *w) {
  size_t slots[SLOT_COUNT] = {0};
  send_all(b, db, w, slots);
  int r = db_pipe_flush(db, b->results, &b->result_count);
  if (r != 0) return read_failed(db, r);
  if (db_rows(b->results[slots[SLOT_FENCE]]) == 0) {
    db_pipe_rollback(db);
    return BATCH_FENCED;
  }
  b->now = db_i64(b->results[slots[SLOT_FENCE]], 0, 0);
  b->fold.told = db_bool(b->results[slots[SLOT_FENCE]], 0, 1);
  b->fold.told_usage = db_bool(b->results[slots[SLOT_FENCE]], 0, 2);
  if (slots[SLOT_CUSTOMERS]) batch_take_customers(b, b->results[slots[SLOT_CUSTOMERS]]);
  if (slots[SLOT_HOLDS]) read_holds(b, b->results[slots[SLOT_HOLDS]]);
  size_t missing = burning_take(b);
  if (slots[SLOT_GRANTS]) read_grants(b, b->results[slots[SLOT_GRANTS]]);
  if (missing > 0 && (r = missing_read(b, db)) != 0) return read_failed(db, r);
  burning_apply(b);
  if (slots[SLOT_BUCKETS]) batch_take_buckets(b, b->results[slots[SLOT_BUCKETS]]);
  if (slots[SLOT_ORIGINS]) read_origins(b, b->results[slots[SLOT_ORIGINS]]);
  if (slots[SLOT_IDENTITIES]) read_identities(b, b->results[slots[SLOT_IDENTITIES]]);
  if (slots[SLOT_IDEMPOTENCY]) read_idempotency(b, b->results[slots[SLOT_IDEMPOTENCY]]);
  if (slots[SLOT_TWINS]) read_twins(b, b->results[slots[SLOT_TWINS]]);
  if (slots[SLOT_CLOSED]) b->fold.closed = db_uuid(b->results[slots[SLOT_CLOSED]], 0, 0);
  if (slots[SLOT_ENDED]) read_ended(b, b->results[slots[SLOT_ENDED]]);
  return BATCH_DONE;
}

bool batch_may_know(const struct batch *b) {
  for (size_t i = 0; i < b->count && !b->looks; i++) {
    const struct ledger_op *op = b->ops[i];
    if (op->kind == LEDGER_RECORD && op->result > LEDGER_DONE && op->result != LEDGER_DUPLICATE && op->result != LEDGER_REUSED) return true;
  }
  return false;
}
