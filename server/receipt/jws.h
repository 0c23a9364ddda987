// A text with its signature, as one line: the compact serialisation of RFC 7515, of which only what receipts need is taken.
// The algorithm is EdDSA over Ed25519 (RFC 8037) and nothing else, the header says which key and what kind of text it is,
// and every line that is taken has one spelling. Pure: which keys are trusted is the caller's affair.
#pragma once
#include "base/arena.h"
#include "crypto/signature.h"

#define JWS_MAX (256 * 1024) // bytes of a line

struct jws {
  struct str kid, typ; // of the header; ptr NULL where it says none
  struct str payload;  // decoded
  struct str covered;  // what the signature is over: lent from the line
  unsigned char signature[CRYPTO_SIGNATURE_BYTES];
};

// 0, or 1 with a sentence in ret_why (NULL: not wanted) where it is no such line. It says nothing of the signature.
int jws_read(struct arena *arena, struct str line, struct jws *ret, struct buf *ret_why);
bool jws_check(const struct jws *j, const unsigned char verifier[CRYPTO_PUBLIC_BYTES]);
// kid, typ: plain names. False where it does not fit.
bool jws_write(struct buf *out, const struct crypto_signer *signer, const char *kid, const char *typ, struct str payload);
