// From a body to operations for the ledger: the events are read, their customers named, and each is held against its time and its
// price. What is wrong with one of a batch is its own affair.
#include "base/limits.h"
#include "base/log.h"
#include "base/metric.h"
#include "price/holder.h"
#include "rest/intake.h"
#include "usage/names.h"
#include <stdarg.h>
#include <stdio.h>

#define MESSAGE_MAX 640

void intake_refuse(struct intake *in, struct intake_event *one, enum problem problem, const char *param, const char *format, ...) {
  char message[MESSAGE_MAX];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(message, sizeof message, format, args);
  va_end(args);
  one->refused = true;
  one->problem = problem;
  one->param = param && param[0] ? arena_strdup(in->arena, str_from(param)) : NULL;
  one->message = arena_strdup(in->arena, str_from(message));
}

// ---- reading

static struct usage_words words_of(const struct intake *in, const struct book *book) {
  return (struct usage_words){in->r->context->plugins, book};
}

static const char *attribute_twice(const struct http_request *http) {
  static const char *const names[] = {"ce-specversion", "ce-id", "ce-source", "ce-type", "ce-subject", "ce-time"};
  for (size_t i = 0; i < ARRAY_LEN(names); i++) {
    int times = 0;
    for (size_t k = 0; k < http_header_count(http); k++) times += str_eq_nocase(http_header_at(http, k).name, str_from(names[i]));
    if (times > 1) return names[i] + 3;
  }
  return NULL;
}

static struct usage_attributes attributes_of(const struct http_request *http) {
  return (struct usage_attributes){.twice = attribute_twice(http),
                                   .specversion = http_header(http, "ce-specversion"),
                                   .id = http_header(http, "ce-id"),
                                   .source = http_header(http, "ce-source"),
                                   .type = http_header(http, "ce-type"),
                                   .subject = http_header(http, "ce-subject"),
                                   .time = http_header(http, "ce-time")};
}

static void event_read(struct intake *in, const struct usage_words *words, struct str text, struct intake_event *one) {
  struct usage_error error;
  bool binary = in->shape == INTAKE_BINARY;
  struct usage_attributes attributes = binary ? attributes_of(in->r->http) : (struct usage_attributes){0};
  int wrong = binary ? usage_read_binary(in->arena, words, &attributes, text, &one->e, &error)
                     : usage_read(in->arena, words, in->form, text, &one->e, &error);
  if (wrong) intake_refuse(in, one, PROBLEM_INVALID_REQUEST, error.param, "%s", error.message);
}

static bool refuse_batch(struct intake *in, enum problem problem, const char *why) {
  intake_end_refused(in, problem, NULL, (struct str){0}, why);
  return false;
}

// The next texts of a batch, as many as are taken at a time: so many events and bytes as a JSON batch may have.
static bool texts_read(struct intake *in, struct str *texts, size_t most, size_t *ret_count) {
  const char *why = NULL;
  size_t count = 0, bytes = 0;
  while (in->more && count < most && bytes < LIMIT_EVENTS_BODY) {
    int r = usage_walk_next(&in->walk, &texts[count], &why);
    if (r == 2) return refuse_batch(in, PROBLEM_INVALID_JSON, why);
    if (r == 1) in->more = false;
    else bytes += texts[count++].len;
  }
  *ret_count = count;
  return true;
}

static size_t lines_count(struct str text) {
  size_t count = 1;
  for (const char *at = text.ptr, *end = text.ptr + text.len; text.len && (at = memchr(at, '\n', (size_t)(end - at))); at++) count++;
  return count;
}

