// What a call's charge can be explained from: the usage as the provider sent it, and each line's arithmetic. The
// database takes it as JSON, so what a provider wrote is checked before it is believed to be such, and no text carries
// a NUL.
#include "gateway/call.h"
#include "json/read.h"
#include "json/write.h"

#define TEXT_MAX 256
#define RAW_TEXT_MAX 4096
#define RAW_MAX (LIMIT_EVIDENCE / 4)

static void text_cut(struct json_writer *w, const char *key, struct str text, size_t max) {
  char clean[RAW_TEXT_MAX];
  size_t len = text.len < max ? text.len : max;
  if (len == 0) return;
  for (size_t i = 0; i < len; i++) clean[i] = (unsigned char)text.ptr[i] < 0x20 ? '?' : text.ptr[i];
  json_member_str(w, key, (struct str){clean, len});
}

static void text_member(struct json_writer *w, const char *key, struct str text) {
  text_cut(w, key, text, TEXT_MAX);
}

// As it is where it is JSON that the database takes; else as text.
static void raw_member(struct json_writer *w, struct str raw) {
  struct json_error error;
  CLEANUP(json_finishp) struct json *root = NULL;
  if (raw.len == 0) return;
  if (raw.len <= RAW_MAX && json_parse(raw, &root, &error) == 0)
    json_member_raw(w, "raw_usage", raw);
  else
    text_cut(w, "raw_usage", raw, RAW_TEXT_MAX);
}

static void lines_member(struct json_writer *w, const struct meter_bill *bill) {
  json_key(w, "lines");
  json_array_begin(w);
  for (size_t i = 0; i < bill->count; i++) {
    json_object_begin(w);
    json_member_text(w, "meter", bill->lines[i].meter);
    json_member_int(w, "quantity", bill->lines[i].quantity);
    json_member_int(w, "per", bill->lines[i].per);
    json_member_amount(w, "rate", bill->lines[i].charge_rate);
    json_member_amount(w, "amount", bill->lines[i].charge);
    json_member_amount(w, "cost_rate", bill->lines[i].cost_rate);
    json_member_amount(w, "cost", bill->lines[i].cost);
    json_object_end(w);
  }
  json_array_end(w);
}

void evidence_write(struct buf *out, const struct evidence *e) {
  struct json_writer w = json_writer(out);
  json_object_begin(&w);
  json_member_text(&w, "request_id", e->request_id);
  json_member_int(&w, "status", e->status);
  json_member_text(&w, "ending", e->ending);
  text_member(&w, "provider", e->provider);
  text_member(&w, "provider_request_id", e->upstream_request_id);
  text_member(&w, "provider_id", e->provider_id);
  text_member(&w, "model_served", e->model_served);
  text_member(&w, "tier", e->tier);
  if (e->unrated_meter) json_member_text(&w, "unrated_meter", e->unrated_meter);
  json_member_int(&w, "delivered_bytes", e->delivered);
  if (e->abort) abort_write(&w, e->abort);
  lines_member(&w, e->bill);
  raw_member(&w, e->raw);
  json_object_end(&w);
  ASSERT(!out->full);
}
