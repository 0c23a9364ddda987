// What comes after a call's end: usage found late, a call undone, a call priced again. A call's rows add up: revision 0 says how
// it ended, each later one is a difference.
#include "base/log.h"
#include "json/read.h"
#include "json/write.h"
#include "ledger/fold.h"

size_t ended_find(struct fold *f, struct uuid customer, struct uuid call, struct fold_ended **ret_first) {
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
  struct json **parsed = arena_alloc(f->arena, (count + 1) * sizeof *parsed); // a call may be priced again as often as one likes
  struct json_error error;
  struct usage_sum sum = {.sign = 1};
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

bool budget_binds(const struct bucket *b, struct uuid key, struct uuid call) {
  return b->measure == BUCKET_SPEND && (uuid_is_nil(b->key) || uuid_eq(b->key, key)) && uuid_time_us(b->limit) <= uuid_time_us(call);
}

void budgets_correct(struct fold_customer *c, const struct fold_call *call, amount difference) {
  for (size_t i = 0; i < c->bucket_count; i++)
    if (budget_binds(&c->buckets[i], call->key, call->id)) bucket_correct(&c->buckets[i], uuid_time_us(call->id), difference);
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

const struct fold_call *fresh_find(const struct fold *f, struct ledger_op *op) {
  const struct fold_call *found = NULL;
  for (size_t i = 0; i < f->calls.count; i++) {
    const struct fold_call *call = &f->calls.at[i];
    if (!uuid_eq(call->customer, op->customer) || !uuid_eq(call->id, op->id)) continue;
    op->charged += call->charge;
    found = call;
  }
  return found;
}

static int absent(const struct fold *f, struct uuid call) {
  return uuid_cmp(call, f->closed) < 0 ? LEDGER_GONE : LEDGER_UNKNOWN;
}

void settle_late(struct fold *f, struct fold_customer *c, struct ledger_op *op) {
  struct fold_ended *rows = NULL;
  size_t count = ended_find(f, op->customer, op->id, &rows);
  op->result = LEDGER_UNKNOWN;
  if (count > 0 && !ended_fits(&rows[0], op)) return;
  const struct fold_call *fresh = fresh_find(f, op);
  op->result = absent(f, op->id);
  if (count == 0 && !fresh) return;
  op->existing = op->id;
  op->result = LEDGER_DUPLICATE;
  for (size_t i = 0; i < count; i++) op->charged += rows[i].charge;
  if (fresh) return;
  const struct fold_ended *last = &rows[count - 1];
  if (!(last->flags & CALL_SWEPT) && last->state != CALL_EXPIRED) return;
  if (op->state == CALL_RELEASED && last->state == CALL_EXPIRED) return;
  if (op->state == CALL_UNRATED && last->state != CALL_EXPIRED) return; // without a price the estimate is the better word
  enum call_state state = op->state == CALL_UNRATED ? CALL_UNRATED : CALL_SETTLED;
  if (last->state != CALL_SETTLED && !call_state_may(last->state, state)) return;
  op->charged = 0;
  correct(f, c, op, rows, count,
          (struct fold_call){.customer = op->customer, .id = op->id, .key = last->key,
                             .price = price_of(op, last->price), .state = state, .flags = op->flags,
                             .charge = op->charge, .cost = op->cost, .usage = op->usage, .evidence = op->evidence});
}

// What a void made of a call: a charge was undone; what waited for a price was given away, unlike what its end had released.
static bool is_undone(enum call_state state, int revision) {
  return state == CALL_VOIDED || (state == CALL_RELEASED && revision > 0);
}

void fold_void(struct fold *f, struct fold_customer *c, struct ledger_op *op) {
  struct fold_ended *rows = NULL;
  size_t count = ended_find(f, op->customer, op->id, &rows);
  const struct fold_call *fresh = fresh_find(f, op);
  op->charged = 0;
  op->result = absent(f, op->id);
  if (count == 0) return;
  const struct fold_ended *last = &rows[count - 1];
  bool undone = fresh ? is_undone(fresh->state, fresh->revision) : is_undone(last->state, last->revision);
  enum call_state to = last->state == CALL_UNRATED ? CALL_RELEASED : CALL_VOIDED;
  op->result = undone ? LEDGER_DUPLICATE : LEDGER_REFUSED;
  if (fresh || !call_state_may(last->state, to)) return;
  correct(f, c, op, rows, count,
          (struct fold_call){.customer = op->customer, .id = op->id, .key = last->key, .price = last->price, .state = to,
                             .evidence = op->evidence});
}

// Settled or unrated, and nothing else: what was released or undone costs nothing at any price.
void fold_rerate(struct fold *f, struct fold_customer *c, struct ledger_op *op) {
  struct fold_ended *rows = NULL;
  size_t count = ended_find(f, op->customer, op->id, &rows);
  const struct fold_call *fresh = fresh_find(f, op);
  amount cost = 0;
  op->charged = 0;
  op->result = absent(f, op->id);
  if (count == 0) return;
  const struct fold_ended *last = &rows[count - 1];
  op->result = LEDGER_REFUSED;
  if (fresh || (last->state != CALL_SETTLED && last->state != CALL_UNRATED)) return;
  for (size_t i = 0; i < count; i++) op->charged += rows[i].charge, cost += rows[i].cost;
  op->existing = op->id;
  op->result = LEDGER_DUPLICATE;
  if (last->state == CALL_SETTLED && op->charged == op->charge && cost == op->cost && uuid_eq(last->price, op->price)) return;
  correct(f, c, op, rows, count,
          (struct fold_call){.customer = op->customer, .id = op->id, .key = last->key, .price = op->price, .state = CALL_SETTLED,
                             .flags = last->flags | CALL_RERATED, .charge = op->charge, .cost = op->cost, .usage = op->usage,
                             .evidence = op->evidence});
}
