// Buckets: integer arithmetic over one row, no clock of its own. A rate of n a minute is a bucket of n * 60,000,000 units
// that gains n units each microsecond and loses 60,000,000 a request: exact without a fraction.
#include "ledger/bucket.h"
#include "base/log.h"

static int64_t rate_full(const struct bucket *b) {
  return b->amount * BUCKET_REQUEST_UNITS;
}

static void rate_refill(struct bucket *b, int64_t now) {
  int64_t elapsed = now - b->drawn_at;
  if (b->drawn_at == 0 || elapsed >= BUCKET_REQUEST_UNITS) b->level = rate_full(b);
  else if (elapsed > 0) b->level += elapsed * b->amount;
  if (b->level > rate_full(b)) b->level = rate_full(b); // the limit may have been lowered
  if (now > b->drawn_at) b->drawn_at = now;
}

void bucket_advance(struct bucket *b, int64_t now) {
  if (b->period == BUCKET_MINUTE) {
    ASSERT(b->amount >= 0 && b->amount <= BUCKET_RATE_MAX);
    rate_refill(b, now);
  } else if (b->current_start > b->window_start) {
    b->window_start = b->current_start;
    b->window_end = b->current_end;
    b->used = b->held = b->used_before = 0;
    b->dirty = true;
  }
}

bool bucket_covers(const struct bucket *b, int64_t quantity, int64_t now, struct bucket_refusal *ret_refusal) {
  if (b->period == BUCKET_MINUTE) {
    int64_t need = quantity * BUCKET_REQUEST_UNITS;
    if (b->level >= need) return true;
    ret_refusal->left = b->level / BUCKET_REQUEST_UNITS;
    ret_refusal->refills_at = b->amount ? now + (need - b->level + b->amount - 1) / b->amount : 0;
    return false;
  }
  int64_t taken = AMOUNT_MAX, after = 0;
  if (amount_add(b->used, b->held, &taken) && amount_add(taken, quantity, &after) && after <= b->amount) return true;
  ret_refusal->left = b->amount > taken ? b->amount - taken : 0;
  ret_refusal->refills_at = b->period == BUCKET_TOTAL ? 0 : b->window_end;
  return false;
}

void bucket_draw(struct bucket *b, int64_t quantity) {
  if (b->period == BUCKET_MINUTE) b->level -= quantity * BUCKET_REQUEST_UNITS;
  else b->held += quantity;
  ASSERT(b->level >= 0 && b->held >= 0);
  b->dirty = true;
}

void bucket_return(struct bucket *b, int64_t window, int64_t held, int64_t used) {
  if (b->period == BUCKET_MINUTE || b->window_start != window) return;
  ASSERT(b->held >= held);
  b->held -= held;
  if (!amount_add(b->used, used, &b->used)) b->used = AMOUNT_MAX;
  b->dirty = true;
}

void bucket_correct(struct bucket *b, int64_t at, int64_t difference) {
  if (b->period == BUCKET_MINUTE || at < b->window_start) return;
  if (b->period != BUCKET_TOTAL && at >= b->window_end) return;
  if (!amount_add(b->used, difference, &b->used)) b->used = AMOUNT_MAX;
  if (b->used < 0) b->used = 0;
  b->dirty = true;
}
