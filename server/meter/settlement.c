// From an operation to an entry and back: JSON, because a person may have to read it one day.
#include "meter/settlement.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "json/read.h"
#include "json/write.h"

#define PIECE 256
#define EVIDENCE_LEFT_OUT "{\"lost\":\"it did not fit the journal's entry\"}"

// ---- writing

static void members_write(const struct ledger_op *op, struct str evidence, struct buf *out) {
  struct json_writer w = json_writer(out);
  json_object_begin(&w);
  json_member_int(&w, "version", 1);
  json_member_id(&w, "customer", "cus", op->customer);
  json_member_id(&w, "call", "call", op->id);
  json_member_id(&w, "price", "prc", op->price);
  json_member_text(&w, "state", call_state_name(op->state));
  json_member_int(&w, "flags", op->flags);
  json_member_amount(&w, "charge", op->charge);
  json_member_amount(&w, "cost", op->cost);
  json_member_raw(&w, "usage", op->usage.len ? op->usage : STR("{}"));
  json_member_str(&w, "idempotency_key", op->idempotency_key);
  json_member_bool(&w, "undelivered", op->undelivered);
  json_member_str(&w, "evidence", evidence); // as text: it is evidence byte for byte
  json_object_end(&w);
}

void settlement_write(const struct ledger_op *op, struct buf *out) {
  ASSERT(op->kind == LEDGER_SETTLE && out->max >= LIMIT_JOURNAL_ENTRY);
  members_write(op, op->evidence.len ? op->evidence : STR("{}"), out);
  if (!out->full && out->len <= LIMIT_JOURNAL_ENTRY) return;
  buf_clear(out);
  members_write(op, STR(EVIDENCE_LEFT_OUT), out);
  ASSERT(!out->full && out->len <= LIMIT_JOURNAL_ENTRY);
}

// ---- reading

static bool id_read(struct json *root, const char *name, const char *prefix, struct uuid *ret) {
  struct json *value = json_get(root, name);
  struct str text;
  *ret = UUID_NIL;
  return value && (json_is_null(value) || (json_text(value, &text) && id_parse(prefix, text, ret)));
}

static bool amount_read(struct json *root, const char *name, amount *ret) {
  struct json *value = json_get(root, name);
  struct str text;
  return value && json_text(value, &text) && amount_parse(text, ret) && *ret >= 0;
}

static bool object_read(struct json *root, const char *name, struct arena *arena, struct str *ret) {
  struct json *value = json_get(root, name);
  if (!value) return false;
  CLEANUP(mem_freep) char *text = json_dump(value);
  *ret = arena_str(arena, str_from(text));
  return ret->len > 0 && ret->ptr[0] == '{';
}

static bool text_read(struct json *root, const char *name, struct arena *arena, struct str *ret) {
  struct json *value = json_get(root, name);
  struct str text;
  if (!value || !json_text(value, &text)) return false;
  *ret = arena_str(arena, text);
  return true;
}

// One of the states that a hold ends as.
static bool state_read(struct json *root, enum call_state *ret) {
  static const enum call_state states[] = {CALL_SETTLED, CALL_RELEASED, CALL_UNRATED};
  struct json *value = json_get(root, "state");
  struct str text;
  if (!value || !json_text(value, &text)) return false;
  for (size_t i = 0; i < ARRAY_LEN(states); i++)
    if (str_eq(text, str_from(call_state_name(states[i])))) {
      *ret = states[i];
      return true;
    }
  return false;
}

static int usage_check(void *arg, const char *name, struct json *value) {
  int64_t quantity = 0;
  (void)arg;
  (void)name;
  return !json_int(value, &quantity) || quantity < 0;
}

int settlement_read(struct str text, struct arena *arena, struct ledger_op *ret) {
  CLEANUP(json_finishp) struct json *root = NULL;
  struct json_error error;
  struct ledger_op op = {.kind = LEDGER_SETTLE};
  int64_t flags = 0;
  if (json_parse(text, &root, &error) != 0) return 1;
  struct json *told = json_get(root, "flags"), *undelivered = json_get(root, "undelivered"), *usage = json_get(root, "usage");
  bool sound = id_read(root, "customer", "cus", &op.customer) && id_read(root, "call", "call", &op.id) &&
               id_read(root, "price", "prc", &op.price) && state_read(root, &op.state) && told && json_int(told, &flags) &&
               flags >= 0 && flags <= INT16_MAX && amount_read(root, "charge", &op.charge) &&
               amount_read(root, "cost", &op.cost) && object_read(root, "usage", arena, &op.usage) &&
               json_each(usage, usage_check, NULL) == 0 && text_read(root, "evidence", arena, &op.evidence) &&
               text_read(root, "idempotency_key", arena, &op.idempotency_key) && undelivered &&
               json_bool(undelivered, &op.undelivered) && !uuid_is_nil(op.customer) && !uuid_is_nil(op.id);
  if (!sound) return 1;
  op.flags = (unsigned)flags;
  *ret = op;
  return 0;
}

// ---- replaying

static void refuse(struct journal *j, uint64_t sequence, const struct ledger_op *op, const char *why) {
  char call[ID_TEXT_MAX] = "an entry";
  if (op) id_print("call", op->id, call);
  bool moved = journal_refuse(j, sequence) == 0;
  log_error("journal.refused", "%s was in the journal and cannot be settled (%s): %s", call, why,
            moved ? "it is in refused.jsonl there" : "it could not be moved to refused.jsonl");
}

static void answer_take(struct journal *j, uint64_t sequence, const struct ledger_op *op, int *ret_done, int *ret_fault) {
  if (op->result == LEDGER_DONE || op->result == LEDGER_DUPLICATE) {
    journal_settled(j, sequence);
    metric_add(METRIC_JOURNAL_REPLAYED, 1);
    ++*ret_done;
  } else if (op->result < 0) {
    journal_let_go(j, sequence);
    *ret_fault = op->result;
  } else {
    refuse(j, sequence, op, op->result == LEDGER_UNKNOWN ? "the ledger does not know the call" : "the ledger refuses it");
  }
}

// Reads one piece. Those that cannot be read are refused; the others stand in front.
static size_t piece_read(struct journal *j, struct arena *arena, uint64_t *sequences, size_t count, struct ledger_op *ops) {
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    CLEANUP(buf_finish) struct buf text;
    buf_init(&text, LIMIT_JOURNAL_ENTRY);
    bool sound = journal_read(j, sequences[i], &text) == 0 && settlement_read(buf_str(&text), arena, &ops[kept]) == 0;
    if (sound)
      sequences[kept++] = sequences[i];
    else
      refuse(j, sequences[i], NULL, "it is no settlement");
  }
  return kept;
}

int settlements_replay(struct journal *j, struct ledger *l) {
  uint64_t sequences[PIECE];
  int done = 0, fault = 0;
  size_t count;
  while (fault == 0 && (count = journal_take(j, sequences, PIECE)) > 0) {
    struct arena arena;
    arena_init(&arena, LIMIT_REQUEST_ARENA);
    struct ledger_op *ops = arena_alloc(&arena, count * sizeof *ops);
    count = piece_read(j, &arena, sequences, count, ops);
    (void)ledger_run_all(l, ops, count);
    for (size_t i = 0; i < count; i++) answer_take(j, sequences[i], &ops[i], &done, &fault);
    arena_finish(&arena);
  }
  return fault ? fault : done;
}
