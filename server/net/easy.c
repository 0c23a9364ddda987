// One easy handle: the rules that libcurl is given once, when it is made, and what is set anew for each request. A
// handle is used again and again, so easy_aim sets every option that any request sets, but for what it stands at already.
//
// HTTP/1.1 only: in HTTP/2 all streams to a host share a connection, and one that is paused for its slow reader would
// hold up the others.
//
// libcurl by itself sends a request once more, on a fresh connection, when a connection it had kept open turns out dead
// before the first line of an answer. That is the ordinary race with a server that closes idle connections, and nothing
// was processed then. But a server that took the request, worked on it and fell over looks the same. So a second
// sending is allowed only within RESEND_WITHIN_US of the first: a dead connection shows within a round trip.
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/guard.h"
#include "net/loop.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define RESEND_WITHIN_US 500000
#define IDLE_CONNECTION_S 50L  // less than servers usually keep one
#define CONNECTION_LIFE_S 300L // then its name is resolved again
// libcurl copies bodies below 64 KiB into its first write. Larger ones it reads by callback, which can tell that the
// exchange was cancelled and the body is gone.
#define BODY_AT_ONCE_MAX (48 * 1024)

static CURLcode set(CURLcode code) {
  if (code == CURLE_OUT_OF_MEMORY) (void)mem_had(NULL);
  return code;
}
#define SET(easy, option, value) ASSERT(set(curl_easy_setopt((easy), (option), (value))) == CURLE_OK)

// What the operator opened to foreign URLs is as good as an address of the operator's own; http goes nowhere else.
static bool address_allowed(const struct net_exchange *x, const struct sockaddr *address) {
  if (x->trust == NET_FOREIGN && net_ranges_have(&x->loop->open, address)) return net_address_allowed(NET_OPERATOR, address);
  if (x->trust == NET_FOREIGN && x->url_plain) return false;
  return net_address_allowed(x->trust, address);
}

