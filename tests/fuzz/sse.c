// Feeds: bytes to the readers of foreign streams: server-sent events, the JSON scanner (strict and lenient), the reader
// of one object, and a plugin's whole answer path, plain and streamed. The first byte says which, the second how they
// are cut, the third how the answer ends. Oracle: whole and in pieces, the same is told and the same is relayed; events
// are those of a plain reading of the standard; the strict scanner takes what jansson takes and nothing else; members,
// and edits of them, are what jansson reads.
#include "common/sse.h"
#include "common/pick.h"
#include "fuzz.h"
#include "plugged.h"
#include <jansson.h>

#define TEXT_MAX (64 * 1024)

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  (void)plugged();
  return 0;
}

// ---- events: for each "name|data;" and where it ended

static void event_write(struct buf *out, struct buf *name, struct buf *data, size_t end) {
  buf_printf(out, "%zu:", end);
  (void)buf_add_str(out, buf_str(name));
  buf_putc(out, '|');
  (void)buf_add_str(out, buf_str(data));
  buf_putc(out, ';');
  buf_clear(name);
  buf_clear(data);
}

static void events_read(struct str text, uint8_t how, struct buf *out) {
  struct sse s;
  struct buf name, data;
  buf_init(&name, TEXT_MAX);
  buf_init(&data, TEXT_MAX);
  sse_init(&s);
  for (size_t done = 0; done < text.len;) {
    struct str piece = {text.ptr + done, fuzz_piece(how, done, text.len - done)};
    char *copy = fuzz_copy(piece);
    const char *at = copy, *end = copy + piece.len, *bytes = NULL;
    size_t len = 0;
    for (enum sse_token token; (token = sse_next(&s, &at, end, &bytes, &len)) != SSE_MORE;) {
      if (token == SSE_END)
        event_write(out, &name, &data, done + (size_t)(at - copy));
      else
        (void)buf_add(token == SSE_NAME ? &name : &data, bytes, len);
    }
    FUZZ_CHECK(at == end, "bytes are left over");
    done += piece.len;
    free(copy);
  }
  if (sse_finish(&s) == SSE_END) event_write(out, &name, &data, text.len);
  buf_finish(&name);
  buf_finish(&data);
}

static void line_take(struct str line, struct buf *name, struct buf *data, bool *has_data) {
  const char *colon = line.len ? memchr(line.ptr, ':', line.len) : NULL;
  struct str field = {line.ptr, colon ? (size_t)(colon - line.ptr) : line.len};
  struct str value = colon ? (struct str){colon + 1, line.len - field.len - 1} : (struct str){"", 0};
  if (value.len && value.ptr[0] == ' ') value.ptr++, value.len--;
  if (str_eq(field, STR("event"))) (void)buf_add_str(name, value);
  if (!str_eq(field, STR("data"))) return;
  if (*has_data) buf_putc(data, '\n');
  *has_data = true;
  (void)buf_add_str(data, value);
}

