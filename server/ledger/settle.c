// How a hold ends: settled, released, expired; and what comes after the end: usage found late, a call undone. A call's
// rows add up: revision 0 says how it ended, each later one is a difference.
#include "base/log.h"
#include "json/read.h"
#include "json/write.h"
#include "ledger/fold.h"

// Gives the hold back: the credits held, and what each budget held of it, of which `charge` was used.
static void hold_end(struct fold_customer *c, struct fold_hold *h, amount charge) {
  ASSERT(c->held >= h->amount);
  c->held -= h->amount;
  c->dirty = true;
  h->ended = true;
  for (size_t i = 0; i < h->draw_count; i++)
    for (size_t b = 0; b < c->bucket_count; b++)
      if (uuid_eq(c->buckets[b].limit, h->draws[i].limit)) bucket_return(&c->buckets[b], h->draws[i].window, h->draws[i].amount, charge);
}

static void hold_settle(struct fold *f, struct fold_customer *c, struct fold_hold *h, struct fold_call call) {
  ASSERT(call.charge >= 0 && call_state_may(CALL_PENDING, call.state));
  if (call.charge > h->amount) call.flags |= CALL_ABOVE_HOLD;
  call.admission = h->about;
  hold_end(c, h, call.charge);
  call.place = burn_consume(f, c, call.charge);
  if (fold_past_floor(c) && call.charge > h->amount) f->past_floor++;
  fold_call_add(f, &call);
}

// ---- late

static size_t ended_find(struct fold *f, struct uuid customer, struct uuid call, struct fold_ended **ret_first) {
  size_t count = 0;
  for (size_t i = 0; i < f->ended.count; i++) {
    struct fold_ended *row = &f->ended.at[i];
    if (!uuid_eq(row->customer, customer) || !uuid_eq(row->call, call)) continue;
    if (count++ == 0) *ret_first = row;
  }
  return count;
}

struct usage_sum {
  struct {
    const char *meter;
    int64_t quantity;
  } at[32];
  size_t count;
  int64_t sign;
};

static int usage_add(void *arg, const char *name, struct json *value) {
  struct usage_sum *sum = arg;
  int64_t quantity = 0;
  ASSERT(json_int(value, &quantity));
  size_t i = 0;
  while (i < sum->count && strcmp(sum->at[i].meter, name) != 0) i++;
  ASSERT(i < ARRAY_LEN(sum->at));
  if (i == sum->count) {
    sum->at[i].meter = name;
    sum->at[i].quantity = 0;
    sum->count++;
  }
  sum->at[i].quantity += sum->sign * quantity;
  return 0;
}

// after - sum of rows, as a JSON object in the arena. `after` empty: nothing was used.
static struct str usage_difference(struct fold *f, struct str after, const struct fold_ended *rows, size_t count) {
  struct json *parsed[64] = {0};
  struct json_error error;
  struct usage_sum sum = {.sign = 1};
  ASSERT(count < ARRAY_LEN(parsed));
  for (size_t i = 0; i <= count; i++) {
    struct str text = i == 0 ? (after.len ? after : STR("{}")) : rows[i - 1].usage;
    ASSERT(json_parse(text, &parsed[i], &error) == 0);
    sum.sign = i == 0 ? 1 : -1;
    (void)json_each(parsed[i], usage_add, &sum);
  }
  struct buf out;
  buf_init(&out, 4096);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  for (size_t i = 0; i < sum.count; i++)
    if (sum.at[i].quantity != 0) json_member_int(&w, sum.at[i].meter, sum.at[i].quantity);
  json_object_end(&w);
  struct str ret = arena_str(f->arena, buf_str(&out));
  buf_finish(&out);
  for (size_t i = 0; i <= count; i++) json_finish(parsed[i]);
  return ret;
}

// The budgets that the call drew from: of limits older than it that bind its customer or its key.
static void budgets_correct(struct fold_customer *c, const struct fold_call *call, amount difference) {
  for (size_t i = 0; i < c->bucket_count; i++) {
    struct bucket *b = &c->buckets[i];
    bool bound = (uuid_is_nil(b->key) || uuid_eq(b->key, call->key)) && uuid_time_us(b->limit) <= uuid_time_us(call->id);
    if (b->measure == BUCKET_SPEND && bound) bucket_correct(b, uuid_time_us(call->id), difference);
  }
}

// Writes the row that brings an ended call from what its rows add up to, to `call`'s charge, cost and usage.
static void correct(struct fold *f, struct fold_customer *c, struct ledger_op *op, const struct fold_ended *rows, size_t count,
                    struct fold_call call) {
  amount charged = 0, cost = 0;
  for (size_t i = 0; i < count; i++) {
    charged += rows[i].charge;
    cost += rows[i].cost;
  }
  amount difference = call.charge - charged;
  op->charged = charged;
  op->result = LEDGER_REFUSED;
  if (!burn_fits(f, c, difference)) return;
  op->charged = call.charge;
  call.usage = usage_difference(f, call.usage, rows, count);
  call.revision = rows[count - 1].revision + 1;
  call.flags |= CALL_LATE;
  call.charge = difference;
  call.cost -= cost;
  if (difference >= 0) call.place = burn_consume(f, c, difference);
  else burn_reverse(f, c, rows, count, -difference);
  budgets_correct(c, &call, difference);
  fold_call_add(f, &call);
  op->result = LEDGER_DONE;
}

