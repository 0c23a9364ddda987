// Whatever is given as a parameter comes back as the same value, alone and in arrays.
#include "base/mem.h"
#include "fixture.h"

static struct db *db;
static struct db_params p;

static int begin(void **state) {
  (void)state;
  db = connect_bare();
  db_params_init(&p);
  return 0;
}

static int end(void **state) {
  (void)state;
  db_params_finish(&p);
  db_destroy(db);
  return 0;
}

static struct db_result *echo(const char *sql) {
  struct db_result *r = NULL;
  int answer = db_query_params(db, sql, &p, &r);
  if (answer) print_error("%s\n", db_error(db));
  assert_int_equal(answer, 0);
  db_params_clear(&p);
  return r;
}

static const struct uuid some_id = {{0x01, 0x8f, 0, 1, 2, 3, 0x74, 5, 0x86, 7, 8, 9, 10, 11, 12, 0xff}};

static void integers_keep_their_value_to_the_last_one(void **state) {
  (void)state;
  db_param_i64(&p, INT64_MIN);
  db_param_i64(&p, INT64_MAX);
  db_param_i32(&p, INT32_MIN);
  db_param_i32(&p, INT32_MAX);
  db_param_i16(&p, INT16_MIN);
  db_param_i16(&p, INT16_MAX);
  db_param_i64(&p, -1);
  struct db_result *r =
      echo("SELECT $1::bigint, $2::bigint, $3::integer, $4::integer, $5::smallint, $6::smallint, $7::bigint");
  assert_int_equal(db_i64(r, 0, 0), INT64_MIN);
  assert_int_equal(db_i64(r, 0, 1), INT64_MAX);
  assert_int_equal(db_i64(r, 0, 2), INT32_MIN);
  assert_int_equal(db_i64(r, 0, 3), INT32_MAX);
  assert_int_equal(db_i64(r, 0, 4), INT16_MIN);
  assert_int_equal(db_i64(r, 0, 5), INT16_MAX);
  assert_int_equal(db_i64(r, 0, 6), -1);
  db_result_finish(r);
}

static void texts_bytes_ids_and_truth_come_back_as_given(void **state) {
  (void)state;
  static const char binary[] = "a\0b\xff";
  db_param_text(&p, STR("it's \"quoted\" \\ ? ; [ß€😀]"));
  db_param_text(&p, STR(""));
  db_param_bytes(&p, (struct str){binary, 4});
  db_param_bytes(&p, STR(""));
  db_param_uuid(&p, some_id);
  db_param_bool(&p, true);
  db_param_bool(&p, false);
  db_param_json(&p, STR("{\"a\": [1, \"\\\"\"]}"));
  struct db_result *r = echo("SELECT $1::text, $2::text, $3::bytea, $4::bytea, $5::uuid, $6::boolean, $7::boolean, "
                             "$8::jsonb, $8::jsonb::json");
  assert_text(db_text(r, 0, 0), "it's \"quoted\" \\ ? ; [ß€😀]");
  assert_text(db_text(r, 0, 1), "");
  assert_int_equal(db_text(r, 0, 2).len, 4);
  assert_memory_equal(db_text(r, 0, 2).ptr, binary, 4);
  assert_int_equal(db_text(r, 0, 3).len, 0);
  assert_true(uuid_eq(db_uuid(r, 0, 4), some_id));
  assert_true(db_bool(r, 0, 5));
  assert_false(db_bool(r, 0, 6));
  assert_text(db_text(r, 0, 7), "{\"a\": [1, \"\\\"\"]}");
  assert_text(db_text(r, 0, 8), "{\"a\": [1, \"\\\"\"]}");
  db_result_finish(r);
}

static void times_are_microseconds_since_1970(void **state) {
  (void)state;
  db_param_time(&p, 0);
  db_param_time(&p, INT64_C(1764748800123456));
  db_param_time(&p, INT64_MAX);
  struct db_result *r = echo("SELECT $1::timestamptz, $2::timestamptz, $3::timestamptz, $2::timestamptz = "
                             "'2025-12-03 08:00:00.123456+00', $3::timestamptz = 'infinity', '-infinity'::timestamptz");
  assert_int_equal(db_time(r, 0, 0), 0);
  assert_int_equal(db_time(r, 0, 1), INT64_C(1764748800123456));
  assert_int_equal(db_time(r, 0, 2), INT64_MAX);
  assert_true(db_bool(r, 0, 3));
  assert_true(db_bool(r, 0, 4));
  assert_int_equal(db_time(r, 0, 5), INT64_MIN);
  db_result_finish(r);
}

