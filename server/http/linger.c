// Refusing an upload that is still coming. Closing at once would reset the connection, and the client would lose the
// very answer that explains it. libmicrohttpd takes no answer in the middle of a body, so it is written to the
// socket here and libmicrohttpd told to close; a copy of the descriptor keeps the connection readable for a moment
// while what still comes is thrown away.
#include "base/clock.h"
#include "http/internal.h"
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINGER_US 2000000
#define LINGER_PER_PASS (1024 * 1024)

static void refusal_text(struct http_request *r, struct buf *out) {
  struct buf body;
  buf_init(&body, 4096);
  const struct problem_row *row = &problem_table[r->refusal.problem];
  struct problem_more more = problem_of_guard(r->refusal.problem);
  problem_write(&body, r->refusal.problem, &more, r->id, r->refusal.why);
  buf_printf(out, "HTTP/1.1 %d %s\r\n", row->status, MHD_get_reason_phrase_for((unsigned)row->status));
  problem_head(out, r, r->refusal.problem);
  if (r->match.allow[0] && !r->match.route) buf_printf(out, "Allow: %s\r\n", r->match.allow);
  buf_printf(out, "X-Request-Id: %s\r\nrequest-id: %s\r\nCache-Control: no-store\r\nConnection: close\r\n", r->id,
             r->id);
  buf_printf(out, "Content-Length: %zu\r\n\r\n", body.len);
  if (!r->head_only) buf_add_str(out, buf_str(&body));
  buf_finish(&body);
}

static void linger_add(struct http_server *s, int fd) {
  pthread_mutex_lock(&s->conn_lock);
  if (s->linger_count < HTTP_LINGERS) {
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy >= 0) s->lingers[s->linger_count++] = (struct http_linger){copy, clock_mono_us() + LINGER_US};
  }
  pthread_mutex_unlock(&s->conn_lock);
}

void linger_refuse(struct http_request *r) {
  struct buf text;
  buf_init(&text, 8192);
  refusal_text(r, &text);
  // The answer is far smaller than an empty send buffer, which this is: nothing has been answered yet.
  ssize_t sent = send(r->conn->fd, text.data, text.len, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent == (ssize_t)text.len) linger_add(r->server, r->conn->fd);
  buf_finish(&text);
}

// False when the peer has finished.
static bool linger_read(int fd) {
  char scrap[16 * 1024];
  for (size_t taken = 0; taken < LINGER_PER_PASS; taken += sizeof scrap) {
    ssize_t got = recv(fd, scrap, sizeof scrap, MSG_DONTWAIT);
    if (got < 0) return true;
    if (got == 0) return false;
  }
  return true;
}

void linger_pass(struct http_server *s, int64_t now_us) {
  pthread_mutex_lock(&s->conn_lock);
  for (size_t i = 0; i < s->linger_count;) {
    struct http_linger *l = &s->lingers[i];
    if (now_us < l->until_us && linger_read(l->fd)) {
      i++;
      continue;
    }
    close(l->fd);
    *l = s->lingers[--s->linger_count];
  }
  pthread_mutex_unlock(&s->conn_lock);
}

void linger_finish(struct http_server *s) {
  linger_pass(s, INT64_MAX);
}
