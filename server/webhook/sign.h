// An endpoint's secrets, and the headers that are signed with them. Standard Webhooks (v1: HMAC-SHA256, v1a: Ed25519) on
// everything; Stripe's own header too where its libraries are to read it. One text serves both: Stripe's scheme takes
// "whsec_…" as it stands for the key, Standard Webhooks what it decodes to.
#pragma once
#include "base/buf.h"

#define SIGN_BYTES 32                 // of a secret
#define SIGN_TEXT_MAX (6 + 44 + 1)    // "whsec_" and base64
#define SIGN_PAIR_BYTES 64
#define SIGN_PUBLIC_BYTES 32

struct sign_secret {
  char text[SIGN_TEXT_MAX];
  unsigned char key[SIGN_BYTES];
};
struct sign_keys {
  struct sign_secret secrets[2]; // the newer one first
  size_t count;                  // of those that sign
  unsigned char pair[SIGN_PAIR_BYTES];
};

void sign_secret_make(char ret_text[SIGN_TEXT_MAX]);
// False where the text is no secret of ours. Its copy is the caller's to wipe.
bool sign_secret_read(struct str text, struct sign_secret *ret);
void sign_public_print(const unsigned char key[SIGN_PUBLIC_BYTES], struct buf *out); // whpk_…

// "Name: value\n" lines. id and time_s say which message and which attempt it is; body is what is sent, byte for byte.
void sign_headers(const struct sign_keys *keys, struct str id, int64_t time_s, struct str body, bool stripe, struct buf *out);
