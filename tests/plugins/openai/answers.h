// One answer run through the plugin as the server does it: begin, pieces, end, with room that is given when it is asked
// for.
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tollgate/plugin.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RELAY_MAX (4 * 1024 * 1024)

static const struct tollgate_plugin *plugin;
static char relay_memory[RELAY_MAX]; // of the one answer that runs

static inline int plugin_open(void **state) {
  (void)state;
  void *library = dlopen(BINARY_DIR "/plugins/openai.so", RTLD_NOW | RTLD_LOCAL);
  if (!library) return -1;
  plugin = dlsym(library, "tollgate_plugin");
  return plugin ? 0 : -1;
}

static inline struct tollgate_slice slice(const char *text) {
  return (struct tollgate_slice){text, strlen(text)};
}

struct answering {
  struct tollgate_request request;
  struct tollgate_facts facts;
  void *state;
  char *relayed; // everything that the client was given
  size_t relayed_len;
  size_t held_at_end;          // of it what was given only by end
  enum tollgate_result result; // the last that was not OK
};

static inline void request_init(struct tollgate_request *q, uint32_t endpoint, struct tollgate_slice body) {
  *q = (struct tollgate_request){
      .size = sizeof *q, .endpoint = endpoint, .path = slice(plugin->endpoints[endpoint].path), .body = body};
}

static inline enum tollgate_result inspect(uint32_t endpoint, struct tollgate_slice body, struct tollgate_request *q,
                                           struct tollgate_facts *facts) {
  request_init(q, endpoint, body);
  *facts = (struct tollgate_facts){.size = sizeof *facts};
  return plugin->inspect(q, facts);
}

static inline void answering_init(struct answering *a, uint32_t endpoint, struct tollgate_slice body, int status,
                                  const char *type) {
  struct tollgate_header header = {slice("Content-Type"), slice(type)};
  struct tollgate_answer answer = {.size = sizeof answer, .status = status, .headers = &header, .header_count = 1};
  *a = (struct answering){.state = calloc(1, plugin->state_size), .relayed = relay_memory};
  assert_int_equal(inspect(endpoint, body, &a->request, &a->facts), TOLLGATE_OK);
  assert_int_equal(plugin->begin(a->state, &a->request, &a->facts, &answer), TOLLGATE_OK);
}

static inline void answering_finish(struct answering *a) {
  free(a->state);
}

// First without room: then nothing may have changed.
static inline void answering_bytes(struct answering *a, const char *bytes, size_t len) {
  struct tollgate_out out = {.ptr = a->relayed + a->relayed_len, .cap = 0};
  char *copy = malloc(len ? len : 1); // so that a sanitizer sees every byte read beyond
  memcpy(copy, bytes, len);
  enum tollgate_result result = plugin->bytes(a->state, (struct tollgate_slice){copy, len}, &out);
  if (result == TOLLGATE_ROOM) {
    assert_true(out.need > 0 && a->relayed_len + out.need <= RELAY_MAX);
    out.cap = out.need;
    out.len = out.need = 0;
    result = plugin->bytes(a->state, (struct tollgate_slice){copy, len}, &out);
  }
  free(copy);
  assert_int_not_equal(result, TOLLGATE_ROOM);
  if (result != TOLLGATE_OK) a->result = result;
  a->relayed_len += out.len;
}

static inline void answering_end(struct answering *a, enum tollgate_ending ending) {
  struct tollgate_out out = {.ptr = a->relayed + a->relayed_len, .cap = 0};
  assert_int_equal(plugin->end(a->state, ending, &out), TOLLGATE_ROOM);
  out = (struct tollgate_out){.ptr = out.ptr, .cap = out.need};
  enum tollgate_result result = plugin->end(a->state, ending, &out);
  if (result != TOLLGATE_OK) a->result = result;
  a->held_at_end = out.len;
  a->relayed_len += out.len;
}

static inline struct tollgate_usage answering_usage(const struct answering *a) {
  struct tollgate_usage usage = {.size = sizeof usage};
  assert_int_equal(plugin->totals(a->state, &usage), TOLLGATE_OK);
  assert_true(usage.count <= TOLLGATE_COUNTS_MAX);
  return usage;
}

static inline int64_t quantity(const struct tollgate_usage *u, const char *meter) {
  for (uint32_t i = 0; i < u->count; i++)
    if (strcmp(plugin->meters[u->counts[i].meter].name, meter) == 0) return u->counts[i].quantity;
  return 0;
}

static inline bool slice_is(struct tollgate_slice s, const char *text) {
  return s.len == strlen(text) && (s.len == 0 || memcmp(s.ptr, text, s.len) == 0);
}

static inline bool relayed_is(const struct answering *a, const char *text) {
  return a->relayed_len == strlen(text) && memcmp(a->relayed, text, a->relayed_len) == 0;
}
