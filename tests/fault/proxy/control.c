// Commands: one line in, one line out, on a Unix socket.
#include "proxy.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define WORDS_MAX 8
#define TAG_CONTROL 0x6374726c

struct control {
  int tag, fd;
  bool listens;
  char line[512];
  size_t len;
};

static struct link *links;
static int epoll_fd;

bool control_owns(const void *ptr) {
  return *(const int *)ptr == TAG_CONTROL;
}

__attribute__((format(printf, 2, 3))) static void say(int fd, const char *format, ...) {
  char text[2048];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(text, sizeof text - 1, format, args);
  va_end(args);
  if (n < 0) return;
  size_t len = (size_t)n < sizeof text - 1 ? (size_t)n : sizeof text - 2;
  text[len] = '\n';
  ssize_t put = send(fd, text, len + 1, MSG_NOSIGNAL);
  (void)put; // who asked is gone
}

static struct link *link_find(const char *name) {
  for (struct link *l = links; l; l = l->next)
    if (strcmp(l->name, name) == 0) return l;
  return NULL;
}

static void toxics_clear(struct link *l) {
  for (int d = 0; d < 2; d++) l->toxics[d] = (struct toxics){.limit = -1};
  l->plan_left = 0;
  l->down = false;
}

// ---- commands: words[0] is the command's name, words[1] the link's. NULL: done; else what is wrong.

static const char *do_link(int fd, char **words, int count) {
  struct link *l = calloc(1, sizeof *l);
  if (!l) abort();
  if (count < 4 || strlen(words[1]) >= sizeof l->name || link_find(words[1])) {
    free(l);
    return "link NAME PORT TARGET [pg], the name being new";
  }
  strcpy(l->name, words[1]);
  l->target = atoi(words[3]);
  l->pg = count > 4 && strcmp(words[4], "pg") == 0;
  toxics_clear(l);
  if (!relay_listen(l, atoi(words[2]))) {
    free(l);
    return "cannot listen there";
  }
  l->next = links;
  links = l;
  say(fd, "ok %d", l->port);
  return NULL;
}

static const char *do_toxic(struct link *l, char **words, int count) {
  if (count < 4) return "toxic NAME up|down KIND ...";
  struct toxics *t = &l->toxics[strcmp(words[2], "down") == 0 ? DOWN : UP];
  int64_t first = count > 4 ? atoll(words[4]) : 0, second = count > 5 ? atoll(words[5]) : 0;
  if (strcmp(words[3], "latency") == 0)
    t->latency_us = first * 1000, t->jitter_us = second * 1000;
  else if (strcmp(words[3], "bandwidth") == 0)
    t->bandwidth = first;
  else if (strcmp(words[3], "slicer") == 0)
    t->slice = (size_t)first, t->slice_us = second;
  else if (strcmp(words[3], "limit") == 0)
    t->limit = first;
  else if (strcmp(words[3], "silent") == 0)
    t->silent = true;
  else
    return "no such toxic";
  return NULL;
}

static const char *do_cut(struct link *l, char **words, int count) {
  const char *how = count > 2 ? words[2] : "";
  if (strcmp(how, "reset") == 0)
    relay_cut(l, true);
  else if (strcmp(how, "close") == 0)
    relay_cut(l, false);
  else if (strcmp(how, "half-up") == 0)
    relay_half(l, UP);
  else if (strcmp(how, "half-down") == 0)
    relay_half(l, DOWN);
  else
    return "cut NAME reset|close|half-up|half-down";
  return NULL;
}

static const char *do_commit(struct link *l, char **words, int count) {
  static const char *const plans[] = {[COMMIT_PASS] = "pass",
                                      [COMMIT_BEFORE] = "before",
                                      [COMMIT_BEFORE_SILENT] = "before-silent",
                                      [COMMIT_AFTER] = "after",
                                      [COMMIT_HOLD] = "hold"};
  if (count < 4) return "commit NAME PLAN COUNT [MS]";
  for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
    if (strcmp(plans[i], words[2]) != 0) continue;
    l->plan = (enum commit_plan)i;
    l->plan_left = atoi(words[3]);
    l->plan_us = count > 4 ? atoll(words[4]) * 1000 : 0;
    return NULL;
  }
  return "no such plan";
}

static const char *do_count(int fd, const struct link *l) {
  char text[1024];
  size_t at = 0;
#define X(name) at += (size_t)snprintf(text + at, sizeof text - at, " " #name "=%lld", (long long)l->count.name);
  COUNTERS(X)
#undef X
  say(fd, "ok%s", text);
  return NULL;
}

static const char *on_link(int fd, struct link *l, char **words, int count) {
  const char *wrong = NULL;
  if (strcmp(words[0], "count") == 0) return do_count(fd, l);
  if (strcmp(words[0], "toxic") == 0)
    wrong = do_toxic(l, words, count);
  else if (strcmp(words[0], "cut") == 0)
    wrong = do_cut(l, words, count);
  else if (strcmp(words[0], "commit") == 0)
    wrong = do_commit(l, words, count);
  else if (strcmp(words[0], "clear") == 0)
    toxics_clear(l);
  else if (strcmp(words[0], "target") == 0 && count > 2)
    l->target = atoi(words[2]);
  else if (strcmp(words[0], "down") == 0) {
    l->down = true;
    relay_cut(l, true);
  } else
    return "no such command";
  if (!wrong) say(fd, "ok");
  return wrong;
}

static void command(int fd, char *line) {
  char *words[WORDS_MAX], *rest = NULL;
  int count = 0;
  for (char *w = strtok_r(line, " \r", &rest); w && count < WORDS_MAX; w = strtok_r(NULL, " \r", &rest))
    words[count++] = w;
  if (count < 2) {
    say(fd, "error a command and a link's name are needed");
    return;
  }
  struct link *l = link_find(words[1]);
  const char *wrong = strcmp(words[0], "link") == 0 ? do_link(fd, words, count)
                      : l                           ? on_link(fd, l, words, count)
                                                    : "no such link";
  if (wrong) say(fd, "error %s", wrong);
}

// ---- the socket

static void control_add(int fd, bool listens) {
  struct control *c = calloc(1, sizeof *c);
  if (!c) abort();
  *c = (struct control){.tag = TAG_CONTROL, .fd = fd, .listens = listens};
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e);
}

bool control_listen(const char *path, int epoll) {
  struct sockaddr_un un = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || strlen(path) >= sizeof un.sun_path) return false;
  strcpy(un.sun_path, path);
  unlink(path);
  if (bind(fd, (struct sockaddr *)&un, sizeof un) != 0 || listen(fd, 16) != 0) return false;
  epoll_fd = epoll;
  control_add(fd, true);
  return true;
}

void control_event(void *ptr) {
  struct control *c = ptr;
  if (c->listens) {
    int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) control_add(fd, false);
    return;
  }
  ssize_t n = recv(c->fd, c->line + c->len, sizeof c->line - c->len, 0);
  if (n <= 0) {
    close(c->fd);
    free(c);
    return;
  }
  c->len += (size_t)n;
  for (char *end; (end = memchr(c->line, '\n', c->len));) {
    size_t used = (size_t)(end - c->line) + 1;
    *end = '\0';
    command(c->fd, c->line);
    memmove(c->line, c->line + used, c->len -= used);
  }
  if (c->len == sizeof c->line) c->len = 0;
}
