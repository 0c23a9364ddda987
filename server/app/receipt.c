// `tollgate receipt`: getting a call's receipt, checking one without a server, and making a new key to sign with. A check ends
// with 0: valid; 1: not signed by that key, or altered since; 2: it is no receipt; 3: the keys have none of its name; 6: the
// keys cannot be fetched.
#include "receipt/receipt.h"
#include "app/api.h"
#include "app/command.h"
#include "app/out.h"
#include "base/limits.h"
#include "base/mem.h"
#include "db/db.h"
#include "json/read.h"
#include "json/write.h"
#include <errno.h>

#define TEXT_MAX (4 * JWS_MAX)
#define STATEMENT_MS 10000
#define KEYS_PATH "/.well-known/jwks.json"

// ---- what is given

static bool stream_read(const char *path, struct buf *ret) {
  FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
  char piece[4096];
  size_t got;
  if (!f) {
    out_error("%s cannot be read: %s", path, strerror(errno));
    return false;
  }
  while ((got = fread(piece, 1, sizeof piece, f)) > 0) buf_add(ret, piece, got);
  bool sound = !ferror(f);
  if (f != stdin) (void)fclose(f);
  if (!sound) out_error("%s cannot be read", path);
  return sound;
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// Without the blanks and line ends around it.
static struct str bare(struct str s) {
  while (s.len > 0 && is_blank(s.ptr[s.len - 1])) s.len--;
  while (s.len > 0 && is_blank(s.ptr[0])) s.ptr++, s.len--;
  return s;
}

// An address is a server's up to its first slash, then a path.
static int keys_fetch(const char *url, const char *path, struct buf *ret) {
  struct api *api = api_create(url, "");
  CLEANUP(api_answer_finish) struct api_answer answer;
  (void)api_send(api, &(struct api_request){.method = "GET", .path = path}, &answer);
  int code = api_judge(api, &answer);
  if (code == EXIT_FINE) buf_add_str(ret, buf_str(&answer.body));
  api_destroy(api);
  return code == EXIT_FINE ? EXIT_FINE : EXIT_NETWORK;
}

static int keys_read(const struct invocation *in, struct buf *ret) {
  const char *from = args_text(&in->args, "keys");
  if (!from) return keys_fetch(config_text(&in->config, SETTING_URL), KEYS_PATH, ret);
  const char *host = strstr(from, "://"), *path = host ? strchr(host + 3, '/') : NULL;
  if (!host) return stream_read(from, ret) ? EXIT_FINE : EXIT_USAGE;
  CLEANUP(mem_freep) char *server = mem_strndup(from, path ? (size_t)(path - from) : strlen(from));
  return keys_fetch(server, path ? path : KEYS_PATH, ret);
}

// ---- the check

struct checking {
  struct arena *arena;
  struct jws jws;
  struct json *receipt; // its payload
  struct buf why;
};

static int head_read(struct checking *c, struct str line) {
  if (jws_read(c->arena, line, &c->jws, &c->why) != 0) return EXIT_USAGE;
  if (str_eq(c->jws.typ, STR(RECEIPT_TYP)) && c->jws.kid.ptr) return EXIT_FINE;
  buf_puts(&c->why, "it is no receipt: typ has to be " RECEIPT_TYP ", and kid to name the key");
  return EXIT_USAGE;
}

// Read only when it is known whose words these are.
static int payload_read(struct checking *c) {
  struct json_error error;
  struct str object;
  int64_t version = 0;
  if (json_parse(c->jws.payload, &c->receipt, &error) == 0 && json_text(json_get(c->receipt, "object"), &object) &&
      str_eq(object, STR("receipt")) && json_int(json_get(c->receipt, "version"), &version) && version == 1)
    return EXIT_FINE;
  buf_puts(&c->why, "what was signed is no receipt of version 1");
  return EXIT_USAGE;
}

static int signature_judge(struct checking *c, struct str keys) {
  CLEANUP(json_finishp) struct json *root = NULL;
  struct json_error error;
  unsigned char verifier[CRYPTO_PUBLIC_BYTES];
  if (json_parse(bare(keys), &root, &error) != 0) {
    buf_printf(&c->why, "the keys are not JSON: %s", error.message);
    return EXIT_USAGE;
  }
  enum jwks_answer found = jwks_find(root, c->jws.kid, verifier);
  if (found == JWKS_NONE) buf_puts(&c->why, "these are no keys: a JSON Web Key Set is needed");
  if (found == JWKS_UNKNOWN) buf_printf(&c->why, "no key is named %.*s, so that nothing can be said", STR_ARG(c->jws.kid));
  if (found != JWKS_FOUND) return found == JWKS_NONE ? EXIT_USAGE : EXIT_NOT_FOUND;
  if (jws_check(&c->jws, verifier)) return EXIT_FINE;
  buf_puts(&c->why, "it is not what that key has signed");
  return EXIT_FAILED;
}

// ---- what is shown

static const char *verdict_name(int code) {
  switch (code) {
  case EXIT_FINE: return "valid";
  case EXIT_FAILED: return "invalid";
  case EXIT_NOT_FOUND: return "unknown_key";
  case EXIT_NETWORK: return "unchecked";
  default: return "malformed";
  }
}

static void cell(struct out_table *t, struct json *value) {
  CLEANUP(buf_finish) struct buf text;
  buf_init(&text, TEXT_MAX);
  out_scalar(value, &text);
  out_table_cell(t, buf_cstr(&text));
}

static void fact(struct out_table *t, const char *name, struct json *value) {
  if (!value || (!json_is_null(value) && json_count(value) == 0 && !json_text(value, &(struct str){0}) && !json_int(value, &(int64_t){0})))
    return;
  out_table_cell(t, name);
  cell(t, value);
}

// A list of objects: their members by path, under headings.
static void list_print(struct json *list, const struct column *columns, size_t count) {
  struct out_table t;
  if (json_count(list) == 0) return;
  out_table_init(&t);
  for (size_t c = 0; c < count; c++) out_table_column(&t, columns[c].heading, columns[c].right);
  for (size_t i = 0; i < json_count(list); i++)
    for (size_t c = 0; c < count; c++) cell(&t, json_path(json_at(list, i), columns[c].path));
  (void)putchar('\n');
  out_table_print(&t, stdout, "  ");
  out_table_finish(&t);
}

static void receipt_print(const struct checking *c) {
  static const char *const facts[][2] = {
      {"customer", "customer"}, {"key", "key"},            {"model", "model"},      {"provider", "provider"}, {"price", "price.id"},
      {"began", "created_at"},  {"settled", "settled_at"}, {"issued", "issued_at"}, {"state", "state"},       {"flags", "flags"},
      {"charge", "charge"},     {"balance after", "balance_after"}};
  static const struct column lines[] = {
      {"meter", "METER", false}, {"quantity", "QUANTITY", true}, {"rate", "RATE", true}, {"per", "PER", true}, {"amount", "AMOUNT", true}};
  static const struct column corrections[] = {{"revision", "CORRECTION", true},
                                              {"state", "STATE", false},
                                              {"charge", "CHARGE", true},
                                              {"balance_after", "BALANCE AFTER", true},
                                              {"settled_at", "SETTLED", false}};
  struct out_table t;
  struct str call = STR("-");
  (void)json_text(json_get(c->receipt, "call"), &call);
  out_table_init(&t);
  out_table_column(&t, "call", false);
  out_table_column(&t, arena_strdup(c->arena, call), false);
  for (size_t i = 0; i < ARRAY_LEN(facts); i++) fact(&t, facts[i][0], json_path(c->receipt, facts[i][1]));
  out_table_print(&t, stdout, "  ");
  out_table_finish(&t);
  list_print(json_get(c->receipt, "lines"), lines, ARRAY_LEN(lines));
  list_print(json_get(c->receipt, "corrections"), corrections, ARRAY_LEN(corrections));
}

static void verdict_print(struct checking *c, int code) {
  static const enum out_style styles[] = {[EXIT_FINE] = OUT_GREEN, [EXIT_FAILED] = OUT_RED};
  enum out_style style = code <= EXIT_FAILED ? styles[code] : OUT_YELLOW;
  const char *because = code == EXIT_FINE ? "signed by the key" : buf_cstr(&c->why);
  (void)printf("%s%s%s  %s", out_style(stdout, style), verdict_name(code), out_reset(stdout), because);
  if (code == EXIT_FINE) (void)printf(" %.*s\n\n", STR_ARG(c->jws.kid));
  else (void)putchar('\n');
  if (code == EXIT_FINE) receipt_print(c);
}

// What is not valid is not repeated: nobody is to take it for what was said.
static void verdict_write(struct checking *c, int code) {
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, TEXT_MAX);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_member_text(&w, "verdict", verdict_name(code));
  json_key(&w, "kid");
  if (c->jws.kid.ptr)
    json_put_str(&w, c->jws.kid);
  else
    json_put_null(&w);
  json_member_text(&w, "reason", code == EXIT_FINE ? NULL : buf_cstr(&c->why));
  if (code == EXIT_FINE)
    json_member_raw(&w, "receipt", c->jws.payload);
  else
    json_member_text(&w, "receipt", NULL);
  json_object_end(&w);
  (void)puts(buf_cstr(&out));
}

