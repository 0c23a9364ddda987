// The configuration: one table of settings, read from the environment over an optional file of KEY=value lines. Values are
// checked once, here; a wrong one is refused with its name, what is wrong with it and an example. Secrets are never
// printed.
#pragma once
#include "base/buf.h"
#include "base/limits.h"

//  id, name, kind, default, least, most, example, help
//  kind CHOICE: the values it may have stand in `example`, separated by "|"
#define SETTINGS(X)                                                                                                    \
  X(DATABASE_URL, "DATABASE_URL", DATABASE, "", 0, 0, "postgresql://tollgate:secret@localhost/tollgate",              \
    "where the books are")                                                                                             \
  X(DATABASE_DIRECT_URL, "DATABASE_DIRECT_URL", DATABASE, "", 0, 0, "postgresql://tollgate:secret@localhost/tollgate",  \
    "the same without a transaction pooler, for the ledger and migrations; default: DATABASE_URL")                     \
  X(DATABASE_READ_URL, "DATABASE_READ_URL", DATABASE, "", 0, 0, "postgresql://tollgate:secret@replica/tollgate",       \
    "a replica for reports; default: DATABASE_URL")                                                                    \
  X(MASTER_KEY, "TOLLGATE_MASTER_KEY", MASTER, "", 0, 0, "the output of: openssl rand -hex 32",                        \
    "32 secret bytes in hex or base64: seals stored secrets and tags API keys")                                        \
  X(HOST, "TOLLGATE_HOST", ADDRESS, "0.0.0.0", 0, 0, "127.0.0.1", "address to listen on")                              \
  X(PORT, "PORT", NUMBER, "8080", 0, 65535, "8080", "port to listen on; 0: any free one")                              \
  X(PLUGIN_DIR, "TOLLGATE_PLUGIN_DIR", TEXT, "", 0, 0, "/usr/lib/tollgate/plugins",                                    \
    "folder of provider plugins; default: plugins beside the program")                                                 \
  X(JOURNAL_DIR, "TOLLGATE_JOURNAL_DIR", TEXT, "", 0, 0, "/var/lib/tollgate/journal",                                  \
    "folder, of this instance alone, for settlements that the database could not take; off: they are kept in memory; "    \
    "default: journal in $STATE_DIRECTORY, else /var/lib/tollgate/journal")                                            \
  X(LOG_LEVEL, "TOLLGATE_LOG_LEVEL", CHOICE, "info", 0, 0, "debug|info|warn|error", "the least that is logged")        \
  X(LOG_FORMAT, "TOLLGATE_LOG_FORMAT", CHOICE, "auto", 0, 0, "auto|json|text",                                         \
    "auto: text on a terminal, else JSON")                                                                             \
  X(MIGRATE, "TOLLGATE_MIGRATE", CHOICE, "auto", 0, 0, "auto|off",                                                     \
    "auto: serve applies pending migrations; off: it refuses to start")                                                \
  X(METRICS, "TOLLGATE_METRICS", CHOICE, "key", 0, 0, "key|open", "who may read /metrics: operators, or everybody")      \
  X(INSTANCE, "TOLLGATE_INSTANCE", TEXT, "", 0, 0, "tollgate-1", "this instance's name for people; default: host and pid") \
  X(LEASE_MS, "TOLLGATE_LEASE_MS", NUMBER, "10000", 1000, 600000, "10000",                                             \
    "how long after its last sign of life an instance's calls are settled by others")                                  \
  X(LEDGER_WRITERS, "TOLLGATE_LEDGER_WRITERS", NUMBER, "2", 1, 16, "2",                                                \
    "the ledger's writers, each with a thread and a database connection; a customer has one of them")                  \
  X(DRAIN_MS, "TOLLGATE_DRAIN_MS", NUMBER, "30000", 0, 3600000, "30000",                                               \
    "how long running calls may take to finish after SIGTERM")                                                         \
  X(MAX_CONNECTIONS, "TOLLGATE_MAX_CONNECTIONS", NUMBER, "10000", 10, 1000000, "10000", "client connections at once")  \
  X(MAX_CONNECTIONS_PER_IP, "TOLLGATE_MAX_CONNECTIONS_PER_IP", NUMBER, "1024", 1, 1000000, "1024",                     \
    "the same for one client address")                                                                                 \
  X(HTTP_THREADS, "TOLLGATE_HTTP_THREADS", NUMBER, "2", 2, 256, "2", "threads that serve HTTP")                        \
  X(JOB_THREADS, "TOLLGATE_JOB_THREADS", NUMBER, "4", 1, 256, "4", "threads, each with a database connection of its own") \
  X(FIRST_BYTE_MS, "TOLLGATE_FIRST_BYTE_MS", NUMBER, "60000", 1, 86400000, "60000",                                    \
    "how long a provider may take to begin its answer")                                                                \
  X(BETWEEN_CHUNKS_MS, "TOLLGATE_BETWEEN_CHUNKS_MS", NUMBER, "60000", 1, 86400000, "60000",                            \
    "how long a provider may be silent inside an answer")                                                              \
  X(UPSTREAM_TOTAL_MS, "TOLLGATE_UPSTREAM_TOTAL_MS", NUMBER, "900000", 1, 86400000, "900000",                          \
    "how long a provider's whole answer may take")                                                                     \
  X(OPEN_HOLDS_MAX, "TOLLGATE_OPEN_HOLDS_MAX", NUMBER, "10000", 1, LIMIT_OPEN_HOLDS, "10000",                           \
    "explicit holds that a customer may have open at once")                                                            \
  X(EVENTS_LATE_DAYS, "TOLLGATE_EVENTS_LATE_DAYS", NUMBER, "35", 1, 400, "35", "how old a usage event may be")          \
  X(EVENTS_BATCH_MAX, "TOLLGATE_EVENTS_BATCH_MAX", NUMBER, "1000", 1, LIMIT_EVENTS_BATCH, "1000",                      \
    "usage events of one JSON batch; longer ones come as lines")                                                       \
  X(EVENTS_MEMORY, "TOLLGATE_EVENTS_MEMORY_MB", NUMBER, "256", 16, 1048576, "256",                                     \
    "memory for long bodies of usage events, batches that are worked on and their answers; beyond it they are answered 503") \
  X(EVENTS_UNPRICED, "TOLLGATE_EVENTS_UNPRICED", CHOICE, "park", 0, 0, "park|refuse",                                  \
    "usage events whose model has no price: they wait for one, or are refused")                                        \
  X(WEBHOOKS, "TOLLGATE_WEBHOOKS", CHOICE, "on", 0, 0, "on|off",                                                       \
    "whether this instance sends webhooks; off: others do, and until then they wait")                                  \
  X(WEBHOOK_ALLOW, "TOLLGATE_WEBHOOK_ALLOW", RANGES, "", 0, 0, "127.0.0.0/8,10.0.0.0/8",                               \
    "private address ranges that webhook endpoints may have, also by http; default: public addresses by https only")     \
  X(WEBHOOK_SCHEDULE, "TOLLGATE_WEBHOOK_SCHEDULE", SCHEDULE, "5s,5m,30m,2h,5h,10h,14h,20h,24h", 0, 0,                   \
    "5s,5m,30m,2h,5h,10h,14h,20h,24h", "how long after each failure a webhook is tried again; then it has failed")       \
  X(WEBHOOK_TIMEOUT_MS, "TOLLGATE_WEBHOOK_TIMEOUT_MS", NUMBER, "15000", 100, 60000, "15000",                           \
    "how long a webhook endpoint may take to answer")                                                                  \
  X(WEBHOOK_DISABLE_HOURS, "TOLLGATE_WEBHOOK_DISABLE_HOURS", NUMBER, "120", 1, 8760, "120",                            \
    "a webhook endpoint that only failed for so long, ten times or more, is disabled")                                 \
  X(WEBHOOK_KEEP_DAYS, "TOLLGATE_WEBHOOK_KEEP_DAYS", NUMBER, "14", 4, 400, "14",                                       \
    "how long what was told is kept, to be looked at and sent again")                                                  \
  X(KEEP_EVIDENCE_DAYS, "TOLLGATE_KEEP_EVIDENCE_DAYS", NUMBER, "0", 0, 36500, "400",                                    \
    "how long calls' evidence is kept, by whole months; 0: for ever")                                                  \
  X(KEEP_CALLS_DAYS, "TOLLGATE_KEEP_CALLS_DAYS", NUMBER, "0", 0, 36500, "800",                                          \
    "how long calls are kept, by whole months, 62 days or more; 0: for ever. Reports go on without them")              \
  X(URL, "TOLLGATE_URL", HTTP, "http://127.0.0.1:8080", 0, 0, "https://tollgate.example.com",                          \
    "the server that commands like customers, keys and report talk to")                                                \
  X(ADMIN_KEY, "TOLLGATE_ADMIN_KEY", SECRET, "", 0, 0, "tlgad_live_...", "the operator key those commands use")         \
  X(STRIPE_KEY, "STRIPE_SECRET_KEY", STRIPE_KEY, "", 0, 0, "rk_live_...",                                              \
    "Stripe's secret or restricted key; without it nothing is sold")                                                   \
  X(STRIPE_HOOKS, "STRIPE_WEBHOOK_SECRET", STRIPE_HOOKS, "", 0, 0, "whsec_...",                                        \
    "what Stripe signs its events with; while it is being rolled both, with a comma between them; up to 4")            \
  X(STRIPE_BASE, "STRIPE_API_BASE", HTTP, "https://api.stripe.com", 0, 0, "https://api.stripe.com",                    \
    "where Stripe's API is")                                                                                           \
  X(STRIPE_VERSION, "STRIPE_API_VERSION", STRIPE_VERSION, "2026-09-30.endive", 0, 0, "2026-09-30.endive",              \
    "the version of Stripe's API that is spoken")                                                                      \
  X(STRIPE_TIMEOUT_MS, "STRIPE_TIMEOUT_MS", NUMBER, "30000", 100, 120000, "30000",                                     \
    "how long Stripe may take to answer, before it is asked again")                                                    \
  X(STRIPE_METERS, "STRIPE_METERS", STRIPE_METERS, "", 0, 0, "output_tokens=tokens_out,charge=credits",                \
    "settled usage to report to Stripe's billing meters: our meter=their event name, ...; empty: none")                \
  X(STRIPE_METERS_S, "STRIPE_METERS_SECONDS", NUMBER, "60", 1, 3600, "60", "how often that is summed and sent")          \
  X(STRIPE_READ_S, "STRIPE_EVENTS_SECONDS", NUMBER, "900", 1, 1800, "900",                                              \
    "how often Stripe's own list of events is read for what never arrived")                                            \
  X(STRIPE_TOLERANCE, "STRIPE_WEBHOOK_TOLERANCE", NUMBER, "300", 1, 3600, "300",                                       \
    "seconds between Stripe's clock and this one at which its events are still believed")

