// /api/v1/meters: kinds of usage that the operator defines, beside those that plugins count and the standard ones.
#include "base/limits.h"
#include "price/meter.h"
#include "rest/catalogue.h"
#include "rest/endpoints.h"
#include "rest/words.h"
#include "usage/meters.h"

#define NAME_MAX_BYTES 63
#define DESCRIPTION_MAX 500

static void meter_write(struct json_writer *w, const struct meter *m) {
  json_object_begin(w);
  json_member_text(w, "object", "meter");
  json_member_str(w, "name", m->name);
  json_member_str(w, "unit", m->unit);
  json_member_str(w, "aggregation", word_at(METER_AGGREGATIONS, (int)m->aggregation));
  json_member_str(w, "description", m->description);
  json_member_time(w, "created_at", m->created_at);
  json_object_end(w);
}

static bool answered(struct rest_request *r, int result) {
  if (result < 0)
    rest_fault(r, result);
  else if (result == METER_UNKNOWN)
    rest_unknown(r, "name", "meter");
  else if (result == METER_TAKEN)
    rest_refuse(r, PROBLEM_CONFLICT, "name", "There is a meter of this name.");
  else if (result == METER_PRICED)
    rest_refuse(r, PROBLEM_CONFLICT, "name", "A price has a rate for this meter: it stays, so that what was charged by it can be explained.");
  else if (result == METER_TOO_MANY)
    rest_refuse(r, PROBLEM_CONFLICT, NULL, "There may be %d meters.", METERS_MAX_DEFINED);
  return result != METER_DONE;
}

static void meter_answer(struct rest_request *r, struct db *db, int status, struct str name) {
  struct meter m;
  if (answered(r, meter_read(db, r->arena, name, &m))) return;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  meter_write(&w, &m);
  rest_reply(r, status, &out);
}

// ---- the body

struct body {
  struct str name, unit, aggregation, description;
  bool given_name, given_unit, given_aggregation, given_description;
};
#define AT(member) .offset = offsetof(struct body, member), .given = offsetof(struct body, given_##member)
static const struct json_field fields[] = {
    {.name = "unit", .kind = JSON_TEXT_ANY, .max = LIMIT_NAME, AT(unit)},
    {.name = "description", .kind = JSON_TEXT_ANY, .max = DESCRIPTION_MAX, AT(description)},
    {.name = "name", .kind = JSON_TEXT, .required = true, AT(name)},
    {.name = "aggregation", .kind = JSON_TEXT, .required = true, .one_of = METER_AGGREGATIONS, AT(aggregation)},
};
#define FIELDS_TO_CHANGE 2 // what it is stays

static bool name_wrong(struct rest_request *r, const char *why) {
  rest_refuse(r, PROBLEM_INVALID_REQUEST, "name", "name: %s", why);
  return true;
}

// A name is one meter's: no plugin's, no standard one, and no total that clients are told to take apart.
static bool name_refused(struct rest_request *r, struct str name) {
  if (!word_is_name(name, "_", NAME_MAX_BYTES)) return name_wrong(r, "must be 1 to 63 of a-z, 0-9 and '_', and begin with a letter or digit.");
  struct book *book = book_take(r->context->books);
  struct usage_words words = {r->context->plugins, book};
  enum book_aggregation aggregation;
  bool standing = book && !book_meter(book, name) && usage_meter_find(&words, name, &aggregation);
  book_unref(book);
  if (standing) {
    rest_refuse(r, PROBLEM_CONFLICT, "name", "There is a meter of this name already: a standard one, or one of a plugin.");
    return true;
  }
  return usage_meter_inclusive(name) && name_wrong(r, "this is a total of other meters, and meters are disjoint.");
}

// ---- endpoints

static void meter_post(struct rest_request *r, struct db *db) {
  struct body body = {0};
  struct uuid object = rest_new_id(r);
  if (!rest_body(r, fields, ARRAY_LEN(fields), &body, sizeof body) || name_refused(r, body.name)) return;
  if (!rest_write_begin(r, UUID_NIL, &object)) return;
  struct str name = arena_str(r->arena, body.name);
  if (!r->replayed) {
    struct meter m = {.name = name,
                      .unit = body.unit,
                      .description = body.description,
                      .aggregation = (enum book_aggregation)word_find(METER_AGGREGATIONS, body.aggregation)};
    if (answered(r, meter_create(db, &m)) || !rest_write_end(r, UUID_NIL)) return;
    catalogue_refresh(r, db);
  }
  meter_answer(r, db, 201, name);
}

// The name in the path. False: answered.
static bool path_name(struct rest_request *r, struct str *ret) {
  *ret = http_path_segment(r->http, 0);
  if (word_is_name(*ret, "_", NAME_MAX_BYTES)) return true;
  return !name_wrong(r, "must be the name of a meter.");
}

static void meter_patch(struct rest_request *r, struct db *db) {
  struct body body = {0};
  struct uuid object = rest_new_id(r);
  struct str name;
  if (!path_name(r, &name) || !rest_body(r, fields, FIELDS_TO_CHANGE, &body, sizeof body)) return;
  if (!rest_write_begin(r, UUID_NIL, &object)) return;
  if (!r->replayed) {
    struct meter m = {.name = name, .unit = body.unit, .description = body.description};
    if (answered(r, meter_update(db, &m, body.given_unit, body.given_description)) || !rest_write_end(r, UUID_NIL)) return;
    catalogue_refresh(r, db);
  }
  meter_answer(r, db, 200, name);
}

static void meter_delete_one(struct rest_request *r, struct db *db) {
  struct uuid object = rest_new_id(r);
  struct str name;
  if (!path_name(r, &name) || !rest_write_begin(r, UUID_NIL, &object)) return;
  if (!r->replayed) {
    if (answered(r, meter_delete(db, name)) || !rest_write_end(r, UUID_NIL)) return;
    catalogue_refresh(r, db);
  }
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_member_str(&w, "name", name);
  json_member_text(&w, "object", "meter");
  json_member_bool(&w, "deleted", true);
  json_object_end(&w);
  rest_reply(r, 200, &out);
}

static void meter_get(struct rest_request *r, struct db *db) {
  struct str name;
  if (path_name(r, &name)) meter_answer(r, db, 200, name);
}

// There are never so many that they need pages.
static void meter_list_get(struct rest_request *r, struct db *db) {
  struct rest_page page = {.limit = METERS_MAX_DEFINED};
  struct meter *list = NULL;
  size_t count = 0;
  if (answered(r, meter_list(db, r->arena, &list, &count))) return;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  rest_list_begin(&w);
  for (size_t i = 0; i < count; i++) meter_write(&w, &list[i]);
  rest_list_end(&w, r, &page, count, UUID_NIL);
  rest_reply(r, 200, &out);
}

const struct rest_endpoint rest_usage_meters[] = {
    {"POST", "/api/v1/meters", REST_OPERATOR, REST_PRIMARY, NULL, meter_post},
    {"GET", "/api/v1/meters", REST_OPERATOR, REST_PRIMARY, NULL, meter_list_get},
    {"GET", "/api/v1/meters/{name}", REST_OPERATOR, REST_PRIMARY, NULL, meter_get},
    {"PATCH", "/api/v1/meters/{name}", REST_OPERATOR, REST_PRIMARY, NULL, meter_patch},
    {"DELETE", "/api/v1/meters/{name}", REST_OPERATOR, REST_PRIMARY, NULL, meter_delete_one},
    {0},
};
