// Rules of ids: UUIDv7's layout and order, on one thread and on many, and TypeID's text, to the last of its 130 bits.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void a_v7_carries_version_variant_and_time(void **state) {
  (void)state;
  int64_t now = clock_wall_us();
  struct uuid id = uuid_v7(now);
  assert_int_equal(id.b[6] >> 4, 7);
  assert_int_equal(id.b[8] >> 6, 2);
  assert_in_range(uuid_time_us(id), now / 1000 * 1000, now / 1000 * 1000 + 1000000);
}

static void ids_grow_even_when_the_clock_goes_back(void **state) {
  (void)state;
  int64_t now = clock_wall_us();
  struct uuid last = uuid_v7(now);
  for (int i = 0; i < 20000; i++) {
    struct uuid next = uuid_v7(now - i * 1000);
    assert_true(uuid_cmp(last, next) < 0);
    last = next;
  }
}

#define THREADS 4
#define EACH 20000

static void *draw_ids(void *arg) {
  struct uuid *ids = arg;
  for (int i = 0; i < EACH; i++) ids[i] = uuid_v7(clock_wall_us());
  return NULL;
}

static int compare(const void *a, const void *b) {
  return memcmp(a, b, sizeof(struct uuid));
}

// A request's id has this machine's time, a call's the database's.
static void names_of_the_machines_time_do_not_push_the_others(void **state) {
  (void)state;
  int64_t now = clock_wall_us(), ahead = now + INT64_C(86400) * 1000000;
  struct uuid first = uuid_local(ahead), second = uuid_local(now);
  assert_true(uuid_cmp(first, second) < 0);
  assert_true(uuid_time_us(uuid_v7(now)) < now + INT64_C(3600) * 1000000);
}

static void threads_never_draw_the_same_stamp(void **state) {
  (void)state;
  struct uuid *ids = mem_alloc(sizeof *ids * THREADS * EACH);
  pthread_t threads[THREADS];
  for (int t = 0; t < THREADS; t++) assert_int_equal(pthread_create(&threads[t], NULL, draw_ids, ids + t * EACH), 0);
  for (int t = 0; t < THREADS; t++) assert_int_equal(pthread_join(threads[t], NULL), 0);
  for (int i = 1; i < THREADS * EACH; i++)
    if (i % EACH) assert_true(uuid_cmp(ids[i - 1], ids[i]) < 0);
  qsort(ids, THREADS * EACH, sizeof *ids, compare);
  for (int i = 1; i < THREADS * EACH; i++) assert_true(memcmp(ids[i - 1].b, ids[i].b, 8) != 0);
  mem_free(ids);
}

static void a_forked_child_draws_other_ids(void **state) {
  (void)state;
  int ends[2];
  struct uuid child, parent;
  int64_t now = clock_wall_us();
  (void)uuid_v7(now);
  assert_int_equal(pipe(ends), 0);
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    child = uuid_v7(now);
    _exit(write(ends[1], &child, sizeof child) == sizeof child ? 0 : 1);
  }
  parent = uuid_v7(now);
  assert_int_equal(read(ends[0], &child, sizeof child), sizeof child);
  assert_int_equal(waitpid(pid, NULL, 0), pid);
  assert_memory_not_equal(child.b + 8, parent.b + 8, 8);
  close(ends[0]);
  close(ends[1]);
}

static void the_floor_is_below_every_id_of_its_millisecond(void **state) {
  (void)state;
  int64_t now = clock_wall_us() / 1000 * 1000 + 60000000;
  struct uuid floor = uuid_floor(now + 999), id = uuid_v7(now);
  assert_true(uuid_cmp(floor, id) < 0);
  assert_true(uuid_cmp(id, uuid_floor(now + 1000000)) < 0);
  assert_int_equal(uuid_time_us(floor), now);
  assert_true(uuid_eq(uuid_floor(-5), uuid_floor(0)));
}

static void nil_is_nil_and_equality_is_of_all_bytes(void **state) {
  (void)state;
  struct uuid a = {.b = {0}}, b = {.b = {0}};
  assert_true(uuid_is_nil(UUID_NIL));
  for (int i = 0; i < 16; i++) {
    b.b[i] = 1;
    assert_false(uuid_eq(a, b));
    assert_false(uuid_is_nil(b));
    assert_true(uuid_hash(a) != uuid_hash(b));
    assert_true(uuid_cmp(a, b) < 0 && uuid_cmp(b, a) > 0);
    b.b[i] = 0;
  }
  assert_true(uuid_eq(a, b));
  assert_int_equal(uuid_hash(a), uuid_hash(b));
}