static bool batch_read(struct intake *in, const struct usage_words *words) {
  size_t most = in->r->context->events_batch_max, count = 0;
  size_t lines = in->shape == INTAKE_LINES && in->first == 0 ? lines_count(in->walk.text) : 0;
  if (lines > LIMIT_EVENTS_OF_LINES + 1)
    return refuse_batch(in, PROBLEM_TOO_LARGE, arena_printf(in->r->arena, "At most %d lines are taken at once. Send several requests.", LIMIT_EVENTS_OF_LINES));
  struct str *texts = arena_alloc(in->arena, (most + 1) * sizeof *texts);
  if (!texts_read(in, texts, in->shape == INTAKE_ARRAY ? most + 1 : most, &count)) return false;
  if (count > most)
    return refuse_batch(in, PROBLEM_TOO_LARGE,
                        arena_printf(in->r->arena, "A JSON batch may have %zu events. Send several, or lines of JSON as application/x-ndjson.", most));
  if (in->first == 0 && !intake_reserve(in, lines > count ? lines : count)) {
    intake_end_fault(in, FAULT_FULL);
    return false;
  }
  in->events = arena_alloc(in->arena, (count + 1) * sizeof *in->events);
  in->count = count;
  for (size_t i = 0; i < count; i++) event_read(in, words, texts[i], &in->events[i]);
  return true;
}

bool intake_read(struct intake *in) {
  struct book *book = book_take(in->r->context->books);
  if (!book) {
    intake_end_fault(in, FAULT_DB);
    return false;
  }
  struct usage_words words = words_of(in, book);
  bool read = true;
  if (intake_is_batch(in)) {
    read = batch_read(in, &words);
  } else {
    in->count = 1;
    in->events = arena_alloc(in->arena, sizeof *in->events);
    event_read(in, &words, http_body(in->r->http), in->events);
  }
  // Meters' names are the book's. They have to last as long as the events.
  if (read) in->book = book;
  else book_unref(book);
  return read;
}

// ---- whose they are

static void customer_name(struct intake *in, struct intake_event *one) {
  const struct principal *who = in->who;
  struct str text = one->e.customer;
  if (text.len == 0 && who->is_operator) {
    intake_refuse(in, one, PROBLEM_INVALID_REQUEST, "subject", "subject is missing: it names the customer (cus_… or your own id).");
  } else if (text.len == 0) {
    one->customer = who->customer_id;
  } else if (!id_parse("cus", text, &one->customer)) {
    if (str_starts(text, STR("ext:"))) text.ptr += 4, text.len -= 4;
    if (!usage_names_find(in->r->context->names, text, &one->customer)) one->own_name = text;
  }
}

size_t intake_unnamed(const struct intake *in) {
  size_t count = 0;
  for (size_t i = 0; i < in->count; i++) count += !in->events[i].refused && in->events[i].own_name.len > 0;
  return count;
}

int intake_names_read(struct intake *in, struct db *db) {
  size_t count = intake_unnamed(in), at = 0;
  struct str *names = arena_alloc(in->arena, (count + 1) * sizeof *names);
  struct uuid *customers = arena_alloc(in->arena, (count + 1) * sizeof *customers);
  struct intake_event **whose = arena_alloc(in->arena, (count + 1) * sizeof *whose);
  for (size_t i = 0; i < in->count; i++)
    if (!in->events[i].refused && in->events[i].own_name.len > 0) whose[at] = &in->events[i], names[at++] = in->events[i].own_name;
  int fault = usage_names_read(in->r->context->names, db, names, count, customers);
  for (size_t i = 0; fault == 0 && i < count; i++) {
    whose[i]->customer = customers[i];
    whose[i]->own_name = (struct str){0};
  }
  return fault;
}

// A key of a customer's own reports for that customer and learns of no other. One that stands no more reports nothing.
static bool customer_check(struct intake *in, struct intake_event *one) {
  if (in->revoked)
    intake_refuse(in, one, PROBLEM_INVALID_KEY, NULL, INTAKE_REVOKED);
  else if (!in->who->is_operator && !uuid_eq(one->customer, in->who->customer_id))
    intake_refuse(in, one, PROBLEM_FORBIDDEN, one->e.customer_from, "This key may report usage of its own customer only.");
  else if (uuid_is_nil(one->customer))
    intake_refuse(in, one, PROBLEM_NOT_FOUND, one->e.customer_from, "There is no such customer.");
  return !one->refused;
}

