// Connections of our own: socket pairs of which libmicrohttpd is handed one end as if it had been accepted.
#pragma once
#include "http/server.h"

// Our end, non-blocking; the other one is served by that thread. -1 where there are no descriptors or libmicrohttpd
// takes no connection.
int pair_open(struct http_server *s, unsigned thread);

// Sends a request on our end. False where it does not take all of it.
bool pair_send(int fd, struct str request);