enum setting_id {
#define X(id, name, kind, fallback, least, most, example, help) SETTING_##id,
  SETTINGS(X)
#undef X
      SETTING_COUNT
};

enum setting_kind {
  SETTING_KIND_TEXT,
  SETTING_KIND_NUMBER,
  SETTING_KIND_CHOICE,
  SETTING_KIND_ADDRESS,  // an IPv4 or IPv6 address
  SETTING_KIND_DATABASE, // postgresql://…; its password is a secret
  SETTING_KIND_HTTP,     // http:// or https://
  SETTING_KIND_RANGES,   // address ranges, commas between them
  SETTING_KIND_SCHEDULE, // times, commas between them
  SETTING_KIND_SECRET,
  SETTING_KIND_MASTER,
  SETTING_KIND_STRIPE_KEY,     // a secret: sk_ or rk_, then test_ or live_
  SETTING_KIND_STRIPE_HOOKS,   // secrets: whsec_…, commas between them
  SETTING_KIND_STRIPE_METERS,  // meter=event_name, commas between them
  SETTING_KIND_STRIPE_VERSION, // a date, and the release's name
};

struct setting {
  const char *name;
  enum setting_kind kind;
  const char *fallback;
  int64_t least, most;
  const char *example, *help;
};
extern const struct setting setting_table[SETTING_COUNT];

