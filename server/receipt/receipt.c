// See receipt.h. The balance is that after the whole commit which a row of the call was part of: calls that were settled in
// one commit have no order among each other that anybody outside could see.
#include "receipt/receipt.h"
#include "base/mem.h"
#include "db/db.h"
#include "json/write.h"
#include "meter/explain.h"

// What the commit of one of the call's rows left.
struct commit {
  bool moved; // credits moved in it: else nothing was kept of it
  int64_t at;
  bool balance_known;
  amount balance;
};

static int commits_read(struct db *db, struct arena *arena, const struct explanation *e, struct commit **ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, e->customer);
  db_param_uuid(&p, e->id);
  if (db_run(db, STATEMENT_RECEIPT_COMMITS, &p, &r) != 0) return FAULT_DB;
  *ret = arena_alloc(arena, e->revision_count * sizeof **ret);
  for (size_t i = 0; i < e->revision_count && i < db_rows(r); i++)
    (*ret)[i] = (struct commit){.moved = !db_is_null(r, i, 0),
                                .at = db_time(r, i, 0),
                                .balance_known = !db_is_null(r, i, 1),
                                .balance = db_i64(r, i, 1)};
  return 0;
}

// ---- rendering

static void flags_write(struct json_writer *w, unsigned flags) {
  json_key(w, "flags");
  json_array_begin(w);
#define X(id, bit, name, what)                                                                                         \
  if (flags & CALL_##id) json_put_text(w, name);
  CALL_FLAGS(X)
#undef X
  json_array_end(w);
}

static void commit_write(struct json_writer *w, const struct commit *c) {
  json_member_time(w, "settled_at", c->moved ? c->at : 0);
  json_key(w, "balance_after");
  if (c->balance_known)
    json_put_amount(w, c->balance);
  else
    json_put_null(w);
}

static void line_write(struct json_writer *w, const struct explain_line *line) {
  json_object_begin(w);
  json_member_str(w, "meter", line->meter);
  json_member_int(w, "quantity", line->quantity);
  json_key(w, "rate");
  if (line->priced)
    json_put_amount(w, line->rate);
  else
    json_put_null(w);
  json_key(w, "per");
  if (line->priced)
    json_put_int(w, line->per);
  else
    json_put_null(w);
  json_member_amount(w, "amount", line->charge);
  json_object_end(w);
}

static void correction_write(struct json_writer *w, const struct explain_revision *v, const struct commit *c) {
  json_object_begin(w);
  json_member_int(w, "revision", v->revision);
  json_member_text(w, "state", call_state_name(v->state));
  flags_write(w, v->flags);
  json_member_amount(w, "charge", v->charge);
  json_member_raw(w, "usage", v->usage);
  commit_write(w, c);
  json_object_end(w);
}

static void what_write(struct json_writer *w, const struct explanation *e) {
  json_member_text(w, "state", call_state_name(e->state));
  flags_write(w, e->flags);
  json_member_str(w, "model", e->price.model);
  json_member_str(w, "provider", e->price.provider);
  json_key(w, "price");
  json_object_begin(w);
  json_member_id(w, "id", "prc", e->price.id);
  json_member_time(w, "valid_from", e->price.valid_from);
  json_object_end(w);
  json_key(w, "lines");
  json_array_begin(w);
  for (size_t i = 0; i < e->line_count; i++) line_write(w, &e->lines[i]);
  json_array_end(w);
  json_member_bool(w, "adds_up", e->adds_up);
  json_member_amount(w, "charge", e->charge);
}

static void receipt_write(struct json_writer *w, const struct explanation *e, const struct commit *commits, int64_t issued_at) {
  size_t last = e->revision_count - 1;
  json_object_begin(w);
  json_member_text(w, "object", "receipt");
  json_member_int(w, "version", 1);
  json_member_id(w, "call", "call", e->id);
  json_member_id(w, "customer", "cus", e->customer);
  json_member_id(w, "key", "key", e->key);
  json_member_time(w, "created_at", e->created_at);
  json_member_time(w, "issued_at", issued_at);
  what_write(w, e);
  commit_write(w, &commits[last]);
  json_member_int(w, "revision", e->revisions[last].revision);
  json_key(w, "corrections");
  json_array_begin(w);
  for (size_t i = 1; i < e->revision_count; i++) correction_write(w, &e->revisions[i], &commits[i]);
  json_array_end(w);
  json_object_end(w);
}

// ---- the whole

static int line_make(struct receipt_ring *ring, struct str payload, struct buf *out) {
  struct crypto_signer signer;
  char kid[CRYPTO_THUMBPRINT_MAX];
  int r = receipt_ring_signer(ring, &signer, kid) == 0 ? RECEIPT_DONE : RECEIPT_UNSIGNED;
  if (r == RECEIPT_DONE && !jws_write(out, &signer, kid, RECEIPT_TYP, payload)) r = FAULT_FULL;
  crypto_wipe(&signer, sizeof signer);
  return r;
}

int receipt_make(struct db *db, struct arena *arena, const struct plugin_registry *plugins, struct receipt_ring *ring,
                 const struct receipt_call *of, struct buf *out, enum call_state *ret_state) {
  CLEANUP(buf_finish) struct buf payload;
  struct explanation e;
  struct commit *commits = NULL;
  buf_init(&payload, JWS_MAX);
  int r = explain_call(db, arena, plugins, of->customer, of->call, &e);
  if (r != 0) return r < 0 ? r : RECEIPT_UNKNOWN;
  *ret_state = e.state;
  if (e.state != CALL_SETTLED && e.state != CALL_VOIDED) return RECEIPT_UNSETTLED;
  r = commits_read(db, arena, &e, &commits);
  if (r != 0) return r;
  struct json_writer w = json_writer(&payload);
  receipt_write(&w, &e, commits, of->issued_at);
  return payload.full ? FAULT_FULL : line_make(ring, buf_str(&payload), out);
}
