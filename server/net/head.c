// The answer's head: libcurl gives its lines one by one. They are kept as text in one buffer, because it may move while
// it grows, and become pointers when the blank line comes. Heads of 1xx answers are dropped, trailers ignored, and so
// are folded lines.
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/loop.h"

static void head_reset(struct net_exchange *x) {
  buf_clear(&x->head);
  x->head_count = 0;
}

static void head_add(struct net_exchange *x, struct str line) {
  const char *colon = memchr(line.ptr, ':', line.len);
  if (!colon || line.ptr[0] == ' ' || line.ptr[0] == '\t') return;
  size_t at = (size_t)(colon - line.ptr);
  struct str value = str_trim((struct str){colon + 1, line.len - at - 1});
  buf_add(&x->head, line.ptr, at);
  buf_putc(&x->head, '\0');
  buf_add_str(&x->head, value);
  buf_putc(&x->head, '\0');
  x->head_count++;
}

static struct str head_next(struct str *rest) {
  struct str s = {0};
  ASSERT(str_split(rest, '\0', &s));
  return s;
}

// After this the exchange may be cancelled.
static void head_deliver(struct net_exchange *x, int status) {
  struct net_header headers[NET_ANSWER_HEADERS_MAX];
  struct str rest = buf_str(&x->head);
  for (size_t i = 0; i < x->head_count; i++) {
    headers[i].name = head_next(&rest);
    headers[i].value = head_next(&rest);
  }
  x->answered = true;
  x->last_us = clock_mono_us();
  exchange_rearm(x);
  x->events->head(x->arg, status, headers, x->head_count);
}

static struct str line_bare(const char *line, size_t len) {
  while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r')) len--;
  return (struct str){line, len};
}

static bool head_line(struct net_exchange *x, struct str line) {
  if (line.len == 0) {
    long status = 0;
    curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200) head_deliver(x, (int)status);
    return true;
  }
  if (str_starts(line, STR("HTTP/"))) {
    head_reset(x);
    return true;
  }
  head_add(x, line);
  return !x->head.full && x->head_count <= NET_ANSWER_HEADERS_MAX;
}

size_t answer_on_line(char *line, size_t size, size_t count, void *arg) {
  struct net_exchange *x = arg;
  size_t len = size * count;
  if (x->gone) return 0;
  if (x->answered) return len; // a trailer
  if (!head_line(x, line_bare(line, len))) {
    exchange_judge(x, NET_BROKEN, "the answer's header block is too large");
    return 0;
  }
  return x->gone ? 0 : len;
}
