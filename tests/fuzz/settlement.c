// Oracle: a text is a settlement exactly where each member is one by jansson's reading; what is read is what stands
// there. What is written fits an entry, is read back the same, and is written again byte for byte; evidence is left out
// only where it would not have fitted.
#include "settlement.h"
#include "base/mem.h"
#include "meter/settlement.h"
#include <inttypes.h>
#include <jansson.h>

#define ARENA (1024 * 1024)
#define DEPTH 64
#define METERS 16
#define KEY_MAX 255
#define LOST STR("{\"lost\":\"it did not fit the journal's entry\"}")
#define ROOM_FOR_LOST 256 // what a text may grow by when it is written again

// ---- a plain reading

static int depth_of(json_t *value) {
  int deepest = 0, depth;
  const char *name;
  json_t *member;
  size_t i;
  if (!json_is_object(value) && !json_is_array(value)) return 0;
  json_object_foreach(value, name, member) if ((depth = depth_of(member)) > deepest) deepest = depth;
  json_array_foreach(value, i, member) if ((depth = depth_of(member)) > deepest) deepest = depth;
  return 1 + deepest;
}

static struct str text_of(const json_t *root, const char *name) {
  const json_t *value = json_object_get(root, name);
  return json_is_string(value) ? (struct str){json_string_value(value), json_string_length(value)} : (struct str){0};
}

static bool is_text(const json_t *root, const char *name) {
  return json_is_string(json_object_get(root, name));
}

static bool plain_usage(json_t *usage) {
  const char *name;
  json_t *value;
  if (!json_is_object(usage)) return false;
  json_object_foreach(usage, name, value) if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
  return true;
}

static bool plain_state(struct str name, enum call_state *ret) {
  *ret = str_eq(name, STR("settled")) ? CALL_SETTLED : str_eq(name, STR("released")) ? CALL_RELEASED : CALL_UNRATED;
  return *ret != CALL_UNRATED || str_eq(name, STR("unrated"));
}

// Texts of ids and amounts are targets of their own (key, amount).
static bool plain_read(const json_t *root, struct ledger_op *ret) {
  const json_t *flags = json_object_get(root, "flags"), *undelivered = json_object_get(root, "undelivered");
  bool sound = id_parse("cus", text_of(root, "customer"), &ret->customer) && !uuid_is_nil(ret->customer) &&
               id_parse("call", text_of(root, "call"), &ret->id) && !uuid_is_nil(ret->id) &&
               (json_is_null(json_object_get(root, "price")) || id_parse("prc", text_of(root, "price"), &ret->price)) &&
               plain_state(text_of(root, "state"), &ret->state) && json_is_integer(flags) &&
               json_integer_value(flags) >= 0 && json_integer_value(flags) <= 32767 &&
               amount_parse(text_of(root, "charge"), &ret->charge) && ret->charge >= 0 &&
               amount_parse(text_of(root, "cost"), &ret->cost) && ret->cost >= 0 &&
               plain_usage(json_object_get(root, "usage")) && is_text(root, "evidence") &&
               is_text(root, "idempotency_key") && json_is_boolean(undelivered);
  if (!sound) return false;
  ret->flags = (unsigned)json_integer_value(flags);
  ret->evidence = text_of(root, "evidence");
  ret->idempotency_key = text_of(root, "idempotency_key");
  ret->undelivered = json_is_true(undelivered);
  return true;
}

// ---- there and back

static void same_check(const struct ledger_op *a, const struct ledger_op *b) {
  FUZZ_CHECK(b->kind == LEDGER_SETTLE, "kind %d", b->kind);
  FUZZ_CHECK(uuid_eq(a->customer, b->customer) && uuid_eq(a->id, b->id) && uuid_eq(a->price, b->price), "ids");
  FUZZ_CHECK(a->state == b->state && a->flags == b->flags, "state %d, %d; flags %u, %u", a->state, b->state, a->flags,
             b->flags);
  FUZZ_CHECK(a->charge == b->charge && a->cost == b->cost, "%" PRId64 " of %" PRId64 ", %" PRId64 " of %" PRId64, b->charge,
             a->charge, b->cost, a->cost);
  FUZZ_CHECK(a->undelivered == b->undelivered, "undelivered %d", b->undelivered);
  FUZZ_CHECK(str_eq(a->usage, b->usage), "usage %.*s of %.*s", STR_ARG(b->usage), STR_ARG(a->usage));
  FUZZ_CHECK(str_eq(a->idempotency_key, b->idempotency_key), "key %.*s of %.*s", STR_ARG(b->idempotency_key),
             STR_ARG(a->idempotency_key));
}

// How long evidence is as a JSON text, with its quotes: of the control characters only line ends and tabs have a short
// escape here. jansson has one for backspaces and form feeds too, and would find that more fits.
static size_t escaped_len(struct str evidence) {
  size_t len = 2;
  for (size_t i = 0; i < evidence.len; i++) {
    unsigned char c = (unsigned char)evidence.ptr[i];
    bool pair = c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t';
    len += pair ? 2 : c < 0x20 ? 6 : 1;
  }
  return len;
}

