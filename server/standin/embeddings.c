// Embeddings: made-up vectors that are the same for the same place in the same request, as lists of numbers or as
// base64 of little-endian floats.
#include "standin/call.h"
#include "standin/raw.h"
#include "standin/words.h"

#define DIMENSIONS 1536
#define DIMENSIONS_MAX 4096
#define INPUTS_MAX 2048

// Ten-thousandths, between -1 and 1.
static int component(int64_t input, int64_t dimension) {
  return (int)((dimension * 7919 + input * 104729 + 17) % 19999) - 9999;
}

static void list_add(struct buf *out, int64_t input, int64_t dimensions) {
  buf_putc(out, '[');
  for (int64_t i = 0; i < dimensions; i++) {
    int v = component(input, i);
    buf_printf(out, "%s%s0.%04d", i ? "," : "", v < 0 ? "-" : "", v < 0 ? -v : v);
  }
  buf_putc(out, ']');
}

static void base64_add(struct buf *out, const uint8_t *data, size_t len) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < len; i += 3) {
    size_t left = len - i;
    uint32_t v = (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) | (left > 2 ? data[i + 2] : 0);
    char four[4] = {digits[v >> 18], digits[v >> 12 & 63], left > 1 ? digits[v >> 6 & 63] : '=',
                    left > 2 ? digits[v & 63] : '='};
    buf_add(out, four, 4);
  }
}

static void floats_add(struct buf *out, int64_t input, int64_t dimensions) {
  uint8_t bytes[DIMENSIONS_MAX * 4];
  for (int64_t i = 0; i < dimensions; i++) {
    float f = (float)component(input, i) / 10000.0f;
    uint32_t raw;
    memcpy(&raw, &f, sizeof(raw));
    for (int64_t b = 0; b < 4; b++) bytes[i * 4 + b] = (uint8_t)(raw >> (8 * b));
  }
  buf_putc(out, '"');
  base64_add(out, bytes, (size_t)dimensions * 4);
  buf_putc(out, '"');
}

static void embedding_add(struct buf *out, int64_t input, int64_t dimensions, bool base64) {
  buf_printf(out, "%s{\"object\":\"embedding\",\"index\":%lld,\"embedding\":", input ? "," : "", (long long)input);
  if (base64)
    floats_add(out, input, dimensions);
  else
    list_add(out, input, dimensions);
  buf_putc(out, '}');
}

// How many inputs, and their words. A list of numbers is one input. 0: not an input.
static int64_t inputs_read(struct str value, int64_t *words) {
  struct str list = value, item;
  if (raw_kind(value) == '"' || (raw_kind(value) == '[' && raw_next(&list, &item) && raw_kind(item) == '0')) {
    *words = words_in_input(value);
    return 1;
  }
  if (raw_kind(value) != '[') return 0;
  int64_t count = 0;
  for (list = value; raw_next(&list, &item); count++) {
    if (raw_kind(item) != '"' && raw_kind(item) != '[') return 0;
    *words += words_in_input(item);
  }
  return count <= INPUTS_MAX ? count : 0;
}

void embeddings_begin(struct call *c, struct str body) {
  struct str value;
  int64_t dimensions = DIMENSIONS, words = 0;
  int64_t count = raw_member(body, "input", &value) ? inputs_read(value, &words) : 0;
  if (count == 0) {
    call_refuse(c,
                "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.",
                NULL, NULL);
    return;
  }
  if (raw_member(body, "dimensions", &value) &&
      (!raw_int(value, &dimensions) || dimensions < 1 || dimensions > DIMENSIONS_MAX)) {
    call_refuse(c, "Invalid value for 'dimensions'.", "dimensions", NULL);
    return;
  }
  bool base64 = raw_member(body, "encoding_format", &value) && raw_is(value, "\"base64\"");
  c->started = true;
  c->prompt_tokens = words ? words : 1;
  buf_puts(&c->body, "{\"object\":\"list\",\"data\":[");
  for (int64_t i = 0; i < count; i++) embedding_add(&c->body, i, dimensions, base64);
  buf_printf(&c->body, "],\"model\":%.*s,\"usage\":{\"prompt_tokens\":%lld,\"total_tokens\":%lld}}", STR_ARG(c->model),
             (long long)c->prompt_tokens, (long long)c->prompt_tokens);
  call_answer(c, 200, "application/json");
}
