// What stands in a .sql file is what the server gets, whatever characters it holds: server/embed.cmake is run over
// a folder of awkward files and its C is compiled and asked.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "db/embedded.h"
#include "db/statement.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/tg-embed-XXXXXX";

static void file_write(const char *name, const char *text) {
  char path[256];
  (void)snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  assert_true(fputs(text, f) >= 0);
  assert_int_equal(fclose(f), 0);
}

static int command(const char *format) {
  char text[2048];
  struct buf b;
  buf_init(&b, sizeof text);
  for (const char *c = format; *c; c++) {
    if (*c == '@')
      buf_puts(&b, folder);
    else
      buf_putc(&b, *c);
  }
  int status = system(buf_cstr(&b));
  buf_finish(&b);
  return status;
}

static int embed_statements(void) {
  return command("cmake -DMODE=statements -DROOT=@/sql -DOUT=@/out -P '" SOURCE_DIR "/server/embed.cmake' >@/log 2>&1");
}

static int begin(void **state) {
  (void)state;
  memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
  assert_non_null(mkdtemp(folder));
  return command("mkdir -p @/sql/deep @/root/migrations @/root/api");
}

static int end(void **state) {
  (void)state;
  return command("rm -rf @");
}

#define AWKWARD                                                                                                        \
  "SELECT a[1], b -> 'x' ? 'y', c ?| ARRAY['p;q', \"]\"], E'\\\\n\\t', '?\?/', $$[;]$$, x::jsonb @> '{\"k\": [1;2]}' " \
  "-- [ open; \\\n"                                                                                                    \
  "\tFROM \"t;[\" WHERE s = '-- name: no' AND u = '${x} $ENV{HOME} @y@' AND v = 'ß€'"

static void every_character_arrives(void **state) {
  (void)state;
  file_write("sql/a.sql",
             "-- About this file; [not a statement.\n\n-- name: awkward\n" AWKWARD "\n\n-- name: second\nSELECT 1;\n");
  file_write("sql/deep/b.sql", "-- name: third\r\nSELECT\r\n 3");
  file_write("wanted.h", "");
  file_write("main.c", "#include \"statements.h\"\n#include <stdio.h>\nstruct statement { const char *name, *sql; };\n"
                       "extern const struct statement statement_table[];\nint main(void) {\n"
                       "for (int i = 0; i < STATEMENT_COUNT; i++) printf(\"%s\\n%s\\n\", statement_table[i].name, "
                       "statement_table[i].sql);\n"
                       "return STATEMENT_AWKWARD + 10 * STATEMENT_SECOND + 100 * STATEMENT_THIRD != 210; }\n");
  file_write("wanted", "awkward\n" AWKWARD "\nsecond\nSELECT 1;\nthird\nSELECT\n 3\n");
  assert_int_equal(embed_statements(), 0);
  assert_int_equal(command("cc -Wall -Wextra -Wpedantic -Werror -I@/out -I'" SOURCE_DIR
                           "/server' -o @/main @/main.c @/out/statements.c"),
                   0);
  assert_int_equal(command("@/main > @/got"), 0);
  assert_int_equal(command("diff @/wanted @/got"), 0);
}

static void a_name_that_is_there_twice_is_refused(void **state) {
  (void)state;
  file_write("sql/a.sql", "-- name: one\nSELECT 1\n");
  file_write("sql/deep/b.sql", "-- name: one\nSELECT 2\n");
  assert_int_not_equal(embed_statements(), 0);
}

static void a_name_that_is_none_is_refused(void **state) {
  (void)state;
  file_write("sql/a.sql", "-- name: One Two\nSELECT 1\n");
  assert_int_not_equal(embed_statements(), 0);
}

static void files_arrive_byte_for_byte(void **state) {
  (void)state;
  file_write("root/migrations/0002_b.sql", "");
  file_write("root/migrations/0001_a.sql", "\t\"ß\" ; [ \\ ?\?/ \r\n\n");
  file_write("root/api/openapi.yaml", "openapi: 3.1.0 # €\n");
  file_write("main.c", "#include \"db/embedded.h\"\n#include <stdio.h>\nint main(void) {\n"
                       "for (int i = 0; embedded_files[i].path; i++) { printf(\"%s \", embedded_files[i].path);\n"
                       "fwrite(embedded_files[i].text, 1, embedded_files[i].size, stdout);\n"
                       "if (embedded_files[i].text[embedded_files[i].size]) return 1; } return 0; }\n");
  file_write(
      "wanted",
      "migrations/0001_a.sql \t\"ß\" ; [ \\ ?\?/ \r\n\nmigrations/0002_b.sql api/openapi.yaml openapi: 3.1.0 # €\n");
  assert_int_equal(
      command("cmake -DMODE=files -DROOT=@/root -DOUT=@/out -P '" SOURCE_DIR "/server/embed.cmake' >@/log 2>&1"), 0);
  assert_int_equal(command("cc -Wall -Wextra -Wpedantic -Wconversion -Werror -I@/out -I'" SOURCE_DIR
                           "/server' -o @/main @/main.c @/out/embedded.c"),
                   0);
  assert_int_equal(command("@/main > @/got"), 0);
  assert_int_equal(command("cmp @/wanted @/got"), 0);
}

static void the_binary_holds_every_migration_in_order(void **state) {
  (void)state;
  int before = 0;
  for (const struct embedded_file *f = embedded_files; f->path; f++) {
    if (strncmp(f->path, "migrations/", 11) != 0) continue;
    assert_true(atoi(f->path + 11) == before + 1);
    before = atoi(f->path + 11);
    assert_int_equal(strlen(f->text), f->size);
  }
  assert_true(before >= 1);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
  const struct CMUnitTest tests[] = {
      TEST(every_character_arrives),
      TEST(a_name_that_is_there_twice_is_refused),
      TEST(a_name_that_is_none_is_refused),
      TEST(files_arrive_byte_for_byte),
      TEST(the_binary_holds_every_migration_in_order),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
