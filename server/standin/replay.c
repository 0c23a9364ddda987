// Recordings: a folder with meta.json and the answer's body, sent byte for byte, in two pieces or cut off where the
// model's name says so. Event streams go out chunked, everything else with its length.
#include "base/mem.h"
#include "standin/call.h"
#include "standin/raw.h"
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define META_MAX (4 * 1024 * 1024)

static bool name_is_safe(struct str name) {
  for (size_t i = 0; i < name.len; i++) {
    char c = name.ptr[i];
    bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c != '\0' && strchr("._-/", c));
    if (!plain || (c == '.' && i + 1 < name.len && name.ptr[i + 1] == '.')) return false;
  }
  return name.len > 0 && name.len < 200;
}

// False where it cannot be read or is larger than `out` may be.
static bool file_read(const char *dir, struct str name, struct str file, struct buf *out) {
  char path[4096], block[65536];
  snprintf(path, sizeof(path), "%s/%.*s/%.*s", dir, STR_ARG(name), STR_ARG(file));
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t n;
  while ((n = read(fd, block, sizeof(block))) > 0 && buf_add(out, block, (size_t)n)) {
  }
  close(fd);
  return n == 0;
}

// Lower-case, as the C strings that are kept of it.
static const char *type_known(struct str type) {
  static const char *const types[] = {
      "application/json; charset=utf-8",
      "application/json",
      "text/event-stream; charset=utf-8",
      "text/event-stream",
      "application/x-ndjson",
      "audio/mpeg",
      "text/plain; charset=utf-8",
      "text/plain",
      "text/html",
      "application/vnd.amazon.eventstream",
  };
  for (size_t i = 0; i < ARRAY_LEN(types); i++)
    if (str_eq_nocase(type, str_from(types[i]))) return types[i];
  return NULL;
}

static void meta_read(struct call *c, struct str meta, struct str *ret_file) {
  struct str value, headers, type;
  int64_t status;
  if (raw_member(meta, "status", &value) && raw_int(value, &status) && status >= 200 && status <= 599)
    c->status = (int)status;
  *ret_file = raw_member(meta, "response_file", &value) ? raw_inner(value) : STR("response.json");
  c->stream = str_ends(*ret_file, STR(".sse"));
  c->type = c->stream ? "text/event-stream; charset=utf-8" : "application/json";
  if (raw_member(meta, "response_headers", &headers) && raw_member(headers, "content-type", &type) &&
      type_known(raw_inner(type)))
    c->type = type_known(raw_inner(type));
  if (!raw_member(meta, "expected", &headers)) return;
  if (raw_member(headers, "input_tokens", &value)) raw_int(value, &c->prompt_tokens);
  if (raw_member(headers, "output_tokens", &value)) raw_int(value, &c->words);
}

static size_t replay_end(const struct call *c) {
  return c->script.cut >= 0 && (size_t)c->script.cut < c->body.len ? (size_t)c->script.cut : c->body.len;
}

static enum step replay_rest(struct call *c, struct buf *out, int *ret_wait_ms) {
  size_t end = replay_end(c), at = (size_t)c->at;
  call_put(c, out, (struct str){c->body.data + at, end - at});
  if (c->script.cut >= 0) {
    call_break(c, ret_wait_ms);
    return STEP_WAIT;
  }
  c->tokens = c->words;
  call_put_last(c, out);
  return STEP_END;
}

static enum step replay_head(struct call *c, struct buf *out, int *ret_wait_ms) {
  size_t end = replay_end(c);
  call_put_head(c, out, c->stream ? -1 : (int64_t)c->body.len);
  c->step = replay_rest;
  if (c->script.split < 0) return STEP_MORE;
  c->at = (size_t)c->script.split < end ? c->script.split : (int64_t)end;
  call_put(c, out, (struct str){c->body.data, (size_t)c->at});
  *ret_wait_ms = c->standin->pause_ms;
  return STEP_WAIT;
}

void replay_begin(struct call *c) {
  CLEANUP(buf_finish) struct buf meta;
  buf_init(&meta, META_MAX);
  const char *dir = c->standin->replay;
  struct str file;
  if (!dir || !name_is_safe(c->script.name) || !file_read(dir, c->script.name, STR("meta.json"), &meta) ||
      !raw_check(buf_str(&meta))) {
    call_error(c, 404, "There is no such recording",
               "\"type\": \"invalid_request_error\", \"param\": \"model\", \"code\": \"model_not_found\"");
    return;
  }
  meta_read(c, buf_str(&meta), &file);
  if (!name_is_safe(file) || !file_read(dir, c->script.name, file, &c->body)) {
    call_error(c, 404, "That recording has no body",
               "\"type\": \"invalid_request_error\", \"param\": \"model\", \"code\": \"model_not_found\"");
    return;
  }
  c->started = true;
  c->step = replay_head;
}
