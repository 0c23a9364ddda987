// What the files of this folder share: the loop, its lanes, and an exchange's inside. Not for other folders.
//
// A lane is a libcurl multi handle. Exchanges with operator and with foreign addresses have one each, so that they
// share neither connections nor names resolved nor TLS sessions.
#pragma once
#include "net/client.h"
#include "net/ranges.h"
#include "net/timers.h"
#include <curl/curl.h>
#include <pthread.h>

#define NET_LANES 2                // by enum net_trust
#define NET_SPARE_MAX 256          // ended exchanges kept with their easy handles
#define NET_ANSWER_HEADERS_MAX 128 // of one answer's head; beyond: broken
#define NET_ANSWER_HEAD_MAX (64 * 1024)

struct net_lane {
  struct net_loop *loop;
  CURLM *multi;
  struct net_timer timer; // when libcurl wants to be called
};

struct net_task {
  void (*fn)(void *arg);
  void *arg;
};

struct net_tasks {
  struct net_task *items;
  size_t count, cap;
};

struct net_loop {
  pthread_t thread;
  int epoll_fd, wake_fd;
  struct net_lane lanes[NET_LANES];
  struct net_timers timers;
  struct net_exchange *running;               // all, doubly linked
  struct net_exchange *todo_head, *todo_tail; // those that wait for the loop to act on them outside of libcurl
  struct net_exchange *spare;
  size_t spare_count;
  struct net_ranges open; // to foreign addresses
  struct net_tasks taken; // swapped with `posted`, so that both keep their memory

  pthread_mutex_t lock; // guards what follows
  struct net_tasks posted;
  bool asleep, stopping;
};

struct net_exchange {
  struct net_loop *loop;
  struct net_lane *lane;
  CURL *easy;
  char *url;               // what `easy` is aimed at, and was found allowed under `url_trust`; NULL: nothing yet
  enum net_trust url_trust;
  bool url_plain;          // http
  const struct net_events *events;
  void *arg;
  struct net_exchange *next, *prev; // running, or spare
  struct net_exchange *todo_next;
  struct net_timer deadline;

  struct str body;
  size_t body_at;          // read so far, where it is read by callback
  struct net_headers *out; // what libcurl reads the request's header lines from
  enum net_trust trust;
  int connect_ms, first_byte_ms, between_ms, total_ms;
  int64_t started_us, sent_us, last_us;
  int64_t bytes, bytes_max;

  struct buf head; // the answer's header lines, name NUL value NUL
  size_t head_count;
  bool head_broken;

  bool body_copied; // libcurl has its own copy of the body
  // What is not taken whole libcurl keeps and gives again from its beginning, longer by what it has read with it: this much
  // of it is known already. More than 0 only while stalled.
  size_t taken;
  bool in_todo, added, sent, answered, paused, stalled, gone;
  bool address_refused;
  bool judged; // `end` is decided, whatever libcurl says
  enum net_end end;
  char detail[CURL_ERROR_SIZE], said[CURL_ERROR_SIZE]; // ours, and libcurl's own words
};

void loop_todo(struct net_exchange *x); // the loop calls exchange_act for it before it sleeps

// exchange.c
void exchange_act(struct net_exchange *x);                  // does what was put off: add, resume, remove
void exchange_ended(struct net_exchange *x, CURLcode code); // libcurl is done with it
void exchange_judge(struct net_exchange *x, enum net_end end, const char *detail);
void exchange_rearm(struct net_exchange *x); // after what may bring its next deadline nearer
void exchange_free(struct net_exchange *x);  // with its easy handle

// easy.c: the rules that libcurl is given, and its callbacks
CURL *easy_create(struct net_exchange *x);
// False, and judged, where the request may not be sent.
bool easy_aim(struct net_exchange *x, const struct net_spec *spec);
size_t answer_on_line(char *line, size_t size, size_t count, void *arg); // head.c: a libcurl header function

// headers.c: header lines for libcurl, in one piece of memory
struct net_headers;
// NULL where a name or value is not fit to be sent.
struct net_headers *headers_create(struct str lines);
struct curl_slist *headers_list(struct net_headers *h);
void headers_destroy(struct net_headers *h);
