// /api/v1/calls: lists, the explanation of one, and undoing one.
#include "base/limits.h"
#include "meter/explain.h"
#include "rest/endpoints.h"

// ---- rendering

static const struct {
  unsigned flag;
  const char *name;
} flag_names[] = {
#define X(id, bit, name, what) {CALL_##id, name},
    CALL_FLAGS(X)
#undef X
};

static void state_write(struct json_writer *w, enum call_state state, unsigned flags) {
  json_member_text(w, "state", call_state_name(state));
  json_key(w, "flags");
  json_array_begin(w);
  for (size_t i = 0; i < ARRAY_LEN(flag_names); i++)
    if (flags & flag_names[i].flag) json_put_text(w, flag_names[i].name);
  json_array_end(w);
}

static void summary_write(struct json_writer *w, const struct explain_summary *s, struct uuid customer, bool costs) {
  json_member_id(w, "id", "call", s->id);
  json_member_text(w, "object", "call");
  json_member_id(w, "customer", "cus", customer);
  json_member_id(w, "key", "key", s->key);
  state_write(w, s->state, s->flags);
  json_member_str(w, "model", s->model);
  json_member_str(w, "provider", s->provider);
  json_member_amount(w, "charge", s->charge);
  if (costs) json_member_amount(w, "cost", s->cost);
  json_member_raw(w, "usage", s->usage);
  json_member_time(w, "created_at", uuid_time_us(s->id));
}

static void line_write(struct json_writer *w, const struct explain_line *line, bool costs) {
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
  if (costs) json_member_amount(w, "cost", line->cost);
  json_object_end(w);
}

static void price_write(struct json_writer *w, const struct explanation *e) {
  json_key(w, "price");
  json_object_begin(w);
  json_member_id(w, "id", "prc", e->price.id);
  json_member_str(w, "model", e->price.model);
  json_member_time(w, "valid_from", e->price.valid_from);
  json_member_time(w, "valid_until", e->price.valid_until);
  json_object_end(w);
}

static void parts_write(struct json_writer *w, const struct explanation *e) {
  json_key(w, "grants");
  json_array_begin(w);
  for (size_t i = 0; i < e->part_count; i++) {
    json_object_begin(w);
    json_member_id(w, "grant", "grt", e->parts[i].grant);
    json_member_amount(w, "amount", e->parts[i].amount);
    json_object_end(w);
  }
  json_array_end(w);
}

static void of_hold_write(struct json_writer *w, const struct explanation *e) {
  json_member_id(w, "part_of", "call", e->part_of);
  json_key(w, "parts");
  json_array_begin(w);
  for (size_t i = 0; i < e->of_hold_count; i++) {
    json_object_begin(w);
    json_member_id(w, "call", "call", e->of_hold[i].id);
    json_member_text(w, "state", call_state_name(e->of_hold[i].state));
    json_member_amount(w, "charge", e->of_hold[i].charge);
    json_member_bool(w, "late", e->of_hold[i].flags & CALL_LATE);
    json_object_end(w);
  }
  json_array_end(w);
}

static void corrections_write(struct json_writer *w, const struct explanation *e, bool costs) {
  json_key(w, "corrections");
  json_array_begin(w);
  for (size_t i = 1; i < e->revision_count; i++) {
    const struct explain_revision *v = &e->revisions[i];
    json_object_begin(w);
    json_member_int(w, "revision", v->revision);
    state_write(w, v->state, v->flags);
    json_member_id(w, "price", "prc", v->price);
    json_member_amount(w, "charge", v->charge);
    if (costs) json_member_amount(w, "cost", v->cost);
    json_member_raw(w, "usage", v->usage);
    if (costs) json_member_raw(w, "evidence", v->evidence);
    json_object_end(w);
  }
  json_array_end(w);
}

static struct str usage_text(struct arena *arena, const struct explanation *e) {
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, LIMIT_EVIDENCE);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  for (size_t i = 0; i < e->line_count; i++)
    json_member_int(&w, arena_strdup(arena, e->lines[i].meter), e->lines[i].quantity);
  json_object_end(&w);
  return arena_str(arena, buf_str(&out));
}

static void explanation_write(struct json_writer *w, struct arena *arena, const struct explanation *e, bool costs) {
  struct explain_summary s = {.id = e->id,
                              .key = e->key,
                              .state = e->state,
                              .flags = e->flags,
                              .charge = e->charge,
                              .cost = e->cost,
                              .usage = usage_text(arena, e),
                              .model = e->price.model,
                              .provider = e->price.provider};
  json_object_begin(w);
  summary_write(w, &s, e->customer, costs);
  json_member_amount(w, "held", e->held);
  json_key(w, "lines");
  json_array_begin(w);
  for (size_t i = 0; i < e->line_count; i++) line_write(w, &e->lines[i], costs);
  json_array_end(w);
  json_member_bool(w, "adds_up", e->adds_up);
  price_write(w, e);
  parts_write(w, e);
  json_member_raw(w, "hold", e->hold.ptr ? e->hold : STR("null"));
  of_hold_write(w, e);
  json_member_raw(w, "raw_usage", e->raw_usage.ptr ? e->raw_usage : STR("null"));
  if (costs) json_member_raw(w, "evidence", e->evidence.ptr ? e->evidence : STR("{}"));
  corrections_write(w, e, costs);
  json_object_end(w);
}

