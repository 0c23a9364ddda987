// What is told of each event, and of all.
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metric.h"
#include "ledger/bucket.h"
#include "price/holder.h"
#include "rest/intake.h"

#define ONE_MAX (16 * 1024)
#define DETAILS_MAX (16 * 1024)
#define MORE_TOLD 2048 // of what an event says besides, in a conflict
// A batch's refusals are told at length in so much of its answer, and by their code alone beyond: what is left are some 260 bytes
// for each event and what is repeated of the request.
#define TOLD_LEAST (64 * 1024)
#define TOLD_EACH 1024
#define TOLD_MOST (16 * 1024 * 1024)
#define ANSWER_EACH 300
#define READ_EACH_BYTE 4 // what an event says besides stands in it and in its evidence
#define ANSWER_MORE (64 * 1024) // its beginning and end, and what is begun before the bound on what is told

// ---- the end

static void finish(struct intake *in) {
  struct rest_context *context = in->r->context;
  principal_unref(in->who);
  book_unref(in->book);
  if (intake_is_batch(in)) {
    buf_finish(&in->out);
    arena_finish(&in->window);
  }
  in->who = NULL;
  in->book = NULL;
  atomic_fetch_sub(&context->reporting, 1);
}

void intake_end(struct intake *in, int status, struct buf *body) {
  struct http_request *http = in->r->http;
  struct http_header type = {STR("Content-Type"), STR("application/json")};
  ASSERT(!body->full);
  finish(in);
  http_reply(http, status, &type, 1, buf_str(body));
}

void intake_end_refused(struct intake *in, enum problem problem, const char *param, struct str details, const char *message) {
  struct rest_request *r = in->r;
  struct problem_more more = {.param = param, .details = details, .retry_after_ms = problem_table[problem].status == 503 ? 1000 : 0};
  finish(in);
  if (problem == PROBLEM_INVALID_KEY) rest_unknown_key(r);
  else http_problem(r->http, problem, &more, "%s", message);
}

static enum problem fault_problem(int fault) {
  return fault == FAULT_FULL ? PROBLEM_OVERLOADED : fault == FAULT_CLOSED ? PROBLEM_SHUTTING_DOWN : PROBLEM_STORAGE_UNAVAILABLE;
}

static const char *fault_message(int fault) {
  if (fault == FAULT_FULL) return "Too much is waiting for the database. Nothing was recorded; send it again in a moment.";
  if (fault == FAULT_CLOSED) return "The service is shutting down. Nothing was recorded.";
  if (fault == FAULT_DB_UNKNOWN) return "The database was lost while it committed: send it again, it is charged once.";
  return "The database cannot be reached. Nothing was recorded; send it again, it is charged once.";
}

void intake_end_fault(struct intake *in, int fault) {
  const char *message = intake_is_batch(in) ? "Not all of these events could be recorded now. Send them again; each is charged once." : fault_message(fault);
  intake_end_refused(in, fault_problem(fault), NULL, (struct str){0}, message);
}

// ---- refusals of the ledger's

static const char *budget_name(int period) {
  return period == BUCKET_DAY ? "day" : period == BUCKET_MONTH ? "month" : "total";
}

static void explain(struct intake *in, struct intake_event *one) {
  const struct ledger_op *op = &one->op;
  one->ledgers = true;
  char charge[AMOUNT_TEXT_MAX];
  amount_print(op->charge, charge);
  if (op->result < 0)
    intake_refuse(in, one, fault_problem(op->result), NULL, "%s", fault_message(op->result));
  else if (op->result == LEDGER_UNKNOWN)
    intake_refuse(in, one, PROBLEM_NOT_FOUND, one->e.customer_from, "There is no such customer.");
  else if (op->result == LEDGER_SHORT)
    intake_refuse(in, one, PROBLEM_INSUFFICIENT_CREDITS, NULL, "This event costs %s credits, which are not available, and its customer's event_policy refuses it. Nothing was recorded.", charge);
  else if (op->result == LEDGER_LIMITED)
    intake_refuse(in, one, PROBLEM_BUDGET_EXCEEDED, NULL, "This event costs %s credits, which do not fit in what is left of the %s budget. Nothing was recorded.", charge,
                  budget_name(op->limit_period));
  else if (op->result == LEDGER_REUSED)
    intake_refuse(in, one, PROBLEM_EVENT_CONFLICT, "id", "An event of this source and id was recorded before, and it differs in type, model, quantities or what else its data says.");
  else if (op->result == LEDGER_STALE)
    intake_refuse(in, one, PROBLEM_OVERLOADED, NULL, "The customer's configuration is changing. Nothing was recorded; send it again.");
  else
    intake_refuse(in, one, PROBLEM_CONFLICT, NULL, "The ledger cannot take this event. Nothing was recorded.");
}

