// Which files are loaded from a folder, which are refused and in which words, and how what was loaded is found.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/fault.h"
#include "plugin/registry.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/tollgate-plugins-XXXXXX";
static struct plugin_registry *registry;
static struct buf problems;

static void path_of(const char *name, char ret[512]) {
  (void)snprintf(ret, 512, "%s/%s", folder, name);
}

static void file_write(const char *name, const char *bytes, size_t len, mode_t mode) {
  char path[512];
  path_of(name, path);
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, bytes, len), (ssize_t)len);
  assert_int_equal(fchmod(fd, mode), 0);
  close(fd);
}

static void file_copy(const char *from, const char *name, mode_t mode) {
  FILE *f = fopen(from, "rb");
  assert_non_null(f);
  assert_int_equal(fseek(f, 0, SEEK_END), 0);
  size_t size = (size_t)ftell(f);
  char *bytes = malloc(size);
  rewind(f);
  assert_int_equal(fread(bytes, 1, size, f), size);
  fclose(f);
  file_write(name, bytes, size, mode);
  free(bytes);
}

static void file_remove(const char *name) {
  char path[512];
  path_of(name, path);
  assert_int_equal(unlink(path), 0);
}

static int load(void) {
  buf_init(&problems, 4096);
  return plugin_registry_load(folder, &registry, &problems);
}

static void unload(void) {
  plugin_registry_destroy(registry);
  registry = NULL;
  buf_finish(&problems);
}

static bool said(const char *text) {
  return strstr(buf_cstr(&problems), text) != NULL;
}

static int folder_make(void **state) {
  (void)state;
  return mkdtemp(folder) ? chmod(folder, 0700) : -1;
}

static int folder_remove(void **state) {
  (void)state;
  return rmdir(folder);
}

#define OPENAI BINARY_DIR "/plugins/openai.so"

static void a_folder_that_is_not_there_is_a_fault(void **state) {
  (void)state;
  buf_init(&problems, 4096);
  assert_int_equal(plugin_registry_load("/nonexistent/plugins", &registry, &problems), FAULT_IO);
  buf_finish(&problems);
}

static void an_empty_folder_is_none(void **state) {
  (void)state;
  file_write("README", "text", 4, 0644);
  assert_int_equal(load(), 0);
  assert_int_equal(plugin_count(registry), 0);
  assert_int_equal(problems.len, 0);
  unload();
  file_remove("README");
}

static void a_plugin_is_loaded_and_found(void **state) {
  (void)state;
  file_copy(OPENAI, "openai.so", 0644);
  assert_int_equal(load(), 1);
  assert_int_equal(problems.len, 0);
  assert_int_equal(plugin_count(registry), 1);
  const struct tollgate_plugin *p = plugin_at(registry, 0);
  assert_string_equal(p->name, "openai");
  assert_ptr_equal(plugin_by_name(registry, STR("openai")), p);
  assert_null(plugin_by_name(registry, STR("open")));
  assert_string_equal(p->meters[plugin_meter(p, STR("output_tokens"))].name, "output_tokens");
  assert_int_equal(plugin_meter(p, STR("nothing")), -1);
  unload();
  file_remove("openai.so");
}

static void what_others_could_change_is_refused(void **state) {
  static const mode_t modes[] = {0664, 0646};
  (void)state;
  for (size_t i = 0; i < 2; i++) {
    file_copy(OPENAI, "openai.so", modes[i]);
    assert_int_equal(load(), 0);
    assert_true(said("openai.so: it is writable by others"));
    unload();
  }
  file_remove("openai.so");
  file_copy(OPENAI, "openai.so", 0644);
  assert_int_equal(chmod(folder, 0777), 0);
  assert_int_equal(load(), 0);
  assert_true(said("writable by others"));
  assert_int_equal(chmod(folder, 0700), 0);
  unload();
  file_remove("openai.so");
}

static void only_regular_files_are_opened(void **state) {
  char path[512];
  (void)state;
  path_of("openai.so", path);
  assert_int_equal(symlink(OPENAI, path), 0);
  path_of("pipe.so", path);
  assert_int_equal(mkfifo(path, 0600), 0);
  assert_int_equal(load(), 0);
  assert_true(said("openai.so: it is a symbolic link"));
  assert_true(said("pipe.so: it is not a regular file"));
  unload();
  file_remove("openai.so");
  file_remove("pipe.so");
}

static void a_file_that_is_no_plugin_is_refused_and_the_others_load(void **state) {
  (void)state;
  file_write("broken.so", "no library", 10, 0644);
  file_copy(OPENAI, "another.so", 0644);
  file_copy(OPENAI, "openai.so", 0644);
  assert_int_equal(load(), 1);
  assert_true(said("another.so: it has another name than its file\n"));
  assert_true(said("broken.so: it cannot be loaded: "));
  assert_false(said("/proc/"));
  unload();
  file_remove("broken.so");
  file_remove("another.so");
  file_remove("openai.so");
}

static void each_file_is_a_plugin_of_its_own(void **state) {
  (void)state;
  file_copy(OPENAI, "openai.so", 0644);
  file_copy(BINARY_DIR "/plugins-skeleton/skeleton.so", "skeleton.so", 0644);
  assert_int_equal(load(), 2);
  assert_string_equal(plugin_at(registry, 0)->name, "openai");
  assert_string_equal(plugin_at(registry, 1)->name, "skeleton");
  unload();
  file_remove("openai.so");
  file_remove("skeleton.so");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_folder_that_is_not_there_is_a_fault),
      cmocka_unit_test(an_empty_folder_is_none),
      cmocka_unit_test(a_plugin_is_loaded_and_found),
      cmocka_unit_test(what_others_could_change_is_refused),
      cmocka_unit_test(only_regular_files_are_opened),
      cmocka_unit_test(a_file_that_is_no_plugin_is_refused_and_the_others_load),
      cmocka_unit_test(each_file_is_a_plugin_of_its_own),
  };
  return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
