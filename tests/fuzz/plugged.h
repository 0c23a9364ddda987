// The build's plugins as the server loads them, and one answer run through one of them as the gateway does it: begin,
// pieces, end, with more room where it is asked for; and the raw bytes from where a plain answer made no sense.
#pragma once
#include "base/buf.h"
#include "plugin/registry.h"

const struct plugin_registry *plugged(void); // loaded once; never without one plugin

struct plugged_question {
  const struct tollgate_plugin *plugin;
  uint32_t endpoint;
  struct str body; // of the request, which the plugin must take
  int status;
  bool stream; // by the answer's content type
};

struct plugged_answer {
  void *state;
  struct buf relayed;
  struct tollgate_usage usage; // as the plugin told it at the end
  bool broken;
};

// The answer cut in pieces as `how` says (fuzz_piece). plugged_finish it.
void plugged_run(const struct plugged_question *q, struct str answer, uint8_t how, enum tollgate_ending ending,
                 struct plugged_answer *ret);
void plugged_finish(struct plugged_answer *a);
// What holds of any usage at any time, whatever the provider has sent.
void plugged_usage_check(const struct tollgate_plugin *plugin, const struct tollgate_usage *usage);