// The standard's own order: a byte order mark, lines, fields.
static void events_reference(struct str text, struct buf *out) {
  struct buf name, data;
  bool has_data = false;
  buf_init(&name, TEXT_MAX);
  buf_init(&data, TEXT_MAX);
  size_t from = text.len >= 3 && memcmp(text.ptr, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
  for (size_t i = from; i < text.len; i++) {
    if (text.ptr[i] != '\n' && text.ptr[i] != '\r') continue;
    struct str line = {text.ptr + from, i - from};
    if (text.ptr[i] == '\r' && i + 1 < text.len && text.ptr[i + 1] == '\n') i++;
    from = i + 1;
    if (line.len > 0) {
      line_take(line, &name, &data, &has_data);
      continue;
    }
    event_write(out, &name, &data, from);
    has_data = false;
  }
  buf_finish(&name);
  buf_finish(&data);
}

// A blank line that ends with CR is known to be over only when the next byte has come; where that is LF, it belongs to
// it.
static void events_check(struct str text, uint8_t how) {
  struct buf whole, pieces, wanted;
  buf_init(&whole, 8 * TEXT_MAX);
  buf_init(&pieces, 8 * TEXT_MAX);
  buf_init(&wanted, 8 * TEXT_MAX);
  events_read(text, 0, &whole);
  events_read(text, how, &pieces);
  events_reference(text, &wanted);
  FUZZ_CHECK(str_eq(buf_str(&whole), buf_str(&pieces)), "%s in pieces: %s", buf_cstr(&whole), buf_cstr(&pieces));
  FUZZ_CHECK(str_eq(buf_str(&whole), buf_str(&wanted)), "%s, wanted: %s", buf_cstr(&whole), buf_cstr(&wanted));
  buf_finish(&whole);
  buf_finish(&pieces);
  buf_finish(&wanted);
}

// ---- the scanner

static const struct scan_watch watches[] = {
    {.path = {NULL}, .flags = SCAN_DEEP},
    {.path = {"a"}, .flags = SCAN_KEEP | SCAN_TEXT, .at = 0, .room = 16},
    {.path = {"a", "b"}, .flags = SCAN_TEXT | SCAN_EACH},
    {.path = {"*", "[]"}, .flags = SCAN_KEEP | SCAN_EACH, .at = 16, .room = 8},
    {.path = {"[]", "[]"}, .flags = SCAN_TEXT},
    {.path = {"choices", "[]", "*", "content"}, .flags = SCAN_TEXT},
};
#define WATCHES (sizeof watches / sizeof watches[0])

struct scanned {
  enum scan_answer answer;
  int fault;
  uint64_t each;
  struct scan_hit hits[WATCHES];
  char store[24];
};

static void each_value(void *context, size_t watch, uint64_t start, uint64_t end) {
  struct scanned *s = context;
  s->each = (s->each * 31 + watch) * 31 + start * 7 + end;
}

static void scan_all(struct str text, bool lenient, uint8_t how, struct scanned *ret) {
  struct scan s;
  memset(ret, 0, sizeof *ret);
  scan_init(&s, watches, WATCHES, ret->hits, ret->store);
  s.lenient = lenient;
  s.each = each_value;
  s.context = ret;
  for (size_t done = 0; done < text.len;) {
    struct str piece = {text.ptr + done, fuzz_piece(how, done, text.len - done)};
    char *copy = fuzz_copy(piece);
    (void)scan_push(&s, copy, piece.len);
    done += piece.len;
    free(copy);
  }
  ret->answer = scan_finish(&s);
  ret->fault = s.fault;
}

static void scans_same(const struct scanned *a, const struct scanned *b) {
  FUZZ_CHECK(a->answer == b->answer && a->fault == b->fault && a->each == b->each, "fault %d, %d in pieces", a->fault,
             b->fault);
  for (size_t i = 0; i < WATCHES; i++) {
    const struct scan_hit *h = &a->hits[i], *k = &b->hits[i];
    bool same = h->start == k->start && h->end == k->end && h->items == k->items && h->ascii == k->ascii &&
                h->wide == k->wide && h->filled == k->filled && h->count == k->count && h->kind == k->kind;
    FUZZ_CHECK(same, "watch %zu", i);
    if (h->end == h->start || !(watches[i].flags & SCAN_KEEP)) continue; // what was kept of it means nothing
    FUZZ_CHECK(h->kept == k->kept && h->cut == k->cut, "watch %zu", i);
    FUZZ_CHECK(memcmp(a->store + watches[i].at, b->store + watches[i].at, h->kept) == 0, "watch %zu", i);
  }
}

// NULL where jansson refuses; ret_numbers: for nothing but the size of a number. It passes over a NUL behind a number,
// which the server's own reading of bodies refuses before.
static json_t *json_read(struct str text, bool *ret_numbers) {
  json_error_t error = {0};
  bool nul = text.len && memchr(text.ptr, '\0', text.len);
  json_t *root = nul || !text.len ? NULL : json_loadb(text.ptr, text.len, JSON_DECODE_ANY, &error);
  *ret_numbers = !root && !nul && text.len && json_error_code(&error) == json_error_numeric_overflow;
  return root;
}

static void scan_check(struct str text, bool lenient, uint8_t how) {
  struct scanned whole, pieces;
  bool numbers = false;
  scan_all(text, lenient, 0, &whole);
  scan_all(text, lenient, how, &pieces);
  scans_same(&whole, &pieces);
  json_t *root = json_read(text, &numbers);
  if (root && whole.fault != SCAN_TOO_DEEP) FUZZ_CHECK(whole.answer == SCAN_DONE, "JSON is refused: %d", whole.fault);
  if (!lenient && !root && !numbers) FUZZ_CHECK(whole.answer == SCAN_BAD, "what is no JSON is taken");
  json_decref(root);
}

// ---- one object's members

static json_t *value_read(struct pick_span value) {
  bool numbers = false;
  return json_read((struct str){value.ptr, value.len}, &numbers);
}

static void member_check(json_t *root, const struct pick_member *m) {
  static char name[TEXT_MAX];
  size_t len = 0;
  FUZZ_CHECK(pick_text(m->name, name, sizeof name - 1, &len), "a name does not fit");
  name[len] = '\0';
  json_t *value = value_read(m->value), *wanted = json_object_get(root, name);
  FUZZ_CHECK(wanted && value && json_equal(value, wanted), "member %s: %.*s", name, (int)m->value.len, m->value.ptr);
  json_decref(value);
}

// Replaces the value of one member and adds one, which is then so, and everything else as before.
static void edits_check(json_t *root, struct str text, const struct pick *p, uint8_t which) {
  struct pick_edits edits = {.text = {text.ptr, text.len}};
  struct pick_span with = {"[\"new\"]", 7};
  static char name[TEXT_MAX];
  size_t len = 0;
  const struct pick_member *m = p->count ? &p->members[which % p->count] : NULL;
  if (m) {
    (void)pick_text(m->name, name, sizeof name - 1, &len);
    name[len] = '\0';
    pick_replace(&edits, m->value, with);
    json_object_set_new(root, name, json_pack("[s]", "new"));
  }
  bool known = json_object_get(root, "added") != NULL;
  if (!known) {
    pick_append(&edits, p, "added", (struct pick_span){"1", 1});
    json_object_set_new(root, "added", json_integer(1));
  }
  size_t size = pick_apply(&edits, NULL, 0);
  char *edited = malloc(size ? size : 1);
  FUZZ_CHECK(pick_apply(&edits, edited, size) == size, "the size changes");
  bool numbers = false;
  json_t *after = json_read((struct str){edited, size}, &numbers);
  FUZZ_CHECK(after && json_equal(after, root), "edited: %.*s", (int)size, edited);
  json_decref(after);
  free(edited);
}

static void pick_check(struct str text, uint8_t which) {
  struct pick p;
  struct scan s;
  bool numbers = false;
  enum pick_answer answer = pick_read(&p, text.ptr, text.len); // of anything
  scan_init(&s, NULL, 0, NULL, NULL);
  (void)scan_push(&s, text.ptr, text.len);
  if (scan_finish(&s) != SCAN_DONE) return;
  json_t *root = json_read(text, &numbers);
  if (root) {
    FUZZ_CHECK((answer == PICK_NOT_OBJECT) == !json_is_object(root), "answer %d", answer);
    if (answer == PICK_OK) {
      FUZZ_CHECK(json_object_size(root) == p.count, "%zu members", p.count);
      for (size_t i = 0; i < p.count; i++) member_check(root, &p.members[i]);
      edits_check(root, text, &p, which);
    }
    if (answer == PICK_DUPLICATE) FUZZ_CHECK(p.count <= PICK_MEMBERS, "%zu members", p.count);
  }
  json_decref(root);
  if (answer != PICK_DUPLICATE) return;
  json_error_t error;
  root = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &error);
  FUZZ_CHECK(!root, "a member that is there once is taken for two");
}