static void a_null_is_null_and_reads_as_nothing(void **state) {
  (void)state;
  db_param_null(&p);
  db_param_uuid_or_null(&p, UUID_NIL);
  db_param_text_or_null(&p, (struct str){0});
  db_param_time_or_null(&p, 0);
  db_param_time_or_null(&p, -5);
  struct db_result *r =
      echo("SELECT $1::bigint, $2::uuid, $3::text, $4::timestamptz, $5::timestamptz, NULL::boolean, NULL::bigint[]");
  for (int i = 0; i < 7; i++) assert_true(db_is_null(r, 0, i));
  assert_int_equal(db_i64(r, 0, 0), 0);
  assert_true(uuid_is_nil(db_uuid(r, 0, 1)));
  assert_text(db_text(r, 0, 2), "");
  assert_int_equal(db_time(r, 0, 3), 0);
  assert_false(db_bool(r, 0, 5));
  assert_int_equal(db_array(r, 0, 6, NULL, 0), 0);
  db_result_finish(r);
}

static void what_is_there_is_not_taken_for_null(void **state) {
  (void)state;
  db_param_uuid_or_null(&p, some_id);
  db_param_text_or_null(&p, STR(""));
  db_param_time_or_null(&p, 1);
  struct db_result *r = echo("SELECT $1::uuid, $2::text, $3::timestamptz");
  for (int i = 0; i < 3; i++) assert_false(db_is_null(r, 0, i));
  assert_int_equal(db_time(r, 0, 2), 1);
  db_result_finish(r);
}

static void arrays_of_every_type_keep_order_values_and_nulls(void **state) {
  (void)state;
  db_array_begin(&p, DB_I64), db_array_i64(&p, INT64_MIN), db_array_null(&p), db_array_i64(&p, 7), db_array_end(&p);
  db_array_begin(&p, DB_I32), db_array_i32(&p, -3), db_array_null(&p), db_array_i32(&p, 3), db_array_end(&p);
  db_array_begin(&p, DB_I16), db_array_i16(&p, -2), db_array_null(&p), db_array_i16(&p, 2), db_array_end(&p);
  db_array_begin(&p, DB_BOOL), db_array_bool(&p, true), db_array_null(&p), db_array_bool(&p, false), db_array_end(&p);
  db_array_begin(&p, DB_UUID), db_array_uuid(&p, some_id), db_array_null(&p), db_array_uuid(&p, UUID_NIL),
      db_array_end(&p);
  db_array_begin(&p, DB_TEXT), db_array_text(&p, STR("")), db_array_null(&p), db_array_text(&p, STR("{\"x\",NULL}")),
      db_array_end(&p);
  db_array_begin(&p, DB_JSON), db_array_json(&p, STR("{}")), db_array_null(&p), db_array_json(&p, STR("[1]")),
      db_array_end(&p);
  db_array_begin(&p, DB_BYTES), db_array_bytes(&p, STR("\0\1")), db_array_null(&p), db_array_bytes(&p, STR("")),
      db_array_end(&p);
  db_array_begin(&p, DB_TIME), db_array_time(&p, 1), db_array_null(&p), db_array_time(&p, INT64_MAX), db_array_end(&p);
  struct db_result *r = echo("SELECT a, b, c, d, e, f, g, h, i FROM unnest($1::bigint[], $2::integer[], "
                             "$3::smallint[], $4::boolean[], $5::uuid[], "
                             "$6::text[], $7::json[], $8::bytea[], $9::timestamptz[]) WITH ORDINALITY AS t (a, b, c, "
                             "d, e, f, g, h, i, n) ORDER BY n");
  assert_int_equal(db_rows(r), 3);
  for (int i = 0; i < 9; i++) {
    assert_false(db_is_null(r, 0, i));
    assert_true(db_is_null(r, 1, i));
    assert_false(db_is_null(r, 2, i));
  }
  assert_int_equal(db_i64(r, 0, 0), INT64_MIN);
  assert_int_equal(db_i64(r, 2, 0), 7);
  assert_int_equal(db_i64(r, 0, 1), -3);
  assert_int_equal(db_i64(r, 0, 2), -2);
  assert_true(db_bool(r, 0, 3));
  assert_true(uuid_eq(db_uuid(r, 0, 4), some_id));
  assert_true(uuid_is_nil(db_uuid(r, 2, 4)));
  assert_text(db_text(r, 0, 5), "");
  assert_text(db_text(r, 2, 5), "{\"x\",NULL}");
  assert_text(db_text(r, 2, 6), "[1]");
  assert_int_equal(db_text(r, 0, 7).len, 2);
  assert_int_equal(db_time(r, 0, 8), 1);
  assert_int_equal(db_time(r, 2, 8), INT64_MAX);
  db_result_finish(r);
}

