// A reader of HTTP/1.1 requests, written plainly from RFC 9112 and RFC 9110 and strict wherever two readers might
// disagree: it says of a run of bytes which requests are in it, and where it stops being one. It shares nothing with
// the server, and is as slow as it is simple.
//
// Beyond the RFCs it refuses, as the server's guard does on purpose: more than one blank behind a header's colon, tabs
// around its value; any
// Transfer-Encoding but "chunked"; targets that are not in origin form or have two readings (plain.h); a second one of
// the headers that are listed in rfc9112.c; a Host that is more than a name or an address and a port.
#pragma once
#include "http/server.h"
#include "plain.h"

#define RFC_HEADERS_MAX 512
#define RFC_BODY_MAX (64 * 1024)

enum rfc_answer {
  RFC_WHOLE,   // a request
  RFC_MORE,    // the beginning of one
  RFC_REFUSED, // none
};

struct rfc_request {
  struct str method, raw_target, version;
  struct http_header headers[RFC_HEADERS_MAX]; // values without the blanks around them
  size_t header_count;
  size_t head_size;             // up to and with the empty line
  bool chunked, old, head_read; // old: HTTP/1.0; head_read: the head is sound, whatever became of the body
  int64_t length;               // announced; -1: none
  char path[PLAIN_TARGET_MAX];
  size_t path_len;
  struct str query;
  char body[RFC_BODY_MAX];
  size_t body_len;
  const char *why; // after RFC_REFUSED
};

// Reads one request at *at, which moves behind it after RFC_WHOLE. Lines and values are lent by the bytes.
enum rfc_answer rfc_read(const char **at, const char *end, struct rfc_request *ret);