// ---- endpoints

static bool call_find(struct rest_request *r, struct db *db, struct uuid id, struct explanation *ret) {
  struct uuid customer = r->who->is_operator ? UUID_NIL : r->who->customer_id;
  int found = explain_call(db, r->arena, r->context->plugins, customer, id, ret);
  if (found < 0)
    rest_fault(r, found);
  else if (found > 0)
    rest_unknown(r, "id", "call");
  return found == 0;
}

static void call_answer(struct rest_request *r, struct db *db, struct uuid id) {
  struct explanation e;
  if (!call_find(r, db, id, &e)) return;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  explanation_write(&w, r->arena, &e, r->who->is_operator);
  rest_reply(r, 200, &out);
}

static void call_get(struct rest_request *r, struct db *db) {
  struct uuid id;
  if (rest_path_id(r, "call", &id)) call_answer(r, db, id);
}

static int state_find(struct str name) {
#define X(id, number, text)                                                                                            \
  if (str_eq(name, STR(text))) return number;
  CALL_STATES(X)
#undef X
  return 0;
}

static bool filter_read(struct rest_request *r, struct explain_filter *ret) {
  struct str text;
  *ret = (struct explain_filter){0};
  if (!rest_customer_query(r, &ret->customer) || !rest_time_query(r, "created[gte]", &ret->from) ||
      !rest_time_query(r, "created[lt]", &ret->to))
    return false;
  if (rest_query(r, "key", &text) && !id_parse("key", text, &ret->key)) {
    rest_refuse(r, PROBLEM_INVALID_REQUEST, "key", "key must be key_ and 26 characters.");
    return false;
  }
  if (rest_query(r, "state", &text) && (ret->state = state_find(text)) == 0) {
    rest_refuse(r, PROBLEM_INVALID_REQUEST, "state",
                "state must be one of: pending, settled, released, expired, unrated, voided.");
    return false;
  }
  return true;
}

static void call_list_get(struct rest_request *r, struct db *db) {
  struct rest_page page;
  struct explain_filter filter;
  struct explain_summary *list = NULL;
  size_t count = 0;
  if (!rest_page(r, &page) || !filter_read(r, &filter)) return;
  filter.before = page.before;
  int fault = explain_list(db, r->arena, &filter, page.limit + 1, &list, &count);
  if (fault != 0) {
    rest_fault(r, fault);
    return;
  }
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  size_t shown = rest_shown(&page, count);
  rest_list_begin(&w);
  for (size_t i = 0; i < shown; i++) {
    json_object_begin(&w);
    summary_write(&w, &list[i], filter.customer, r->who->is_operator);
    json_object_end(&w);
  }
  rest_list_end(&w, r, &page, count, shown ? list[shown - 1].id : UUID_NIL);
  rest_reply(r, 200, &out);
}

// ---- undoing

struct body {
  struct str reason;
};
static const struct json_field fields[] = {
    {.name = "reason",
     .kind = JSON_TEXT,
     .required = true,
     .offset = offsetof(struct body, reason),
     .given = JSON_NOT_TOLD},
};

static struct str void_evidence(struct rest_request *r, struct str reason) {
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, LIMIT_EVIDENCE);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_member_text(&w, "ending", "voided by an operator");
  json_member_str(&w, "reason", reason);
  json_member_id(&w, "by", "key", r->who->key_id);
  json_object_end(&w);
  return arena_str(r->arena, buf_str(&out));
}

static void call_void_post(struct rest_request *r, struct db *db) {
  struct body body = {0};
  struct explanation e;
  struct uuid id;
  struct str key; // voiding is the same however often it is asked for: it need not be kept
  unsigned char fingerprint[32];
  if (!rest_path_id(r, "call", &id) || !rest_body(r, fields, ARRAY_LEN(fields), &body, sizeof body) ||
      !rest_replay_key(r, &key, fingerprint) || !call_find(r, db, id, &e))
    return;
  struct ledger_op op = {
      .kind = LEDGER_VOID, .customer = e.customer, .id = id, .evidence = void_evidence(r, body.reason)};
  int result = ledger_run(r->context->ledger, &op);
  r->replayed = result == LEDGER_DUPLICATE && key.len > 0;
  if (result < 0)
    rest_fault(r, result);
  else if (result == LEDGER_DONE || result == LEDGER_DUPLICATE)
    call_answer(r, db, id);
  else if (result == LEDGER_GONE)
    rest_refuse(r, PROBLEM_CONFLICT, "id", "Calls of that time are kept no longer: they are not changed any more.");
  else
    rest_refuse(r, PROBLEM_CONFLICT, "id", "Only a call that is settled or waits for a price can be voided; this one is %s.",
                call_state_name(e.state));
}

const struct rest_endpoint rest_calls[] = {
    {"GET", "/api/v1/calls", REST_OWN, REST_PRIMARY, "customer|key|state|created[gte]|created[lt]|limit|cursor",
     call_list_get},
    {"GET", "/api/v1/calls/{id}", REST_OWN, REST_PRIMARY, NULL, call_get},
    {"POST", "/api/v1/calls/{id}/void", REST_OPERATOR, REST_PRIMARY, NULL, call_void_post},
    {0},
};
