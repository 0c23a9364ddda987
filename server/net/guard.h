// Which addresses an outbound connection may reach: a pure rule over the resolved address.
#pragma once
#include "net/client.h"
#include <sys/socket.h>

// False: must not be connected to. IPv4-mapped and translated IPv6 forms are judged by the IPv4 address inside.
bool net_address_allowed(enum net_trust trust, const struct sockaddr *address);
// 0, or 1 with a sentence in ret_error: scheme, host, no user info, no fragment; https for NET_FOREIGN. Parsed by libcurl.
int net_url_check(enum net_trust trust, const char *url, struct buf *ret_error);
