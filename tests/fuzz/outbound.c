// Feeds: header lines to what libcurl is given of them (net/headers.c); addresses to the rule that says which of them
// an outbound connection may reach (net/guard.c). Oracle: lines are taken exactly where each is a token, a colon and
// text; what is given to libcurl is those lines in their order, without the ones that are not the caller's to set, and
// cannot end a line. An address is allowed where a plain list of what is never, and what is not public, does not have
// it, however it is wrapped.
#include "base/mem.h"
#include "fuzz.h"
#include "net/guard.h"
#include "net/loop.h"
#include <arpa/inet.h>
#include <netinet/in.h>

// ---- header lines

static bool token(struct str s) {
  static const char allowed[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  for (size_t i = 0; i < s.len; i++)
    if (s.ptr[i] == '\0' || !strchr(allowed, s.ptr[i])) return false;
  return s.len > 0;
}

static bool owned(struct str name) {
  struct str list = STR("accept-encoding|connection|content-length|expect|host|keep-alive|proxy-connection|te|trailer|"
                        "transfer-encoding|upgrade"),
             one;
  while (str_split(&list, '|', &one))
    if (str_eq_nocase(one, name)) return true;
  return false;
}

static bool line_read(struct str line, struct str *name, struct str *value) {
  *value = line;
  if (!str_split(value, ':', name) || name->len == line.len) return false;
  *value = str_trim(*value);
  for (size_t i = 0; i < value->len; i++)
    if (((unsigned char)value->ptr[i] < 0x20 && value->ptr[i] != '\t') || value->ptr[i] == 0x7F) return false;
  return token(*name);
}

static void entry_check(const char *entry, struct str name, struct str value) {
  struct str text = str_from(entry), rest = {text.ptr + name.len, text.len - name.len};
  FUZZ_CHECK(text.len > name.len && str_starts(text, name), "%s", entry);
  if (value.len == 0)
    FUZZ_CHECK(str_eq(rest, STR(";")), "%s", entry);
  else
    FUZZ_CHECK(str_starts(rest, STR(": ")) && str_eq((struct str){rest.ptr + 2, rest.len - 2}, value), "%s", entry);
}

static void lines_check(struct str lines) {
  struct net_headers *headers = headers_create(lines);
  struct str rest = lines, line, name, value;
  const struct curl_slist *at = headers ? headers_list(headers) : NULL;
  bool sound = true, typed = false;
  while (at && (strcmp(at->data, "Accept-Encoding: identity") == 0 || strcmp(at->data, "Expect:") == 0)) at = at->next;
  while (sound && str_split(&rest, '\n', &line)) {
    if (line.len == 0) continue;
    sound = line_read(line, &name, &value);
    if (!sound || owned(name)) continue;
    typed = typed || str_eq_nocase(name, STR("content-type"));
    FUZZ_CHECK(!headers || at, "a line is missing");
    if (!headers) continue;
    entry_check(at->data, name, value);
    at = at->next;
  }
  FUZZ_CHECK((headers != NULL) == sound, "%.*s", STR_ARG(lines));
  if (headers && !typed) {
    FUZZ_CHECK(at && strcmp(at->data, "Content-Type:") == 0, "libcurl would make up a content type");
    at = at->next;
  }
  FUZZ_CHECK(!at, "a line too many: %s", at->data);
  headers_destroy(headers);
}

// ---- addresses

static bool never4(const uint8_t b[4]) {
  return b[0] == 0 || b[0] >= 224 || (b[0] == 169 && b[1] == 254) || memcmp(b, "\x64\x64\x64\xc8", 4) == 0 ||
         memcmp(b, "\xa8\x3f\x81\x10", 4) == 0 || memcmp(b, "\xc0\x00\x00\xc0", 4) == 0;
}

static bool public4(const uint8_t b[4]) {
  if (b[0] == 10 || b[0] == 127 || (b[0] == 100 && b[1] / 64 == 1) || (b[0] == 172 && b[1] / 16 == 1)) return false;
  if (b[0] == 192) return b[1] != 168 && !(b[1] == 0 && (b[2] == 0 || b[2] == 2)) && !(b[1] == 88 && b[2] == 99);
  if (b[0] == 198) return b[1] != 18 && b[1] != 19 && !(b[1] == 51 && b[2] == 100);
  return b[0] != 203 || b[1] != 0 || b[2] != 113;
}

static bool allowed4(enum net_trust trust, const uint8_t b[4]) {
  return !never4(b) && (trust == NET_OPERATOR || public4(b));
}

static bool allowed6(enum net_trust trust, const uint8_t b[16]) {
  uint16_t w[8];
  bool low = true;
  for (int i = 0; i < 8; i++) w[i] = (uint16_t)(b[2 * i] << 8 | b[2 * i + 1]);
  for (int i = 0; i < 4; i++) low = low && w[i] == 0;
  if (low && ((w[4] == 0 && w[5] == 0xFFFF) || (w[4] == 0xFFFF && w[5] == 0))) return allowed4(trust, b + 12);
  if (w[0] == 0x64 && w[1] == 0xFF9B && !w[2] && !w[3] && !w[4] && !w[5]) return allowed4(trust, b + 12);
  if (w[0] >> 6 == 0xFE80 >> 6 || w[0] >> 8 == 0xFF || (w[0] == 0xFD00 && w[1] == 0xEC2)) return false;
  if (w[0] == 0xFD20 && w[1] == 0xCE) return false;
  if (w[0] == 0x2002 && !allowed4(trust, b + 2)) return false;
  if (trust == NET_OPERATOR) return !(low && !w[4] && !w[5]) || (!w[6] && w[7] == 1);
  if (w[0] >> 13 != 1 || (w[0] == 0x2001 && (w[1] < 0x200 || w[1] == 0xDB8)) || w[0] == 0x2002) return false;
  return w[0] != 0x3FFF || w[1] >> 12 != 0;
}

static void address_check(struct fuzz_input *in, enum net_trust trust) {
  struct sockaddr_in6 six = {.sin6_family = AF_INET6};
  struct sockaddr_in four = {.sin_family = AF_INET};
  uint8_t bytes[16];
  for (int i = 0; i < 16; i++) bytes[i] = fuzz_byte(in);
  memcpy(&four.sin_addr, bytes, 4);
  memcpy(&six.sin6_addr, bytes, 16);
  FUZZ_CHECK(net_address_allowed(trust, (struct sockaddr *)&four) == allowed4(trust, bytes), "%u.%u.%u.%u", bytes[0],
             bytes[1], bytes[2], bytes[3]);
  char text[INET6_ADDRSTRLEN] = "";
  (void)inet_ntop(AF_INET6, bytes, text, sizeof text);
  FUZZ_CHECK(net_address_allowed(trust, (struct sockaddr *)&six) == allowed6(trust, bytes), "%s", text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fuzz_input in = fuzz_input(data, size);
  uint8_t mode = fuzz_byte(&in) % 3;
  if (mode > 0) {
    address_check(&in, mode == 1 ? NET_FOREIGN : NET_OPERATOR);
    return 0;
  }
  struct str rest = fuzz_rest(&in);
  char *copy = fuzz_copy(rest);
  lines_check((struct str){copy, rest.len});
  free(copy);
  return 0;
}
