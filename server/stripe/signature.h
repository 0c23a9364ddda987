// Whether a body came from Stripe: the Stripe-Signature header, held against the secrets that this endpoint has. It
// proves the body alone, not the path, the method or other headers.
#pragma once
#include "base/str.h"

#define SIGNATURE_SECRETS_MAX 4 // while one is being rolled there are two
#define SIGNATURE_HEADER_MAX 4096
#define SIGNATURE_ELEMENTS_MAX 20

struct signature_secrets {
  struct str at[SIGNATURE_SECRETS_MAX]; // whole, with whsec_: the key is the text
  size_t count;
};
// Reads "whsec_…,whsec_…", which is lent; spaces around them are left out. False where there are none or too many.
bool signature_secrets_read(struct str text, struct signature_secrets *ret);

// Why not is for metrics alone: whoever sent it is told one thing.
enum signature_verdict {
  SIGNATURE_SOUND = 0,
  SIGNATURE_MALFORMED, // no header, or none that Stripe sends
  SIGNATURE_WRONG,     // none of its signatures is by a secret of ours over this body
  SIGNATURE_STALE,     // it is, but of another time
};
enum signature_verdict signature_check(struct str header, struct str body, const struct signature_secrets *secrets,
                                       int64_t now_s, int64_t tolerance_s);
