// For the tests of the stand-in provider: a process that runs it, in a folder of its own, and a client of raw sockets
// that keeps what came, how it ended, and whether it was whole.
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "standin/raw.h"
#include "standin/standin.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))
#define ARGUMENTS_MAX 20

struct provider {
  pid_t pid;
  int port;
  char dir[64], port_file[96], log[96];
};

UNUSED static char *file_text(const char *path) {
  struct buf text;
  buf_init(&text, 64 << 20);
  FILE *f = fopen(path, "re");
  if (!f) return NULL;
  char block[4096];
  for (size_t n; (n = fread(block, 1, sizeof(block), f)) > 0;) buf_add(&text, block, n);
  fclose(f);
  buf_puts(&text, "");
  buf_cstr(&text);
  return buf_steal(&text);
}

UNUSED static void file_write(const char *path, const char *data, size_t len) {
  FILE *f = fopen(path, "we");
  assert_non_null(f);
  assert_int_equal(fwrite(data, 1, len, f), len);
  assert_int_equal(fclose(f), 0);
}

UNUSED static void provider_dir(struct provider *p) {
  strcpy(p->dir, "/tmp/stand-in.XXXXXX");
  assert_non_null(mkdtemp(p->dir));
  snprintf(p->port_file, sizeof(p->port_file), "%s/port", p->dir);
  snprintf(p->log, sizeof(p->log), "%s/log", p->dir);
}

// extra: more arguments, ended by NULL.
UNUSED static void provider_start(struct provider *p, const char *const *extra) {
  char *argv[ARGUMENTS_MAX] = {(char[]){"stand-in"}, (char[]){"--port-file"}, p->port_file, (char[]){"--log"}, p->log};
  int argc = 5;
  for (; extra && *extra; extra++) argv[argc++] = mem_strdup(*extra);
  fflush(NULL);
  p->pid = fork();
  assert_true(p->pid >= 0);
  if (p->pid == 0) {
    int rc = standin_main(argc, argv);
    for (int i = 5; i < argc; i++) mem_free(argv[i]);
    exit(rc);
  }
  for (int i = 5; i < argc; i++) mem_free(argv[i]);
  char *text = NULL;
  for (int i = 0; i < 5000 && !(text = file_text(p->port_file)); i++) poll(NULL, 0, 1);
  assert_non_null(text);
  p->port = atoi(text);
  mem_free(text);
}

UNUSED static void provider_stop(struct provider *p) {
  int status;
  kill(p->pid, SIGTERM);
  assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 0);
  unlink(p->port_file);
  unlink(p->log);
  assert_int_equal(rmdir(p->dir), 0);
}

struct reply {
  int status;
  struct buf raw, head, body; // body: without the chunks
  bool whole, reset;
  int chunks;
};

UNUSED static void reply_finish(struct reply *r) {
  buf_finish(&r->raw);
  buf_finish(&r->head);
  buf_finish(&r->body);
}

static void reply_dechunk(struct reply *r, struct str s) {
  for (;;) {
    struct str line;
    const char *end = s.len ? memmem(s.ptr, s.len, "\r\n", 2) : NULL;
    if (!end) return;
    line = (struct str){s.ptr, (size_t)(end - s.ptr)};
    size_t len = strtoul(line.ptr, NULL, 16), at = line.len + 2;
    if (len == 0) {
      r->whole = s.len == at + 2;
      return;
    }
    r->chunks++;
    size_t have = s.len - at < len ? s.len - at : len;
    buf_add(&r->body, s.ptr + at, have);
    if (s.len < at + len + 2) return;
    s = (struct str){s.ptr + at + len + 2, s.len - at - len - 2};
  }
}

