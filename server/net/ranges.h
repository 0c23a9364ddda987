// Address ranges that an operator opens to foreign URLs: "10.0.0.0/8,fd00::/8". An IPv4 range is kept in its mapped form
// (::ffff:0:0/96), and so is looked for an IPv4 address.
#pragma once
#include "base/buf.h"
#include <sys/socket.h>

#define NET_RANGES_MAX 32
struct net_range {
  uint8_t net[16];
  unsigned bits; // of the 128
};
struct net_ranges {
  struct net_range at[NET_RANGES_MAX];
  size_t count;
};

// A list with commas, spaces around them ignored; "" is the empty one. An address without a length is that address alone.
// False with a sentence in ret_error: no address, a length that it cannot have, bits set behind it, or too many.
bool net_ranges_parse(struct str text, struct net_ranges *ret, struct buf *ret_error);
bool net_ranges_have(const struct net_ranges *ranges, const struct sockaddr *address);
