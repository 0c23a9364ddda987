// Feeds: the text of a configuration file, a byte 0xFF, and environment variables with a NUL behind each, to
// config_load. Oracle: a refusal has a line that says why and leaves nothing behind; what is accepted lies within its
// bounds or among its choices; and whatever password libpq itself reads out of a database's address is not in what may
// be shown of it.
#include "app/config.h"
#include "base/mem.h"
#include "fuzz.h"
#include <fcntl.h>
#include <libpq-fe.h>
#include <sys/mman.h>
#include <unistd.h>

#define VARIABLES_MAX 32
#define PASSWORD_LEAST 4 // a shorter one may stand anywhere

static int file = -1;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  file = memfd_create("config", MFD_CLOEXEC);
  return file < 0;
}

static void file_write(struct str text) {
  FUZZ_CHECK(ftruncate(file, 0) == 0 && lseek(file, 0, SEEK_SET) == 0, "the file cannot be emptied");
  FUZZ_CHECK(write(file, text.ptr ? text.ptr : "", text.len) == (ssize_t)text.len, "the file cannot be written");
}

// ---- what is accepted

static bool among(const char *choices, const char *text) {
  struct str rest = str_from(choices), one;
  while (str_split(&rest, '|', &one))
    if (str_eq(one, str_from(text))) return true;
  return false;
}

static void value_check(const struct config *c, enum setting_id id) {
  const struct setting *s = &setting_table[id];
  const char *text = config_text(c, id);
  FUZZ_CHECK(text != NULL, "%s", s->name);
  if (s->kind == SETTING_KIND_CHOICE && text[0]) FUZZ_CHECK(among(s->example, text), "%s is %s", s->name, text);
  if (s->kind != SETTING_KIND_NUMBER || !text[0]) return;
  int64_t n = config_number(c, id);
  FUZZ_CHECK(n >= s->least && n <= s->most && strtoll(text, NULL, 10) == n, "%s is %s, read as %lld", s->name, text,
             (long long)n);
}

// ---- what is shown

static struct str percent_decoded(const char *text, char *out) {
  size_t len = 0;
  for (const char *at = text; *at; at++) {
    unsigned value = 0;
    if (at[0] == '%' && at[1] && at[2] && sscanf(at + 1, "%2x", &value) == 1) {
      out[len++] = (char)value;
      at += 2;
    } else {
      out[len++] = *at;
    }
  }
  return (struct str){out, len};
}

static size_t occurrences(struct str text, const char *what) {
  size_t count = 0;
  for (size_t i = 0; i + strlen(what) <= text.len; i++) count += memcmp(text.ptr + i, what, strlen(what)) == 0;
  return count;
}

static void password_check(const char *url, struct buf *shown, const char *password) {
  char *plain_url = malloc(strlen(url) + 1), *plain_shown = malloc(shown->len + 1);
  size_t before = occurrences(percent_decoded(url, plain_url), password),
         after = occurrences(percent_decoded(buf_cstr(shown), plain_shown), password);
  FUZZ_CHECK(after < before || before == 0, "of %s %s is shown", url, buf_cstr(shown));
  free(plain_url);
  free(plain_shown);
}

static void database_check(const char *url, struct buf *shown) {
  PQconninfoOption *options = PQconninfoParse(url, NULL);
  for (const PQconninfoOption *o = options; o && o->keyword; o++) {
    bool secret = strcmp(o->keyword, "password") == 0 || strcmp(o->keyword, "sslpassword") == 0;
    if (secret && o->val && strlen(o->val) >= PASSWORD_LEAST) password_check(url, shown, o->val);
  }
  PQconninfoFree(options);
}

static void shown_check(const struct config *c, enum setting_id id) {
  const struct setting *s = &setting_table[id];
  const char *text = config_text(c, id);
  struct buf shown;
  buf_init(&shown, 256 * 1024);
  config_show(c, id, &shown);
  if (s->kind == SETTING_KIND_SECRET || s->kind == SETTING_KIND_MASTER || s->kind == SETTING_KIND_STRIPE_KEY ||
      s->kind == SETTING_KIND_STRIPE_HOOKS)
    FUZZ_CHECK(shown.len == 0 || !strstr(buf_cstr(&shown), text) || strlen(text) < 10, "%s", s->name);
  if (s->kind == SETTING_KIND_DATABASE && text[0]) database_check(text, &shown);
  buf_finish(&shown);
}

static void accepted_check(const struct config *c) {
  for (int id = 0; id < SETTING_COUNT; id++) {
    value_check(c, (enum setting_id)id);
    shown_check(c, (enum setting_id)id);
  }
}

// ---- one input

static void environment_read(struct fuzz_input *in, char *environment[VARIABLES_MAX + 1]) {
  size_t count = 0;
  while (in->at < in->end && count < VARIABLES_MAX) environment[count++] = fuzz_text(fuzz_until(in, '\0'));
  environment[count] = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fuzz_input in = fuzz_input(data, size);
  char path[64], *environment[VARIABLES_MAX + 1];
  struct config config;
  struct buf error, warnings;
  file_write(fuzz_until(&in, 0xFF));
  environment_read(&in, environment);
  (void)snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  buf_init(&error, 1024 * 1024);
  buf_init(&warnings, 1024 * 1024);
  if (config_load(&config, path, environment, &error, &warnings)) {
    FUZZ_CHECK(error.len == 0, "accepted, and yet: %s", buf_cstr(&error));
    accepted_check(&config);
  } else {
    FUZZ_CHECK(error.len > 10 && error.data[error.len - 1] == '\n', "refused without a reason: %s", buf_cstr(&error));
    FUZZ_CHECK(!config.file && !config.value[0].text, "a refused configuration leaves something behind");
  }
  config_finish(&config);
  buf_finish(&error);
  buf_finish(&warnings);
  for (size_t i = 0; environment[i]; i++) free(environment[i]);
  return 0;
}
