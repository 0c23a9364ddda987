// The reference's rules of requests that come again.
#include "rules.h"

#define RETRY_US INT64_C(60000000)

static bool is_derived(struct str key) {
  return key.len > 0 && key.ptr[0] == '~';
}

// What is forgotten while the batch is under way may have been seen before that.
static bool may_be_seen(const struct model_kept *k, const struct model_moment *at) {
  return k->gone_at >= at->truly_begun_at;
}

bool once_is_new(const struct model_customer *c, const struct ledger_op *op, const struct model_moment *at, struct model_answer *a, int told) {
  struct str key = op->idempotency_key;
  if (key.len == 0 || (is_derived(key) && !op->retry)) return true;
  for (int i = 0; i < c->kept_count; i++) {
    const struct model_kept *k = &c->kept[i];
    if (!same_text(k->key, key)) continue;
    if (is_derived(key) && k->batch != rule_batch && at->now - k->at > RETRY_US) continue;
    int result = is_derived(key) || memcmp(k->fingerprint, op->fingerprint, 32) == 0 ? LEDGER_DUPLICATE : LEDGER_REUSED;
    if (k->gone_at != 0 && !(may_be_seen(k, at) && told == result)) continue;
    rule_seen(a, k->object, result);
    if (k->batch == rule_batch && !is_nil(k->before)) rule_seen(a, k->before, a->result); // the one is as lost as the other
  }
  for (int i = 0; i < c->hold_count; i++)
    if (is_derived(key) && same_text(c->holds[i].once, key)) rule_seen(a, c->holds[i].call, LEDGER_DUPLICATE);
  return a->existing_count == 0;
}

bool once_is_kept(const struct model_customer *c, struct str key) {
  for (int i = 0; i < c->kept_count; i++)
    if (same_text(c->kept[i].key, key) && c->kept[i].gone_at == 0) return true;
  return false;
}

static void keep(struct model_customer *c, struct str key, const unsigned char *fingerprint, struct uuid object, const struct model_moment *at) {
  struct model_kept *k = NULL;
  for (int i = 0; i < c->kept_count; i++)
    if (same_text(c->kept[i].key, key)) k = &c->kept[i];
  if (!k) k = MODEL_ADD(c->kept, c->kept_count);
  struct uuid before = k->batch == rule_batch ? k->before : k->object; // as the batch found it, however many are lost in it
  memset(k, 0, sizeof *k);
  k->key = key;
  k->before = before;
  k->object = object;
  k->at = at->begun_at;
  k->batch = rule_batch;
  if (fingerprint) memcpy(k->fingerprint, fingerprint, 32);
}

void once_keep_own(struct model_customer *c, const struct ledger_op *op, const struct model_moment *at) {
  if (op->idempotency_key.len > 0 && !is_derived(op->idempotency_key)) keep(c, op->idempotency_key, op->fingerprint, op->kind == LEDGER_PART ? op->part : op->id, at);
}

void once_keep_lost(struct model_customer *c, struct uuid call, struct str key, const struct model_moment *at) {
  if (is_derived(key)) keep(c, key, NULL, call, at);
}

void once_give_up(struct model_customer *c, const struct model_hold *h) {
  for (int i = 0; i < c->kept_count; i++)
    if (!is_derived(h->once) && same_text(c->kept[i].key, h->once) && same(c->kept[i].object, h->call)) {
      c->kept[i] = c->kept[--c->kept_count];
      return;
    }
}
