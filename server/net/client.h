// The one way out: all outbound HTTP. A loop is a thread with a libcurl multi handle and a queue of tasks; everything about
// an exchange happens on its loop's thread, so that whoever lives there needs no locks.
//
// Rules for every exchange: http and https only, no redirects, no proxy from the environment, no decompression, addresses
// checked as resolved and again before each request (a reused connection skips the first), header values without CR or LF, bytes and
// times bounded by counters of our own.
#pragma once
#include "base/buf.h"

struct net_loop;
struct net_exchange;

enum net_trust {
  NET_OPERATOR, // an address the operator configured: private networks are allowed, link-local (cloud metadata) is not
  NET_FOREIGN,  // an address chosen by others: https and public addresses only, but for the ranges that net_loop_open names
};

struct net_header {
  struct str name, value;
};

#define NET_BLOCK 16384
#define NET_BLOCK_STREAM 2048 // some events of a stream: most of the time there is not even one to read

struct net_spec {
  const char *method;
  const char *url;
  struct str headers; // "Name: value\n" lines
  struct str body;    // lent until done is called, the exchange is cancelled, or net_body_release says so
  enum net_trust trust;
  int connect_ms, first_byte_ms, between_ms, total_ms; // deadlines; 0: the defaults of base/limits.h
  int64_t bytes_max;                                   // of the answer's body
  int block; // bytes of the answer read at once: an exchange's own memory while it runs. 0: NET_BLOCK
};

enum net_end {
  NET_DONE,      // a whole answer
  NET_REFUSED,   // never sent: bad URL, address not allowed
  NET_UNREACHED, // never sent: name not found, connection refused, connect or TLS failed
  NET_BROKEN,    // sent (or may have been), then reset, truncated or malformed
  NET_TIMEOUT,   // sent (or may have been), then a deadline passed
  NET_TOO_LARGE, // the answer passed bytes_max
};
const char *net_end_name(enum net_end end);

// Called on the loop's thread. head comes once, before data (1xx answers are skipped); done comes once, last, unless the
// exchange was cancelled.
struct net_events {
  void (*head)(void *arg, int status, const struct net_header *headers, size_t count);
  // How many of them it has taken, from the front: fewer only where it has paused, and not resumed before it returns. The
  // rest comes when it is resumed, and before done; a cancel or a deadline drops it.
  size_t (*data)(void *arg, struct str bytes);
  void (*done)(void *arg, enum net_end end, const char *detail);
};

struct net_loop *net_loop_create(const char *name); // starts its thread
void net_loop_destroy(struct net_loop *loop);       // cancels what runs, runs what was posted, joins. NULL is fine
struct net_ranges;
// Before the first exchange: what an operator opens to NET_FOREIGN, http too. Copied. What gives away a cloud's credentials
// stays shut whatever it says.
void net_loop_open(struct net_loop *loop, const struct net_ranges *ranges);
// Any thread: runs fn(arg) on the loop's thread, in order of posting. Never blocks for long, never fails.
void net_post(struct net_loop *loop, void (*fn)(void *arg), void *arg);
// Loop's thread: runs fn(arg) on it after ms. Cannot be taken back: arg must outlive it.
void net_after(struct net_loop *loop, int ms, void (*fn)(void *arg), void *arg);
bool net_on_loop(const struct net_loop *loop); // is this the loop's thread

// Loop's thread only. The exchange ends itself after done, or with net_cancel (no event follows it).
struct net_exchange *net_start(struct net_loop *loop, const struct net_spec *spec, const struct net_events *events, void *arg);
void net_pause(struct net_exchange *x);  // no more data until resumed; deadlines between chunks rest too
void net_resume(struct net_exchange *x);
void net_cancel(struct net_exchange *x);
bool net_sent(const struct net_exchange *x); // a byte of the request may have gone out
// Once the head has come: whether the body has been sent to its end. Then it is not lent any more, so that an answer that
// takes its time does not keep what was asked.
bool net_body_release(struct net_exchange *x);
