// Reads, checks and shows the settings. The table in config.h is the only list of them.
#include "app/config.h"
#include "stripe/meter_map.h"
#include "app/suggest.h"
#include "base/mem.h"
#include "crypto/crypto.h"
#include "net/guard.h"
#include "webhook/retry.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define FILE_BYTES_MAX (64 * 1024)
#define PROBLEMS_MAX (16 * 1024)
#define URL_MAX 2000
#define STRIPE_SECRET_MAX 255
#define STRIPE_VERSION_MAX 40
#define STRIPE_SECRETS 4

const struct setting setting_table[SETTING_COUNT] = {
#define X(id, name, kind, fallback, least, most, example, help)                                                        \
  [SETTING_##id] = {name, SETTING_KIND_##kind, fallback, least, most, example, help},
    SETTINGS(X)
#undef X
};

// ---- one value: false with the problem, as the end of the sentence "NAME …"

static bool number_check(const struct setting *s, const char *text, int64_t *ret, struct buf *why) {
  int64_t value;
  if (!str_to_i64(str_from(text), &value)) {
    buf_printf(why, "is not a whole number: \"%s\"", text);
    return false;
  }
  if (value < s->least || value > s->most) {
    buf_printf(why, "is out of range: %lld is not within %lld to %lld", (long long)value, (long long)s->least,
               (long long)s->most);
    return false;
  }
  *ret = value;
  return true;
}

static bool choice_check(const struct setting *s, const char *text, struct buf *why) {
  struct str choices = str_from(s->example), choice;
  while (str_split(&choices, '|', &choice))
    if (str_eq(choice, str_from(text))) return true;
  buf_printf(why, "cannot be \"%s\"; it is one of %s", text, s->example);
  return false;
}

static bool address_check(const char *text, struct buf *why) {
  unsigned char bytes[16];
  if (inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1) return true;
  buf_printf(why, "is not an IP address: \"%s\"", text);
  return false;
}

// Never shows the value: it may hold a password.
static bool database_check(const char *text, struct buf *why) {
  struct str t = str_from(text);
  if (str_starts(t, STR("postgresql://")) || str_starts(t, STR("postgres://"))) return true;
  buf_puts(why, "is not a PostgreSQL address: it does not begin with postgresql://");
  return false;
}

static bool http_check(const char *text, struct buf *why) {
  CLEANUP(buf_finish) struct buf problem;
  buf_init(&problem, 1024);
  if (strlen(text) > URL_MAX)
    buf_printf(&problem, "it is longer than %d characters", URL_MAX);
  else if (net_url_check(NET_OPERATOR, text, &problem) == 0)
    return true;
  buf_printf(why, "is not the address of a server: %s", buf_cstr(&problem));
  return false;
}

static bool ranges_check(const char *text, struct buf *why) {
  CLEANUP(buf_finish) struct buf problem;
  struct net_ranges ranges;
  buf_init(&problem, 512);
  if (net_ranges_parse(str_from(text), &ranges, &problem)) return true;
  buf_printf(why, "is not a list of address ranges: %s", buf_cstr(&problem));
  return false;
}

static bool schedule_check(const char *text, struct buf *why) {
  CLEANUP(buf_finish) struct buf problem;
  struct retry_schedule schedule;
  buf_init(&problem, 512);
  if (retry_schedule_parse(str_from(text), &schedule, &problem)) return true;
  buf_printf(why, "is not a list of times: %s", buf_cstr(&problem));
  return false;
}

static bool master_check(const char *text, struct buf *why) {
  struct crypto_keys keys;
  bool sound = crypto_keys_derive(str_from(text), &keys);
  crypto_wipe(&keys, sizeof keys);
  if (!sound) buf_puts(why, "is not 32 bytes as 64 hex digits or as base64");
  return sound;
}

// What is after the prefix is anybody's guess, but it is sent in a header. Secrets are never shown.
static bool token_check(struct str text, const char *prefixes) {
  struct str rest = str_from(prefixes), prefix;
  while (str_split(&rest, '|', &prefix))
    if (str_starts(text, prefix) && text.len > prefix.len)
      return text.len <= STRIPE_SECRET_MAX && str_is_printable(text) && !memchr(text.ptr, ' ', text.len);
  return false;
}

static bool stripe_key_check(const char *text, struct buf *why) {
  if (token_check(str_from(text), "sk_test_|sk_live_|rk_test_|rk_live_")) return true;
  buf_puts(why, "is none of Stripe's secret keys: it begins with sk_test_, sk_live_, rk_test_ or rk_live_");
  return false;
}

static bool stripe_hooks_check(const char *text, struct buf *why) {
  struct str rest = str_from(text), one;
  int count = 0;
  bool sound = text[strlen(text) - 1] != ',';
  while (sound && str_split(&rest, ',', &one)) sound = token_check(str_trim(one), "whsec_") && ++count <= STRIPE_SECRETS;
  if (!sound) buf_puts(why, "is not one to four of Stripe's signing secrets, which begin with whsec_, with commas between them");
  return sound;
}

static bool stripe_meters_check(const char *text, struct buf *why) {
  struct meter_map map;
  if (meter_map_read(str_from(text), &map)) return true;
  buf_puts(why, "is not a list of meter=event_name, each meter once, with commas between them");
  return false;
}

static bool stripe_version_check(const char *text, struct buf *why) {
  static const char form[] = "0000-00-00";
  size_t at = 0;
  for (; at < sizeof form - 1; at++)
    if (form[at] == '0' ? text[at] < '0' || text[at] > '9' : text[at] != form[at]) break;
  bool sound = at == sizeof form - 1 && strlen(text) <= STRIPE_VERSION_MAX;
  if (sound && text[at] == '.') {
    size_t name = strspn(text + at + 1, "abcdefghijklmnopqrstuvwxyz");
    sound = name > 0;
    at += 1 + name;
  }
  if (sound && text[at] == '\0') return true;
  buf_printf(why, "is no version of Stripe's API: \"%s\"", text);
  return false;
}

static bool value_check(const struct setting *s, const char *text, int64_t *ret_number, struct buf *why) {
  if (!str_is_utf8(str_from(text))) {
    buf_puts(why, "is not valid UTF-8");
    return false;
  }
  switch (s->kind) {
  case SETTING_KIND_NUMBER:
    return number_check(s, text, ret_number, why);
  case SETTING_KIND_CHOICE:
    return choice_check(s, text, why);
  case SETTING_KIND_ADDRESS:
    return address_check(text, why);
  case SETTING_KIND_DATABASE:
    return database_check(text, why);
  case SETTING_KIND_HTTP:
    return http_check(text, why);
  case SETTING_KIND_RANGES:
    return ranges_check(text, why);
  case SETTING_KIND_SCHEDULE:
    return schedule_check(text, why);
  case SETTING_KIND_MASTER:
    return master_check(text, why);
  case SETTING_KIND_STRIPE_KEY:
    return stripe_key_check(text, why);
  case SETTING_KIND_STRIPE_HOOKS:
    return stripe_hooks_check(text, why);
  case SETTING_KIND_STRIPE_METERS:
    return stripe_meters_check(text, why);
  case SETTING_KIND_STRIPE_VERSION:
    return stripe_version_check(text, why);
  case SETTING_KIND_TEXT:
  case SETTING_KIND_SECRET:
    return true;
  }
  return false;
}

static void value_set(struct config *c, enum setting_id id, struct str text, enum config_source source) {
  mem_free(c->value[id].text);
  c->value[id].text = mem_strndup(text.ptr, text.len);
  c->value[id].source = source;
}

// ---- the file

static const char *setting_nearest(const char *name) {
  const char *names[SETTING_COUNT];
  for (int i = 0; i < SETTING_COUNT; i++) names[i] = setting_table[i].name;
  return suggest_word(name, names, SETTING_COUNT);
}

static int setting_find(struct str name) {
  for (int i = 0; i < SETTING_COUNT; i++)
    if (str_eq(name, str_from(setting_table[i].name))) return i;
  return -1;
}

static void unknown_tell(struct buf *out, const char *where, struct str name) {
  char copy[96];
  (void)snprintf(copy, sizeof copy, "%.*s", (int)(name.len < 90 ? name.len : 90), name.ptr);
  const char *nearest = setting_nearest(copy);
  buf_printf(out, "%s%s is not a setting%s%s%s\n", where, copy, nearest ? "; did you mean " : "",
             nearest ? nearest : "", nearest ? "?" : "; `tollgate doctor` lists them");
}

static struct str unquote(struct str s) {
  bool quoted = s.len >= 2 && (s.ptr[0] == '"' || s.ptr[0] == '\'') && s.ptr[s.len - 1] == s.ptr[0];
  return quoted ? (struct str){s.ptr + 1, s.len - 2} : s;
}

static void line_read(struct config *c, const char *path, int number, struct str line, struct buf *problems) {
  line = str_trim(line);
  if (line.len > 0 && line.ptr[line.len - 1] == '\r') line = str_trim((struct str){line.ptr, line.len - 1});
  if (line.len == 0 || line.ptr[0] == '#') return;
  char where[512];
  (void)snprintf(where, sizeof where, "%s line %d: ", path, number);
  const char *equals = memchr(line.ptr, '=', line.len);
  if (!equals) {
    buf_printf(problems, "%sis not of the form KEY=value, for example PORT=8080\n", where);
    return;
  }
  struct str name = str_trim((struct str){line.ptr, (size_t)(equals - line.ptr)});
  struct str value = unquote(str_trim((struct str){equals + 1, line.len - (size_t)(equals + 1 - line.ptr)}));
  int id = setting_find(name);
  if (id < 0)
    unknown_tell(problems, where, name);
  else
    value_set(c, (enum setting_id)id, value, CONFIG_FILE);
}

static bool text_read(const char *path, struct buf *ret, struct buf *problems) {
  FILE *f = fopen(path, "re");
  if (!f) {
    buf_printf(problems, "the configuration file %s cannot be read: %s\n", path, strerror(errno));
    return false;
  }
  char piece[4096];
  size_t got;
  while ((got = fread(piece, 1, sizeof piece, f)) > 0) buf_add(ret, piece, got);
  bool sound = !ferror(f) && !ret->full && !(ret->len > 0 && memchr(ret->data, '\0', ret->len));
  (void)fclose(f);
  if (!sound) buf_printf(problems, "the configuration file %s is not a text of at most 64 KiB\n", path);
  return sound;
}

static void file_read(struct config *c, const char *path, struct buf *problems) {
  CLEANUP(buf_finish) struct buf text;
  buf_init(&text, FILE_BYTES_MAX);
  if (!text_read(path, &text, problems)) return;
  c->file = mem_strdup(path);
  struct str rest = buf_str(&text), line;
  for (int number = 1; str_split(&rest, '\n', &line); number++) line_read(c, path, number, line, problems);
}

// ---- the environment

static const char *environment_get(char *const *environment, const char *name) {
  size_t len = strlen(name);
  for (; environment && *environment; environment++)
    if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=') return *environment + len + 1;
  return NULL;
}

static void environment_read(struct config *c, char *const *environment, struct buf *warnings) {
  for (; environment && *environment; environment++) {
    const char *equals = strchr(*environment, '=');
    if (!equals) continue;
    struct str name = {*environment, (size_t)(equals - *environment)};
    int id = setting_find(name);
    // An empty variable counts as not given: that is how shells and platforms unset one.
    if (id >= 0 && equals[1])
      value_set(c, (enum setting_id)id, str_from(equals + 1), CONFIG_ENVIRONMENT);
    else if (id < 0 && str_starts(name, STR("TOLLGATE_")) && !str_eq(name, STR("TOLLGATE_CONFIG")) && warnings)
      unknown_tell(warnings, "environment: ", name);
  }
}

// ---- the whole

static void values_check(struct config *c, struct buf *problems) {
  for (int i = 0; i < SETTING_COUNT; i++) {
    const struct setting *s = &setting_table[i];
    if (c->value[i].text[0] == '\0') continue;
    CLEANUP(buf_finish) struct buf why;
    buf_init(&why, 2048);
    if (!value_check(s, c->value[i].text, &c->value[i].number, &why))
      buf_printf(problems, "%s %s. Example: %s=%s\n", s->name, buf_cstr(&why), s->name,
                 s->kind == SETTING_KIND_CHOICE ? s->fallback : s->example);
  }
}

static void default_journal(struct config *c, char *const *environment) {
  if (c->value[SETTING_JOURNAL_DIR].text[0]) return;
  CLEANUP(buf_finish) struct buf path;
  struct str folders = str_from(environment_get(environment, "STATE_DIRECTORY")), state = {0};
  (void)str_split(&folders, ':', &state); // systemd's; several stand with colons between them
  buf_init(&path, 8192);
  if (state.len > 0)
    buf_printf(&path, "%.*s/journal", STR_ARG(state));
  else
    buf_puts(&path, setting_table[SETTING_JOURNAL_DIR].example);
  value_set(c, SETTING_JOURNAL_DIR, buf_str(&path), CONFIG_DEFAULT);
}

static void default_path(struct config *c) {
  if (c->value[SETTING_PLUGIN_DIR].text[0]) return;
  char exe[4096];
  ssize_t len = readlink("/proc/self/exe", exe, sizeof exe - 1);
  const char *slash = len > 0 ? memrchr(exe, '/', (size_t)len) : NULL;
  CLEANUP(buf_finish) struct buf path;
  buf_init(&path, 8192);
  if (slash) buf_add(&path, exe, (size_t)(slash - exe));
  buf_puts(&path, slash ? "/plugins" : "plugins");
  value_set(c, SETTING_PLUGIN_DIR, buf_str(&path), CONFIG_DEFAULT);
}

static void defaults_derive(struct config *c, char *const *environment) {
  static const enum setting_id urls[] = {SETTING_DATABASE_DIRECT_URL, SETTING_DATABASE_READ_URL};
  for (size_t i = 0; i < ARRAY_LEN(urls); i++)
    if (!c->value[urls[i]].text[0])
      value_set(c, urls[i], str_from(c->value[SETTING_DATABASE_URL].text), CONFIG_DEFAULT);
  if (!c->value[SETTING_INSTANCE].text[0]) {
    char host[64] = "", name[96];
    (void)gethostname(host, sizeof host - 1);
    (void)snprintf(name, sizeof name, "%s-%d", host, (int)getpid());
    value_set(c, SETTING_INSTANCE, str_from(name), CONFIG_DEFAULT);
  }
  default_path(c);
  default_journal(c, environment);
}

// Where not all of them fit, those that do are told, and that there are more.
static void problems_tell(const struct buf *problems, struct buf *ret_error) {
  struct str lines = buf_str(problems);
  if (problems->full) {
    const char *last = memrchr(lines.ptr, '\n', lines.len);
    lines.len = last ? (size_t)(last + 1 - lines.ptr) : 0;
  }
  buf_add_str(ret_error, lines);
  if (problems->full) buf_puts(ret_error, "the configuration has more wrong lines or values than are told at once\n");
}

bool config_load(struct config *ret, const char *path, char *const *environment, struct buf *ret_error,
                 struct buf *ret_warnings) {
  CLEANUP(buf_finish) struct buf problems;
  buf_init(&problems, PROBLEMS_MAX);
  *ret = (struct config){0};
  for (int i = 0; i < SETTING_COUNT; i++)
    value_set(ret, (enum setting_id)i, str_from(setting_table[i].fallback), CONFIG_DEFAULT);
  if (!path) path = environment_get(environment, "TOLLGATE_CONFIG");
  if (path && *path) file_read(ret, path, &problems);
  environment_read(ret, environment, ret_warnings);
  values_check(ret, &problems);
  if (problems.len > 0) {
    problems_tell(&problems, ret_error);
    config_finish(ret);
    return false;
  }
  defaults_derive(ret, environment);
  return true;
}

void config_finish(struct config *c) {
  for (int i = 0; i < SETTING_COUNT; i++) {
    if (c->value[i].text) crypto_wipe(c->value[i].text, strlen(c->value[i].text));
    mem_free(c->value[i].text);
  }
  mem_free(c->file);
  *c = (struct config){0};
}

bool config_require(const struct config *c, enum setting_id id, struct buf *ret_error) {
  if (c->value[id].text[0]) return true;
  const struct setting *s = &setting_table[id];
  buf_printf(ret_error, "%s is not set: %s. Example: %s=%s\n", s->name, s->help, s->name, s->example);
  return false;
}

// ---- showing

// Where libpq finds a password: behind the first colon, up to an '@' before the first '/', whatever else stands
// between. Shows the address up to its hosts, and returns the rest.
static struct str user_show(struct str url, struct buf *out) {
  const char *scheme = memmem(url.ptr, url.len, "://", 3), *from = scheme ? scheme + 3 : url.ptr,
             *end = url.ptr + url.len;
  const char *slash = memchr(from, '/', (size_t)(end - from)), *stop = slash ? slash : end;
  const char *first = memchr(from, '@', (size_t)(stop - from)), *last = memrchr(from, '@', (size_t)(stop - from));
  const char *colon = first ? memchr(from, ':', (size_t)(first - from)) : NULL;
  if (!colon) return url;
  buf_add(out, url.ptr, (size_t)(colon + 1 - url.ptr));
  buf_puts(out, "***");
  return (struct str){last, (size_t)(end - last)};
}

// libpq decodes a parameter's name, so that one with escapes may be any.
static bool is_shown(struct str name) {
  for (size_t i = 0; i < name.len; i++)
    if ((name.ptr[i] < 'a' || name.ptr[i] > 'z') && name.ptr[i] != '_') return false;
  return !memmem(name.ptr, name.len, "password", 8);
}

static void database_show(struct str url, struct buf *out) {
  struct str rest = user_show(url, out), part;
  const char *query = rest.len ? memchr(rest.ptr, '?', rest.len) : NULL;
  size_t head = query ? (size_t)(query + 1 - rest.ptr) : rest.len;
  buf_add(out, rest.ptr, head);
  rest = (struct str){rest.ptr + head, rest.len - head};
  for (bool first = true; str_split(&rest, '&', &part); first = false) {
    const char *equals = part.len ? memchr(part.ptr, '=', part.len) : NULL;
    size_t name = equals ? (size_t)(equals - part.ptr) : part.len;
    bool shown = !equals || is_shown((struct str){part.ptr, name});
    if (!first) buf_putc(out, '&');
    buf_add(out, part.ptr, shown ? part.len : name + 1);
    if (!shown) buf_puts(out, "***");
  }
}

void config_show(const struct config *c, enum setting_id id, struct buf *out) {
  const char *text = c->value[id].text;
  switch (setting_table[id].kind) {
  case SETTING_KIND_SECRET:
  case SETTING_KIND_MASTER:
  case SETTING_KIND_STRIPE_KEY:
  case SETTING_KIND_STRIPE_HOOKS:
    buf_puts(out, text[0] ? "*** (set)" : "");
    return;
  case SETTING_KIND_DATABASE:
    database_show(str_from(text), out);
    return;
  case SETTING_KIND_TEXT:
  case SETTING_KIND_NUMBER:
  case SETTING_KIND_CHOICE:
  case SETTING_KIND_ADDRESS:
  case SETTING_KIND_HTTP:
  case SETTING_KIND_STRIPE_METERS:
  case SETTING_KIND_STRIPE_VERSION:
  case SETTING_KIND_RANGES:
  case SETTING_KIND_SCHEDULE:
    buf_puts(out, text);
  }
}

const char *config_source_name(enum config_source source) {
  static const char *const names[] = {"default", "file", "environment"};
  return names[source];
}