// ---- what else is told with a refusal

static void credits_details(struct json_writer *w, const struct ledger_op *op) {
  amount_wide available = (amount_wide)op->balance - op->held + op->credit_limit;
  json_member_amount(w, "balance", op->balance);
  json_member_amount(w, "held", op->held);
  json_member_amount(w, "available", available <= 0 ? 0 : available > AMOUNT_MAX ? AMOUNT_MAX : (amount)available);
  json_member_amount(w, "required", op->charge);
}

static void limit_details(struct json_writer *w, const struct ledger_op *op) {
  json_member_id(w, "limit", "lim", op->limit);
  json_member_text(w, "measure", "spend");
  json_member_text(w, "period", budget_name(op->limit_period));
  json_member_amount(w, "amount", op->limit_amount);
  json_member_amount(w, "left", op->left);
  json_member_time(w, "refills_at", op->refills_at);
  json_member_amount(w, "required", op->charge);
}

static void more_write(struct json_writer *w, struct str more) {
  json_member_raw(w, "data", more.len > 0 && more.len <= MORE_TOLD ? more : STR("null"));
}

// Both: what stands, and what came.
static void conflict_details(struct json_writer *w, const struct intake_event *one) {
  const struct usage_recorded *recorded = one->recorded;
  json_member_id(w, "call", "call", one->op.existing);
  json_key(w, "recorded");
  json_object_begin(w);
  json_member_text(w, "state", recorded && recorded->found ? call_state_name(recorded->state) : NULL);
  json_member_str(w, "model", recorded && recorded->found ? recorded->model : STR(""));
  json_member_raw(w, "usage", recorded && recorded->found ? recorded->usage : STR("null"));
  more_write(w, recorded && recorded->found ? recorded->more : STR(""));
  json_member_time(w, "time", uuid_time_us(one->op.existing));
  json_object_end(w);
  json_key(w, "received");
  json_object_begin(w);
  json_member_str(w, "type", one->e.type);
  json_member_str(w, "model", one->e.model);
  json_member_raw(w, "usage", one->rating.usage);
  more_write(w, one->e.more);
  json_member_time(w, "time", one->at);
  json_object_end(w);
}

static bool details_write(struct buf *out, const struct intake_event *one) {
  struct json_writer w = json_writer(out);
  bool known = one->ledgers && (one->op.result == LEDGER_SHORT || one->op.result == LEDGER_LIMITED || one->op.result == LEDGER_REUSED);
  if (!known) return false;
  json_object_begin(&w);
  if (one->op.result == LEDGER_SHORT) credits_details(&w, &one->op);
  if (one->op.result == LEDGER_LIMITED) limit_details(&w, &one->op);
  if (one->op.result == LEDGER_REUSED) conflict_details(&w, one);
  json_object_end(&w);
  return true;
}

// ---- one event

