// Recordings are served byte for byte: whole, in two pieces, and cut off.
#include "provider.h"

static struct provider provider;
static char recordings[80];

static const char stream_bytes[] =
    ": comment\r\n\r\ndata: {\"id\":\"rec-1\",\"x\":\"\xc3\xa4\"}\r\n\r\ndata: [DONE]\r\n\r\n";
static const char error_bytes[] = "{\n  \"error\": {\"message\": \"no\"}\n}";

static void recording_write(const char *name, const char *meta, const char *file, const char *data, size_t len) {
  char path[300];
  snprintf(path, sizeof(path), "%s/chat/%s", recordings, name);
  assert_int_equal(mkdir(path, 0700), 0);
  snprintf(path, sizeof(path), "%s/chat/%s/meta.json", recordings, name);
  file_write(path, meta, strlen(meta));
  snprintf(path, sizeof(path), "%s/chat/%s/%s", recordings, name, file);
  file_write(path, data, len);
}

static void recording_remove(const char *name, const char *file) {
  char path[300];
  snprintf(path, sizeof(path), "%s/chat/%s/%s", recordings, name, file);
  unlink(path);
  snprintf(path, sizeof(path), "%s/chat/%s/meta.json", recordings, name);
  unlink(path);
  snprintf(path, sizeof(path), "%s/chat/%s", recordings, name);
  rmdir(path);
}

static int begin(void **state) {
  (void)state;
  char path[100];
  provider_dir(&provider);
  snprintf(recordings, sizeof(recordings), "%s/rec", provider.dir);
  mkdir(recordings, 0700);
  snprintf(path, sizeof(path), "%s/chat", recordings);
  mkdir(path, 0700);
  recording_write("stream",
                  "{\"status\":200,\"response_file\":\"response.sse\",\"response_headers\":{\"content-type\":\"text/"
                  "event-stream\"},"
                  "\"expected\":{\"input_tokens\":7,\"output_tokens\":5}}",
                  "response.sse", stream_bytes, sizeof(stream_bytes) - 1);
  recording_write("error", "{\"status\":403,\"response_file\":\"response.json\",\"response_headers\":{}}",
                  "response.json", error_bytes, sizeof(error_bytes) - 1);
  const char *const extra[] = {"--replay", recordings, "--pause-ms", "20", NULL};
  provider_start(&provider, extra);
  return 0;
}

static int end(void **state) {
  (void)state;
  char path[100];
  recording_remove("stream", "response.sse");
  recording_remove("error", "response.json");
  snprintf(path, sizeof(path), "%s/chat", recordings);
  rmdir(path);
  rmdir(recordings);
  provider_stop(&provider);
  return 0;
}

static void whole_recordings_keep_status_type_and_bytes(void **state) {
  (void)state;
  struct reply r;
  ask_model(&provider, &r, "replay:chat/stream", true);
  assert_int_equal(r.status, 200);
  assert_true(r.whole);
  assert_non_null(strstr(buf_cstr(&r.head), "Content-Type: text/event-stream\r\n"));
  assert_string_equal(buf_cstr(&r.body), stream_bytes);
  reply_finish(&r);
  ask_model(&provider, &r, "replay:chat/error", false);
  assert_int_equal(r.status, 403);
  assert_non_null(strstr(buf_cstr(&r.head), "Content-Type: application/json\r\n"));
  assert_string_equal(buf_cstr(&r.body), error_bytes);
  reply_finish(&r);
}

static void a_recording_is_split_at_every_offset(void **state) {
  (void)state;
  size_t size = sizeof(stream_bytes) - 1;
  for (size_t at = 0; at <= size + 1; at++) {
    char model[60];
    struct reply r;
    snprintf(model, sizeof(model), "replay:chat/stream@%zu", at);
    ask_model(&provider, &r, model, true);
    assert_true(r.whole);
    assert_int_equal(r.chunks, at == 0 || at >= size ? 1 : 2);
    assert_string_equal(buf_cstr(&r.body), stream_bytes);
    reply_finish(&r);
  }
}

static void the_pieces_of_a_split_arrive_apart(void **state) {
  (void)state;
  int fd = provider_connect(&provider);
  char got[4096];
  send_request(fd, "POST", "/v1/chat/completions", KEY, "{\"model\":\"replay:chat/error@10\"}");
  ssize_t n = recv(fd, got, sizeof(got) - 1, 0);
  assert_true(n > 0);
  got[n] = '\0';
  char *body = strstr(got, "\r\n\r\n");
  assert_non_null(body);
  assert_int_equal(strlen(body + 4), 10);
  close(fd);
}

static void a_recording_is_cut_at_every_offset(void **state) {
  (void)state;
  size_t size = sizeof(stream_bytes) - 1;
  for (size_t at = 0; at <= size; at++) {
    char model[60];
    struct reply r;
    snprintf(model, sizeof(model), at % 2 ? "replay:chat/stream!%zu" : "replay:chat/stream@3!%zu", at);
    ask_model(&provider, &r, model, true);
    assert_false(r.whole);
    assert_false(r.reset);
    assert_int_equal(r.body.len, at);
    if (at) assert_memory_equal(r.body.data, stream_bytes, at);
    reply_finish(&r);
  }
}

static void what_is_not_recorded_is_not_found(void **state) {
  (void)state;
  static const char *const names[] = {
      "replay:",     "replay:chat/none",     "replay:../chat/stream", "replay:chat/../chat/stream",
      "replay:chat", "replay:chat/stream%00"};
  for (size_t i = 0; i < ARRAY_LEN(names); i++) {
    struct reply r;
    ask_model(&provider, &r, names[i], false);
    assert_int_equal(r.status, 404);
    reply_finish(&r);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(whole_recordings_keep_status_type_and_bytes),
      cmocka_unit_test(a_recording_is_split_at_every_offset),
      cmocka_unit_test(the_pieces_of_a_split_arrive_apart),
      cmocka_unit_test(a_recording_is_cut_at_every_offset),
      cmocka_unit_test(what_is_not_recorded_is_not_found),
  };
  return cmocka_run_group_tests(tests, begin, end);
}
