// Feeds: request bodies to what the gateway reads of them: a plugin's inspect, bound and build. The first byte chooses
// the plugin's endpoint, the second what the server wants changed; the rest is the body. Oracle: a refusal has a text;
// what is taken is JSON, and jansson reads the same model, stream, caps and choices in it; bounds are whole and never
// below what is likely; the request that is built is the caller's, byte for byte where nothing was to be changed, and
// else with exactly the model, the asked-for usage and the cap changed.
#include "base/mem.h"
#include "fuzz.h"
#include "plugged.h"
#include <inttypes.h>
#include <jansson.h>

#define CAP INT64_C(77)

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  (void)plugged();
  return 0;
}

static bool same(struct tollgate_slice s, const char *text) {
  return str_eq((struct str){s.ptr, s.len}, str_from(text));
}

// ---- what was read of it

static const char *text_of(const json_t *root, const char *name) {
  const char *text = json_string_value(json_object_get(root, name));
  return text ? text : "";
}

static int64_t int_of(const json_t *root, const char *name) {
  const json_t *value = json_object_get(root, name);
  return json_is_integer(value) ? json_integer_value(value) : 0;
}

static void facts_check(const json_t *root, const struct tollgate_facts *f, bool chat) {
  FUZZ_CHECK(same(f->model, text_of(root, "model")) && f->model.len > 0, "model %.*s", (int)f->model.len, f->model.ptr);
  FUZZ_CHECK(f->input_units >= 0 && f->input_likely >= 0 && f->input_likely <= f->input_units, "input %" PRId64,
             f->input_units);
  FUZZ_CHECK(f->choices >= 1, "choices %" PRId64, f->choices);
  if (!chat) return;
  const json_t *options = json_object_get(root, "stream_options");
  int64_t a = int_of(root, "max_tokens"), b = int_of(root, "max_completion_tokens"), n = int_of(root, "n");
  FUZZ_CHECK(f->stream == json_is_true(json_object_get(root, "stream")), "stream %d", f->stream);
  FUZZ_CHECK(f->wants_usage == json_is_true(json_object_get(options, "include_usage")), "usage %d", f->wants_usage);
  FUZZ_CHECK(f->output_cap == (a > b ? a : b), "cap %" PRId64, f->output_cap);
  FUZZ_CHECK(f->choices == (n ? n : 1), "choices %" PRId64, f->choices);
}

static void bound_check(const struct tollgate_plugin *plugin, const struct tollgate_request *q,
                        const struct tollgate_facts *f, uint8_t how) {
  struct tollgate_model model = {
      .size = sizeof model, .max_input = how & 8 ? 100 : 0, .max_output = how & 16 ? 100 : 0};
  struct tollgate_bound bound = {.size = sizeof bound};
  FUZZ_CHECK(plugin->bound(q, f, &model, &bound) == TOLLGATE_OK, "bound");
  FUZZ_CHECK(bound.count >= 1 && bound.count <= TOLLGATE_COUNTS_MAX, "%u bounds", bound.count);
  for (uint32_t i = 0; i < bound.count; i++) {
    const struct tollgate_count *upper = &bound.upper[i], *likely = &bound.likely[i];
    FUZZ_CHECK(upper->meter < plugin->meter_count && upper->meter == likely->meter, "meter %u", upper->meter);
    FUZZ_CHECK(likely->quantity >= 0 && likely->quantity <= upper->quantity, "%" PRId64 " of %" PRId64,
               likely->quantity, upper->quantity);
    for (uint32_t k = 0; k < i; k++) FUZZ_CHECK(bound.upper[k].meter != upper->meter, "meter %u twice", upper->meter);
  }
}

// ---- what is built of it

struct texts {
  char *url, *headers, *body;
  size_t url_len, headers_len, body_len;
};

static void build(const struct tollgate_plugin *plugin, const struct tollgate_request *q,
                  const struct tollgate_facts *f, const struct tollgate_upstream *u, struct texts *ret) {
  struct tollgate_built built = {.size = sizeof built};
  FUZZ_CHECK(plugin->build(q, f, u, &built) == TOLLGATE_ROOM, "without room");
  *ret =
      (struct texts){malloc(built.url.need + 1), malloc(built.headers.need + 1), malloc(built.body.need + 1), 0, 0, 0};
  built = (struct tollgate_built){.size = sizeof built,
                                  .url = {.ptr = ret->url, .cap = built.url.need},
                                  .headers = {.ptr = ret->headers, .cap = built.headers.need},
                                  .body = {.ptr = ret->body, .cap = built.body.need}};
  enum tollgate_result result = plugin->build(q, f, u, &built);
  FUZZ_CHECK(result == TOLLGATE_OK, "with all the room that was asked for: %d", result);
  ret->url_len = built.url.len;
  ret->headers_len = built.headers.len;
  ret->body_len = built.body.len;
}

