// The address rule. Foreign addresses must be public: what is not globally routed is listed for IPv4, and for IPv6 only
// 2000::/3 less its special parts passes. An operator's own address may be private or loopback, never one that a cloud
// gives away its credentials at. Text is never judged, only resolved addresses: decimal, octal and short forms of a
// forbidden address are all the same four bytes here.
#include "net/guard.h"
#include "base/mem.h"
#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>

struct range4 {
  uint32_t net;
  unsigned bits;
};

struct range6 {
  uint8_t net[16];
  unsigned bits;
};

#define IP4(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

static const struct range4 never4[] = {
    {IP4(0, 0, 0, 0), 8},          // "this host": Linux connects to loopback
    {IP4(169, 254, 0, 0), 16},     // link-local: cloud metadata
    {IP4(100, 100, 100, 200), 32}, // metadata, Alibaba
    {IP4(168, 63, 129, 16), 32},   // platform address, Azure
    {IP4(192, 0, 0, 192), 32},     // metadata, Oracle
    {IP4(224, 0, 0, 0), 3},        // multicast, reserved, broadcast
};

static const struct range4 private4[] = {
    {IP4(10, 0, 0, 0), 8},    {IP4(100, 64, 0, 0), 10},   {IP4(127, 0, 0, 0), 8},    {IP4(172, 16, 0, 0), 12},
    {IP4(192, 0, 0, 0), 24},  {IP4(192, 0, 2, 0), 24},    {IP4(192, 88, 99, 0), 24}, {IP4(192, 168, 0, 0), 16},
    {IP4(198, 18, 0, 0), 15}, {IP4(198, 51, 100, 0), 24}, {IP4(203, 0, 113, 0), 24},
};

static const struct range6 never6[] = {
    {{0}, 128},                     // ::
    {{0xfe, 0x80}, 10},             // link-local
    {{0xfd, 0x00, 0x0e, 0xc2}, 32}, // metadata, AWS
    {{0xfd, 0x20, 0x00, 0xce}, 32}, // metadata, Google
    {{0xff}, 8},                    // multicast
};

static const struct range6 public6[] = {{{0x20}, 3}};

static const struct range6 special6[] = {
    {{0x20, 0x01, 0x00, 0x00}, 23}, // protocol assignments: Teredo, benchmarking, ORCHID
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, // documentation
    {{0x20, 0x02}, 16},             // 6to4: wraps an IPv4 address
    {{0x3f, 0xff}, 20},             // documentation
};

// The IPv4 address is in the last four bytes.
static const struct range6 wraps4[] = {
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96}, // ::ffff:0:0/96, mapped
    {{0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96},       // ::ffff:0:0:0/96, translated
    {{0x00, 0x64, 0xff, 0x9b}, 96},                   // 64:ff9b::/96, NAT64
};

static bool range4_has(const struct range4 *ranges, size_t count, uint32_t ip) {
  for (size_t i = 0; i < count; i++)
    if ((ip ^ ranges[i].net) >> (32 - ranges[i].bits) == 0) return true;
  return false;
}

static bool range6_covers(const struct range6 *range, const uint8_t ip[16]) {
  size_t whole = range->bits / 8;
  unsigned rest = range->bits % 8;
  if (memcmp(range->net, ip, whole) != 0) return false;
  return rest == 0 || (range->net[whole] ^ ip[whole]) >> (8 - rest) == 0;
}

static bool range6_has(const struct range6 *ranges, size_t count, const uint8_t ip[16]) {
  for (size_t i = 0; i < count; i++)
    if (range6_covers(&ranges[i], ip)) return true;
  return false;
}

static bool ip4_allowed(enum net_trust trust, uint32_t ip) {
  if (range4_has(never4, ARRAY_LEN(never4), ip)) return false;
  return trust == NET_OPERATOR || !range4_has(private4, ARRAY_LEN(private4), ip);
}

static uint32_t ip4_at(const uint8_t *b) {
  return IP4(b[0], b[1], b[2], b[3]);
}

static bool ip6_allowed(enum net_trust trust, const uint8_t ip[16]) {
  static const uint8_t loopback[16] = {[15] = 1};
  if (range6_has(wraps4, ARRAY_LEN(wraps4), ip)) return ip4_allowed(trust, ip4_at(ip + 12));
  if (range6_has(never6, ARRAY_LEN(never6), ip)) return false;
  if (ip[0] == 0x20 && ip[1] == 0x02 && !ip4_allowed(trust, ip4_at(ip + 2))) return false;
  if (trust == NET_OPERATOR) {
    // ::a.b.c.d has been out of use since 2006; what is left of ::/96 is loopback.
    static const struct range6 compatible = {{0}, 96};
    return !range6_covers(&compatible, ip) || memcmp(ip, loopback, 16) == 0;
  }
  return range6_has(public6, ARRAY_LEN(public6), ip) && !range6_has(special6, ARRAY_LEN(special6), ip);
}

