// The text of an API key: <brand><kind>_<env>_<id>_<secret><crc>, 73 characters, e.g.
//   tlgsk_live_0123456789ab_<43 base62 characters of secret><6 of CRC-32>
// The id is public; the secret has 256 bits; the CRC refuses typos without a look-up (it is no security).
#pragma once
#include "base/str.h"

#define KEY_BRAND "tlg"
#define KEY_TEXT_LEN 73
#define KEY_ID_LEN 12
enum key_kind { KEY_CUSTOMER, KEY_OPERATOR }; // "sk", "ad"

struct key_parts {
  enum key_kind kind;
  struct str public_id; // lent from the text
  struct str last4;     // of the secret, for people
};
// False where length, alphabet, brand or CRC are off; constant work for any text of the right length.
bool key_parse(struct str text, struct key_parts *ret);
void key_generate(enum key_kind kind, char ret_text[KEY_TEXT_LEN + 1]);