static void texts_free(struct texts *t) {
  free(t->url);
  free(t->headers);
  free(t->body);
}

// What the caller's request becomes, by jansson.
static void expect(json_t *root, const struct tollgate_facts *f, const struct tollgate_upstream *u, bool chat) {
  json_object_set_new(root, "model", json_stringn(u->model.ptr, u->model.len));
  if (chat && f->stream && !f->wants_usage) {
    json_t *options = json_object_get(root, "stream_options");
    if (!json_is_object(options)) json_object_set_new(root, "stream_options", json_object());
    json_object_set_new(json_object_get(root, "stream_options"), "include_usage", json_true());
  }
  if (!chat || u->output_cap == 0) return;
  json_t *legacy = json_object_get(root, "max_tokens"), *present = json_object_get(root, "max_completion_tokens");
  bool has_legacy = legacy && !json_is_null(legacy), has_present = present && !json_is_null(present);
  if (has_legacy) json_object_set_new(root, "max_tokens", json_integer(u->output_cap));
  if (has_present || !has_legacy) json_object_set_new(root, "max_completion_tokens", json_integer(u->output_cap));
}

static void body_check(json_t *root, const struct texts *t, const struct tollgate_request *q,
                       const struct tollgate_facts *f, const struct tollgate_upstream *u, bool chat) {
  json_error_t error;
  json_t *built = json_loadb(t->body, t->body_len, 0, &error), *before = json_deep_copy(root);
  expect(root, f, u, chat);
  FUZZ_CHECK(built && json_equal(built, root), "built: %.*s", (int)t->body_len, t->body);
  bool unchanged = json_equal(before, root);
  FUZZ_CHECK(!unchanged || u->output_cap ||
                 str_eq((struct str){t->body, t->body_len}, (struct str){q->body.ptr, q->body.len}),
             "nothing was to be changed: %.*s", (int)t->body_len, t->body);
  json_decref(before);
  json_decref(built);
}

static void build_check(const struct tollgate_plugin *plugin, json_t *root, const struct tollgate_request *q,
                        const struct tollgate_facts *f, uint8_t how, bool chat) {
  struct texts t;
  struct tollgate_upstream u = {.size = sizeof u,
                                .base_url = {"https://h/v1", how & 1 ? 12 : 9},
                                .secret = {"s3cret", how & 2 ? 6 : 0},
                                .model = f->model,
                                .settings = {"{\"organization\":\"o\"}", 20},
                                .output_cap = how & 32 ? CAP : 0};
  if (how & 4) u.model = (struct tollgate_slice){"a \"new\" one\n", 12};
  build(plugin, q, f, &u, &t);
  FUZZ_CHECK(t.url_len > 12 && memcmp(t.url, "https://h/v1/", 13) == 0, "url %.*s", (int)t.url_len, t.url);
  FUZZ_CHECK(t.headers_len == 0 || t.headers[t.headers_len - 1] == '\n', "headers %.*s", (int)t.headers_len, t.headers);
  FUZZ_CHECK((memmem(t.headers, t.headers_len, "s3cret", 6) != NULL) == ((how & 2) != 0), "the secret");
  if (root) body_check(root, &t, q, f, &u, chat);
  texts_free(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fuzz_input in = fuzz_input(data, size);
  uint8_t which = fuzz_byte(&in), how = fuzz_byte(&in);
  struct str rest = fuzz_rest(&in);
  const struct tollgate_plugin *plugin = plugin_by_name(plugged(), STR("openai"));
  char names[256], *copy = fuzz_copy(rest);
  struct tollgate_out text = {.ptr = names, .cap = sizeof names};
  struct tollgate_request q = {
      .size = sizeof q, .endpoint = which % (uint32_t)plugin->endpoint_count, .body = {copy, rest.len}};
  struct tollgate_facts facts = {.size = sizeof facts};
  if (how & 64) q.text = &text;
  enum tollgate_result result = plugin->inspect(&q, &facts);
  bool chat = strcmp(plugin->endpoints[q.endpoint].operation, "chat") == 0;
  json_error_t error;
  if (result == TOLLGATE_REFUSED) {
    FUZZ_CHECK(memchr(facts.error, '\0', sizeof facts.error) && strlen(facts.error) > 10, "a refusal without a text");
    FUZZ_CHECK(memchr(facts.error_param, '\0', sizeof facts.error_param), "a parameter without an end");
  } else {
    json_t *root = json_loadb(copy, rest.len, 0, &error);
    bool numbers = !root && json_error_code(&error) == json_error_numeric_overflow;
    FUZZ_CHECK(result == TOLLGATE_OK && (root || numbers), "%s is taken: %s", copy, error.text);
    if (root) facts_check(root, &facts, chat);
    bound_check(plugin, &q, &facts, how);
    build_check(plugin, root, &q, &facts, how, chat);
    json_decref(root);
  }
  free(copy);
  return 0;
}