bool net_address_allowed(enum net_trust trust, const struct sockaddr *address) {
  if (address->sa_family == AF_INET) {
    struct sockaddr_in in;
    memcpy(&in, address, sizeof(in));
    return ip4_allowed(trust, ntohl(in.sin_addr.s_addr));
  }
  if (address->sa_family == AF_INET6) {
    struct sockaddr_in6 in6;
    memcpy(&in6, address, sizeof(in6));
    return ip6_allowed(trust, in6.sin6_addr.s6_addr);
  }
  return false;
}

static bool url_has(CURLU *parsed, CURLUPart part) {
  char *text = NULL;
  bool has = curl_url_get(parsed, part, &text, 0) == CURLUE_OK;
  curl_free(text);
  return has;
}

static bool scheme_is(CURLU *parsed, const char *scheme) {
  char *text = NULL;
  bool is = curl_url_get(parsed, CURLUPART_SCHEME, &text, 0) == CURLUE_OK && strcmp(text, scheme) == 0;
  curl_free(text);
  return is;
}

static const char *url_objection(CURLU *parsed) {
  if (!scheme_is(parsed, "https") && !scheme_is(parsed, "http")) return "only http and https are spoken";
  if (!url_has(parsed, CURLUPART_HOST)) return "it has no host";
  if (url_has(parsed, CURLUPART_USER) || url_has(parsed, CURLUPART_PASSWORD))
    return "it must not hold a user or password";
  if (url_has(parsed, CURLUPART_FRAGMENT)) return "it must not have a fragment";
  return NULL;
}

static bool port_allowed(CURLU *parsed) {
  char *text = NULL;
  uint32_t port = 0;
  bool read = curl_url_get(parsed, CURLUPART_PORT, &text, CURLU_DEFAULT_PORT) == CURLUE_OK && str_to_u32(str_from(text), &port);
  curl_free(text);
  return read && (port >= 1024 || port == (scheme_is(parsed, "https") ? 443 : 80));
}

// libcurl has written every form of an IPv4 address (decimal, octal, short) as the usual one by now.
static bool literal_allowed(const struct net_ranges *open, CURLU *parsed) {
  struct sockaddr_in in = {.sin_family = AF_INET};
  struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
  char *host = NULL, bare[INET6_ADDRSTRLEN] = "";
  if (curl_url_get(parsed, CURLUPART_HOST, &host, 0) != CURLUE_OK) return false;
  size_t len = strlen(host);
  if (host[0] == '[' && len - 2 < sizeof bare) memcpy(bare, host + 1, len - 2);
  bool v4 = inet_pton(AF_INET, host, &in.sin_addr) == 1, v6 = inet_pton(AF_INET6, bare, &in6.sin6_addr) == 1;
  bool bracketed = host[0] == '[';
  curl_free(host);
  const struct sockaddr *address = v4 ? (struct sockaddr *)&in : (struct sockaddr *)&in6;
  if (!v4 && !v6) return !bracketed;
  return net_ranges_have(open, address) && net_address_allowed(NET_OPERATOR, address);
}

static const char *foreign_objection(const struct net_ranges *open, CURLU *parsed) {
  if (open->count == 0 && !scheme_is(parsed, "https")) return "only https is allowed here";
  if (!port_allowed(parsed)) return "its port must be 443 or one from 1024";
  return literal_allowed(open, parsed) ? NULL : "its host must be a name, not an address";
}

// open NULL: a URL of the operator's own.
static int url_check(const struct net_ranges *open, const char *url, struct buf *ret_error) {
  CURLU *parsed = mem_had(curl_url());
  CURLUcode code = curl_url_set(parsed, CURLUPART_URL, url, 0);
  const char *objection = code == CURLUE_UNSUPPORTED_SCHEME ? "only http and https are spoken"
                          : code != CURLUE_OK               ? curl_url_strerror(code)
                                                            : url_objection(parsed);
  if (!objection && open) objection = foreign_objection(open, parsed);
  curl_url_cleanup(parsed);
  if (!objection) return 0;
  buf_printf(ret_error, "this URL is not allowed: %s", objection);
  return 1;
}

int net_url_check(enum net_trust trust, const char *url, struct buf *ret_error) {
  static const struct net_ranges none;
  return trust == NET_FOREIGN ? net_foreign_url_check(&none, url, ret_error) : url_check(NULL, url, ret_error);
}

int net_foreign_url_check(const struct net_ranges *open, const char *url, struct buf *ret_error) {
  if (strlen(url) <= NET_FOREIGN_URL_MAX) return url_check(open, url, ret_error);
  buf_printf(ret_error, "this URL is not allowed: it is longer than %d bytes", NET_FOREIGN_URL_MAX);
  return 1;
}
