// Runs a fuzz target over files without a fuzzer: those named, or the target's own seeds and regressions, each of the
// latter as a test of its own. What an oracle objects to ends the process.
#include "fuzz.h"
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

#define FILE_MAX (1024 * 1024)
#define REGRESSIONS_MAX 256
#define SEEDS SOURCE_DIR "/tests/fuzz/seeds/" FUZZ_NAME
#define REGRESSIONS SOURCE_DIR "/tests/fuzz/regressions/" FUZZ_NAME

__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

static bool file_run(const char *path) {
  FILE *f = fopen(path, "re");
  if (!f) return false;
  uint8_t *bytes = malloc(FILE_MAX);
  size_t len = fread(bytes, 1, FILE_MAX, f);
  (void)fclose(f);
  uint8_t *exact = malloc(len ? len : 1);
  memcpy(exact, bytes, len);
  free(bytes);
  (void)LLVMFuzzerTestOneInput(exact, len);
  free(exact);
  return true;
}

static int is_file(const struct dirent *entry) {
  return entry->d_name[0] != '.';
}

static int by_name(const struct dirent **a, const struct dirent **b) {
  return strcmp((*a)->d_name, (*b)->d_name);
}

static void no_bytes_at_all(void **state) {
  (void)state;
  uint8_t none = 0;
  (void)LLVMFuzzerTestOneInput(&none, 0);
}

static void seeds(void **state) {
  struct dirent **entries = NULL;
  int count = scandir(SEEDS, &entries, is_file, by_name);
  (void)state;
  assert_true(count > 0);
  for (int i = 0; i < count; i++) {
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", SEEDS, entries[i]->d_name);
    print_message("%s\n", entries[i]->d_name);
    assert_true(file_run(path));
    free(entries[i]);
  }
  free(entries);
}

static void regression(void **state) {
  print_message("%s\n", (const char *)*state);
  assert_true(file_run(*state));
}

// cmocka's names are of letters, digits and underscores where tests/run counts them.
static char *test_name(const char *file) {
  char *name = strdup(file);
  for (char *c = name; *c; c++)
    if (*c == '-' || *c == '.') *c = '_';
  return name;
}

static int run_all(void) {
  static struct CMUnitTest tests[REGRESSIONS_MAX + 2] = {cmocka_unit_test(no_bytes_at_all), cmocka_unit_test(seeds)};
  struct dirent **entries = NULL;
  int count = scandir(REGRESSIONS, &entries, is_file, by_name), all = 2;
  for (int i = 0; i < count && i < REGRESSIONS_MAX; i++) {
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", REGRESSIONS, entries[i]->d_name);
    tests[all++] = (struct CMUnitTest){
        .name = test_name(entries[i]->d_name), .test_func = regression, .initial_state = strdup(path)};
    free(entries[i]);
  }
  free(entries);
  int failed = _cmocka_run_group_tests("fuzz " FUZZ_NAME, tests, (size_t)all, NULL, NULL);
  for (int i = 2; i < all; i++) {
    free(tests[i].initial_state);
    free((void *)(uintptr_t)tests[i].name);
  }
  return failed;
}

int main(int argc, char **argv) {
  if (LLVMFuzzerInitialize) (void)LLVMFuzzerInitialize(&argc, &argv);
  if (argc < 2) return run_all();
  for (int i = 1; i < argc; i++) {
    printf("%s\n", argv[i]);
    if (!file_run(argv[i])) return 1;
  }
  return 0;
}