// What an earlier operation of this batch wrote of the call; what it charged is added up. NULL: nothing.
static const struct fold_call *fresh_find(const struct fold *f, struct ledger_op *op) {
  const struct fold_call *found = NULL;
  for (size_t i = 0; i < f->calls.count; i++) {
    const struct fold_call *call = &f->calls.at[i];
    if (!uuid_eq(call->customer, op->customer) || !uuid_eq(call->id, op->id)) continue;
    op->charged += call->charge;
    found = call;
  }
  return found;
}

static void settle_late(struct fold *f, struct fold_customer *c, struct ledger_op *op) {
  struct fold_ended *rows = NULL;
  size_t count = ended_find(f, op->customer, op->id, &rows);
  const struct fold_call *fresh = fresh_find(f, op);
  op->result = LEDGER_UNKNOWN;
  if (count == 0 && !fresh) return;
  op->existing = op->id;
  op->result = LEDGER_DUPLICATE;
  for (size_t i = 0; i < count; i++) op->charged += rows[i].charge;
  if (fresh) return;
  const struct fold_ended *last = &rows[count - 1];
  if (!(last->flags & CALL_SWEPT)) return;
  if (op->state == CALL_RELEASED && last->state == CALL_EXPIRED) return;
  if (op->state == CALL_UNRATED) return; // without a price the estimate is the better word, never zero
  if (last->state != CALL_SETTLED && !call_state_may(last->state, CALL_SETTLED)) return;
  op->charged = 0;
  correct(f, c, op, rows, count,
          (struct fold_call){.customer = op->customer, .id = op->id, .key = last->key,
                             .price = uuid_is_nil(op->price) ? last->price : op->price, .state = CALL_SETTLED, .flags = op->flags,
                             .charge = op->charge, .cost = op->cost, .usage = op->usage, .evidence = op->evidence});
}

// ---- verbs

void fold_settle(struct fold *f, struct fold_customer *c, struct ledger_op *op) {
  struct fold_hold *h = fold_hold_find(f, op->customer, op->id);
  op->charged = 0;
  if (!h) {
    settle_late(f, c, op);
    if (op->undelivered && op->charged > 0) once_lost(f, op->customer, op->id, op->idempotency_key);
    return;
  }
  op->result = LEDGER_REFUSED;
  if (!burn_fits(f, c, op->charge)) return;
  hold_settle(f, c, h,
              (struct fold_call){.customer = op->customer, .id = op->id, .key = h->key,
                                 .price = uuid_is_nil(op->price) ? h->price : op->price, .state = op->state, .flags = op->flags,
                                 .charge = op->charge, .cost = op->cost, .usage = op->usage, .evidence = op->evidence});
  if (op->state == CALL_RELEASED) once_release(f, h);
  if (op->undelivered && op->charge > 0) once_lost(f, h->customer, h->call, h->idempotency_key);
  op->charged = op->charge;
  op->result = LEDGER_DONE;
}

// Only a hold that still lives by the fenced writer is swept: an instance that came back may have taken it over, also
// in this batch.
void fold_sweep(struct fold *f, struct fold_customer *c, struct ledger_op *op) {
  struct fold_hold *h = fold_hold_find(f, op->customer, op->id);
  op->charged = 0;
  op->result = LEDGER_GONE;
  if (!h || h->dirty || h->writer_id != op->writer || !burn_fits(f, c, h->metered)) return;
  enum call_state state = h->metered > 0 ? CALL_SETTLED : CALL_EXPIRED;
  hold_settle(f, c, h,
              (struct fold_call){.customer = op->customer, .id = op->id, .key = h->key, .price = h->price, .state = state,
                                 .flags = CALL_SWEPT | CALL_PARTIAL | (state == CALL_SETTLED ? CALL_ESTIMATED : 0),
                                 .charge = h->metered, .cost = h->cost,
                                 .usage = state == CALL_SETTLED ? h->usage : STR("{}"), .evidence = op->evidence});
  if (h->metered > 0) once_lost(f, h->customer, h->call, h->idempotency_key); // its caller was cut off
  op->charged = h->metered;
  op->result = LEDGER_DONE;
}

void fold_void(struct fold *f, struct fold_customer *c, struct ledger_op *op) {
  struct fold_ended *rows = NULL;
  size_t count = ended_find(f, op->customer, op->id, &rows);
  const struct fold_call *fresh = fresh_find(f, op);
  op->charged = 0;
  op->result = LEDGER_UNKNOWN;
  if (count == 0) return;
  const struct fold_ended *last = &rows[count - 1];
  enum call_state state = fresh ? fresh->state : last->state;
  op->result = state == CALL_VOIDED ? LEDGER_DUPLICATE : LEDGER_REFUSED;
  if (fresh || !call_state_may(state, CALL_VOIDED)) return;
  correct(f, c, op, rows, count,
          (struct fold_call){.customer = op->customer, .id = op->id, .key = last->key, .price = last->price, .state = CALL_VOIDED,
                             .evidence = op->evidence});
}
