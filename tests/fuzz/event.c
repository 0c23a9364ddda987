// Feeds: usage events to their reader. The first byte chooses the form: a CloudEvent or a plain event in JSON; one in binary mode,
// whose attributes are the input's lines and whose data is the rest; a batch as an array or as lines. Oracle, by a plain
// reading with jansson: an event that is taken has an id, a source and a type that the JSON has too, each quantity is the
// whole number that stands there under a meter's name, each meter once; it costs what the sum of its quantities costs at a
// price of one; the same event read again is the same, and its identity hangs on source and id alone. Of a batch the
// elements are those that jansson finds, in their order; lines are cut at line ends and nowhere else. Values that are read in one pass
// are those of the strict reader.
#include "base/mem.h"
#include "books.h"
#include "crypto/crypto.h"
#include "fuzz.h"
#include "plugged.h"
#include "price/book.h"
#include "usage/event.h"
#include "usage/meters.h"
#include "usage/rate.h"
#include "values.h"
#include <inttypes.h>
#include <jansson.h>
#include <math.h>

static struct usage_words words;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  struct book *book = NULL;
  FUZZ_CHECK(crypto_start(), "no randomness");
  books_clear(0, false);
  FUZZ_CHECK(book_load(NULL, &book) == 0, "a book");
  words = (struct usage_words){plugged(), book};
  return 0;
}

// ---- one event

static void texts_check(const struct usage_event *e) {
  const struct str texts[] = {e->id, e->source, e->type, e->model};
  for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
    FUZZ_CHECK(texts[i].len > 0 && str_is_utf8(texts[i]) && !str_has_control(texts[i]), "text %zu", i);
    FUZZ_CHECK(str_utf8_count(texts[i]) <= USAGE_TEXT_MAX, "text %zu is long", i);
  }
  FUZZ_CHECK(e->time >= 0, "time");
}

static void quantities_check(const struct usage_event *e) {
  FUZZ_CHECK(e->quantity_count > 0 && e->quantity_count <= METER_LINES_MAX, "%zu quantities", e->quantity_count);
  for (size_t i = 0; i < e->quantity_count; i++) {
    enum book_aggregation aggregation;
    FUZZ_CHECK(e->quantities[i].quantity >= 0, "below zero");
    FUZZ_CHECK(usage_meter_find(&words, str_from(e->quantities[i].meter), &aggregation), "no meter");
    for (size_t k = 0; k < i; k++) FUZZ_CHECK(strcmp(e->quantities[i].meter, e->quantities[k].meter) != 0, "twice");
  }
}

// What is said of a meter by a plain reading of the event's data: -1 nothing.
static int64_t plain_quantity(const json_t *data, const char *type, const char *meter) {
  const json_t *value = json_object_get(json_object_get(data, "usage"), meter);
  if (!value || json_is_null(value)) value = json_object_get(data, meter);
  if ((!value || json_is_null(value)) && strcmp(type, meter) == 0) value = json_object_get(data, "value");
  if (json_is_integer(value)) return json_integer_value(value);
  return json_is_string(value) ? strtoll(json_string_value(value), NULL, 10) : -1;
}

static const json_t *member(const json_t *root, bool plain, const char *name, const char *const *others) {
  const json_t *value = json_object_get(root, name);
  for (; plain && (!value || json_is_null(value)) && *others; others++) value = json_object_get(root, *others);
  return value;
}

static bool is_text(const json_t *value, struct str text) {
  return json_is_string(value) && str_eq(text, (struct str){json_string_value(value), json_string_length(value)});
}

static void plain_check(const struct usage_event *e, struct str text, bool plain) {
  static const char *const ids[] = {"transaction_id", "idempotency_key", "identifier", NULL}, *const types[] = {"code", "event_name", "event_type", NULL},
                           *const datas[] = {"properties", "payload", NULL};
  json_error_t error;
  json_t *root = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &error);
  FUZZ_CHECK(json_is_object(root), "no object was taken");
  FUZZ_CHECK(is_text(member(root, plain, "id", ids), e->id), "id");
  FUZZ_CHECK(is_text(member(root, plain, "type", types), e->type), "type");
  const json_t *data = member(root, plain, "data", datas), *encoded = json_object_get(root, "data_base64");
  char *type = fuzz_text(e->type);
  for (size_t i = 0; i < e->quantity_count && (!encoded || json_is_null(encoded)); i++)
    FUZZ_CHECK(e->quantities[i].uncharged || plain_quantity(data, type, e->quantities[i].meter) == e->quantities[i].quantity, "%s is %" PRId64,
               e->quantities[i].meter, e->quantities[i].quantity);
  free(type);
  static const char *const times[] = {"timestamp", NULL};
  const json_t *time = member(root, plain, "time", times);
  double seconds = json_real_value(time), off = fabs((double)e->time - seconds * 1e6);
  if (json_is_real(time)) FUZZ_CHECK(off <= 1 + seconds * 1e-9, "%.17g s is %" PRId64, seconds, e->time);
  json_decref(root);
}