static int check(const struct invocation *in, struct checking *c, struct str line) {
  CLEANUP(buf_finish) struct buf keys;
  buf_init(&keys, TEXT_MAX);
  int code = head_read(c, line);
  if (code != EXIT_FINE) return code;
  code = keys_read(in, &keys);
  if (code != EXIT_FINE) buf_puts(&c->why, "the keys could not be read");
  if (code == EXIT_FINE) code = signature_judge(c, buf_str(&keys));
  return code == EXIT_FINE ? payload_read(c) : code;
}

int receipt_verify_run(struct invocation *in) {
  CLEANUP(buf_finish) struct buf text;
  struct arena arena;
  struct checking c = {.arena = &arena};
  arena_init(&arena, 4 * TEXT_MAX);
  buf_init(&text, TEXT_MAX);
  buf_init(&c.why, 4096);
  int code = stream_read(in->args.words[0], &text) ? EXIT_FINE : EXIT_USAGE;
  if (code == EXIT_FINE) {
    code = check(in, &c, bare(buf_str(&text)));
    if (in->json)
      verdict_write(&c, code);
    else
      verdict_print(&c, code);
  }
  json_finish(c.receipt);
  buf_finish(&c.why);
  arena_finish(&arena);
  return code;
}

// ---- the others

int receipt_get_run(struct invocation *in) {
  CLEANUP(buf_finish) struct buf path;
  buf_init(&path, 4096);
  buf_puts(&path, "/api/v1/calls/");
  api_encode(&path, str_from(in->args.words[0]));
  buf_puts(&path, "/receipt");
  struct api *api = api_create(config_text(&in->config, SETTING_URL), config_text(&in->config, SETTING_ADMIN_KEY));
  CLEANUP(api_answer_finish) struct api_answer answer;
  (void)api_send(api, &(struct api_request){.method = "GET", .path = buf_cstr(&path)}, &answer);
  int code = api_judge(api, &answer);
  if (code == EXIT_FINE) (void)printf(in->json ? "{\"receipt\":\"%s\"}\n" : "%s\n", buf_cstr(&answer.body));
  api_destroy(api);
  return code;
}

