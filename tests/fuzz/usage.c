// Feeds: a usage object to each plugin, inside an otherwise ordinary answer, plain or streamed: bytes as they are, or
// one that is made of the input's numbers. Oracle: meters are disjoint and counted in whole, never negative; sums that
// do not hold are flagged; the raw usage is JSON (plugged.h). Where the provider's numbers fit together by a plain
// reading of them, they are known and not flagged, and the meters add up to the provider's own totals, each part with
// its own number.
#include "base/mem.h"
#include "fuzz.h"
#include "plugged.h"
#include <inttypes.h>
#include <jansson.h>

#define USAGE_SAFE 2000 // what a plugin must be able to keep
#define TOKENS_MAX INT64_C(1000000000000)

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  (void)plugged();
  return 0;
}

// ---- OpenAI's numbers, by name: path, meter, the total it is a part of

static const struct part {
  const char *outer, *name, *meter;
  bool output;
} parts[] = {
    {"prompt_tokens_details", "cached_tokens", "cached_input_tokens", false},
    {"prompt_tokens_details", "cache_write_tokens", "cache_write_tokens", false},
    {"prompt_tokens_details", "audio_tokens", "audio_input_tokens", false},
    {"prompt_tokens_details", "image_tokens", "image_input_tokens", false},
    {"completion_tokens_details", "reasoning_tokens", "reasoning_tokens", true},
    {"completion_tokens_details", "audio_tokens", "audio_output_tokens", true},
};

// -1: absent or null; -2: no count.
static int64_t number_at(const json_t *object, const char *outer, const char *name) {
  const json_t *value = json_object_get(outer ? json_object_get(object, outer) : object, name);
  if (!value || json_is_null(value)) return -1;
  int64_t n = json_integer_value(value);
  return json_is_integer(value) && n >= 0 && n <= TOKENS_MAX ? n : -2;
}

struct numbers {
  int64_t input, output, parts[ARRAY_LEN(parts)];
};

// True where the object's numbers fit together; each absent one then counts as 0, but the totals must be there.
static bool fits(const json_t *object, struct numbers *ret) {
  int64_t total = number_at(object, NULL, "total_tokens"), sums[2] = {0};
  ret->input = number_at(object, NULL, "prompt_tokens");
  ret->output = number_at(object, NULL, "completion_tokens");
  if (!json_is_object(object) || ret->input < 0 || ret->output < 0 || total == -2) return false;
  if (total >= 0 && total != ret->input + ret->output) return false;
  for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
    ret->parts[i] = number_at(object, parts[i].outer, parts[i].name);
    if (ret->parts[i] == -2) return false;
    if (ret->parts[i] < 0) ret->parts[i] = 0;
    sums[parts[i].output] += ret->parts[i];
  }
  return sums[0] <= ret->input && sums[1] <= ret->output;
}

static int64_t quantity(const struct tollgate_plugin *plugin, const struct tollgate_usage *u, const char *meter) {
  for (uint32_t i = 0; i < u->count; i++)
    if (strcmp(plugin->meters[u->counts[i].meter].name, meter) == 0) return u->counts[i].quantity;
  return 0;
}

static int64_t sum_of(const struct tollgate_plugin *plugin, const struct tollgate_usage *u, uint32_t total) {
  int64_t sum = 0;
  for (uint32_t i = 0; i < u->count; i++)
    if (plugin->meters[u->counts[i].meter].total == total) sum += u->counts[i].quantity;
  return sum;
}

static void numbers_check(const struct tollgate_plugin *plugin, const struct tollgate_usage *u,
                          const struct numbers *n) {
  FUZZ_CHECK((u->flags & TOLLGATE_USAGE_KNOWN) && !(u->flags & TOLLGATE_USAGE_INCONSISTENT), "flags %x", u->flags);
  FUZZ_CHECK(sum_of(plugin, u, TOLLGATE_TOTAL_INPUT) == n->input, "input %" PRId64, n->input);
  FUZZ_CHECK(sum_of(plugin, u, TOLLGATE_TOTAL_OUTPUT) == n->output, "output %" PRId64, n->output);
  for (size_t i = 0; i < ARRAY_LEN(parts); i++)
    FUZZ_CHECK(quantity(plugin, u, parts[i].meter) == n->parts[i], "%s", parts[i].meter);
}

// ---- the answer around it

