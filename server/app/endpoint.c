// Commands that are one request to the API: builds it from the options, prints the answer.
#include "app/api.h"
#include "app/command.h"
#include "app/out.h"
#include "base/mem.h"
#include "json/read.h"
#include "json/write.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define BODY_MAX (256 * 1024)
#define PATH_MAX_BYTES (8 * 1024)
#define SECRET_MAX (16 * 1024)
#define PAGES_MAX 100000

// ---- the request

static bool file_text(const char *path, struct buf *ret) {
  FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
  if (!f) {
    out_error("%s cannot be read: %s", path, strerror(errno));
    return false;
  }
  char piece[4096];
  size_t got;
  while ((got = fread(piece, 1, sizeof piece, f)) > 0) buf_add(ret, piece, got);
  if (f != stdin) (void)fclose(f);
  while (ret->len > 0 && (ret->data[ret->len - 1] == '\n' || ret->data[ret->len - 1] == '\r')) ret->len--;
  return true;
}

static bool member_text(struct json_writer *w, const struct option *o, const char *text) {
  CLEANUP(buf_finish) struct buf secret;
  buf_init(&secret, SECRET_MAX);
  if (o->kind == OPTION_FILE && !file_text(text, &secret)) return false;
  if (o->kind == OPTION_ENV && !(getenv(text) && *getenv(text))) {
    out_error("the environment has no variable %s", text);
    return false;
  }
  if (o->kind == OPTION_ENV) buf_puts(&secret, getenv(text));
  json_member_str(w, o->field, buf_str(&secret));
  return true;
}

static bool member_json(struct json_writer *w, const struct option *o, const char *text) {
  CLEANUP(json_finishp) struct json *root = NULL;
  struct json_error why;
  if (json_parse(str_from(text), &root, &why) != 0) {
    out_error("--%s is not JSON: %s", o->name, why.message);
    return false;
  }
  json_member_raw(w, o->field, str_from(text));
  return true;
}

static bool member_measured(struct json_writer *w, const struct args *a, const struct option *o, const char *text) {
  const char *measure = args_text(a, "measure");
  int64_t number;
  if (!measure || strcmp(measure, "requests") != 0) {
    json_member_text(w, o->field, text);
    return true;
  }
  if (!str_to_i64(str_from(text), &number)) {
    out_error("--%s counts requests here: a whole number, not \"%s\"", o->name, text);
    return false;
  }
  json_member_int(w, o->field, number);
  return true;
}

static void member_words(struct json_writer *w, const struct option *o, const char *text) {
  struct str rest = str_from(text), one;
  json_key(w, o->field);
  json_array_begin(w);
  while (str_split(&rest, ',', &one)) json_put_str(w, str_trim(one));
  json_array_end(w);
}

static bool member_write(struct json_writer *w, const struct args *a, const struct option *o, const char *text) {
  int64_t number;
  switch (o->kind) {
  case OPTION_FLAG:
    json_member_bool(w, o->field, true);
    return true;
  case OPTION_TEXT:
    json_member_text(w, o->field, text);
    return true;
  case OPTION_INT:
    if (str_to_i64(str_from(text), &number)) json_member_int(w, o->field, number);
    return true;
  case OPTION_JSON:
    return member_json(w, o, text);
  case OPTION_BOOL:
    json_member_bool(w, o->field, strcmp(text, "true") == 0);
    return true;
  case OPTION_WORDS:
    member_words(w, o, text);
    return true;
  case OPTION_FILE:
  case OPTION_ENV:
    return member_text(w, o, text);
  case OPTION_MEASURED:
    return member_measured(w, a, o, text);
  case OPTION_RATE:
    return true; // gathered by rates_write
  }
  return false;
}

