// `tollgate events import FILE`: usage from a file of lines, sent in pieces. An event that came before is charged once, so that an
// import that broke off is simply begun again. What is rejected is told with its line.
#include "app/api.h"
#include "app/command.h"
#include "app/out.h"
#include "base/mem.h"
#include "json/read.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define PIECE_LINES 1000
#define PIECE_BYTES (8 * 1024 * 1024)
#define TOLD_MAX 50 // rejected events

struct import {
  struct api *api;
  FILE *file;
  bool json;
  struct buf piece;
  int64_t lines[PIECE_LINES]; // of each event of the piece, in the file
  size_t count;
  int64_t line, accepted, duplicates, rejected;
};

static int64_t number_of(struct json *root, const char *name) {
  int64_t number = 0;
  (void)json_int(json_get(root, name), &number);
  return number;
}

static void rejected_tell(struct import *m, struct json *data) {
  for (size_t i = 0; i < json_count(data); i++) {
    struct json *one = json_at(data, i);
    struct str status, message;
    if (!json_text(json_get(one, "status"), &status) || !str_eq(status, STR("rejected"))) continue;
    if (++m->rejected > TOLD_MAX || i >= m->count) continue;
    if (!json_text(json_path(one, "error.message"), &message)) message = STR("no reason was given");
    out_error("line %" PRId64 ": %.*s", m->lines[i], STR_ARG(message));
  }
}

static int piece_send(struct import *m) {
  CLEANUP(json_finishp) struct json *root = NULL;
  struct json_error why;
  if (m->count == 0) return EXIT_FINE;
  CLEANUP(api_answer_finish) struct api_answer answer;
  (void)api_send(m->api,
                 &(struct api_request){.method = "POST", .path = "/api/v1/events", .body = buf_str(&m->piece), .headers = "Content-Type: application/x-ndjson\n"},
                 &answer);
  int code = api_judge(m->api, &answer);
  if (code != EXIT_FINE) return code;
  if (json_parse(buf_str(&answer.body), &root, &why) != 0) {
    out_error("the answer cannot be read: %s", why.message);
    return EXIT_FAILED;
  }
  m->accepted += number_of(root, "accepted");
  m->duplicates += number_of(root, "duplicates");
  rejected_tell(m, json_get(root, "data"));
  buf_clear(&m->piece);
  m->count = 0;
  return EXIT_FINE;
}

static bool is_blank(const char *line) {
  return line[strspn(line, " \t\r\n")] == '\0';
}

static int lines_send(struct import *m) {
  char *line = NULL;
  size_t cap = 0;
  ssize_t len;
  int code = EXIT_FINE;
  while (code == EXIT_FINE && (len = getline(&line, &cap, m->file)) > 0) {
    m->line++;
    if (is_blank(line)) continue;
    if (m->count == PIECE_LINES || m->piece.len + (size_t)len + 1 > PIECE_BYTES) code = piece_send(m);
    if (code != EXIT_FINE) break;
    if (!buf_add(&m->piece, line, (size_t)len) || !buf_putc(&m->piece, '\n')) {
      out_error("line %" PRId64 " is too long", m->line);
      code = EXIT_FAILED;
    }
    m->lines[m->count++] = m->line;
  }
  free(line);
  return code == EXIT_FINE ? piece_send(m) : code;
}

static int told(const struct import *m, int code) {
  if (code != EXIT_FINE) {
    out_note("up to line %" PRId64 " some events may have been recorded; begin again, and each is charged once", m->line);
    return code;
  }
  if (m->rejected > TOLD_MAX) out_note("%" PRId64 " further events were rejected", m->rejected - TOLD_MAX);
  if (m->json) (void)printf("{\"accepted\":%" PRId64 ",\"duplicates\":%" PRId64 ",\"rejected\":%" PRId64 "}\n", m->accepted, m->duplicates, m->rejected);
  else (void)printf("%" PRId64 " accepted, %" PRId64 " duplicates, %" PRId64 " rejected\n", m->accepted, m->duplicates, m->rejected);
  return m->rejected > 0 ? EXIT_FAILED : EXIT_FINE;
}

int events_import_run(struct invocation *in) {
  const char *path = in->args.words[0];
  FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
  if (!file) {
    out_error("%s cannot be read: %s", path, strerror(errno));
    return EXIT_FAILED;
  }
  struct import *m = mem_alloc(sizeof *m);
  m->api = api_create(config_text(&in->config, SETTING_URL), config_text(&in->config, SETTING_ADMIN_KEY));
  m->file = file;
  m->json = in->json;
  buf_init(&m->piece, PIECE_BYTES);
  int code = told(m, lines_send(m));
  buf_finish(&m->piece);
  api_destroy(m->api);
  mem_free(m);
  if (file != stdin) (void)fclose(file);
  return code;
}
