// Anything that runs out by a limit: a pure rule over one row. A rate refills with time; a budget is counted in one
// calendar window, which rolls forward in place.
#pragma once
#include "base/amount.h"
#include "base/id.h"

enum bucket_measure { BUCKET_REQUESTS = 1, BUCKET_SPEND = 2 };
enum bucket_period { BUCKET_MINUTE = 1, BUCKET_DAY = 2, BUCKET_MONTH = 3, BUCKET_TOTAL = 4 };

struct bucket {
  struct uuid limit, key; // key: nil where the limit binds the customer
  unsigned char tid[6];   // of the row that was read
  enum bucket_measure measure;
  enum bucket_period period;
  int64_t amount; // the rule: requests a minute, or nanocredits a window
  // a rate: one request is BUCKET_REQUEST_UNITS; `amount` units come back each microsecond
  int64_t level, drawn_at;
  // a budget; times in microseconds since 1970
  int64_t window_start, window_end, used, held;
  int64_t used_before; // when the batch began, of the window that stands
  int64_t current_start, current_end; // the window that `now` falls in, by the database's calendar
  bool dirty;
};
#define BUCKET_REQUEST_UNITS INT64_C(60000000)
#define BUCKET_RATE_MAX INT64_C(1000000000)

struct bucket_refusal {
  int64_t left;       // requests or nanocredits
  int64_t refills_at; // when the asked-for amount would be there again, at the earliest; 0: never
};
// Brings the row to `now`: refills a rate, rolls a budget's window forward (never back).
void bucket_advance(struct bucket *b, int64_t now);
// Whether `quantity` (1 request, or nanocredits) could be drawn from an advanced bucket.
bool bucket_covers(const struct bucket *b, int64_t quantity, int64_t now, struct bucket_refusal *ret_refusal);
// Takes it; bucket_covers must have said yes. Budgets hold it, rates are gone.
void bucket_draw(struct bucket *b, int64_t quantity);
// Ends a hold of `held` that was drawn in the window beginning at `window`, using `used` of it. Nothing where that window
// stands no more.
void bucket_return(struct bucket *b, int64_t window, int64_t held, int64_t used);
// A correction of what was used in the window that stands at `at`.
void bucket_correct(struct bucket *b, int64_t at, int64_t difference);
