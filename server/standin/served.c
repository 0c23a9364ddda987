// One write a line, to a file opened for appending: lines of several threads never mix.
#include "standin/served.h"
#include <unistd.h>

static bool plain(struct str s) {
  for (size_t i = 0; i < s.len; i++)
    if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == '"' || s.ptr[i] == '\\' || (unsigned char)s.ptr[i] > 0x7e)
      return false;
  return s.len <= 200;
}

void served_write(const struct call *c, const char *state, int64_t tokens) {
  if (c->standin->log_fd < 0 || !c->started) return;
  struct str tag = plain(c->request.call) ? c->request.call : STR(""),
             path = plain(c->request.path) ? c->request.path : STR("");
  struct buf line;
  buf_init(&line, 4096);
  buf_printf(&line,
             "{\"state\":\"%s\",\"id\":\"%s\",\"call\":\"%.*s\",\"path\":\"%.*s\",\"model\":%.*s,\"status\":%d,"
             "\"prompt_tokens\":%lld,\"completion_tokens\":%lld",
             state, c->id, STR_ARG(tag), STR_ARG(path), STR_ARG(c->model), c->status, (long long)c->prompt_tokens,
             (long long)tokens);
  if (c->named_script.len) buf_printf(&line, ",\"script\":%.*s", STR_ARG(c->named_script));
  buf_puts(&line, "}\n");
  ssize_t put = write(c->standin->log_fd, line.data, line.len);
  if (put == (ssize_t)line.len && c->standin->log_sync) fdatasync(c->standin->log_fd);
  buf_finish(&line);
}
