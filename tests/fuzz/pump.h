// The real HTTP server without threads: libmicrohttpd is moved by hand, over socket pairs, so that one process serves
// thousands of connections a second and the same input always does the same.
#pragma once
#include "base/buf.h"
#include "http/server.h"

struct pump {
  struct http_server *server;
  struct buf out;          // all that the server has written to the last connection
  bool ended;              // the server has closed it by itself; else it has waited for more, and then for its deadline
  bool (*body_ask)(struct http_request *request, const struct http_route *route); // as http_config's; set before pump_init
  void (*idle)(void *arg); // called whenever the server has nothing to do: answers what handlers have kept; or NULL
  void *arg;
};

void pump_init(struct pump *p, const struct http_route *routes, size_t count); // never ended
// One connection: the bytes in pieces as `how` says (fuzz_piece), then on until nothing moves any more, then on to the
// deadline, at which the server must close what it has not closed before.
void pump_exchange(struct pump *p, struct str bytes, uint8_t how);
