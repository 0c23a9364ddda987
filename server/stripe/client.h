// Stripe's API: one blocking call at a time, for job threads. A call is tried again as Stripe asks for or where nothing
// is known of it, always under the same Idempotency-Key, and never faster than the account may; where Stripe has been
// failing for a while, calls fail at once instead of waiting their turn. Of a call that was sent and not answered it is
// said that nothing is known.
#pragma once
#include "base/buf.h"
#include "base/fault.h"

struct json;

struct stripe_config {
  const char *base;    // "https://api.stripe.com"
  const char *key;     // sk_… or rk_…; copied
  const char *version; // Stripe-Version
  int timeout_ms;      // of one try; 0: 30 seconds
};

struct stripe;
struct stripe *stripe_create(const struct stripe_config *config); // starts a thread of its own
// Ends waiting calls: they answer as if Stripe had not. From any thread; further calls are refused.
void stripe_stop(struct stripe *s);
void stripe_destroy(struct stripe *s); // no call may be left; NULL is fine
bool stripe_key_is_live(struct str key);
bool stripe_is_live(const struct stripe *s); // real money

struct stripe_answer {
  int status;        // HTTP; 0: no answer
  bool unknown;      // what was asked for may have happened, or may be happening: ask again with the same key
  bool replayed;     // it is what an earlier call under this key was answered
  struct json *body; // NULL where there was none that is JSON
  char request_id[64];
  struct str type, code, decline_code, advice_code; // of an error, else empty; lent by body
  struct str message;                               // why it is no success: always a sentence; lent by body or by `why`
  char *why; // owned, or NULL
};

// 0 with an answer (stripe_answer_finish it), or FAULT_CLOSED where nothing was sent because of stripe_stop. form: as
// stripe/form.h makes it; of a GET it is the query. idempotency_key NULL: none. No try begins
// later than 45 seconds after the first; each is bounded by timeout_ms, and its connection by 5 seconds.
int stripe_call(struct stripe *s, const char *method, const char *path, struct str form, const char *idempotency_key,
                struct stripe_answer *ret);
void stripe_answer_finish(struct stripe_answer *a);
// Whether a call now would fail at once, unsent, because Stripe has been failing: what has a turn of its own may wait with it.
bool stripe_rests(struct stripe *s);
static inline bool stripe_done(const struct stripe_answer *a) { return a->status >= 200 && a->status < 300 && !a->unknown; }
// Asked for and refused, for good: the same key would be refused again. Not so a key of ours that is not taken (401, 403).
bool stripe_refused(const struct stripe_answer *a);
