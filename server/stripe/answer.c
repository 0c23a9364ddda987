// What an answer says. Whether it is a success follows from the status alone; whether something may have happened all
// the same, from how the try ended.
#include "base/mem.h"
#include "stripe/internal.h"
#include "json/read.h"
#include <stdio.h>

#define WHY_MAX 320

static char *why_print(const struct stripe_try *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static char *why_print(const struct stripe_try *t, const char *format, ...) {
  CLEANUP(buf_finish) struct buf text;
  va_list args;
  buf_init(&text, WHY_MAX);
  va_start(args, format);
  (void)buf_vprintf(&text, format, args);
  va_end(args);
  if (t->detail[0]) buf_printf(&text, " (%s)", t->detail);
  return mem_strdup(buf_cstr(&text));
}

static void member(struct json *error, const char *name, struct str *ret) {
  struct str text;
  *ret = json_text(json_get(error, name), &text) ? text : STR("");
}

static void error_read(struct stripe_answer *a) {
  struct json *error = a->body ? json_get(a->body, "error") : NULL;
  if (!error) return;
  member(error, "type", &a->type);
  member(error, "code", &a->code);
  member(error, "decline_code", &a->decline_code);
  member(error, "advice_code", &a->advice_code);
  member(error, "message", &a->message);
}

static void no_answer(const struct stripe_try *t, struct stripe_answer *a) {
  a->unknown = t->end == NET_BROKEN || t->end == NET_TIMEOUT || t->end == NET_TOO_LARGE;
  a->why = a->unknown ? why_print(t, "Stripe did not answer") : why_print(t, "Stripe cannot be reached");
  a->message = str_from(a->why);
}

void answer_read(const struct stripe_try *t, struct stripe_answer *ret) {
  struct json_error error;
  *ret = (struct stripe_answer){.replayed = t->replayed};
  ret->type = ret->code = ret->decline_code = ret->advice_code = ret->message = STR("");
  memcpy(ret->request_id, t->request_id, sizeof ret->request_id);
  if (t->end != NET_DONE) {
    no_answer(t, ret);
    return;
  }
  ret->status = t->status;
  bool success = t->status >= 200 && t->status < 300;
  bool read = json_parse(buf_str(&t->body), &ret->body, &error) == 0;
  ret->unknown = t->status >= 500 || t->status == 409 || (success && !read);
  if (success && read) return;
  error_read(ret);
  if (ret->message.len > 0) return;
  ret->why = success ? why_print(t, "Stripe's answer cannot be read")
                     : why_print(t, "Stripe answered with status %d", t->status);
  ret->message = str_from(ret->why);
}

void stripe_answer_finish(struct stripe_answer *a) {
  json_finish(a->body);
  mem_free(a->why);
  *a = (struct stripe_answer){0};
}

bool stripe_refused(const struct stripe_answer *a) {
  return !a->unknown && a->status >= 400 && a->status < 500 && a->status != 401 && a->status != 403 && a->status != 429;
}