// Independent of the code: five bits at a time by hand, from the specification's alphabet.
static const struct pair {
  const char *text;
  struct uuid id;
} pairs[] = {
    {"p_00000000000000000000000000", {{0}}},
    {"p_00000000000000000000000001", {{[15] = 1}}},
    {"p_0000000000000000000000000a", {{[15] = 10}}},
    {"p_0000000000000000000000000g", {{[15] = 16}}},
    {"p_0000000000000000000000000z", {{[15] = 31}}},
    {"p_00000000000000000000000010", {{[15] = 32}}},
    {"p_40000000000000000000000000", {{[0] = 0x80}}},
    {"p_7zzzzzzzzzzzzzzzzzzzzzzzzz",
     {{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}}},
    {"p_01h455vb4pex5vsknk084sn02q",
     {{0x01, 0x89, 0x0a, 0x5d, 0xac, 0x96, 0x77, 0x4b, 0xbc, 0xce, 0xb3, 0x02, 0x09, 0x9a, 0x80, 0x57}}},
};

static void text_and_bytes_are_the_same_number(void **state) {
  (void)state;
  for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
    char text[ID_TEXT_MAX];
    struct uuid id;
    id_print("p", pairs[i].id, text);
    assert_string_equal(text, pairs[i].text);
    assert_true(id_parse("p", str_from(pairs[i].text), &id));
    assert_true(uuid_eq(id, pairs[i].id));
  }
}

static void every_bit_goes_round(void **state) {
  (void)state;
  for (int bit = 0; bit < 128; bit++) {
    struct uuid id = {{0}}, back;
    char text[ID_TEXT_MAX];
    id.b[bit / 8] = (uint8_t)(1 << bit % 8);
    id_print("call", id, text);
    assert_true(id_parse("call", str_from(text), &back));
    assert_true(uuid_eq(id, back));
  }
}

static void text_sorts_as_the_bytes_do(void **state) {
  (void)state;
  int64_t now = clock_wall_us();
  char last[ID_TEXT_MAX], next[ID_TEXT_MAX];
  id_print("cus", uuid_v7(now), last);
  for (int i = 0; i < 5000; i++) {
    id_print("cus", uuid_v7(now + i * 700), next);
    assert_true(strcmp(last, next) < 0);
    memcpy(last, next, sizeof last);
  }
}

static void only_the_exact_text_is_an_id(void **state) {
  (void)state;
  static const char *const texts[] = {
      "",
      "cus",
      "cus_",
      "cus_01h455vb4pex5vsknk084sn02",   // 25
      "cus_01h455vb4pex5vsknk084sn02qq", // 27
      "key_01h455vb4pex5vsknk084sn02q",  // another prefix
      "cu_01h455vb4pex5vsknk084sn02q",
      "cuss_01h455vb4pex5vsknk084sn02q",
      "cus01h455vb4pex5vsknk084sn02q",
      "CUS_01h455vb4pex5vsknk084sn02q",
      "cus_01H455VB4PEX5VSKNK084SN02Q", // upper case
      "cus-01h455vb4pex5vsknk084sn02q",
      "cus__01h455vb4pex5vsknk084sn02q",
      "cus_01h455vb4pex5vsknk084sn02i", // i, l, o and u are no digits
      "cus_01h455vb4pex5vsknk084sn02l",
      "cus_01h455vb4pex5vsknk084sn02o",
      "cus_01h455vb4pex5vsknk084sn02u",
      "cus_81h455vb4pex5vsknk084sn02q", // beyond 128 bits
      "cus_zzzzzzzzzzzzzzzzzzzzzzzzzz",
      " cus_01h455vb4pex5vsknk084sn02q",
      "cus_01h455vb4pex5vsknk084sn02 ",
      "01h455vb4pex5vsknk084sn02q",
      "01890a5d-ac96-774b-bcce-b302099a8057",
  };
  struct uuid id = {{7}};
  for (size_t i = 0; i < ARRAY_LEN(texts); i++) assert_false(id_parse("cus", str_from(texts[i]), &id));
  assert_false(id_parse("cus", (struct str){"cus_01h455vb4pex5vsknk084sn02\0", 30}, &id));
  assert_false(id_parse("cus", (struct str){NULL, 0}, &id));
  assert_int_equal(id.b[0], 7);
}

static void without_a_prefix_there_is_no_underscore(void **state) {
  (void)state;
  char text[ID_TEXT_MAX];
  struct uuid id;
  id_print("", pairs[8].id, text);
  assert_string_equal(text, "01h455vb4pex5vsknk084sn02q");
  assert_true(id_parse("", str_from(text), &id));
  assert_false(id_parse("", STR("_01h455vb4pex5vsknk084sn02q"), &id));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_v7_carries_version_variant_and_time),
      cmocka_unit_test(ids_grow_even_when_the_clock_goes_back),
      cmocka_unit_test(names_of_the_machines_time_do_not_push_the_others),
      cmocka_unit_test(threads_never_draw_the_same_stamp),
      cmocka_unit_test(a_forked_child_draws_other_ids),
      cmocka_unit_test(the_floor_is_below_every_id_of_its_millisecond),
      cmocka_unit_test(nil_is_nil_and_equality_is_of_all_bytes),
      cmocka_unit_test(text_and_bytes_are_the_same_number),
      cmocka_unit_test(every_bit_goes_round),
      cmocka_unit_test(text_sorts_as_the_bytes_do),
      cmocka_unit_test(only_the_exact_text_is_an_id),
      cmocka_unit_test(without_a_prefix_there_is_no_underscore),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