static void rates_write(struct json_writer *w, const struct args *a) {
  bool begun = false;
  for (size_t i = 0; i < a->value_count; i++) {
    if (a->values[i].option->kind != OPTION_RATE) continue;
    struct args_rate rate;
    CLEANUP(buf_finish) struct buf ignored;
    buf_init(&ignored, 512);
    if (!args_rate_parse(a->values[i].text, &rate, &ignored)) continue;
    if (!begun) json_key(w, a->values[i].option->field), json_array_begin(w), begun = true;
    json_object_begin(w);
    json_member_str(w, "meter", rate.meter);
    json_member_int(w, "per", rate.per);
    json_member_str(w, "charge", rate.charge);
    if (rate.cost.len > 0) json_member_str(w, "cost", rate.cost);
    json_object_end(w);
  }
  if (begun) json_array_end(w);
}

static bool body_write(const struct invocation *in, struct buf *out) {
  struct json_writer w = json_writer(out);
  json_object_begin(&w);
  for (size_t i = 0; i < in->args.value_count; i++) {
    const struct option *o = in->args.values[i].option;
    if (o->field && !member_write(&w, &in->args, o, in->args.values[i].text)) return false;
  }
  rates_write(&w, &in->args);
  json_object_end(&w);
  if (out->full) out_error("the arguments are too long");
  return !out->full;
}

static bool takes_body(const struct endpoint *e) {
  return !e->bare && (strcmp(e->method, "POST") == 0 || strcmp(e->method, "PATCH") == 0);
}

static void path_write(const struct invocation *in, const char *cursor, struct buf *out) {
  const struct endpoint *e = in->command->endpoint;
  const char *rest = e->path;
  for (size_t i = 0; strstr(rest, "{}"); i++) {
    const char *hole = strstr(rest, "{}");
    buf_add(out, rest, (size_t)(hole - rest));
    api_encode(out, str_from(in->args.words[i]));
    rest = hole + 2;
  }
  buf_puts(out, rest);
  char sign = '?';
  for (size_t i = 0; !takes_body(e) && i < in->args.value_count; i++) {
    const struct option *o = in->args.values[i].option;
    if (!o->field || (cursor && strcmp(o->field, "cursor") == 0)) continue;
    buf_printf(out, "%c%s=", sign, o->field);
    api_encode(out, str_from(o->kind == OPTION_FLAG ? "true" : in->args.values[i].text));
    sign = '&';
  }
  if (cursor) {
    buf_printf(out, "%ccursor=", sign);
    api_encode(out, str_from(cursor));
  }
}

// ---- the answer

// As --rate takes them.
static void rates_print(struct json *rates, struct buf *out) {
  for (size_t i = 0; i < json_count(rates); i++) {
    struct json *rate = json_at(rates, i);
    int64_t per = 0;
    if (i > 0) buf_putc(out, ' ');
    out_scalar(json_get(rate, "meter"), out);
    buf_putc(out, '=');
    out_scalar(json_get(rate, "charge"), out);
    buf_putc(out, '/');
    out_scalar(json_get(rate, "cost"), out);
    if (json_int(json_get(rate, "per"), &per) && per != 1000000) buf_printf(out, "@%lld", (long long)per);
  }
}

static void rows_add(const struct endpoint *e, struct json *list, struct out_table *t) {
  for (size_t i = 0; i < json_count(list); i++)
    for (size_t c = 0; c < e->column_count; c++) {
      CLEANUP(buf_finish) struct buf text;
      buf_init(&text, BODY_MAX);
      struct json *value = json_path(json_at(list, i), e->columns[c].path);
      if (strcmp(e->columns[c].path, "rates") == 0)
        rates_print(value, &text);
      else
        out_scalar(value, &text);
      out_table_cell(t, buf_cstr(&text));
    }
}

static void one_print(struct json *root) {
  out_object(root, stdout);
  struct str secret, object = {0};
  (void)json_text(json_get(root, "object"), &object);
  if (json_text(json_get(root, "secret"), &secret))
    out_note("the secret is shown this once%s", str_eq(object, STR("key")) ? "; only a tag of it is kept" : "");
  if (str_eq(object, STR("code")) && json_get(root, "code")) out_note("the code is shown this once; only a tag of it is kept");
}