static void an_empty_array_is_empty_and_not_null(void **state) {
  (void)state;
  for (int type = DB_I64; type <= DB_TIME; type++) db_array_begin(&p, (enum db_type)type), db_array_end(&p);
  struct db_result *r =
      echo("SELECT cardinality($1::bigint[]) + cardinality($2::integer[]) + cardinality($3::smallint[]) + "
           "cardinality($4::boolean[]) + cardinality($5::uuid[]) + cardinality($6::text[]) + "
           "cardinality($7::json[]) + cardinality($8::bytea[]) + cardinality($9::timestamptz[]), $1::bigint[]");
  assert_false(db_is_null(r, 0, 0));
  assert_int_equal(db_i64(r, 0, 0), 0);
  assert_int_equal(db_array(r, 0, 1, NULL, 0), 0);
  db_result_finish(r);
}

static void arrays_are_read_element_by_element(void **state) {
  (void)state;
  struct str e[4];
  struct db_result *r = NULL;
  assert_int_equal(
      db_query(db,
               "SELECT ARRAY[1, -2, NULL]::bigint[], ARRAY['018f0001-0203-7405-8607-08090a0b0cff']::uuid[], "
               "ARRAY['a', '']::text[], ARRAY['[1]']::jsonb[], ARRAY[1, -2]::smallint[]",
               &r),
      0);
  assert_int_equal(db_array(r, 0, 0, NULL, 0), 3);
  assert_int_equal(db_array(r, 0, 0, e, 2), 3); // room for two: two are written
  assert_int_equal(db_array(r, 0, 0, e, 4), 3);
  assert_int_equal(db_element_i64(e[0]), 1);
  assert_int_equal(db_element_i64(e[1]), -2);
  assert_null(e[2].ptr);
  assert_int_equal(db_array(r, 0, 1, e, 4), 1);
  assert_true(uuid_eq(db_element_uuid(e[0]), some_id));
  assert_int_equal(db_array(r, 0, 2, e, 4), 2);
  assert_text(e[0], "a");
  assert_int_equal(e[1].len, 0);
  assert_int_equal(db_array(r, 0, 3, e, 4), 1);
  assert_text(e[0], "[1]");
  assert_int_equal(db_array(r, 0, 4, e, 4), 2);
  assert_int_equal(db_element_i64(e[1]), -2);
  db_result_finish(r);
}

static void big_texts_travel_whole_both_ways(void **state) {
  (void)state;
  size_t size = 20 * 1024 * 1024;
  char *big = mem_alloc(size);
  memset(big, 'x', size);
  big[size - 1] = 'y';
  db_param_text(&p, (struct str){big, size});
  db_array_begin(&p, DB_TEXT), db_array_text(&p, (struct str){big, size}), db_array_end(&p);
  struct db_result *r = echo("SELECT $1::text, ($2::text[])[1]");
  for (int i = 0; i < 2; i++) {
    assert_int_equal(db_text(r, 0, i).len, size);
    assert_memory_equal(db_text(r, 0, i).ptr, big, size);
  }
  db_result_finish(r);
  mem_free(big);
}

static void parameters_can_be_used_again(void **state) {
  (void)state;
  for (int64_t i = 0; i < 100; i++) {
    db_param_i64(&p, i);
    db_array_begin(&p, DB_I64), db_array_i64(&p, i), db_array_end(&p);
    struct db_result *r = echo("SELECT $1::bigint + ($2::bigint[])[1]");
    assert_int_equal(db_i64(r, 0, 0), 2 * i);
    db_result_finish(r);
  }
}

static void written_rows_are_counted(void **state) {
  (void)state;
  struct db_result *r = NULL;
  assert_int_equal(db_exec(db, "CREATE TEMP TABLE counted (n bigint)"), 0);
  assert_int_equal(db_query(db, "INSERT INTO counted SELECT generate_series(1, 5)", &r), 0);
  assert_int_equal(db_affected(r), 5);
  assert_int_equal(db_rows(r), 0);
  db_result_finish(r);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
  const struct CMUnitTest tests[] = {
      TEST(integers_keep_their_value_to_the_last_one),
      TEST(texts_bytes_ids_and_truth_come_back_as_given),
      TEST(times_are_microseconds_since_1970),
      TEST(a_null_is_null_and_reads_as_nothing),
      TEST(what_is_there_is_not_taken_for_null),
      TEST(arrays_of_every_type_keep_order_values_and_nulls),
      TEST(an_empty_array_is_empty_and_not_null),
      TEST(arrays_are_read_element_by_element),
      TEST(big_texts_travel_whole_both_ways),
      TEST(parameters_can_be_used_again),
      TEST(written_rows_are_counted),
  };
  return cmocka_run_group_tests(tests, cluster_up, cluster_down);
}