static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address) {
  struct net_exchange *x = arg;
  (void)purpose;
  if (x->gone) return CURL_SOCKET_BAD;
  if (!address_allowed(x, &address->addr)) {
    x->address_refused = true;
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static bool text_address_allowed(const struct net_exchange *x, const char *ip) {
  struct sockaddr_in in = {.sin_family = AF_INET};
  struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
  if (inet_pton(AF_INET, ip, &in.sin_addr) == 1) return address_allowed(x, (struct sockaddr *)&in);
  if (inet_pton(AF_INET6, ip, &in6.sin6_addr) == 1) return address_allowed(x, (struct sockaddr *)&in6);
  return false;
}

// Runs right before each sending, on new and on reused connections.
static int on_before_request(void *arg, char *peer_ip, char *own_ip, int peer_port, int own_port) {
  struct net_exchange *x = arg;
  (void)own_ip, (void)peer_port, (void)own_port;
  if (x->gone) return CURL_PREREQFUNC_ABORT;
  if (!text_address_allowed(x, peer_ip)) {
    x->address_refused = true;
    return CURL_PREREQFUNC_ABORT;
  }
  int64_t now = clock_mono_us();
  if (x->sent && now - x->sent_us > RESEND_WITHIN_US) {
    exchange_judge(x, NET_BROKEN, "the connection was closed without an answer");
    return CURL_PREREQFUNC_ABORT;
  }
  if (!x->sent) x->sent_us = now;
  x->sent = true;
  x->body_at = 0;
  exchange_rearm(x);
  return CURL_PREREQFUNC_OK;
}

static size_t on_read_body(char *out, size_t size, size_t count, void *arg) {
  struct net_exchange *x = arg;
  if (x->gone) return CURL_READFUNC_ABORT;
  size_t room = size * count, left = x->body.len - x->body_at;
  size_t len = left < room ? left : room;
  if (len) memcpy(out, x->body.ptr + x->body_at, len);
  x->body_at += len;
  return len;
}

static int on_seek_body(void *arg, curl_off_t offset, int origin) {
  struct net_exchange *x = arg;
  if (origin != SEEK_SET || offset < 0 || (size_t)offset > x->body.len) return CURL_SEEKFUNC_FAIL;
  x->body_at = (size_t)offset;
  return CURL_SEEKFUNC_OK;
}

static size_t on_data(char *data, size_t size, size_t count, void *arg) {
  struct net_exchange *x = arg;
  size_t len = size * count;
  if (x->gone) return CURL_WRITEFUNC_ERROR;
  if (x->paused) {
    x->stalled = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  struct str fresh = {data + x->taken, len - x->taken};
  if (x->bytes + (int64_t)fresh.len > x->bytes_max) {
    exchange_judge(x, NET_TOO_LARGE, "the answer is larger than allowed");
    return CURL_WRITEFUNC_ERROR;
  }
  x->last_us = clock_mono_us();
  size_t taken = fresh.len ? x->events->data(x->arg, fresh) : 0;
  if (x->gone) return CURL_WRITEFUNC_ERROR;
  x->bytes += (int64_t)taken;
  x->taken = taken < fresh.len ? x->taken + taken : 0;
  if (taken == fresh.len) return len;
  ASSERT(x->paused);
  x->stalled = true;
  return CURL_WRITEFUNC_PAUSE; // nothing more comes, and no end, until exchange_unstall: then all of it again
}

static void easy_set_callbacks(CURL *easy, struct net_exchange *x) {
  SET(easy, CURLOPT_PRIVATE, x);
  SET(easy, CURLOPT_ERRORBUFFER, x->said);
  SET(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
  SET(easy, CURLOPT_OPENSOCKETDATA, x);
  SET(easy, CURLOPT_PREREQFUNCTION, on_before_request);
  SET(easy, CURLOPT_PREREQDATA, x);
  SET(easy, CURLOPT_HEADERFUNCTION, answer_on_line);
  SET(easy, CURLOPT_HEADERDATA, x);
  SET(easy, CURLOPT_WRITEFUNCTION, on_data);
  SET(easy, CURLOPT_WRITEDATA, x);
  SET(easy, CURLOPT_READFUNCTION, on_read_body);
  SET(easy, CURLOPT_READDATA, x);
  SET(easy, CURLOPT_SEEKFUNCTION, on_seek_body);
  SET(easy, CURLOPT_SEEKDATA, x);
}

CURL *easy_create(struct net_exchange *x) {
  CURL *easy = mem_had(curl_easy_init());
  easy_set_callbacks(easy, x);
  SET(easy, CURLOPT_NOSIGNAL, 1L);
  SET(easy, CURLOPT_UPLOAD_BUFFERSIZE, 16384L); // the least it takes
  SET(easy, CURLOPT_NOPROGRESS, 1L);
  SET(easy, CURLOPT_QUICK_EXIT, 1L); // a cancelled look-up of a name must not hold up the loop
  SET(easy, CURLOPT_PROXY, "");      // else http_proxy and its like in the environment are obeyed
  SET(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
  SET(easy, CURLOPT_FOLLOWLOCATION, 0L);
  SET(easy, CURLOPT_REDIR_PROTOCOLS_STR, "https");
  SET(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  SET(easy, CURLOPT_PATH_AS_IS, 1L);
  SET(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  SET(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  SET(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  SET(easy, CURLOPT_HTTP09_ALLOWED, 0L);
  SET(easy, CURLOPT_ACCEPT_ENCODING, NULL);
  SET(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
  SET(easy, CURLOPT_MAXAGE_CONN, IDLE_CONNECTION_S);
  SET(easy, CURLOPT_MAXLIFETIME_CONN, CONNECTION_LIFE_S);
  SET(easy, CURLOPT_TCP_NODELAY, 1L);
  SET(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  return easy;
}

static bool method_is_plain(const char *method) {
  size_t len = strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
  return len > 0 && len <= 16 && method[len] == '\0';
}

static void easy_set_method(CURL *easy, const char *method, struct str body) {
  bool get = strcmp(method, "GET") == 0, head = strcmp(method, "HEAD") == 0, post = strcmp(method, "POST") == 0;
  bool carries = body.len > 0 || post || strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
  SET(easy, CURLOPT_NOBODY, 0L);
  SET(easy, CURLOPT_HTTPGET, 1L);
  SET(easy, CURLOPT_POSTFIELDS, NULL);
  if (head)
    SET(easy, CURLOPT_NOBODY, 1L);
  else if (carries) {
    SET(easy, CURLOPT_POST, 1L);
    SET(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    if (body.len <= BODY_AT_ONCE_MAX) SET(easy, CURLOPT_POSTFIELDS, body.len ? body.ptr : "");
  } else
    SET(easy, CURLOPT_HTTPGET, 1L);
  bool usual = head || (carries ? post : get);
  SET(easy, CURLOPT_CUSTOMREQUEST, usual ? NULL : method);
}

// Most requests go where the one before went: then the URL has been read, judged and set already.
static bool easy_set_url(struct net_exchange *x, enum net_trust trust, const char *url) {
  if (x->url && x->url_trust == trust && strcmp(x->url, url) == 0) return true;
  CLEANUP(buf_finish) struct buf error;
  buf_init(&error, CURL_ERROR_SIZE - 1);
  mem_free(x->url);
  x->url = NULL;
  int objects = trust == NET_FOREIGN ? net_foreign_url_check(&x->loop->open, url, &error)
                                     : net_url_check(trust, url, &error);
  if (objects) {
    exchange_judge(x, NET_REFUSED, buf_cstr(&error));
    return false;
  }
  if (curl_easy_setopt(x->easy, CURLOPT_URL, url) != CURLE_OK) {
    exchange_judge(x, NET_REFUSED, "the URL is too long");
    return false;
  }
  SET(x->easy, CURLOPT_PROTOCOLS_STR, trust == NET_FOREIGN && x->loop->open.count == 0 ? "https" : "http,https");
  x->url = mem_strdup(url);
  x->url_trust = trust;
  x->url_plain = str_eq_nocase((struct str){url, strcspn(url, ":")}, STR("http"));
  return true;
}

bool easy_aim(struct net_exchange *x, const struct net_spec *spec) {
  if (!easy_set_url(x, spec->trust, spec->url)) return false;
  x->out = headers_create(spec->headers);
  if (!x->out || !method_is_plain(spec->method)) {
    exchange_judge(x, NET_REFUSED, x->out ? "the method is not one" : "a header is not fit to be sent");
    return false;
  }
  easy_set_method(x->easy, spec->method, spec->body);
  x->body_copied = spec->body.len <= BODY_AT_ONCE_MAX;
  SET(x->easy, CURLOPT_HTTPHEADER, headers_list(x->out));
  // Refused where a connection has failed so early that libcurl 7.88.1 still has its buffer: then it is used again.
  CURLcode sized = set(curl_easy_setopt(x->easy, CURLOPT_BUFFERSIZE, (long)(spec->block ? spec->block : NET_BLOCK)));
  ASSERT(sized == CURLE_OK || sized == CURLE_BAD_FUNCTION_ARGUMENT);
  return true;
}
