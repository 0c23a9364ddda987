// What stands around an event of Stripe's, whatever its kind and version: a snapshot ("event") brings its object, a thin
// one ("v2.core.event") names it.
#pragma once
#include "json/read.h"

#define ENVELOPE_TEXT_MAX 255 // ids and types are opaque texts of at most so many bytes

struct envelope {
  struct str id, type, object_id, api_version; // lent by the root; object_id and api_version may be empty
  int64_t created;                             // seconds since 1970
  bool livemode, thin;
  const char *foreign; // "account" or "context": it is about an account that is not this key's own; NULL: it is not
};
// False where it is no event: ret is then untouched.
bool envelope_read(struct json *root, struct envelope *ret);