enum config_source { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_ENVIRONMENT };
struct config {
  struct {
    char *text; // owned; never NULL after config_load
    int64_t number;
    enum config_source source;
  } value[SETTING_COUNT];
  char *file; // where it was read from; NULL: no file
};

// path: a file, or NULL for TOLLGATE_CONFIG's or none. environment: as environ. False with a line for each wrong value in
// ret_error, and where they are too many a last line that says so; ret is then as config_finish leaves it. ret_warnings
// gets a line for each TOLLGATE_… variable that is none of ours.
bool config_load(struct config *ret, const char *path, char *const *environment, struct buf *ret_error,
                 struct buf *ret_warnings);
void config_finish(struct config *c);
static inline const char *config_text(const struct config *c, enum setting_id id) { return c->value[id].text; }
static inline int64_t config_number(const struct config *c, enum setting_id id) { return c->value[id].number; }
static inline bool config_is(const struct config *c, enum setting_id id, const char *text) {
  return strcmp(c->value[id].text, text) == 0;
}
// A sentence into ret_error and false where a setting that has no default was not given.
bool config_require(const struct config *c, enum setting_id id, struct buf *ret_error);
// What may be shown of a value: secrets and the passwords in addresses are masked.
void config_show(const struct config *c, enum setting_id id, struct buf *out);
const char *config_source_name(enum config_source source);