static void event_check(struct arena *arena, const struct usage_event *e) {
  struct usage_rating rating;
  struct usage_event other = *e;
  texts_check(e);
  quantities_check(e);
  struct uuid identity = usage_identity(e), content = usage_content(arena, e);
  other.time += 1;
  FUZZ_CHECK(uuid_eq(identity, usage_identity(&other)) && uuid_eq(content, usage_content(arena, &other)), "the time has a say");
  other.quantities[0].quantity ^= 1;
  FUZZ_CHECK(!uuid_eq(content, usage_content(arena, &other)) && uuid_eq(identity, usage_identity(&other)), "a quantity has none");
  other = *e;
  other.more = e->more.len > 0 ? (struct str){0} : STR("{}");
  FUZZ_CHECK(!uuid_eq(content, usage_content(arena, &other)) && uuid_eq(identity, usage_identity(&other)), "what else it says has none");
  if (!usage_rate(arena, &words, e, INT64_C(1800000000000000), &rating)) return;
  FUZZ_CHECK(rating.charge >= 0 && rating.cost >= 0 && (rating.state == CALL_SETTLED || rating.charge == 0), "charge");
  json_error_t error;
  json_t *usage = json_loadb(rating.usage.ptr, rating.usage.len, JSON_REJECT_DUPLICATES, &error);
  FUZZ_CHECK(json_is_object(usage) && json_object_size(usage) <= e->quantity_count, "usage is %.*s", STR_ARG(rating.usage));
  json_decref(usage);
  struct str evidence = usage_evidence(arena, e, &rating);
  if (evidence.len == 0) return;
  json_t *said = json_loadb(evidence.ptr, evidence.len, JSON_REJECT_DUPLICATES, &error);
  FUZZ_CHECK(said, "evidence: %s", error.text);
  json_decref(said);
}

static void refusal_check(const struct usage_error *error) {
  FUZZ_CHECK(strlen(error->message) > 10 && strlen(error->message) < sizeof error->message, "a refusal without a text");
}

static void json_check(struct arena *arena, struct str text, enum usage_form form) {
  values_check(arena, text);
  struct usage_event e, again;
  struct usage_error error = {0};
  if (usage_read(arena, &words, form, text, &e, &error) != 0) {
    refusal_check(&error);
    return;
  }
  event_check(arena, &e);
  plain_check(&e, text, form == USAGE_PLAIN);
  FUZZ_CHECK(usage_read(arena, &words, form, text, &again, &error) == 0, "the second time it is refused");
  FUZZ_CHECK(uuid_eq(usage_identity(&e), usage_identity(&again)) && uuid_eq(usage_content(arena, &e), usage_content(arena, &again)), "and then another");
  if (form == USAGE_CLOUDEVENT) FUZZ_CHECK(usage_read(arena, &words, USAGE_PLAIN, text, &again, &error) != 0 || str_eq(again.id, e.id), "plain it has another id");
}

static void binary_check(struct arena *arena, struct fuzz_input *in) {
  struct str lines[6];
  struct usage_event e;
  struct usage_error error = {0};
  for (size_t i = 0; i < 6; i++) {
    lines[i] = fuzz_until(in, '\n');
    if (lines[i].len == 0) lines[i].ptr = NULL;
  }
  struct usage_attributes a = {lines[0], lines[1], lines[2], lines[3], lines[4], lines[5], NULL};
  if (usage_read_binary(arena, &words, &a, fuzz_rest(in), &e, &error) == 0) event_check(arena, &e);
  else refusal_check(&error);
}

// ---- batches

static void array_check(struct str text) {
  struct usage_walk walk = {.text = text};
  struct str element;
  const char *why = NULL;
  json_error_t error;
  json_t *root = json_loadb(text.ptr ? text.ptr : "", text.len, 0, &error);
  int r;
  for (size_t at = 0; (r = usage_walk_next(&walk, &element, &why)) == 0; at++) {
    json_error_t ignored;
    json_t *one = json_loadb(element.ptr, element.len, JSON_DECODE_ANY, &ignored);
    if (json_is_array(root)) FUZZ_CHECK(one && json_equal(one, json_array_get(root, at)), "element %zu is %.*s", at, STR_ARG(element));
    json_decref(one);
  }
  if (json_is_array(root)) FUZZ_CHECK(r == 1 && walk.count == json_array_size(root), "%zu of %zu elements: %s", walk.count, json_array_size(root), why ? why : "");
  FUZZ_CHECK(r == 1 || strlen(why) > 5, "refused without a reason");
  json_decref(root);
}

static void lines_check(struct str text) {
  struct usage_walk walk = {.text = text, .lines = true};
  struct str line;
  const char *why = NULL;
  size_t bytes = 0;
  while (usage_walk_next(&walk, &line, &why) == 0) {
    FUZZ_CHECK(line.len > 0 && !memchr(line.ptr, '\n', line.len), "a line end in a line");
    bytes += line.len;
  }
  for (size_t i = 0; i < text.len; i++) bytes -= !strchr(" \t\r\n", text.ptr[i]) || !text.ptr[i];
  FUZZ_CHECK((int64_t)bytes >= 0, "bytes were lost"); // blanks within a line are kept
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fuzz_input in = fuzz_input(data, size);
  uint8_t mode = fuzz_byte(&in) % 5;
  struct arena arena;
  arena_init(&arena, (size_t)64 << 20);
  if (mode == 2) {
    binary_check(&arena, &in);
  } else {
    struct str rest = fuzz_rest(&in);
    char *copy = fuzz_copy(rest);
    struct str text = {copy, rest.len};
    if (mode < 2) json_check(&arena, text, mode == 0 ? USAGE_CLOUDEVENT : USAGE_PLAIN);
    else if (mode == 3) array_check(text);
    else lines_check(text);
    free(copy);
  }
  arena_finish(&arena);
  return 0;
}
