// Recorded answers of the real API, where the folder with them lies beside the checkout: whole, cut in two at every
// byte, and broken off at every byte. What is metered must be what the recording's own description says; what is
// relayed must be the recorded bytes, without the usage that was not asked for.
#include "answers.h"
#include "common/pick.h"
#include <dirent.h>
#include <sys/stat.h>

#define RECORDINGS SOURCE_DIR "/../shared/fixtures/providers/openai/"

struct file {
  char *bytes;
  size_t len;
};

static struct file file_read(const char *folder, const char *name) {
  char path[1024];
  struct file f = {NULL, 0};
  struct stat st;
  (void)snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "rb");
  if (!file) return f;
  assert_int_equal(fstat(fileno(file), &st), 0);
  f.bytes = malloc((size_t)st.st_size + 1);
  f.len = fread(f.bytes, 1, (size_t)st.st_size, file);
  fclose(file);
  return f;
}

struct recording {
  struct file request, answer, meta;
  uint32_t endpoint;
  bool sse, known;
  int64_t status;
  struct pick_span expected; // the disjoint meters
};

static struct pick_span member(struct pick_span object, const char *name) {
  struct pick p;
  if (pick_read(&p, object.ptr, object.len) != PICK_OK) return (struct pick_span){NULL, 0};
  return pick_find(&p, name);
}

static bool recording_read(const char *folder, uint32_t endpoint, struct recording *r) {
  *r = (struct recording){
      .request = file_read(folder, "request.json"), .meta = file_read(folder, "meta.json"), .endpoint = endpoint};
  r->answer = file_read(folder, "response.json");
  if (!r->answer.bytes) {
    r->answer = file_read(folder, "response.sse");
    r->sse = true;
  }
  if (!r->request.bytes || !r->answer.bytes || !r->meta.bytes) return false;
  struct pick_span meta = {r->meta.bytes, r->meta.len};
  assert_int_equal(pick_int(member(meta, "status"), &r->status), PICK_INTEGER);
  r->expected = member(meta, "expected_meters");
  r->known = pick_kind(member(member(meta, "expected_extra"), "usage_known")) != SCAN_FALSE;
  return true;
}

static void recording_finish(struct recording *r) {
  free(r->request.bytes);
  free(r->answer.bytes);
  free(r->meta.bytes);
}

// ---- what must come out

static void usage_is_expected(const struct recording *r, const struct answering *a) {
  struct tollgate_usage u = answering_usage(a);
  struct pick expected;
  int64_t n = 0;
  size_t told = 0;
  assert_int_equal(pick_read(&expected, r->expected.ptr, r->expected.len), PICK_OK);
  bool served = pick_int(pick_find(&expected, "requests"), &n) == PICK_INTEGER && n == 1;
  assert_int_equal(!served, (u.flags & TOLLGATE_USAGE_FREE) != 0);
  if (!r->known) {
    assert_true(u.flags & TOLLGATE_USAGE_ESTIMATED);
    return;
  }
  for (size_t i = 0; i < expected.count; i++) {
    char name[64];
    (void)snprintf(name, sizeof name, "%.*s", (int)expected.members[i].name.len, expected.members[i].name.ptr);
    if (strcmp(name, "requests") == 0) continue; // the server counts calls itself
    assert_int_equal(pick_int(expected.members[i].value, &n), PICK_INTEGER);
    assert_int_equal(quantity(&u, name), n);
    told++;
  }
  assert_int_equal(u.count, told);
  if (served)
    assert_int_equal(u.flags & (TOLLGATE_USAGE_KNOWN | TOLLGATE_USAGE_ESTIMATED | TOLLGATE_USAGE_INCONSISTENT),
                     TOLLGATE_USAGE_KNOWN);
  assert_true(u.flags & TOLLGATE_USAGE_COMPLETE);
}

// The recording without its event of usage alone: what a caller shall see who did not ask for it.
static struct file without_usage(const struct recording *r) {
  struct file f = {malloc(r->answer.len + 1), 0};
  const char *at = r->answer.bytes, *end = at + r->answer.len;
  while (at < end) {
    const char *blank = memmem(at, (size_t)(end - at), "\n\n", 2);
    const char *next = blank ? blank + 2 : end;
    bool usage = memmem(at, (size_t)(next - at), "\"choices\":[],\"usage\":{", 22) != NULL;
    if (!usage) memcpy(f.bytes + f.len, at, (size_t)(next - at));
    if (!usage) f.len += (size_t)(next - at);
    at = next;
  }
  return f;
}

