// The first operator key, made straight in the database: for when no key exists that could make one over the API.
#pragma once
#include "base/id.h"
#include "customer/key.h"
#include <stdbool.h>

struct crypto_keys;
struct bootstrap {
  char text[KEY_TEXT_LEN + 1]; // the secret
  struct uuid id;
};
// An exit code; what is wrong is told on stderr. Refuses where a usable operator key exists, unless forced.
int bootstrap_key(const char *url, const struct crypto_keys *keys, const char *name, bool force, struct bootstrap *ret);