// ---- when it was

static bool time_check(struct intake *in, struct intake_event *one, int64_t now) {
  int64_t late = in->r->context->events_late_us;
  one->at = one->e.time ? one->e.time : now;
  if (one->at > now + LIMIT_EVENT_AHEAD_MS * INT64_C(1000))
    intake_refuse(in, one, PROBLEM_INVALID_REQUEST, "time", "time is more than five minutes ahead of the service's clock. (Times in digits are seconds, not milliseconds.)");
  else if (one->at < now - late)
    intake_refuse(in, one, PROBLEM_INVALID_REQUEST, "time", "time is more than %lld days ago: so late an event is not taken.", (long long)(late / INT64_C(86400000000)));
  if (one->at > now) one->at = now; // it has happened: by a clock that is ahead of this one
  return !one->refused;
}

// ---- what it costs

static bool rate(struct intake *in, struct intake_event *one) {
  struct usage_words words = words_of(in, in->book);
  if (!usage_rate(in->arena, &words, &one->e, one->at, &one->rating)) {
    intake_refuse(in, one, PROBLEM_INVALID_REQUEST, "data", "This would cost more than an amount can be.");
    return false;
  }
  if (one->rating.state != CALL_UNRATED || !in->r->context->events_refuse_unpriced) return true;
  metric_add(METRIC_DENIED_PRICE, 1);
  if (one->rating.unrated_meter)
    intake_refuse(in, one, PROBLEM_MODEL_NOT_PRICED, "data.usage", "The price of \"%.*s\" had no rate for %s at the event's time.", STR_ARG(one->e.model),
                  one->rating.unrated_meter);
  else
    intake_refuse(in, one, PROBLEM_MODEL_NOT_PRICED, "data.model", "\"%.*s\" had no price at the event's time.", STR_ARG(one->e.model));
  return false;
}

static void op_fill(struct intake *in, struct intake_event *one) {
  const struct principal *who = in->who;
  one->op = (struct ledger_op){.kind = LEDGER_RECORD,
                               .customer = one->customer,
                               .id = ledger_call_id_at(one->at, one->customer),
                               .key = who->is_operator ? UUID_NIL : who->key_id,
                               .price = one->rating.price,
                               .charge = one->rating.charge,
                               .cost = one->rating.cost,
                               .usage = one->rating.usage,
                               .config_version = who->is_operator ? 0 : who->config_version,
                               .state = one->rating.state,
                               .evidence = usage_evidence(in->arena, &one->e, &one->rating),
                               .event = {.identity = usage_identity(&one->e),
                                         .content = usage_content(in->arena, &one->e),
                                         .source = one->e.source,
                                         .id = one->e.id}};
  one->op.result = LEDGER_REFUSED; // until it is answered
  one->asked = true;
}

void intake_judge(struct intake *in) {
  int64_t now = ledger_now(in->r->context->ledger);
  for (size_t i = 0; i < in->count; i++) {
    struct intake_event *one = &in->events[i];
    if (!one->refused && customer_check(in, one) && time_check(in, one, now) && rate(in, one)) op_fill(in, one);
  }
}

// ---- the step

static void names_job(struct intake *in, struct db *db) {
  if (intake_names_read(in, db) != 0) {
    intake_end_fault(in, FAULT_DB);
    return;
  }
  intake_judge(in);
  intake_submit(in);
}

void intake_take(struct intake *in, struct db *db) {
  if (!intake_read(in)) return;
  for (size_t i = 0; i < in->count; i++)
    if (!in->events[i].refused) customer_name(in, &in->events[i]);
  if (intake_unnamed(in) > 0 && !db) intake_job(in, names_job);
  else if (intake_unnamed(in) > 0) names_job(in, db);
  else {
    intake_judge(in);
    intake_submit(in);
  }
}
