// The demo: one plain and one streamed call with the customer's key, each with its arithmetic, then balance and report;
// and what else to try, ready to be pasted.
#include "app/dev.h"
#include "app/exit.h"
#include "app/out.h"
#include "app/report.h"
#include "base/clock.h"
#include "base/mem.h"
#include "json/read.h"
#include <time.h>

#define MODEL "gpt-4o-mini"
#define QUESTION "In one sentence: why does a prepaid call need a hold?"
#define BODY(more)                                                                                                     \
  "{\"model\":\"" MODEL "\",\"max_tokens\":80,\"messages\":[{\"role\":\"user\",\"content\":\"" QUESTION "\"}]" more "}"
#define ENDED_MS 5000
#define SSE_LINE_MAX (64 * 1024)

static void heading(const struct dev *d, const char *text) {
  (void)fprintf(d->say, "\n  %s%s%s\n", out_style(d->say, OUT_BOLD), text, out_reset(d->say));
}

// Text of a provider: control characters never reach the terminal.
static void text_print(const struct dev *d, struct str text) {
  for (size_t i = 0; i < text.len; i++) {
    unsigned char c = (unsigned char)text.ptr[i];
    (void)fputc(c == '\n' ? ' ' : c < 0x20 || c == 0x7F ? '?' : c, d->say);
  }
}

static struct json *parse(const struct api_answer *answer) {
  struct json *root = NULL;
  struct json_error why;
  return json_parse(buf_str(&answer->body), &root, &why) == 0 ? root : NULL;
}

static struct str text_at(struct json *object, const char *path) {
  struct str text = {"", 0};
  (void)json_text(json_path(object, path), &text);
  return text;
}

// ---- what a call cost

static void line_print(const struct dev *d, struct json *line) {
  struct str meter = text_at(line, "meter"), rate = text_at(line, "rate"), total = text_at(line, "amount");
  int64_t quantity = 0, per = 1;
  (void)json_int(json_get(line, "quantity"), &quantity);
  (void)json_int(json_get(line, "per"), &per);
  (void)fprintf(d->say, "    %-22.*s %6lld x %-6.*s / %-8lld = %.*s\n", STR_ARG(meter), (long long)quantity,
                STR_ARG(rate), (long long)per, STR_ARG(total));
}

static void explanation_print(const struct dev *d, struct json *call) {
  struct json *lines = json_get(call, "lines");
  for (size_t i = 0; i < json_count(lines); i++) line_print(d, json_at(lines, i));
  struct str charge = text_at(call, "charge"), state = text_at(call, "state"), id = text_at(call, "id");
  (void)fprintf(d->say, "    %s%.*s credits%s, %.*s  %s%.*s%s\n", out_style(d->say, OUT_GREEN), STR_ARG(charge),
                out_reset(d->say), STR_ARG(state), out_style(d->say, OUT_DIM), STR_ARG(id), out_reset(d->say));
}

// Asks for the call until it has ended.
static void call_explain(struct dev *d, const char *id) {
  char path[160];
  const struct timespec pause = {0, 50000000};
  (void)snprintf(path, sizeof path, "/api/v1/calls/%s", id);
  for (int64_t until = clock_mono_us() + ENDED_MS * INT64_C(1000); *id;) {
    CLEANUP(api_answer_finish) struct api_answer answer;
    (void)api_send(d->api, &(struct api_request){.method = "GET", .path = path}, &answer);
    CLEANUP(json_finishp) struct json *call = parse(&answer);
    bool waits = answer.status == 404 || str_eq(text_at(call, "state"), STR("pending"));
    if (waits && clock_mono_us() < until) {
      (void)nanosleep(&pause, NULL);
      continue;
    }
    if (api_judge(d->api, &answer) == EXIT_FINE && call) explanation_print(d, call);
    return;
  }
}

// ---- the calls

static void plain_call(struct dev *d) {
  heading(d, "A plain call");
  struct api_request request = {.method = "POST", .path = "/v1/chat/completions", .body = STR(BODY(""))};
  CLEANUP(api_answer_finish) struct api_answer answer;
  api_key(d->api, d->customer_key);
  (void)api_send(d->api, &request, &answer);
  if (api_judge(d->api, &answer) == EXIT_FINE) {
    CLEANUP(json_finishp) struct json *root = parse(&answer);
    struct str text = text_at(json_at(json_get(root, "choices"), 0), "message.content");
    (void)fprintf(d->say, "    %s> " QUESTION "%s\n    ", out_style(d->say, OUT_CYAN), out_reset(d->say));
    text_print(d, text);
    (void)fputc('\n', d->say);
    call_explain(d, answer.call);
  }
  api_key(d->api, d->admin_key);
}

struct sse {
  const struct dev *dev;
  struct buf rest; // of an unfinished line
};

static void event_print(const struct sse *s, struct str line) {
  CLEANUP(json_finishp) struct json *root = NULL;
  struct json_error why;
  if (!str_starts(line, STR("data: {")) || json_parse((struct str){line.ptr + 6, line.len - 6}, &root, &why) != 0)
    return;
  text_print(s->dev, text_at(json_at(json_get(root, "choices"), 0), "delta.content"));
  (void)fflush(s->dev->say);
}

