// See ranges.h.
#include "net/ranges.h"
#include "base/mem.h"
#include <arpa/inet.h>
#include <netinet/in.h>

#define V4_BITS 96 // in front of an IPv4 address in its mapped form
#define ADDRESS_TEXT_MAX INET6_ADDRSTRLEN

static void v4_map(const void *four, uint8_t ret[16]) {
  memset(ret, 0, 10);
  memset(ret + 10, 0xff, 2);
  memcpy(ret + 12, four, 4);
}

static bool address_parse(struct str text, uint8_t ret[16], bool *ret_v4) {
  char copy[ADDRESS_TEXT_MAX];
  uint8_t four[4];
  if (text.len == 0 || text.len >= sizeof copy || memchr(text.ptr, '\0', text.len)) return false;
  memcpy(copy, text.ptr, text.len);
  copy[text.len] = '\0';
  *ret_v4 = inet_pton(AF_INET, copy, four) == 1;
  if (!*ret_v4) return inet_pton(AF_INET6, copy, ret) == 1;
  v4_map(four, ret);
  return true;
}

static bool bit_at(const uint8_t b[16], unsigned bit) {
  return b[bit / 8] >> (7 - bit % 8) & 1;
}

static const char *range_parse(struct str text, struct net_range *ret) {
  struct str address, rest = text;
  uint32_t bits;
  bool v4;
  bool cut = text.len > 0 && memchr(text.ptr, '/', text.len);
  (void)str_split(&rest, '/', &address);
  if (!address_parse(cut ? address : text, ret->net, &v4)) return "is not an IP address or range";
  unsigned before = v4 ? V4_BITS : 0, most = 128 - before;
  if (!cut)
    bits = most;
  else if (rest.len > 3 || !str_to_u32(rest, &bits) || bits > most)
    return "has a length that is not one";
  ret->bits = before + bits;
  for (unsigned bit = ret->bits; bit < 128; bit++)
    if (bit_at(ret->net, bit)) return "has bits set behind its length";
  return NULL;
}

bool net_ranges_parse(struct str text, struct net_ranges *ret, struct buf *ret_error) {
  struct net_ranges found = {0};
  struct str one;
  for (bool more = text.len > 0; more;) {
    more = memchr(text.ptr, ',', text.len) != NULL;
    if (!str_split(&text, ',', &one)) one = STR("");
    one = str_trim(one);
    const char *wrong = found.count == NET_RANGES_MAX ? "is one too many" : range_parse(one, &found.at[found.count]);
    if (wrong) {
      buf_printf(ret_error, "\"%.*s\" %s", (int)(one.len < 60 ? one.len : 60), one.ptr, wrong);
      return false;
    }
    found.count++;
  }
  *ret = found;
  return true;
}

static bool range_has(const struct net_range *range, const uint8_t ip[16]) {
  size_t whole = range->bits / 8;
  unsigned rest = range->bits % 8;
  if (memcmp(range->net, ip, whole) != 0) return false;
  return rest == 0 || (range->net[whole] ^ ip[whole]) >> (8 - rest) == 0;
}

bool net_ranges_have(const struct net_ranges *ranges, const struct sockaddr *address) {
  struct sockaddr_in in;
  struct sockaddr_in6 in6;
  uint8_t ip[16];
  if (address->sa_family == AF_INET) {
    memcpy(&in, address, sizeof in);
    v4_map(&in.sin_addr, ip);
  } else if (address->sa_family == AF_INET6) {
    memcpy(&in6, address, sizeof in6);
    memcpy(ip, &in6.sin6_addr, sizeof ip);
  } else
    return false;
  for (size_t i = 0; i < ranges->count; i++)
    if (range_has(&ranges->at[i], ip)) return true;
  return false;
}
