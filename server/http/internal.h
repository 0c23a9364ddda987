// What the files of this folder share: the server, its connections and its requests, and who may touch which part of
// them.
//
// A request is made when its first line has been read and lives until libmicrohttpd is done with it, its owner has
// answered it, and no callback runs on it: one reference each. `lock` guards what is marked so; everything else belongs
// to the one server thread that reads the request, until the handler is called, and does not change afterwards.
#pragma once
#include "base/id.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "http/guard.h"
#include "http/route.h"
#include "http/stream.h"
#include "http/tap.h"
#include "http/target.h"
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

// What libmicrohttpd may use for one connection, and all of it is touched from its second request on: the largest head,
// its list of headers, and the head of an answer.
#define HTTP_CONNECTION_MEMORY (22 * 1024)
#define HTTP_TICK_MS 100                    // how often deadlines are looked at
#define HTTP_PULSE_MS 20                    // see pulse.c
#define HTTP_CROWD 100                      // connections from which on it is needed
#define HTTP_KEEPALIVE_US INT64_C(15000000) // an event stream silent for so long gets a comment
#define HTTP_STREAM_BLOCK 256               // only used to clients without chunks
#define HTTP_CLIENT_ID_MAX 128
#define HTTP_CONNECTIONS_DEFAULT 10000
#define HTTP_LINGERS 64
#define HTTP_FD_RESERVE 256 // descriptors left to the database, upstream and the log

enum conn_phase {
  CONN_HEADER, // waiting for the end of a request's head
  CONN_IDLE,   // kept alive between requests
  CONN_BODY,   // reading a body
  CONN_WORK,   // a handler has it: no deadline of ours
  CONN_WRITE,  // a plain answer is on its way
  CONN_STREAM, // a stream is open
};

struct http_conn {
  struct http_conn *prev, *next; // server->conns, by age; server->conn_lock
  struct http_server *server;
  struct MHD_Connection *mhd;
  int fd;
  pthread_mutex_t lock;
  struct http_request *request; // lock
  struct tap tap;               // its server thread only, as are the next two
  uint32_t requests;            // begun on it
  bool probe;                   // one end of a pair of our own, not a client
  bool visited;                 // by the drain
  _Atomic int phase;
  _Atomic int64_t deadline_us;      // 0: none
  _Atomic unsigned turn;            // changes with every change of phase
  _Atomic bool half_closed, closed; // by the peer, as the watch saw it
  unsigned turn_seen;               // the reaper's own, from here
  uint64_t acked;
  int64_t progress_us, checked_us;
};

enum request_stage { STAGE_HEAD, STAGE_LEAVE, STAGE_BODY, STAGE_REFUSED, STAGE_GIVEN };
enum request_leave { LEAVE_NOT_ASKED, LEAVE_ASKED, LEAVE_GIVEN, LEAVE_REFUSED };

struct http_request {
  struct http_server *server;
  struct http_conn *conn; // valid until `done`
  _Atomic int refs;
  enum request_stage stage;
  uint32_t number; // on its connection, from 0
  char id[ID_TEXT_MAX];
  struct arena arena;
  struct str method;
  struct str raw_target;
  struct target target;
  struct http_header *headers;
  size_t header_count;
  struct guard_frame frame;
  struct route_match match;
  struct buf body;
  size_t body_seen;
  struct guard_refusal refusal;
  int64_t body_started_us;
  size_t reserved;                            // of server->memory_max
  bool probe;                                 // on a connection of our own
  bool old_version, head_only, close, parked; // parked: suspended as libmicrohttpd sees it; the server thread's own

  pthread_mutex_t lock;  // guards all below
  pthread_cond_t called; // `calling` has become false
  enum request_leave leave;
  struct guard_refusal leave_refusal;
  bool given;            // a handler has been called
  bool answered;         // the owner has called http_reply or http_stream_end
  bool streaming, stream_complete;
  bool cut;       // the server has answered in the owner's place
  bool done;      // libmicrohttpd is done with it: conn is gone
  bool orphan;    // in server->orphans
  bool suspended; // and nobody has resumed it yet
  bool queued;
  bool calling; // a callback of `watch` is running, on thread `caller`
  _Atomic bool gone_told;
  _Atomic bool gone;
  pthread_t caller;
  struct http_watch watch;
  void (*answer)(void *arg); // makes the answer; NULL: none was left, or it has been called
  void *answer_arg;
  struct MHD_Response *response;
  int status;
  struct stream stream;
  struct http_request *orphan_prev, *orphan_next; // server->conn_lock
};

struct http_linger {
  int fd;
  int64_t until_us;
};