static void evidence_check(struct str wanted, struct str got, size_t written) {
  if (wanted.len == 0) wanted = STR("{}");
  if (str_eq(wanted, got)) return;
  FUZZ_CHECK(str_eq(got, LOST), "evidence %.*s of %.*s", STR_ARG(got), STR_ARG(wanted));
  FUZZ_CHECK(written - escaped_len(got) + escaped_len(wanted) > LIMIT_JOURNAL_ENTRY, "%zu bytes of evidence are left out",
             wanted.len);
}

static void written_check(const struct ledger_op *op) {
  struct arena arena;
  struct buf text, again;
  struct ledger_op back = {0};
  arena_init(&arena, ARENA);
  buf_init(&text, LIMIT_JOURNAL_ENTRY + 1);
  buf_init(&again, LIMIT_JOURNAL_ENTRY + 1);
  settlement_write(op, &text);
  FUZZ_CHECK(text.len <= LIMIT_JOURNAL_ENTRY && !memchr(text.data, '\0', text.len), "%zu bytes", text.len);
  FUZZ_CHECK(!memchr(text.data, '\n', text.len) && text.data[text.len - 1] == '}', "no line of refused.jsonl");
  FUZZ_CHECK(settlement_read(buf_str(&text), &arena, &back) == 0, "%.*s", STR_ARG(buf_str(&text)));
  same_check(op, &back);
  evidence_check(op->evidence, back.evidence, text.len);
  settlement_write(&back, &again);
  FUZZ_CHECK(str_eq(buf_str(&text), buf_str(&again)), "%.*s", STR_ARG(buf_str(&again)));
  buf_finish(&again);
  buf_finish(&text);
  arena_finish(&arena);
}

void settlement_text_check(struct str text) {
  struct arena arena;
  struct ledger_op got = {.charge = -7}, wanted = {.kind = LEDGER_SETTLE};
  arena_init(&arena, ARENA);
  bool taken = settlement_read(text, &arena, &got) == 0; // first, so that jansson's memory is the server's
  json_t *root = text.len && !memchr(text.ptr, '\0', text.len)
                     ? json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL)
                     : NULL;
  bool sound = root && depth_of(root) <= DEPTH && plain_read(root, &wanted);
  FUZZ_CHECK(taken == sound, "\"%.*s\"", STR_ARG(text));
  FUZZ_CHECK(taken || got.charge == -7, "a half of one is handed out");
  if (taken) {
    char *usage = json_dumps(json_object_get(root, "usage"), JSON_COMPACT);
    wanted.usage = str_from(usage);
    same_check(&wanted, &got);
    FUZZ_CHECK(str_eq(wanted.evidence, got.evidence), "evidence %.*s", STR_ARG(got.evidence));
    if (text.len + ROOM_FOR_LOST <= LIMIT_JOURNAL_ENTRY) written_check(&got);
    mem_free(usage);
  }
  json_decref(root);
  arena_finish(&arena);
}

// ---- made

static void uuid_fill(struct fuzz_input *in, struct uuid *ret) {
  for (size_t i = 0; i < sizeof ret->b; i++) ret->b[i] = fuzz_byte(in);
}

static void usage_fill(struct fuzz_input *in, struct buf *usage) {
  int count = fuzz_byte(in) % (METERS + 1);
  buf_putc(usage, '{');
  for (int i = 0; i < count; i++)
    buf_printf(usage, "%s\"a_meter_with_a_rather_long_name_indeed_%02d\":%" PRIu64, i ? "," : "", i, fuzz_u64(in) >> 1);
  buf_putc(usage, '}');
}

// Some times over, so that it is met that it does not fit.
static void evidence_fill(struct fuzz_input *in, struct buf *evidence) {
  int times = 1 + fuzz_byte(in);
  struct str piece = fuzz_until(in, '\0');
  if (!str_is_utf8(piece)) piece = STR("{}");
  while (times-- > 0 && evidence->len + piece.len <= evidence->max) buf_add_str(evidence, piece);
}

void settlement_made_check(struct fuzz_input *in) {
  static const enum call_state states[] = {CALL_SETTLED, CALL_RELEASED, CALL_UNRATED};
  struct buf usage, evidence;
  struct ledger_op op = {.kind = LEDGER_SETTLE, .state = states[fuzz_byte(in) % 3]};
  uint64_t flags = fuzz_u64(in);
  op.flags = flags & 0x7fff;
  op.undelivered = flags >> 63;
  op.charge = (amount)(fuzz_u64(in) >> 1);
  op.cost = (amount)(fuzz_u64(in) >> 1);
  uuid_fill(in, &op.customer);
  uuid_fill(in, &op.id);
  uuid_fill(in, &op.price);
  op.customer.b[0] |= 1, op.id.b[0] |= 1; // never nil
  buf_init(&usage, 4096);
  usage_fill(in, &usage);
  op.usage = buf_str(&usage);
  op.idempotency_key = fuzz_until(in, '\0');
  if (op.idempotency_key.len > KEY_MAX) op.idempotency_key.len = KEY_MAX;
  if (!str_is_utf8(op.idempotency_key)) op.idempotency_key = (struct str){0};
  buf_init(&evidence, LIMIT_JOURNAL_ENTRY + 1);
  evidence_fill(in, &evidence);
  op.evidence = buf_str(&evidence);
  written_check(&op);
  buf_finish(&evidence);
  buf_finish(&usage);
}
