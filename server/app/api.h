// The service's own API, as the command uses it: one blocking request at a time over the outbound door.
#pragma once
#include "base/buf.h"

struct api;
struct api *api_create(const char *url, const char *key); // both lent; key may be ""
void api_destroy(struct api *a);
void api_key(struct api *a, const char *key);

struct api_request {
  const char *method, *path; // path begins with '/', with its query
  struct str body;           // JSON; empty: none
  const char *headers;       // further "Name: value\n" lines, or NULL
  // Where given, the body of an answer below 400 goes here as it comes and not into `body`; it is called on another thread.
  void (*piece)(void *arg, struct str bytes);
  void *arg;
};
struct api_answer {
  int status; // 0: there was none, and `problem` says why
  struct buf body, problem;
  char call[96], charged[48], remaining[48], content_type[96]; // headers of ours, "" where missing
};
// True where an answer came, whatever its status. api_answer_finish either way.
bool api_send(struct api *a, const struct api_request *request, struct api_answer *ret);
void api_answer_finish(struct api_answer *a);
// Tells why an answer is no success, on stderr; returns the exit code that goes with it. 0 where it is one.
int api_judge(struct api *a, const struct api_answer *answer);

// A query or path value, percent-encoded.
void api_encode(struct buf *out, struct str text);