static void on_piece(void *arg, struct str bytes) {
  struct sse *s = arg;
  buf_add_str(&s->rest, bytes);
  const char *end;
  while (s->rest.len > 0 && (end = memchr(s->rest.data, '\n', s->rest.len))) {
    size_t len = (size_t)(end - s->rest.data);
    event_print(s, (struct str){s->rest.data, len});
    buf_consume(&s->rest, len + 1);
  }
}

static void streamed_call(struct dev *d) {
  heading(d, "A streamed call");
  struct sse sse = {.dev = d};
  buf_init(&sse.rest, SSE_LINE_MAX);
  struct api_request request = {.method = "POST",
                                .path = "/v1/chat/completions",
                                .body = STR(BODY(",\"stream\":true")),
                                .piece = on_piece,
                                .arg = &sse};
  CLEANUP(api_answer_finish) struct api_answer answer;
  api_key(d->api, d->customer_key);
  (void)fprintf(d->say, "    %s> " QUESTION "%s\n    ", out_style(d->say, OUT_CYAN), out_reset(d->say));
  (void)api_send(d->api, &request, &answer);
  (void)fputc('\n', d->say);
  if (api_judge(d->api, &answer) == EXIT_FINE) call_explain(d, answer.call);
  buf_finish(&sse.rest);
  api_key(d->api, d->admin_key);
}

static void balance_print(struct dev *d) {
  char path[160];
  (void)snprintf(path, sizeof path, "/api/v1/balance?customer=%s", d->customer_id);
  CLEANUP(api_answer_finish) struct api_answer answer;
  (void)api_send(d->api, &(struct api_request){.method = "GET", .path = path}, &answer);
  if (api_judge(d->api, &answer) != EXIT_FINE) return;
  CLEANUP(json_finishp) struct json *root = parse(&answer);
  struct str balance = text_at(root, "balance"), held = text_at(root, "held"), available = text_at(root, "available");
  heading(d, "The balance");
  (void)fprintf(d->say, "    %.*s credits, %.*s of them held, %.*s available\n", STR_ARG(balance), STR_ARG(held),
                STR_ARG(available));
}

static void usage_print(struct dev *d) {
  char path[256], from[CLOCK_TEXT_MAX], to[CLOCK_TEXT_MAX];
  const int64_t day = INT64_C(86400) * 1000000;
  int64_t today = clock_wall_us() / day * day;
  clock_print(today - 6 * day, from);
  clock_print(today + day, to);
  (void)snprintf(path, sizeof path, "/api/v1/reports/usage?customer=%s&from=%s&to=%s&group_by=day,model",
                 d->customer_id, from, to);
  CLEANUP(api_answer_finish) struct api_answer answer;
  (void)api_send(d->api, &(struct api_request){.method = "GET", .path = path}, &answer);
  if (api_judge(d->api, &answer) != EXIT_FINE) return;
  CLEANUP(json_finishp) struct json *root = parse(&answer);
  heading(d, "The last seven days");
  report_print(root, d->say, "    ");
}

void demo_run(struct dev *d) {
  plain_call(d);
  streamed_call(d);
  balance_print(d);
  usage_print(d);
  (void)fflush(d->say);
}

// ---- what else to try

void demo_hints(const struct dev *d) {
  const char *dim = out_style(d->say, OUT_DIM), *off = out_reset(d->say);
  heading(d, "Try");
  (void)fprintf(d->say,
                "    %s# one call; the headers say what it cost%s\n"
                "    curl -i %s/v1/chat/completions -H 'Authorization: Bearer %s' \\\n"
                "      -H 'Content-Type: application/json' \\\n"
                "      -d '{\"model\":\"" MODEL "\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}'\n\n",
                dim, off, d->url, d->customer_key);
  (void)fprintf(d->say,
                "    %s# Python: pip install openai%s\n"
                "    client = openai.OpenAI(base_url=\"%s/v1\", api_key=\"%s\")\n\n"
                "    %s// Node: npm install openai%s\n"
                "    const client = new OpenAI({ baseURL: \"%s/v1\", apiKey: \"%s\" })\n\n",
                dim, off, d->url, d->customer_key, dim, off, d->url, d->customer_key);
  (void)fprintf(d->say,
                "    %s# as the operator%s\n"
                "    export TOLLGATE_URL=%s TOLLGATE_ADMIN_KEY=%s\n"
                "    alias tollgate=%s\n"
                "    tollgate balance --customer ext:demo\n"
                "    tollgate report usage --customer ext:demo --group-by day,model\n"
                "    tollgate limits create --customer ext:demo --measure requests --period minute --amount 5\n"
                "    tollgate help\n\n"
                "  %sEverything is kept in %s. Ctrl-C stops all of it.%s\n",
                dim, off, d->url, d->admin_key, d->program, dim, d->folder, off);
  (void)fflush(d->say);
}
