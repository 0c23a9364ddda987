// The request as read from the socket, and the heads of answers. Nothing here checks more than it must: the door under
// test is on the other side.
#pragma once
#include "base/buf.h"

#define HTTP_HEAD_MAX (64 * 1024)
#define HTTP_BODY_MAX (64 * 1024 * 1024)

struct http_request {
  struct str method, path, body;
  struct str authorization, call; // header values, empty where missing
  bool close;                     // the connection ends after the answer
  bool expects;                   // a "100 Continue" is waited for
  size_t size;                    // of head and body
};

// 0: more bytes are needed (ret_request->expects is right once the head is there). 1: a whole request. -1: not HTTP.
int http_parse(struct str bytes, struct http_request *ret_request);

struct http_head {
  int status;
  const char *type;
  int64_t length;       // -1: chunked
  const char *encoding; // of the content; NULL: none
  const char *extra;    // whole lines; NULL: none
  const char *request_id;
  int processing_ms;
};
void http_head_add(struct buf *out, const struct http_head *head);