int receipt_rotate_run(struct invocation *in) {
  CLEANUP(buf_finish) struct buf why;
  struct crypto_keys keys;
  char kid[CRYPTO_THUMBPRINT_MAX];
  uint32_t version = 0;
  buf_init(&why, 4096);
  if (!config_require(&in->config, SETTING_DATABASE_URL, &why) || !config_require(&in->config, SETTING_MASTER_KEY, &why) ||
      !crypto_keys_derive(str_from(config_text(&in->config, SETTING_MASTER_KEY)), &keys)) {
    out_error("%.*s", (int)why.len - 1, why.data);
    return EXIT_USAGE;
  }
  struct db *db = db_connect(config_text(&in->config, SETTING_DATABASE_DIRECT_URL), STATEMENT_MS, STATEMENT_MS, STATEMENT_MS, &why);
  int r = db ? receipt_ring_rotate(db, &keys, &version, kid) : FAULT_DB;
  crypto_wipe(&keys, sizeof keys);
  if (r < 0) out_error("%s", db ? db_error(db) : buf_cstr(&why));
  if (r > 0) out_error("there are %d keys already, and all of them stay published", LIMIT_RECEIPT_KEYS);
  bool reached = db != NULL;
  db_destroy(db);
  if (r != 0) return reached ? EXIT_FAILED : EXIT_NETWORK;
  if (in->json)
    (void)printf("{\"version\":%u,\"kid\":\"%s\"}\n", version, kid);
  else
    (void)printf("version %u  %s\n", version, kid);
  if (!in->json) out_note("it is published now and signs in ten minutes; older receipts are checked with the older keys as before");
  return EXIT_FINE;
}