struct http_server {
  struct MHD_Daemon *daemon;
  struct route_table routes;
  unsigned connections_max;
  int64_t header_us, body_us, idle_us, write_stall_us;
  size_t (*body_bound)(const struct http_request *request, const struct http_route *route);
  bool (*body_ask)(struct http_request *request, const struct http_route *route);
  size_t memory_max;
  _Atomic size_t reserved;
  int listen_fd, listen_event;
  pthread_t listen_thread;
  bool listening;
  unsigned accepted; // the accepting thread's own
  uint16_t port;
  pthread_mutex_t conn_lock;
  struct http_conn *conns, *conns_last;
  struct http_conn *dead;                   // closed, but the watch may still hold an event of theirs; chained by next
  struct http_request *orphans;             // done, but not yet answered by their owner
  struct http_linger lingers[HTTP_LINGERS]; // conn_lock
  size_t linger_count;
  unsigned threads;
  int *pulses; // our end of each thread's, or -1; the watch's own once it is ready
  pthread_mutex_t adding;
  bool closed; // no connection of our own is added any more; adding
  int watch_epoll, watch_event;
  pthread_t watch_thread;
  bool watch_started;
  _Atomic bool ready;    // the self-test has passed
  _Atomic bool draining; // answers close their connections
  _Atomic bool cutting;  // nothing waits any more
  _Atomic bool stopping; // the watch shall end
  _Atomic int active;    // requests given to a handler and not done
  _Atomic int parked;    // requests suspended as libmicrohttpd sees it
  _Atomic int open;      // clients' connections, from their being accepted
  _Atomic int handed;    // connections handed over that their thread has not yet taken
};

// server.c: what a server moved by hand needs too (tests/fuzz/pump.c); how: MHD_USE_EPOLL or …_INTERNAL_THREAD
struct http_server *server_new(const struct http_config *config);
struct MHD_Daemon *server_daemon(struct http_server *s, const struct http_config *config, unsigned how);

// listen.c
bool listen_open(struct http_server *s, const struct http_config *config, struct buf *ret_error);
bool listen_start(struct http_server *s); // accepts from now on
void listen_stop(struct http_server *s);  // the port is free

// conn.c
// libmicrohttpd chooses a connection's thread by its descriptor's number. Gives the number, the old one closed; the
// number may name another thread where there are no descriptors.
int conn_renumber(const struct http_server *s, int fd, unsigned thread);
// Closed where libmicrohttpd does not take it.
bool conn_add(struct http_server *s, int fd, const struct sockaddr *address, socklen_t size);
void conn_count(struct http_server *s, int change); // of clients' connections
void conn_notify(void *server, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode code);
struct http_conn *conn_of(struct MHD_Connection *mhd);
void conn_set(struct http_conn *c, enum conn_phase phase, int64_t deadline_us);
struct http_request *conn_request(struct http_conn *c); // with a reference, or NULL
void conn_free_dead(struct http_server *s);

// request.c
struct http_request *request_create(struct http_conn *c, const char *raw_target);
void request_ref(struct http_request *r);
void request_unref(struct http_request *r);
bool request_read_head(struct http_request *r, const char *method, const char *version); // false: r->refusal

// handler.c
void *handler_begin(void *server, const char *raw_target, struct MHD_Connection *mhd);
enum MHD_Result handler_access(void *server, struct MHD_Connection *mhd, const char *url, const char *method,
                               const char *version, const char *data, size_t *size, void **request);
void handler_completed(void *server, struct MHD_Connection *mhd, void **request, enum MHD_RequestTerminationCode code);

// leave.c
bool leave_ask(struct http_request *r); // true: the connection waits
// What was answered; false: ret_refusal. The stage is the body's again.
bool leave_heed(struct http_request *r, struct guard_refusal *ret_refusal);
bool body_reserve(struct http_request *r, size_t len, struct guard_refusal *ret_refusal); // where leave was asked
void request_unreserve(struct http_request *r);

// reply.c
struct MHD_Response *reply_build(struct http_request *r, const struct http_header *headers, size_t count,
                                 struct str body);
struct MHD_Response *reply_build_stream(struct http_request *r, const struct http_header *headers, size_t count);
void request_resume(struct http_request *r); // under lock
void request_park(struct http_request *r);   // under lock, on the server thread, inside a callback of libmicrohttpd
void request_unpark(struct http_request *r); // on the server thread
void request_await_callback(struct http_request *r); // under lock
void request_answer(struct http_request *r); // what http_answer_by has left; under the lock, which it lets go of meanwhile
bool request_cut(struct http_request *r); // answers 503 or cuts the stream; false where it was answered already

// stream.c
ssize_t stream_read(void *request, uint64_t position, char *out, size_t max);
void request_comment(struct http_request *r, int64_t now_us); // a keep-alive comment, where the stream allows one

// watch.c
bool watch_start(struct http_server *s);
void watch_stop(struct http_server *s);  // the thread
void watch_close(struct http_server *s); // when libmicrohttpd has ended
void watch_wake(struct http_server *s);
void watch_conn(struct http_conn *c);   // begin watching its descriptor
void watch_unconn(struct http_conn *c); // end it
void request_gone(struct http_request *r);
void request_drained(struct http_request *r);
void request_peer_closed(struct http_request *r, bool fully);

// reaper.c
void reaper_pass(struct http_server *s, int64_t now_us);

// linger.c
void linger_refuse(struct http_request *r);
void linger_pass(struct http_server *s, int64_t now_us);
void linger_finish(struct http_server *s);

// problem.c
const char *problem_content_type(const struct http_request *r);
// A refusal of the guard's kind: what it adds to its row, and its headers as they stand in an answer's head.
struct problem_more problem_of_guard(enum problem p);
void problem_head(struct buf *out, const struct http_request *r, enum problem p);
struct MHD_Response *problem_response(struct http_request *r, enum problem p, const char *message);

// pulse.c
bool pulse_start(struct http_server *s);
bool pulse_pass(struct http_server *s); // true while there is a crowd
void pulse_stop(struct http_server *s); // when libmicrohttpd and the watch have ended

// selftest.c
bool selftest_run(struct http_server *s, struct buf *ret_error);