UNUSED static void reply_parse(struct reply *r) {
  const char *end = r->raw.len ? memmem(r->raw.data, r->raw.len, "\r\n\r\n", 4) : NULL;
  if (!end) return;
  size_t head = (size_t)(end + 4 - r->raw.data);
  buf_add(&r->head, r->raw.data, head);
  r->status = atoi(r->raw.data + 9);
  struct str body = {r->raw.data + head, r->raw.len - head};
  const char *length = strstr(buf_cstr(&r->head), "Content-Length: ");
  if (!length) {
    reply_dechunk(r, body);
    return;
  }
  buf_add_str(&r->body, body);
  r->whole = strtoul(length + 16, NULL, 10) == body.len;
}

UNUSED static int provider_connect(const struct provider *p) {
  struct sockaddr_in in = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)p->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
  return fd;
}

UNUSED static void send_all(int fd, const char *data, size_t len) {
  while (len) {
    ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
    assert_true(n > 0);
    data += n;
    len -= (size_t)n;
  }
}

UNUSED static void send_request(int fd, const char *method, const char *path, const char *more_headers,
                                const char *body) {
  char head[1000];
  int len = snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n\r\n", method, path,
                     more_headers, strlen(body));
  send_all(fd, head, (size_t)len);
  send_all(fd, body, strlen(body));
}

// Reads until the other side ends it.
UNUSED static void reply_read(struct reply *r, int fd) {
  *r = (struct reply){0};
  buf_init(&r->raw, 256 << 20);
  buf_init(&r->head, 64 << 10);
  buf_init(&r->body, 256 << 20);
  char block[65536];
  ssize_t n;
  while ((n = recv(fd, block, sizeof(block), 0)) > 0) buf_add(&r->raw, block, (size_t)n);
  r->reset = n < 0 && errno == ECONNRESET;
  reply_parse(r);
}

#define KEY "Authorization: Bearer test\r\nConnection: close\r\n"

UNUSED static void ask_path(const struct provider *p, struct reply *r, const char *method, const char *path,
                            const char *headers, const char *body) {
  int fd = provider_connect(p);
  send_request(fd, method, path, headers, body);
  reply_read(r, fd);
  close(fd);
}

UNUSED static void ask(const struct provider *p, struct reply *r, const char *body) {
  ask_path(p, r, "POST", "/v1/chat/completions", KEY, body);
}

UNUSED static void ask_model(const struct provider *p, struct reply *r, const char *model, bool stream) {
  char body[400];
  snprintf(body, sizeof(body), "{\"model\":\"%s\",%s\"messages\":[{\"role\":\"user\",\"content\":\"one two three\"}]}",
           model, stream ? "\"stream\":true,\"stream_options\":{\"include_usage\":true}," : "");
  ask(p, r, body);
}

// The raw value at a path of names and list places, "choices.0.message"; empty where there is none.
UNUSED static struct str value_at(struct str json, const char *path) {
  struct str left = str_from(path), name, found = json;
  if (!raw_check(json)) return STR("");
  while (str_split(&left, '.', &name)) {
    char text[64];
    snprintf(text, sizeof(text), "%.*s", STR_ARG(name));
    if (raw_kind(found) == '[') {
      struct str list = found;
      for (int i = atoi(text); i >= 0; i--)
        if (!raw_next(&list, &found)) return STR("");
    } else if (!raw_member(found, text, &found))
      return STR("");
  }
  return found;
}

UNUSED static void assert_value(struct str json, const char *path, const char *raw) {
  struct str value = value_at(json, path);
  if (!str_eq(value, str_from(raw))) fail_msg("%s is %.*s, not %s", path, STR_ARG(value), raw);
}

// The data of the next event; false: none left. Fails where it is framed wrongly.
UNUSED static bool event_next(struct str *stream, struct str *ret_data) {
  if (!stream->len) return false;
  assert_true(str_starts(*stream, STR("data: ")));
  const char *end = memmem(stream->ptr, stream->len, "\n\n", 2);
  assert_non_null(end);
  *ret_data = (struct str){stream->ptr + 6, (size_t)(end - stream->ptr) - 6};
  stream->len -= ret_data->len + 8;
  stream->ptr = end + 2;
  return true;
}