static void answer_write(struct buf *out, struct str usage, bool stream) {
  if (stream) {
    buf_puts(out, "data: {\"id\":\"c1\",\"model\":\"m1\",\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\n");
    buf_puts(out, "data: {\"id\":\"c1\",\"model\":\"m1\",\"choices\":[],\"usage\":");
    (void)buf_add_str(out, usage);
    buf_puts(out, "}\n\ndata: [DONE]\n\n");
  } else {
    buf_puts(out, "{\"id\":\"c1\",\"model\":\"m1\",\"choices\":[{\"message\":{\"content\":\"hi\"}}],\"usage\":");
    (void)buf_add_str(out, usage);
    buf_putc(out, '}');
  }
}

static void plugin_check(const struct tollgate_plugin *plugin, struct str usage, bool stream) {
  struct plugged_question q = {
      .plugin = plugin, .body = STR("{\"model\":\"m\",\"messages\":[]}"), .status = 200, .stream = stream};
  struct plugged_answer a;
  struct buf answer;
  struct numbers n;
  json_error_t error;
  buf_init(&answer, 64 * 1024);
  answer_write(&answer, usage, stream);
  plugged_run(&q, buf_str(&answer), 0, TOLLGATE_ENDED, &a);
  // No JSON holds a NUL byte; Jansson passes over one that follows a number.
  bool has_nul = usage.len > 0 && memchr(usage.ptr, '\0', usage.len);
  json_t *object = has_nul ? NULL : json_loadb(usage.ptr ? usage.ptr : "", usage.len, 0, &error);
  // A line end inside it ends the event of a stream.
  bool one_line =
      !memchr(usage.ptr ? usage.ptr : "", '\n', usage.len) && !memchr(usage.ptr ? usage.ptr : "", '\r', usage.len);
  if (object && usage.len <= USAGE_SAFE && (one_line || !stream) && fits(object, &n))
    numbers_check(plugin, &a.usage, &n);
  json_decref(object);
  plugged_finish(&a);
  buf_finish(&answer);
}

static void usage_check(struct str usage, bool stream) {
  const struct tollgate_plugin *plugin = plugin_by_name(plugged(), STR("openai"));
  FUZZ_CHECK(plugin != NULL, "no plugin for OpenAI");
  plugin_check(plugin, usage, stream);
}

// ---- a usage of numbers

static int64_t number_of(struct fuzz_input *in) {
  uint8_t size = fuzz_byte(in);
  int64_t n = (int64_t)(fuzz_byte(in) | (uint64_t)fuzz_byte(in) << 8);
  if (size < 200) return n % 64;
  if (size < 240) return n;
  return size < 248 ? n << 24 : size < 252 ? -n : INT64_MAX - n;
}

static void numbers_write(struct buf *out, struct fuzz_input *in) {
  static const char *const totals[] = {"prompt_tokens", "completion_tokens", "total_tokens"};
  uint8_t there = fuzz_byte(in), parts_there = fuzz_byte(in);
  bool whole = there & 8; // the total is made to fit
  int64_t sum = 0, n;
  const char *outer = NULL;
  buf_putc(out, '{');
  for (size_t i = 0; i < 3; i++) {
    n = i == 2 && whole ? sum : number_of(in);
    if (i < 2 && n > 0 && n < TOKENS_MAX) sum += n;
    if (there >> i & 1) buf_printf(out, "%s\"%s\":%" PRId64, out->len > 1 ? "," : "", totals[i], n);
  }
  for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
    n = number_of(in);
    if (!outer || strcmp(outer, parts[i].outer) != 0) {
      buf_printf(out, "%s%s\"%s\":{", outer ? "}" : "", out->len > 1 ? "," : "", parts[i].outer);
      outer = parts[i].outer;
    }
    if (parts_there >> i & 1)
      buf_printf(out, "%s\"%s\":%" PRId64, out->data[out->len - 1] == '{' ? "" : ",", parts[i].name, n);
  }
  buf_puts(out, "}}");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fuzz_input in = fuzz_input(data, size);
  uint8_t mode = fuzz_byte(&in) % 4;
  struct buf made;
  buf_init(&made, 4096);
  if (mode >= 2) numbers_write(&made, &in);
  usage_check(mode >= 2 ? buf_str(&made) : fuzz_rest(&in), mode % 2);
  buf_finish(&made);
  return 0;
}
