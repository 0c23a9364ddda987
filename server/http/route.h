// The exact route table: never a prefix, never a guess. A literal segment goes before a "{name}".
#pragma once
#include "http/server.h"

#define ROUTE_SEGMENTS_MAX 12
#define ROUTE_CAPTURES_MAX 4
#define ROUTE_ALLOW_MAX 64

struct route_pattern {
  const struct http_route *route;
  struct str segments[ROUTE_SEGMENTS_MAX]; // ptr NULL: takes any
  size_t segment_count, capture_count;
};

struct route_table {
  struct route_pattern *patterns;
  size_t count;
};

struct route_match {
  const struct http_route *route; // NULL: see allow
  struct str captures[ROUTE_CAPTURES_MAX];
  size_t capture_count;
  char allow[ROUTE_ALLOW_MAX]; // where the path exists under other methods: "GET, HEAD, POST"; else ""
};

void route_table_init(struct route_table *t, const struct http_route *routes, size_t count);
void route_table_finish(struct route_table *t);
void route_find(const struct route_table *t, struct str method, struct str path, struct route_match *ret);
