// Which addresses an outbound connection may reach: a pure rule over the resolved address.
#pragma once
#include "net/client.h"
#include "net/ranges.h"
#include <sys/socket.h>

// False: must not be connected to. IPv4-mapped and translated IPv6 forms are judged by the IPv4 address inside.
bool net_address_allowed(enum net_trust trust, const struct sockaddr *address);
// 0, or 1 with a sentence in ret_error: http or https, a host, no user info, no fragment. Parsed by libcurl. Of NET_FOREIGN
// with no range open.
int net_url_check(enum net_trust trust, const char *url, struct buf *ret_error);
// Of a URL chosen by others; the host is judged here only where it is an address. At most NET_FOREIGN_URL_MAX bytes, https
// (http too where ranges are open), port 443 (of http 80) or from 1024, no address outside of the open ranges.
#define NET_FOREIGN_URL_MAX 2048
int net_foreign_url_check(const struct net_ranges *open, const char *url, struct buf *ret_error);
