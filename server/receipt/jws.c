// See jws.h. Whatever the header asks for that is not known here is refused, so that no line means more to another reader
// than it does to this one: `crit` and `b64` change what is signed, `jwk` and `jku` would bring a key along.
#include "receipt/jws.h"
#include "base/mem.h"
#include "json/read.h"
#include "json/write.h"

#define HEADER_MAX 1024

__attribute__((format(printf, 2, 3))) static int refuse(struct buf *why, const char *format, ...) {
  if (!why) return 1;
  va_list args;
  va_start(args, format);
  buf_vprintf(why, format, args);
  va_end(args);
  return 1;
}

// Exactly three parts; none of them is looked into.
static bool parts_split(struct str line, struct str ret[3]) {
  const char *first = line.len ? memchr(line.ptr, '.', line.len) : NULL;
  const char *end = line.ptr + line.len;
  const char *second = first ? memchr(first + 1, '.', (size_t)(end - first - 1)) : NULL;
  if (!second || memchr(second + 1, '.', (size_t)(end - second - 1))) return false;
  ret[0] = (struct str){line.ptr, (size_t)(first - line.ptr)};
  ret[1] = (struct str){first + 1, (size_t)(second - first - 1)};
  ret[2] = (struct str){second + 1, (size_t)(end - second - 1)};
  return true;
}

static bool part_read(struct arena *arena, struct str text, struct str *ret) {
  unsigned char *bytes = arena_alloc(arena, text.len + 1);
  size_t len = 0;
  if (!crypto_base64url_read(text, bytes, text.len, &len)) return false;
  *ret = (struct str){(char *)bytes, len};
  return true;
}

// ---- the header

struct header {
  struct str algorithm, kid, typ;
};
#define AT(member) .offset = offsetof(struct header, member), .given = JSON_NOT_TOLD
static const struct json_field header_fields[] = {
    {.name = "alg", .kind = JSON_TEXT, .required = true, AT(algorithm)},
    {.name = "kid", .kind = JSON_TEXT, AT(kid)},
    {.name = "typ", .kind = JSON_TEXT, AT(typ)},
};

static int header_read(struct arena *arena, struct str text, struct jws *ret, struct buf *why) {
  CLEANUP(json_finishp) struct json *root = NULL;
  struct json_error error;
  struct header h = {0};
  if (text.len > HEADER_MAX) return refuse(why, "its header is too long");
  if (json_parse(text, &root, &error) != 0 ||
      json_decode(root, header_fields, ARRAY_LEN(header_fields), &h, sizeof h, &error) != 0)
    return refuse(why, "its header cannot be taken: %s%s%s", error.param, error.param[0] ? ": " : "", error.message);
  if (!str_eq(h.algorithm, STR("EdDSA")))
    return refuse(why, "its algorithm is \"%.*s\", and only EdDSA is taken", STR_ARG(h.algorithm));
  if (h.kid.ptr) ret->kid = arena_str(arena, h.kid);
  if (h.typ.ptr) ret->typ = arena_str(arena, h.typ);
  return 0;
}

// ---- a line

int jws_read(struct arena *arena, struct str line, struct jws *ret, struct buf *ret_why) {
  struct str part[3], header, signature;
  struct jws j = {0};
  if (line.len > JWS_MAX) return refuse(ret_why, "it is longer than %d bytes", JWS_MAX);
  if (!parts_split(line, part)) return refuse(ret_why, "it is not three parts with a dot between");
  if (!part_read(arena, part[0], &header) || !part_read(arena, part[1], &j.payload) ||
      !part_read(arena, part[2], &signature))
    return refuse(ret_why, "a part of it is not base64url without padding");
  if (signature.len != CRYPTO_SIGNATURE_BYTES) return refuse(ret_why, "its signature is not %d bytes", CRYPTO_SIGNATURE_BYTES);
  if (header_read(arena, header, &j, ret_why) != 0) return 1;
  memcpy(j.signature, signature.ptr, sizeof j.signature);
  j.covered = (struct str){line.ptr, part[0].len + 1 + part[1].len};
  *ret = j;
  return 0;
}

bool jws_check(const struct jws *j, const unsigned char verifier[CRYPTO_PUBLIC_BYTES]) {
  return crypto_signature_check(verifier, j->covered, j->signature);
}

bool jws_write(struct buf *out, const struct crypto_signer *signer, const char *kid, const char *typ, struct str payload) {
  CLEANUP(buf_finish) struct buf header;
  unsigned char signature[CRYPTO_SIGNATURE_BYTES];
  size_t begin = out->len;
  buf_init(&header, HEADER_MAX);
  struct json_writer w = json_writer(&header);
  json_object_begin(&w);
  json_member_text(&w, "alg", "EdDSA");
  json_member_text(&w, "kid", kid);
  json_member_text(&w, "typ", typ);
  json_object_end(&w);
  bool fits = !header.full && crypto_base64url_add(out, buf_str(&header)) && buf_putc(out, '.') && crypto_base64url_add(out, payload);
  if (!fits) return false;
  crypto_signature_make(signer, (struct str){out->data + begin, out->len - begin}, signature);
  return buf_putc(out, '.') && crypto_base64url_add(out, (struct str){(const char *)signature, sizeof signature});
}