// ---- a plugin's answer

static const struct {
  const char *operation, *body;
} requests[] = {
    {"chat", "{\"model\":\"m\",\"messages\":[],\"max_tokens\":50}"},
    {"chat", "{\"model\":\"m\",\"messages\":[],\"stream\":true}"},
    {"chat",
     "{\"model\":\"m\",\"messages\":[],\"stream\":true,\"stream_options\":{\"include_usage\":true},\"store\":true}"},
    {"embeddings", "{\"model\":\"m\",\"input\":\"hello\"}"},
};

static bool endpoint_find(const struct tollgate_plugin *plugin, const char *operation, uint32_t *ret) {
  for (uint32_t i = 0; i < plugin->endpoint_count; i++)
    if (strcmp(plugin->endpoints[i].operation, operation) == 0) {
      *ret = i;
      return true;
    }
  return false;
}

static bool slices_same(struct tollgate_slice a, struct tollgate_slice b) {
  return str_eq((struct str){a.ptr, a.len}, (struct str){b.ptr, b.len});
}

static void usages_same(const struct tollgate_usage *a, const struct tollgate_usage *b) {
  FUZZ_CHECK(a->flags == b->flags && a->count == b->count, "flags %x, %x in pieces", a->flags, b->flags);
  for (uint32_t i = 0; i < a->count; i++)
    FUZZ_CHECK(a->counts[i].meter == b->counts[i].meter && a->counts[i].quantity == b->counts[i].quantity, "count %u",
               i);
  FUZZ_CHECK(memcmp(a->totals, b->totals, sizeof a->totals) == 0, "totals");
  FUZZ_CHECK(slices_same(a->model, b->model) && slices_same(a->provider_id, b->provider_id) &&
                 slices_same(a->tier, b->tier) && slices_same(a->object, b->object) && slices_same(a->raw, b->raw),
             "names");
}