// One page; *ret_cursor is the next one's, owned, or NULL.
static int page_run(struct invocation *in, struct api *api, const char *cursor, struct str body,
                    struct out_table *table, char **ret_cursor) {
  const struct endpoint *e = in->command->endpoint;
  CLEANUP(buf_finish) struct buf path;
  buf_init(&path, PATH_MAX_BYTES);
  path_write(in, cursor, &path);
  struct api_request request = {.method = e->method, .path = buf_cstr(&path), .body = body};
  CLEANUP(api_answer_finish) struct api_answer answer;
  (void)api_send(api, &request, &answer);
  int code = api_judge(api, &answer);
  if (code != EXIT_FINE) return code;
  CLEANUP(json_finishp) struct json *root = NULL;
  struct json_error why;
  if (json_parse(buf_str(&answer.body), &root, &why) != 0) {
    out_error("the answer cannot be read: %s", why.message);
    return EXIT_FAILED;
  }
  struct str next;
  if (json_text(json_get(root, "next_cursor"), &next)) *ret_cursor = mem_strndup(next.ptr, next.len);
  if (in->json)
    (void)printf("%s\n", buf_cstr(&answer.body));
  else if (e->columns)
    rows_add(e, json_get(root, "data"), table);
  else
    one_print(root);
  return EXIT_FINE;
}

static int pages_run(struct invocation *in, struct api *api, struct str body) {
  const struct endpoint *e = in->command->endpoint;
  struct out_table table;
  out_table_init(&table);
  for (size_t c = 0; c < e->column_count; c++) out_table_column(&table, e->columns[c].heading, e->columns[c].right);
  bool all = args_flag(&in->args, "all"), more = true;
  char *cursor = NULL;
  int code = EXIT_FINE;
  for (int page = 0; code == EXIT_FINE && more && page < PAGES_MAX; page++) {
    char *next = NULL;
    code = page_run(in, api, cursor, body, &table, &next);
    mem_free(cursor);
    cursor = next;
    more = all && cursor;
  }
  if (code == EXIT_FINE && e->columns && !in->json) out_table_print(&table, stdout, "");
  if (code == EXIT_FINE && cursor && !all && !in->json) out_note("there is more: --all, or --cursor %s", cursor);
  mem_free(cursor);
  out_table_finish(&table);
  return code;
}

static bool agreed(const struct invocation *in) {
  const char *asks = in->command->endpoint->asks;
  if (!asks || args_flag(&in->args, "yes")) return true;
  if (!isatty(STDIN_FILENO)) {
    out_error("this cannot be undone: say --yes");
    return false;
  }
  char answer[16] = "";
  bool named = in->args.word_count > 0;
  (void)fprintf(stderr, "%s%s%s? [y/N] ", asks, named ? " " : "", named ? in->args.words[0] : "");
  return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

int endpoint_run(struct invocation *in) {
  const struct endpoint *e = in->command->endpoint;
  CLEANUP(buf_finish) struct buf body;
  buf_init(&body, BODY_MAX);
  if (takes_body(e) && !body_write(in, &body)) return EXIT_USAGE;
  if (args_flag(&in->args, "dry-run")) {
    CLEANUP(buf_finish) struct buf path;
    buf_init(&path, PATH_MAX_BYTES);
    path_write(in, NULL, &path);
    bool secret = args_text(&in->args, "secret-file") || args_text(&in->args, "secret-env");
    (void)printf("%s %s\n%s\n", e->method, buf_cstr(&path),
                 secret     ? "(a body with a secret)"
                 : body.len ? buf_cstr(&body)
                            : "");
    return EXIT_FINE;
  }
  if (!agreed(in)) return EXIT_USAGE;
  struct api *api = api_create(config_text(&in->config, SETTING_URL), config_text(&in->config, SETTING_ADMIN_KEY));
  int code = pages_run(in, api, buf_str(&body));
  api_destroy(api);
  return code;
}
