// Answers that are too large: one huge word, made while it is sent, and a small gzip body that inflates to a large one.
#include "base/clock.h"
#include "standin/call.h"

#define FILL_PIECE (64 * 1024)
#define KIB_MAX (1024 * 1024)
#define BOMB_BYTES (256 * 1024)

// c->at counts down the bytes of the word that are still to come.
static enum step big_tail(struct call *c, struct buf *out, int *ret_wait_ms) {
  c->tokens = 1;
  call_put(c, out, buf_str(&c->event));
  if (!c->stream) return STEP_END;
  c->at = 1;
  c->step = stream_words;
  return stream_words(c, out, ret_wait_ms);
}

static enum step big_fill(struct call *c, struct buf *out, int *ret_wait_ms) {
  char piece[FILL_PIECE];
  if (c->at == 0) return big_tail(c, out, ret_wait_ms);
  memset(piece, 'x', sizeof(piece));
  size_t len = c->at < FILL_PIECE ? (size_t)c->at : FILL_PIECE;
  call_put(c, out, (struct str){piece, len});
  if (c->script.script != SCRIPT_ENDLESS) c->at -= (int64_t)len;
  return STEP_MORE;
}

// A plain answer's tail waits in c->event, its length being part of the head; a stream's is made after its role event.
static enum step big_head(struct call *c, struct buf *out, int *ret_wait_ms) {
  (void)ret_wait_ms;
  bool chunked = c->stream || c->script.script == SCRIPT_ENDLESS;
  call_put_head(c, out, chunked ? -1 : c->at + (int64_t)(c->body.len + c->event.len));
  if (c->stream) {
    stream_role(c, out, 0);
    buf_clear(&c->event);
    buf_printf(&c->event, "\"},\"logprobs\":null,\"finish_reason\":null}]%s}\n\n",
               c->include_usage ? ",\"usage\":null" : "");
  }
  call_put(c, out, buf_str(&c->body));
  c->step = big_fill;
  return STEP_MORE;
}

static void plain_tail(struct call *c) {
  buf_clear(&c->event);
  buf_puts(&c->event, "\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":");
  usage_add(c, &c->event, 1);
  buf_putc(&c->event, '}');
}

void big_begin(struct call *c) {
  int64_t kib = c->script.number < KIB_MAX ? c->script.number : KIB_MAX;
  c->choices = c->words = c->token_each = 1;
  c->finish_reason = "stop";
  c->tool.len = 0;
  c->at = c->script.script == SCRIPT_ENDLESS ? FILL_PIECE : kib * 1024;
  if (c->stream) {
    stream_prefix(c);
    buf_add_str(&c->body, buf_str(&c->prefix));
    buf_puts(&c->body, "{\"index\":0,\"delta\":{\"content\":\"");
  } else {
    buf_printf(
        &c->body,
        "{\"id\":\"%s\",\"object\":\"chat.completion\",\"created\":%lld,\"model\":%.*s,\"choices\":[{\"index\":0,"
        "\"message\":{\"role\":\"assistant\",\"content\":\"",
        c->id, (long long)(clock_wall_us() / 1000000), STR_ARG(c->model));
    plain_tail(c);
  }
  c->step = big_head;
}

// Bits of a deflate stream, lowest first (RFC 1951).
struct bits {
  struct buf *out;
  uint32_t held;
  unsigned count;
};

static void bits_add(struct bits *b, uint32_t value, unsigned count) {
  b->held |= value << b->count;
  for (b->count += count; b->count >= 8; b->count -= 8, b->held >>= 8) buf_putc(b->out, (char)(b->held & 0xff));
}

// A Huffman table with two symbols of one bit: 0 is the end, 1 repeats the last byte 258 times (with one bit for the
// distance).
static void bomb_table(struct bits *b) {
  bits_add(b, 1 | 2 << 1, 3); // the last block, its own table
  bits_add(b, 29, 5);         // 286 lengths of symbols
  bits_add(b, 0, 5);          // 1 length of a distance
  bits_add(b, 14, 4);         // 18 lengths of lengths; only "18" (zeros) and "1" have a code, of one bit
  for (int i = 0; i < 18; i++) bits_add(b, i == 2 || i == 17, 3);
  bits_add(b, 1 | (138 - 11) << 1, 8); // zeros up to symbol 256
  bits_add(b, 1 | (118 - 11) << 1, 8);
  bits_add(b, 0, 1);                  // 256
  bits_add(b, 1 | (28 - 11) << 1, 8); // zeros
  bits_add(b, 0, 2);                  // 285, and the distance
}

void bomb_begin(struct call *c) {
  static const char start[] = {0x1f, (char)0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0, 1, 0, (char)0xfe, (char)0xff, ' '};
  buf_add(&c->body, start, sizeof(start)); // the gzip head, and a block with one blank as it is
  struct bits b = {.out = &c->body};
  bomb_table(&b);
  while (c->body.len < BOMB_BYTES) bits_add(&b, 1, 2);
  bits_add(&b, 0, 8);                       // the end
  buf_add(&c->body, "\0\0\0\0\0\0\0\0", 8); // no true checksum: whoever gets so far has lost already
  c->encoding = "gzip";
  call_answer(c, 200, c->stream ? "text/event-stream; charset=utf-8" : "application/json");
}