static void replay(const struct recording *r, bool asked, size_t cut) {
  struct answering a;
  answering_init(&a, r->endpoint, (struct tollgate_slice){r->request.bytes, r->request.len}, (int)r->status,
                 r->sse ? "text/event-stream; charset=utf-8" : "application/json");
  struct tollgate_answer head = {.size = sizeof head, .status = (int)r->status};
  struct tollgate_facts facts = a.facts;
  facts.wants_usage = asked;
  memset(a.state, 0, plugin->state_size);
  facts.stream = r->sse;
  assert_int_equal(plugin->begin(a.state, &a.request, &facts, &head), TOLLGATE_OK);
  answering_bytes(&a, r->answer.bytes, cut);
  answering_bytes(&a, r->answer.bytes + cut, r->answer.len - cut);
  answering_end(&a, TOLLGATE_ENDED);
  assert_int_equal(a.result, TOLLGATE_OK);
  usage_is_expected(r, &a);
  struct file expected = asked || !r->sse ? r->answer : without_usage(r);
  assert_int_equal(a.relayed_len, expected.len);
  assert_memory_equal(a.relayed, expected.bytes, expected.len);
  if (expected.bytes != r->answer.bytes) free(expected.bytes);
  answering_finish(&a);
}

// The connection breaks: never more than the whole answer says, and never called complete before its end.
static void break_off(const struct recording *r, size_t cut) {
  struct answering a;
  answering_init(&a, r->endpoint, (struct tollgate_slice){r->request.bytes, r->request.len}, (int)r->status,
                 r->sse ? "text/event-stream" : "application/json");
  answering_bytes(&a, r->answer.bytes, cut);
  struct tollgate_usage running = answering_usage(&a);
  answering_end(&a, TOLLGATE_CUT);
  struct tollgate_usage u = answering_usage(&a);
  unsigned kinds = u.flags & (TOLLGATE_USAGE_KNOWN | TOLLGATE_USAGE_ESTIMATED | TOLLGATE_USAGE_FREE);
  assert_true(kinds == TOLLGATE_USAGE_KNOWN || kinds == TOLLGATE_USAGE_ESTIMATED || kinds == TOLLGATE_USAGE_FREE);
  assert_int_equal(running.flags & TOLLGATE_USAGE_COMPLETE, 0);
  bool terminated = r->sse && memmem(r->answer.bytes, cut, "data: [DONE]", 12) != NULL;
  assert_int_equal((u.flags & TOLLGATE_USAGE_COMPLETE) != 0, terminated);
  for (uint32_t i = 0; i < u.count; i++) assert_true(u.counts[i].quantity > 0 && u.counts[i].quantity < 3000);
  if (u.flags & TOLLGATE_USAGE_KNOWN) {
    struct recording whole = *r;
    int64_t n = 0;
    if (pick_int(member(whole.expected, "input_tokens"), &n) == PICK_INTEGER)
      assert_int_equal(quantity(&u, "input_tokens"), n);
  }
  answering_finish(&a);
}

static void each_recording(const char *endpoint_name, uint32_t endpoint, void (*rule)(const struct recording *)) {
  char folder[512];
  (void)snprintf(folder, sizeof folder, RECORDINGS "%s", endpoint_name);
  DIR *dir = opendir(folder);
  if (!dir) skip();
  for (struct dirent *entry; (entry = readdir(dir));) {
    struct recording r;
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    if (entry->d_name[0] != '.' && recording_read(path, endpoint, &r)) {
      rule(&r);
      recording_finish(&r);
    }
  }
  closedir(dir);
}

static void all_cuts(const struct recording *r) {
  for (size_t cut = 0; cut <= r->answer.len; cut++) {
    replay(r, true, cut);
    if (r->sse) replay(r, false, cut);
  }
}

static void all_breaks(const struct recording *r) {
  for (size_t cut = 0; cut < r->answer.len; cut++) break_off(r, cut);
}

static void chat_is_metered_exactly_however_it_is_cut(void **state) {
  (void)state;
  each_recording("chat_completions", 0, all_cuts);
}

static void embeddings_are_metered_exactly_however_they_are_cut(void **state) {
  (void)state;
  each_recording("embeddings", 1, all_cuts);
}

static void a_broken_answer_is_told_as_such(void **state) {
  (void)state;
  each_recording("chat_completions", 0, all_breaks);
  each_recording("embeddings", 1, all_breaks);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(chat_is_metered_exactly_however_it_is_cut),
      cmocka_unit_test(embeddings_are_metered_exactly_however_they_are_cut),
      cmocka_unit_test(a_broken_answer_is_told_as_such),
  };
  return cmocka_run_group_tests(tests, plugin_open, NULL);
}