static void answer_check(struct str text, uint8_t what, uint8_t how, uint8_t end) {
  const struct plugin_registry *plugins = plugged();
  struct plugged_answer whole, pieces;
  size_t request = what % 4;
  struct plugged_question q = {.plugin = plugin_at(plugins, what / 4 % plugin_count(plugins)),
                               .body = str_from(requests[request].body),
                               .status = end & 0x40 ? 429 : 200,
                               .stream = (request == 1 || request == 2) != ((end & 0x80) != 0)};
  if (!endpoint_find(q.plugin, requests[request].operation, &q.endpoint)) return;
  enum tollgate_ending ending = (enum tollgate_ending)(end % 3);
  plugged_run(&q, text, 0, ending, &whole);
  plugged_run(&q, text, how, ending, &pieces);
  FUZZ_CHECK(str_eq(buf_str(&whole.relayed), buf_str(&pieces.relayed)), "relayed: %s, in pieces: %s",
             buf_cstr(&whole.relayed), buf_cstr(&pieces.relayed));
  FUZZ_CHECK(whole.broken == pieces.broken, "broken %d, %d in pieces", whole.broken, pieces.broken);
  usages_same(&whole.usage, &pieces.usage);
  plugged_finish(&whole);
  plugged_finish(&pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fuzz_input in = fuzz_input(data, size);
  uint8_t what = fuzz_byte(&in), how = fuzz_byte(&in), end = fuzz_byte(&in);
  struct str rest = fuzz_rest(&in);
  char *copy = fuzz_copy(rest);
  struct str text = {copy, rest.len};
  if (what == 0)
    events_check(text, how);
  else if (what < 3)
    scan_check(text, what == 2, how);
  else if (what == 3)
    pick_check(text, end);
  else
    answer_check(text, what, how, end);
  free(copy);
  return 0;
}
