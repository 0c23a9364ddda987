// A request that comes again is made once. The caller's own idempotency key is kept with what it made, and given up only
// where that came to nothing. A key derived from the request itself stands with the hold while the call runs, and is kept
// for a while where the call was charged and its answer lost; only a request that says it repeats another is held
// against it, because equal requests are not one.
#include "base/log.h"
#include "ledger/fold.h"

#define RETRY_WINDOW_US (LIMIT_RETRY_WINDOW_MS * INT64_C(1000))

static bool is_derived(struct str key) {
  return key.len > 0 && key.ptr[0] == LEDGER_DERIVED;
}

static bool is_same(const struct fold_idempotent *seen, struct uuid customer, struct str key) {
  return uuid_eq(seen->customer, customer) && str_eq(seen->key, key);
}

// Whether the hold that carried the key has ended in this batch: then what it left behind counts, not the hold.
static bool has_ended(const struct fold *f, struct uuid customer, struct uuid call) {
  for (size_t i = 0; i < f->holds_read; i++) {
    const struct fold_hold *h = &f->holds.at[i];
    if (h->ended && uuid_eq(h->customer, customer) && uuid_eq(h->call, call)) return true;
  }
  return false;
}

static bool still_counts(const struct fold *f, const struct fold_idempotent *seen) {
  if (seen->gone) return false;
  if (seen->pending) return !has_ended(f, seen->customer, seen->object);
  return !is_derived(seen->key) || f->now - seen->at <= RETRY_WINDOW_US;
}

// Its twin may have been admitted in this very batch.
static const struct fold_hold *fresh_twin(const struct fold *f, const struct ledger_op *op) {
  for (size_t i = f->holds_read; i < f->holds.count; i++) {
    const struct fold_hold *h = &f->holds.at[i];
    if (uuid_eq(h->customer, op->customer) && str_eq(h->idempotency_key, op->idempotency_key)) return h;
  }
  return NULL;
}

int once_ask(const struct fold *f, struct ledger_op *op) {
  bool derived = is_derived(op->idempotency_key);
  if (op->idempotency_key.len == 0 || (derived && !op->retry)) return LEDGER_DONE;
  for (size_t i = 0; i < f->idempotents.count; i++) {
    const struct fold_idempotent *seen = &f->idempotents.at[i];
    if (!is_same(seen, op->customer, op->idempotency_key) || !still_counts(f, seen)) continue;
    op->existing = seen->object;
    return derived || memcmp(seen->fingerprint, op->fingerprint, 32) == 0 ? LEDGER_DUPLICATE : LEDGER_REUSED;
  }
  const struct fold_hold *twin = derived ? fresh_twin(f, op) : NULL;
  if (!twin) return LEDGER_DONE;
  op->existing = twin->call;
  return LEDGER_DUPLICATE;
}

// A row that stands already (a derived key's, whose window has passed) is written over.
static void keep(struct fold *f, struct fold_idempotent kept) {
  for (size_t i = 0; i < f->idempotents.count; i++) {
    struct fold_idempotent *seen = &f->idempotents.at[i];
    if (!seen->fresh || !is_same(seen, kept.customer, kept.key)) continue;
    *seen = kept;
    return;
  }
  *vec_add(&f->idempotents) = kept;
}

void once_keep(struct fold *f, const struct ledger_op *op) {
  if (op->idempotency_key.len == 0 || is_derived(op->idempotency_key)) return;
  struct fold_idempotent kept = {.customer = op->customer, .object = op->kind == LEDGER_PART ? op->part : op->id,
                                 .key = op->idempotency_key, .at = f->now, .fresh = true};
  memcpy(kept.fingerprint, op->fingerprint, 32);
  keep(f, kept);
}

void once_lost(struct fold *f, struct uuid customer, struct uuid call, struct str key) {
  if (is_derived(key))
    keep(f, (struct fold_idempotent){.customer = customer, .object = call, .key = key, .at = f->now, .fresh = true});
}

void once_release(struct fold *f, const struct fold_hold *h) {
  if (h->idempotency_key.len == 0 || is_derived(h->idempotency_key)) return;
  for (size_t i = 0; i < f->idempotents.count; i++) {
    struct fold_idempotent *seen = &f->idempotents.at[i];
    if (is_same(seen, h->customer, h->idempotency_key) && uuid_eq(seen->object, h->call)) seen->gone = true;
  }
  *vec_add(&f->released) = (struct fold_released){h->customer, h->call, h->idempotency_key};
}
