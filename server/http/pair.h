// Requests of our own, over a socket pair of which libmicrohttpd is handed one end as if it had been accepted.
#pragma once
#include "http/server.h"

// The other end, non-blocking, on which the request has been sent; -1 where that failed. turn: which end is handed
// over, which decides by whose thread.
int pair_send(struct http_server *s, unsigned turn, struct str request);
