// The request as the provider gets it: the caller's bytes, but for the model's name where it differs, the usage of a
// stream, which has to be asked for, and a cap that the server lowered.
#include "openai/openai.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MODEL_JSON_MAX (6 * 1024)

static struct pick_span text_span(const char *text) {
  return (struct pick_span){text, strlen(text)};
}

static bool slice_same(struct tollgate_slice a, struct tollgate_slice b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

// What a header line cannot hold would become a line of its own.
static bool header_safe(struct tollgate_slice s) {
  for (size_t i = 0; i < s.len; i++)
    if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f) return false;
  return true;
}

// ---- address

// A base address may name the version or leave it to the path: both of https://host and https://host/v1 are right.
static bool ends_in_version(struct tollgate_slice base) {
  return base.len >= 3 && memcmp(base.ptr + base.len - 3, "/v1", 3) == 0;
}

static bool url_write(const struct tollgate_request *q, const struct tollgate_upstream *u, struct tollgate_out *out) {
  const char *path = q->endpoint == ENDPOINT_CHAT ? "/v1/chat/completions" : "/v1/embeddings";
  if (ends_in_version(u->base_url)) path += 3;
  if (!out_room(out, u->base_url.len + strlen(path))) return false;
  out_add(out, u->base_url.ptr, u->base_url.len);
  out_text(out, path);
  return true;
}

// ---- headers

// The operator's organisation and project at the provider, where the settings name them.
static struct tollgate_slice setting_read(const struct tollgate_upstream *u, const char *name) {
  struct pick settings;
  struct pick_span text = {NULL, 0};
  bool escaped = false;
  if (u->settings.len == 0 || pick_read(&settings, u->settings.ptr, u->settings.len) != PICK_OK) return slice_of(text);
  if (!pick_string(pick_find(&settings, name), &text, &escaped) || escaped) text.len = 0;
  return slice_of(text);
}

static size_t header_size(const char *name, struct tollgate_slice value) {
  return value.len ? strlen(name) + value.len + 1 : 0;
}

// `name` with its colon and blank.
static void header_write(struct tollgate_out *out, const char *name, struct tollgate_slice value) {
  if (value.len == 0) return;
  out_text(out, name);
  out_add(out, value.ptr, value.len);
  out_text(out, "\n");
}

static enum tollgate_result headers_write(const struct tollgate_upstream *u, struct tollgate_out *out) {
  static const char type[] = "Content-Type: application/json\n", key[] = "Authorization: Bearer ",
                    organisation[] = "OpenAI-Organization: ", project[] = "OpenAI-Project: ";
  struct tollgate_slice o = setting_read(u, "organization"), p = setting_read(u, "project");
  if (!header_safe(u->secret) || !header_safe(o) || !header_safe(p)) return TOLLGATE_BROKEN;
  size_t size = sizeof type - 1 + header_size(key, u->secret) + header_size(organisation, o) + header_size(project, p);
  if (!out_room(out, size)) return TOLLGATE_ROOM;
  out_text(out, type);
  header_write(out, key, u->secret);
  header_write(out, organisation, o);
  header_write(out, project, p);
  return TOLLGATE_OK;
}

// ---- body

static void usage_ask(struct pick_edits *edits, const struct pick *members, struct pick *options) {
  struct pick_span value = pick_find(members, "stream_options"), yes = text_span("true"),
                   whole = text_span("{\"include_usage\":true}");
  if (value.len == 0) {
    pick_append(edits, members, "stream_options", whole);
    return;
  }
  if (pick_read(options, value.ptr, value.len) != PICK_OK) {
    pick_replace(edits, value, whole);
    return;
  }
  struct pick_span asked = pick_find(options, "include_usage");
  if (asked.len)
    pick_replace(edits, asked, yes);
  else
    pick_append(edits, options, "include_usage", yes);
}

// Where the caller's own cap stands; models that take only one of the two names have been told in the right one.
static void cap_write(struct pick_edits *edits, const struct pick *members, struct pick_span cap) {
  struct pick_span legacy = pick_find(members, "max_tokens"), present = pick_find(members, "max_completion_tokens");
  bool has_legacy = legacy.len && pick_kind(legacy) != SCAN_NULL;
  if (has_legacy) pick_replace(edits, legacy, cap);
  if (present.len && (!has_legacy || pick_kind(present) != SCAN_NULL))
    pick_replace(edits, present, cap);
  else if (!has_legacy)
    pick_append(edits, members, "max_completion_tokens", cap);
}

static enum tollgate_result body_write(const struct tollgate_request *q, const struct tollgate_facts *facts,
                                       const struct tollgate_upstream *u, struct tollgate_out *out) {
  struct pick_edits edits = {.text = {q->body.ptr, q->body.len}};
  struct pick members, options;
  char model[MODEL_JSON_MAX], cap[24];
  struct tollgate_out text = {.ptr = model, .cap = sizeof model};
  if (pick_read(&members, q->body.ptr, q->body.len) != PICK_OK || u->model.len > MODEL_JSON_MAX / 6 - 1)
    return TOLLGATE_BROKEN;
  struct pick_span asked = pick_find(&members, "model");
  if (u->model.len > 0 && !slice_same(u->model, facts->model)) {
    out_json(&text, u->model);
    if (asked.len) pick_replace(&edits, asked, (struct pick_span){text.ptr, text.len});
  }
  bool chat = q->endpoint == ENDPOINT_CHAT;
  if (chat && facts->stream && !facts->wants_usage) usage_ask(&edits, &members, &options);
  if (chat && u->output_cap > 0) {
    (void)snprintf(cap, sizeof cap, "%" PRId64, u->output_cap);
    cap_write(&edits, &members, text_span(cap));
  }
  size_t size = pick_apply(&edits, NULL, 0);
  if (!out_room(out, size)) return TOLLGATE_ROOM;
  out->len += pick_apply(&edits, out->ptr + out->len, size);
  return TOLLGATE_OK;
}

// All three sizes are told at once, so that one more try is enough.
enum tollgate_result request_build(const struct tollgate_request *q, const struct tollgate_facts *facts,
                                   const struct tollgate_upstream *upstream, struct tollgate_built *ret) {
  bool url = url_write(q, upstream, &ret->url);
  enum tollgate_result headers = headers_write(upstream, &ret->headers);
  enum tollgate_result body = body_write(q, facts, upstream, &ret->body);
  if (headers == TOLLGATE_BROKEN || body == TOLLGATE_BROKEN) return TOLLGATE_BROKEN;
  return url && headers == TOLLGATE_OK && body == TOLLGATE_OK ? TOLLGATE_OK : TOLLGATE_ROOM;
}
