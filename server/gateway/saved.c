// A settlement that the ledger keeps waiting is written to the journal, and then counts as durable: the client is told that
// it is pending, and the call need not stay. While the ledger works on it the call still owns the entry, so that nobody
// replays what may be landing; afterwards it is settled, or left to the replay.
#include "gateway/call.h"
#include "meter/settlement.h"

struct saved {
  struct journal_entry entry;
  struct buf text;
  bool writing, failed;
};

bool saved_reserve(struct gateway_call *c) {
  struct journal *j = c->gateway->journal;
  if (!j || c->reserved) return true;
  c->reserved = journal_reserve(j);
  return c->reserved;
}

void saved_finish(struct gateway_call *c) {
  if (c->reserved) journal_unreserve(c->gateway->journal);
  if (!c->saved) return;
  ASSERT(!c->saved->writing);
  buf_finish(&c->saved->text);
  mem_free(c->saved);
}

bool saved_is_writing(const struct gateway_call *c) {
  return c->saved && c->saved->writing;
}

bool saved_is_kept(const struct gateway_call *c) {
  return c->saved && !c->saved->writing && !c->saved->failed;
}

static void on_written(void *call) {
  struct gateway_call *c = call;
  c->saved->writing = false;
  c->saved->failed = c->saved->entry.result != 0;
  buf_finish(&c->saved->text);
  settle_saved(c);
  call_unref(c);
}

static void written(struct journal_entry *e) {
  struct gateway_call *c = e->arg;
  net_post(c->lane->loop, on_written, c);
}

// What the ledger was asked. Its thread may be at work on the operation itself, and writes answers into it.
static struct ledger_op asked(const struct gateway_call *c) {
  return (struct ledger_op){.kind = LEDGER_SETTLE,
                            .customer = c->op.customer,
                            .id = c->op.id,
                            .price = c->op.price,
                            .charge = c->op.charge,
                            .cost = c->op.cost,
                            .usage = c->op.usage,
                            .state = c->op.state,
                            .flags = c->op.flags,
                            .evidence = buf_str(&c->evidence),
                            .idempotency_key = c->op.idempotency_key,
                            .undelivered = c->op.undelivered};
}

bool saved_begin(struct gateway_call *c) {
  if (!c->gateway->journal || c->saved) return false;
  struct saved *s = c->saved = mem_alloc(sizeof *s);
  struct ledger_op op = asked(c);
  buf_init(&s->text, LIMIT_JOURNAL_ENTRY + 1);
  settlement_write(&op, &s->text);
  s->entry = (struct journal_entry){.text = buf_str(&s->text), .done = written, .arg = c};
  s->writing = true;
  call_ref(c);
  if (journal_write(c->gateway->journal, &s->entry) == 0) return true;
  s->writing = false;
  s->failed = true;
  call_unref(c);
  return false;
}

// What the ledger refuses is left to the replay too: it tells and keeps what is refused.
void saved_conclude(const struct gateway_call *c, bool landed) {
  if (landed)
    journal_settled(c->gateway->journal, c->saved->entry.sequence);
  else
    journal_let_go(c->gateway->journal, c->saved->entry.sequence);
}
