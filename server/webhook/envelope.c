// See envelope.h. The data is put in without the blanks between its tokens, and else as it was told.
#include "webhook/envelope.h"
#include "json/write.h"

static void minified(struct str json, struct buf *out) {
  bool inside = false, escaped = false;
  for (size_t i = 0; i < json.len; i++) {
    char c = json.ptr[i];
    if (inside) {
      inside = escaped || c != '"';
      escaped = !escaped && c == '\\';
    } else {
      if (c == ' ' || c == '\t' || c == '\n' || c == '\r') continue;
      inside = c == '"';
    }
    buf_putc(out, c);
  }
}

static void request_write(struct json_writer *w, const struct envelope *e) {
  json_key(w, "request");
  if (e->request_id.len == 0) {
    json_put_null(w);
    return;
  }
  json_object_begin(w);
  json_member_str(w, "id", e->request_id);
  json_key(w, "idempotency_key");
  if (e->idempotency_key.len)
    json_put_str(w, e->idempotency_key);
  else
    json_put_null(w);
  json_object_end(w);
}

void envelope_write(const struct envelope *e, struct buf *out) {
  struct json_writer w = json_writer(out);
  json_object_begin(&w);
  json_member_id(&w, "id", "evt", e->id);
  json_member_text(&w, "object", "event");
  json_member_str(&w, "api_version", e->api_version);
  json_member_str(&w, "type", e->type);
  json_member_int(&w, "created", e->created_at / 1000000);
  json_member_time(&w, "timestamp", e->created_at);
  json_member_bool(&w, "livemode", e->livemode);
  json_member_id(&w, "customer", "cus", e->customer);
  json_key(&w, "sequence");
  if (e->sequence)
    json_put_int(&w, e->sequence);
  else
    json_put_null(&w);
  json_key(&w, "data");
  json_object_begin(&w);
  json_key(&w, "object");
  json_put_raw(&w, (struct str){0}); // what follows is the value
  minified(e->data, out);
  json_object_end(&w);
  request_write(&w, e);
  json_object_end(&w);
}