static void members_write(struct json_writer *w, const struct intake_event *one) {
  const struct usage_recorded *before = one->op.result == LEDGER_DUPLICATE ? one->recorded : NULL;
  json_member_text(w, "status", before || one->op.result == LEDGER_DUPLICATE ? "duplicate" : "accepted");
  json_member_str(w, "id", one->e.id);
  json_member_str(w, "source", one->e.source);
  json_member_id(w, "call", "call", one->op.result == LEDGER_DUPLICATE ? one->op.existing : one->op.id);
  json_member_id(w, "customer", "cus", one->customer);
  if (one->op.result == LEDGER_DUPLICATE) {
    json_member_text(w, "state", before && before->found ? call_state_name(before->state) : NULL);
    json_key(w, "charge");
    if (before && before->found) json_put_amount(w, before->charge);
    else json_put_null(w);
  } else {
    json_member_text(w, "state", call_state_name(one->op.state));
    json_member_amount(w, "charge", one->op.charged);
  }
}

// An event that no price was found for is alarming, but not thousands of times over.
static void unrated_tell(const struct intake_event *one) {
  static _Atomic int64_t told_at;
  int64_t now = clock_mono_us(), last = atomic_load(&told_at);
  metric_add(METRIC_EVENTS_UNRATED, 1);
  if (last != 0 && now - last < 1000000) return;
  if (!atomic_compare_exchange_strong(&told_at, &last, now)) return;
  char call[ID_TEXT_MAX];
  id_print("call", one->op.id, call);
  log_warn("event.unrated", "%s waits for %s; its evidence says of what", call, one->rating.unrated_meter ? "a rate" : "a price");
}

static bool judge(struct intake *in, struct intake_event *one) {
  if (!one->refused && one->op.result != LEDGER_DONE && one->op.result != LEDGER_DUPLICATE) explain(in, one);
  bool fresh = !one->refused && one->op.result == LEDGER_DONE;
  metric_add(one->refused ? METRIC_EVENTS_REJECTED : fresh ? METRIC_EVENTS_ACCEPTED : METRIC_EVENTS_DUPLICATE, 1);
  if (fresh && one->op.state == CALL_UNRATED) unrated_tell(one);
  return !one->refused;
}

static void answer_one(struct intake *in) {
  struct intake_event *one = in->events;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, ONE_MAX);
  if (!judge(in, one)) {
    bool details = details_write(&out, one);
    enum problem problem = one->problem;
    intake_end_refused(in, problem, one->param, details ? buf_str(&out) : (struct str){0}, one->message);
    return;
  }
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_member_text(&w, "object", "event");
  members_write(&w, one);
  json_member_amount(&w, "balance", one->op.balance);
  json_object_end(&w);
  intake_end(in, 200, &out);
}

// ---- a batch

static void rejected_write(struct intake *in, struct intake_event *one) {
  struct json_writer *w = &in->writer;
  CLEANUP(buf_finish) struct buf details;
  buf_init(&details, DETAILS_MAX);
  bool told = in->out.len < in->told_max, known = told && details_write(&details, one) && !details.full;
  json_key(w, "id");
  if (one->e.id.len) json_put_str(w, one->e.id);
  else json_put_null(w);
  json_member_text(w, "status", "rejected");
  json_key(w, "error");
  json_object_begin(w);
  json_member_text(w, "code", problem_table[one->problem].code);
  json_member_text(w, "message", told ? one->message : "Send fewer at once to read why.");
  json_member_text(w, "param", told ? one->param : NULL);
  if (known) json_member_raw(w, "details", buf_str(&details));
  json_object_end(w);
}

static void result_write(struct intake *in, struct intake_event *one, size_t index) {
  struct json_writer *w = &in->writer;
  bool sound = judge(in, one);
  json_object_begin(w);
  json_member_int(w, "index", (int64_t)index);
  if (sound) members_write(w, one);
  else rejected_write(in, one);
  json_object_end(w);
  if (!sound) in->rejected++;
  else if (one->op.result == LEDGER_DUPLICATE) in->duplicates++;
  else in->accepted++;
  if (!sound && one->problem == PROBLEM_INVALID_KEY) in->keyless++;
  if (sound || problem_table[one->problem].status != 503) return;
  in->retriable++;
  in->last_retriable = one->problem;
}

