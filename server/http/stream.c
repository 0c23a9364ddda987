// Streamed answers. Writers append to a chain; the server thread takes from it what the socket accepts and suspends the
// connection when there is nothing. A write to a suspended stream resumes it at once, so a chunk waits for nobody.
#include "base/clock.h"
#include "http/internal.h"
#include <sys/socket.h>

#define PIECE_MIN 1024 // small writes share a piece

struct stream_piece {
  struct stream_piece *next;
  size_t begin, end, cap;
  char data[];
};

static struct stream_piece *piece_create(size_t size) {
  size_t cap = size < PIECE_MIN ? PIECE_MIN : size;
  struct stream_piece *p = mem_alloc(sizeof *p + cap);
  p->cap = cap;
  return p;
}

// Remembers the last two bytes that are not CR.
static void tail_update(struct stream *s, struct str bytes) {
  for (size_t i = bytes.len > 4 ? bytes.len - 4 : 0; i < bytes.len; i++) {
    if (bytes.ptr[i] == '\r') continue;
    s->tail[0] = s->tail[1];
    s->tail[1] = bytes.ptr[i];
  }
}

void stream_append(struct stream *s, struct str bytes) {
  if (!bytes.len) return;
  struct stream_piece *p = s->last;
  if (!p || p->cap - p->end < bytes.len) {
    p = piece_create(bytes.len);
    if (s->last)
      s->last->next = p;
    else
      s->first = p;
    s->last = p;
  }
  memcpy(p->data + p->end, bytes.ptr, bytes.len);
  p->end += bytes.len;
  size_t pending = atomic_fetch_add(&s->pending, bytes.len) + bytes.len;
  if (pending > LIMIT_STREAM_BUFFER / 2) s->above = true;
  s->started = true;
  tail_update(s, bytes);
}

static void piece_shift(struct stream *s) {
  struct stream_piece *p = s->first;
  s->first = p->next;
  if (!s->first) s->last = NULL;
  mem_free(p);
}

size_t stream_take(struct stream *s, char *out, size_t max) {
  size_t taken = 0;
  while (s->first && taken < max) {
    struct stream_piece *p = s->first;
    size_t len = p->end - p->begin < max - taken ? p->end - p->begin : max - taken;
    memcpy(out + taken, p->data + p->begin, len);
    taken += len;
    p->begin += len;
    if (p->begin == p->end) piece_shift(s);
  }
  atomic_fetch_sub(&s->pending, taken);
  return taken;
}

void stream_drop(struct stream *s) {
  while (s->first) piece_shift(s);
  atomic_store(&s->pending, 0);
}

bool stream_between_events(const struct stream *s) {
  return !s->started || (s->tail[0] == '\n' && s->tail[1] == '\n');
}

// What libmicrohttpd is to do with a stream that has nothing to send. Under lock.
static ssize_t stream_idle(struct http_request *r) {
  if (r->answered && r->stream_complete && !r->cut && !r->gone) return MHD_CONTENT_READER_END_OF_STREAM;
  if (!r->answered && !r->cut && !r->gone && !atomic_load(&r->server->cutting)) {
    request_park(r);
    return 0;
  }
  // Without chunks, an orderly end would look like the stream's own. Connecting to nowhere sends a reset at once,
  // before libmicrohttpd ends the connection in good order.
  struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
  if (r->old_version) (void)connect(r->conn->fd, &nowhere, sizeof nowhere);
  return MHD_CONTENT_READER_END_WITH_ERROR;
}

ssize_t stream_read(void *request, uint64_t position, char *out, size_t max) {
  (void)position;
  struct http_request *r = request;
  bool drained = false;
  request_unpark(r);
  pthread_mutex_lock(&r->lock);
  ssize_t given = r->gone ? 0 : (ssize_t)stream_take(&r->stream, out, max);
  if (given == 0) given = stream_idle(r);
  if (r->stream.above && atomic_load(&r->stream.pending) < LIMIT_STREAM_BUFFER / 2) {
    r->stream.above = false;
    drained = true;
  }
  pthread_mutex_unlock(&r->lock);
  if (drained) request_drained(r);
  return given;
}

static bool is_event_stream(const struct http_header *headers, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (!str_eq_nocase(headers[i].name, STR("content-type"))) continue;
    struct str value = headers[i].value, kind = {0};
    return str_split(&value, ';', &kind) && str_eq_nocase(str_trim(kind), STR("text/event-stream"));
  }
  return false;
}

void http_stream_start(struct http_request *r, int status, const struct http_header *headers, size_t count) {
  struct MHD_Response *response = reply_build_stream(r, headers, count);
  pthread_mutex_lock(&r->lock);
  ASSERT(!r->answered && !r->streaming);
  bool wanted = !r->done && !r->cut;
  r->streaming = true;
  r->stream.events = is_event_stream(headers, count);
  r->stream.written_us = clock_mono_us();
  if (wanted) {
    r->response = response;
    r->status = status;
    request_resume(r);
  }
  pthread_mutex_unlock(&r->lock);
  if (!wanted) MHD_destroy_response(response);
}

bool http_stream_write(struct http_request *r, struct str bytes) {
  pthread_mutex_lock(&r->lock);
  ASSERT(r->streaming && !r->answered);
  bool here = !r->cut && !r->gone && (!r->done || r->head_only);
  bool take = here && !r->head_only;
  if (take && atomic_load(&r->stream.pending) + bytes.len > STREAM_PENDING_MAX) {
    here = take = false;
    r->gone = true;
    watch_wake(r->server);
    (void)shutdown(r->conn->fd, SHUT_RDWR);
    request_resume(r);
  }
  if (take) {
    stream_append(&r->stream, bytes);
    r->stream.written_us = clock_mono_us();
    request_resume(r);
  }
  pthread_mutex_unlock(&r->lock);
  return here;
}

size_t http_stream_pending(const struct http_request *r) {
  return atomic_load(&r->stream.pending);
}

void http_stream_end(struct http_request *r, bool complete) {
  pthread_mutex_lock(&r->lock);
  ASSERT(r->streaming && !r->answered);
  r->answered = true;
  r->stream_complete = complete;
  request_await_callback(r);
  request_resume(r);
  pthread_mutex_unlock(&r->lock);
  request_unref(r);
}

void request_comment(struct http_request *r, int64_t now_us) {
  pthread_mutex_lock(&r->lock);
  bool open = r->streaming && !r->answered && !r->cut && !r->done && !r->gone && !r->head_only;
  if (open && r->stream.events && stream_between_events(&r->stream)) {
    stream_append(&r->stream, STR(": keepalive\n\n"));
    r->stream.written_us = now_us;
    request_resume(r);
  }
  pthread_mutex_unlock(&r->lock);
}
