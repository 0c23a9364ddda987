// The list of models, and each by its name.
#include "base/mem.h"
#include "standin/call.h"
#include <stdio.h>

static const char *const models[] = {"gpt-4o", "gpt-4o-mini", "text-embedding-3-large", "text-embedding-3-small"};

static void model_add(struct buf *out, const char *name) {
  buf_printf(out, "{\"id\":\"%s\",\"object\":\"model\",\"created\":1721172741,\"owned_by\":\"stand-in\"}", name);
}

static void model_answer(struct call *c, struct str name) {
  for (size_t i = 0; i < ARRAY_LEN(models); i++) {
    if (!str_eq(name, str_from(models[i]))) continue;
    model_add(&c->body, models[i]);
    call_answer(c, 200, "application/json");
    return;
  }
  call_error(c, 404, "The model does not exist",
             "\"type\": \"invalid_request_error\", \"param\": \"model\", \"code\": \"model_not_found\"");
}

void models_begin(struct call *c) {
  struct str path = c->request.path, prefix = STR("/v1/models/");
  if (str_starts(path, prefix)) {
    model_answer(c, (struct str){path.ptr + prefix.len, path.len - prefix.len});
    return;
  }
  buf_puts(&c->body, "{\"object\":\"list\",\"data\":[");
  for (size_t i = 0; i < ARRAY_LEN(models); i++) {
    if (i) buf_putc(&c->body, ',');
    model_add(&c->body, models[i]);
  }
  buf_puts(&c->body, "]}");
  call_answer(c, 200, "application/json");
}
