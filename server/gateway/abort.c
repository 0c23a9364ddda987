// A client that leaves a running call, and what its customer's policy makes of that: whether upstream is cancelled or read
// to its end, and which of the two figures, generated or delivered, is charged. Both are kept.
#include "gateway/call.h"
#include "json/write.h"

bool abort_drains(const struct gateway_call *c) {
  return c->principal && c->principal->abort_upstream == ABORT_DRAIN && c->exchange && net_sent(c->exchange);
}

bool abort_happened(const struct gateway_call *c) {
  return c->left || c->cancelled == CANCEL_GONE;
}

// What the client's socket had taken when it was seen to be gone. A client that leaves at the very end may be seen to
// when its request has been answered already.
void abort_note(struct gateway_call *c) {
  int64_t pending = c->streaming && c->request ? (int64_t)http_stream_pending(c->request) : 0;
  c->taken = c->delivered > pending ? c->delivered - pending : 0;
}

static bool is_output(const struct tollgate_plugin *plugin, const struct tollgate_count *count) {
  return count->meter < plugin->meter_count && plugin->meters[count->meter].total == TOLLGATE_TOTAL_OUTPUT;
}

// The output in proportion to the bytes of the answer that were taken, rounded down; the input is all used.
void abort_share(const struct tollgate_plugin *plugin, struct tollgate_usage *usage, int64_t taken, int64_t written) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < usage->count; i++) {
    struct tollgate_count count = usage->counts[i];
    if (is_output(plugin, &count)) {
      bool all = written <= 0 ? taken > 0 : taken >= written;
      if (!all) count.quantity = written > 0 ? (int64_t)((amount_wide)count.quantity * taken / written) : 0;
    }
    if (count.quantity > 0) usage->counts[kept++] = count;
  }
  usage->count = kept;
  for (size_t i = 0; i < TOLLGATE_TOTALS; i++) usage->totals[i] = -1;
}

static bool has_output(const struct tollgate_plugin *plugin, const struct tollgate_usage *usage) {
  for (uint32_t i = 0; i < usage->count; i++)
    if (is_output(plugin, &usage->counts[i]) && usage->counts[i].quantity > 0) return true;
  return false;
}

void abort_usage(enum abort_charge policy, const struct tollgate_plugin *plugin, struct tollgate_usage *usage, int64_t taken,
                 int64_t written) {
  switch (policy) {
  case ABORT_GENERATED:
    break;
  case ABORT_DELIVERED:
    abort_share(plugin, usage, taken, written);
    break;
  case ABORT_INPUT:
    abort_share(plugin, usage, 0, 1);
    break;
  case ABORT_FIRST_TOKEN:
    if (!has_output(plugin, usage)) usage->count = 0;
    break;
  }
}

// ---- the evidence

static const char *policy_name(enum abort_charge policy) {
  static const char *const names[] = {"", "generated", "delivered", "input", "first_token"};
  ASSERT(policy > 0 && policy < (int)ARRAY_LEN(names));
  return names[policy];
}

static void figure_write(struct json_writer *w, const char *name, const struct meter_bill *bill) {
  json_key(w, name);
  json_object_begin(w);
  json_member_amount(w, "charge", bill->charge);
  json_key(w, "usage");
  json_object_begin(w);
  for (size_t i = 0; i < bill->count; i++) json_member_int(w, bill->lines[i].meter, bill->lines[i].quantity);
  json_object_end(w);
  json_object_end(w);
}

void abort_write(struct json_writer *w, const struct abort_figures *f) {
  json_key(w, "abort");
  json_object_begin(w);
  json_member_text(w, "charged", policy_name(f->policy));
  json_member_text(w, "upstream", f->drained ? "drain" : "cancel");
  json_member_int(w, "taken_bytes", f->taken);
  json_member_int(w, "written_bytes", f->written);
  figure_write(w, "generated", &f->generated);
  figure_write(w, "delivered", &f->delivered);
  json_object_end(w);
}
