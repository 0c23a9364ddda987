// The usage report as a command: a table, JSON, or the server's CSV untouched.
#include "app/report.h"
#include "app/api.h"
#include "app/command.h"
#include "app/out.h"
#include "base/mem.h"
#include "json/read.h"

#define METERS_MAX 8
#define CELL_MAX 4096

static const struct column fixed[] = {{"day", "DAY", false},    {"model", "MODEL", false},  {"key", "KEY", false},
                                      {"calls", "CALLS", true}, {"charge", "CHARGE", true}, {"cost", "COST", true}};

struct meters {
  const char *names[METERS_MAX];
  size_t count;
};

static int meter_note(void *arg, const char *name, struct json *value) {
  (void)value;
  struct meters *m = arg;
  for (size_t i = 0; i < m->count; i++)
    if (strcmp(m->names[i], name) == 0) return 0;
  if (m->count < METERS_MAX) m->names[m->count++] = name;
  return 0;
}

static void cell_add(struct out_table *t, struct json *value) {
  CLEANUP(buf_finish) struct buf text;
  buf_init(&text, CELL_MAX);
  out_scalar(value, &text);
  out_table_cell(t, buf_cstr(&text));
}

static void row_add(struct out_table *t, const bool *used, const struct meters *meters, struct json *row) {
  for (size_t c = 0; c < ARRAY_LEN(fixed); c++)
    if (used[c]) cell_add(t, json_get(row, fixed[c].path));
  struct json *usage = json_get(row, "usage");
  for (size_t m = 0; m < meters->count; m++) cell_add(t, json_get(usage, meters->names[m]));
}

void report_print(struct json *report, FILE *stream, const char *indent) {
  struct json *rows = json_get(report, "rows"), *totals = json_get(report, "totals");
  struct meters meters = {.count = 0};
  bool used[ARRAY_LEN(fixed)] = {false};
  struct out_table t;
  out_table_init(&t);
  for (size_t i = 0; i < json_count(rows); i++)
    (void)json_each(json_get(json_at(rows, i), "usage"), meter_note, &meters);
  struct json *first = json_at(rows, 0);
  for (size_t c = 0; c < ARRAY_LEN(fixed); c++) {
    used[c] = json_get(first ? first : totals, fixed[c].path) != NULL;
    if (used[c]) out_table_column(&t, fixed[c].heading, fixed[c].right);
  }
  for (size_t m = 0; m < meters.count; m++) out_table_column(&t, meters.names[m], true);
  for (size_t i = 0; i < json_count(rows); i++) row_add(&t, used, &meters, json_at(rows, i));
  if (json_count(rows) != 1 && totals) row_add(&t, used, &meters, totals);
  out_table_print(&t, stream, indent);
  out_table_finish(&t);
}

static void path_write(const struct invocation *in, const char *path, struct buf *out) {
  char sign = '?';
  buf_puts(out, path);
  for (size_t i = 0; i < in->args.value_count; i++) {
    const struct option *o = in->args.values[i].option;
    if (!o->field) continue;
    buf_printf(out, "%c%s=", sign, o->field);
    api_encode(out, str_from(in->args.values[i].text));
    sign = '&';
  }
  if (args_flag(&in->args, "csv")) buf_printf(out, "%cformat=csv", sign);
}

static int answer_read(const struct invocation *in, const struct api_answer *answer, struct json **ret) {
  struct json_error why;
  bool csv = args_flag(&in->args, "csv");
  if (csv || in->json) {
    (void)fwrite(answer->body.data, 1, answer->body.len, stdout);
    if (!csv) (void)fputc('\n', stdout);
    return EXIT_FINE;
  }
  if (json_parse(buf_str(&answer->body), ret, &why) == 0) return EXIT_FINE;
  out_error("the answer cannot be read: %s", why.message);
  return EXIT_FAILED;
}

int report_fetch(struct invocation *in, const char *path, struct json **ret) {
  CLEANUP(buf_finish) struct buf target;
  buf_init(&target, CELL_MAX);
  path_write(in, path, &target);
  *ret = NULL;
  struct api *api = api_create(config_text(&in->config, SETTING_URL), config_text(&in->config, SETTING_ADMIN_KEY));
  CLEANUP(api_answer_finish) struct api_answer answer;
  (void)api_send(api, &(struct api_request){.method = "GET", .path = buf_cstr(&target)}, &answer);
  int code = api_judge(api, &answer);
  if (code == EXIT_FINE) code = answer_read(in, &answer, ret);
  api_destroy(api);
  return code;
}

int report_run(struct invocation *in) {
  CLEANUP(json_finishp) struct json *root = NULL;
  int code = report_fetch(in, "/api/v1/reports/usage", &root);
  if (root) report_print(root, stdout, "");
  return code;
}