// The body, what is read of a window of it, and the answer.
bool intake_reserve(struct intake *in, size_t events) {
  size_t len = http_body(in->r->http).len, most = in->r->context->events_batch_max;
  size_t text = len < LIMIT_EVENTS_BODY ? len : LIMIT_EVENTS_BODY, window = events < most ? events : most;
  in->told_max = TOLD_LEAST + (events < TOLD_MOST / TOLD_EACH ? events * TOLD_EACH : TOLD_MOST);
  in->answer_max = in->told_max + events * ANSWER_EACH + len + ANSWER_MORE;
  return http_reserve(in->r->http, len + window * sizeof *in->events + text * READ_EACH_BYTE + in->answer_max);
}

static void batch_begin(struct intake *in) {
  buf_init(&in->out, in->answer_max);
  in->writer = json_writer(&in->out);
  json_object_begin(&in->writer);
  json_member_text(&in->writer, "object", "event_batch");
  json_key(&in->writer, "data");
  json_array_begin(&in->writer);
}

static void batch_end(struct intake *in) {
  struct json_writer *w = &in->writer;
  // Where nothing was taken for a reason of ours, that is the answer.
  if (in->retriable > 0 && in->retriable == in->accepted + in->duplicates + in->rejected) {
    enum problem problem = in->last_retriable;
    intake_end_refused(in, problem, NULL, (struct str){0}, "None of these events was recorded now. Send them again; each is charged once.");
    return;
  }
  if (in->keyless > 0 && in->keyless == in->accepted + in->duplicates + in->rejected) {
    intake_end_refused(in, PROBLEM_INVALID_KEY, NULL, (struct str){0}, NULL);
    return;
  }
  json_array_end(w);
  json_member_int(w, "accepted", in->accepted);
  json_member_int(w, "duplicates", in->duplicates);
  json_member_int(w, "rejected", in->rejected);
  json_object_end(w);
  struct buf out = in->out;
  in->out = (struct buf){0};
  intake_end(in, 200, &out);
  buf_finish(&out);
}

// An operator's key is compared in no commit: it is read again before it has been trusted for too long.
static bool key_is_old(const struct intake *in) {
  return in->who->is_operator && !in->revoked && clock_mono_us() - in->who->confirmed_at >= LIMIT_TRUST_MS * INT64_C(1000);
}

static void window_next(struct intake *in, struct db *db) {
  in->first += in->count;
  book_unref(in->book);
  in->book = NULL;
  arena_finish(&in->window);
  arena_init(&in->window, LIMIT_REQUEST_ARENA);
  in->count = 0;
  in->events = NULL;
  in->reloads = 0;
  if (key_is_old(in)) intake_reload(in, intake_take);
  else intake_take(in, db);
}

static void answer_window(struct intake *in, struct db *db) {
  if (in->first == 0 && in->out.max == 0) batch_begin(in);
  for (size_t i = 0; i < in->count; i++) result_write(in, &in->events[i], in->first + i);
  if (in->more) window_next(in, db);
  else batch_end(in);
}

// ---- events that came before

static int recorded_read(struct intake *in, struct db *db) {
  struct usage_recorded *all = arena_alloc(in->arena, (in->count + 1) * sizeof *all);
  size_t count = 0;
  for (size_t i = 0; i < in->count; i++) {
    struct intake_event *one = &in->events[i];
    if (one->refused || (one->op.result != LEDGER_DUPLICATE && one->op.result != LEDGER_REUSED)) continue;
    all[count] = (struct usage_recorded){.customer = one->customer, .call = one->op.existing};
    one->recorded = &all[count++];
  }
  return count > 0 ? usage_recorded_read(db, in->arena, all, count) : 0;
}

void intake_answer(struct intake *in, struct db *db) {
  // What is durable is told all the same: that it is a duplicate was decided by the ledger.
  if (db && recorded_read(in, db) != 0) log_warn("event.record", "what is on record of repeated events cannot be read: %s", db_error(db));
  if (intake_is_batch(in)) answer_window(in, db);
  else answer_one(in);
}
