// Metrics: one table of counters and gauges, atomic, printed in Prometheus' text format 0.0.4. Labels are fixed here;
// nothing a customer chooses ever becomes one.
#pragma once
#include "base/buf.h"

//  id, name, type, labels, help (help and type are taken from the first row of a name)
#define METRICS(X)                                                                                                     \
  X(HTTP_REQUESTS, "tollgate_http_requests_total", "counter", "", "Requests that reached a handler.")                 \
  X(HTTP_REFUSED, "tollgate_http_refused_total", "counter", "", "Requests the HTTP guard refused.")                   \
  X(HTTP_DEADLINES, "tollgate_http_deadlines_total", "counter", "", "Connections closed for passing a deadline.")     \
  X(HTTP_CONNECTIONS, "tollgate_http_connections", "gauge", "", "Open client connections.")                           \
  X(HTTP_SUSPENDED, "tollgate_http_suspended", "gauge", "", "Requests waiting for a commit, a job or upstream.")      \
  X(HTTP_RESERVED, "tollgate_http_reserved_bytes", "gauge", "", "Memory counted for long bodies, work on them and their answers.") \
  X(CALLS_ADMITTED, "tollgate_calls_total", "counter", "state=\"admitted\"", "Calls by what became of them.")         \
  X(CALLS_SETTLED, "tollgate_calls_total", "counter", "state=\"settled\"", "")                                        \
  X(CALLS_RELEASED, "tollgate_calls_total", "counter", "state=\"released\"", "")                                      \
  X(CALLS_EXPIRED, "tollgate_calls_total", "counter", "state=\"expired\"", "")                                        \
  X(CALLS_ESTIMATED, "tollgate_calls_estimated_total", "counter", "", "Calls settled on an estimate.")                \
  X(DENIED_CREDITS, "tollgate_authorization_denied_total", "counter", "reason=\"credits\"", "Refused calls.")         \
  X(DENIED_LIMIT, "tollgate_authorization_denied_total", "counter", "reason=\"limit\"", "")                           \
  X(DENIED_KEY, "tollgate_authorization_denied_total", "counter", "reason=\"key\"", "")                               \
  X(DENIED_PRICE, "tollgate_authorization_denied_total", "counter", "reason=\"price\"", "")                           \
  X(EVENTS_ACCEPTED, "tollgate_events_total", "counter", "result=\"accepted\"", "Usage events by what became of them.") \
  X(EVENTS_DUPLICATE, "tollgate_events_total", "counter", "result=\"duplicate\"", "")                                 \
  X(EVENTS_REJECTED, "tollgate_events_total", "counter", "result=\"rejected\"", "")                                   \
  X(EVENTS_UNRATED, "tollgate_events_unrated_total", "counter", "", "Usage events taken without a price for them. Alarm.") \
  X(HOLDS_EXTENDED, "tollgate_holds_extended_total", "counter", "", "Extensions of streams' holds.")                   \
  X(UPSTREAM_FAILED, "tollgate_upstream_failures_total", "counter", "", "Upstream requests that broke or timed out.") \
  X(LEDGER_BATCHES, "tollgate_ledger_batches_total", "counter", "", "Ledger transactions committed.")                 \
  X(LEDGER_OPS, "tollgate_ledger_operations_total", "counter", "", "Operations in committed ledger transactions.")    \
  X(LEDGER_HALVED, "tollgate_ledger_halved_total", "counter", "", "Batches halved to find a poisoned operation.")     \
  X(LEDGER_POISONED, "tollgate_ledger_poisoned_total", "counter", "", "Operations the database refused. Alarm.")      \
  X(LEDGER_UNKNOWN, "tollgate_ledger_commits_unknown_total", "counter", "", "COMMITs lost on the way and resolved.")  \
  X(LEDGER_FENCED, "tollgate_ledger_fenced_total", "counter", "", "Times this writer found itself fenced off.")       \
  X(LEDGER_STALE, "tollgate_ledger_stale_total", "counter", "", "Admissions decided again on a fresh snapshot.")      \
  X(LEDGER_QUEUE, "tollgate_ledger_queue", "gauge", "", "Operations waiting for the ledger writer.")                  \
  X(LEDGER_PAST_FLOOR, "tollgate_ledger_past_floor_total", "counter", "", "Movements that passed the floor.")         \
  X(LEDGER_SWEPT, "tollgate_ledger_swept_total", "counter", "", "Calls of a dead instance settled by the sweeper.")   \
  X(LEDGER_DRIFT, "tollgate_ledger_drift", "gauge", "", "Rows that break an invariant. Must read 0.")                 \
  X(JOURNAL_OK, "tollgate_journal_ok", "gauge", "", "0 once a write of the journal has failed. Alarm.")              \
  X(JOURNAL_ENTRIES, "tollgate_journal_entries", "gauge", "", "Settlements in the journal and not yet in the ledger.") \
  X(JOURNAL_REFUSED, "tollgate_journal_refused", "gauge", "", "Lines in its refused.jsonl: settlements the ledger refused. Alarm.")     \
  X(JOURNAL_ROOM, "tollgate_journal_room", "gauge", "", "Further settlements the journal has room for.")              \
  X(JOURNAL_WRITTEN, "tollgate_journal_written_total", "counter", "", "Settlements written to the journal.")          \
  X(JOURNAL_REPLAYED, "tollgate_journal_replayed_total", "counter", "", "Settlements that reached the ledger from it.") \
  X(JOURNAL_TORN, "tollgate_journal_torn_total", "counter", "", "Unfinished records found at opening.")               \
  X(JOURNAL_FLIPPED, "tollgate_journal_damaged_total", "counter", "", "Damaged records found at opening. Alarm.")     \
  X(JOURNAL_DUPLICATES, "tollgate_journal_duplicates_total", "counter", "", "Copied files found at opening. Alarm.")  \
  X(PAYMENT_EVENTS_DONE, "tollgate_payment_events_total", "counter", "result=\"done\"", "Stripe's events by what became of them.") \
  X(PAYMENT_EVENTS_IGNORED, "tollgate_payment_events_total", "counter", "result=\"ignored\"", "")                       \
  X(PAYMENT_EVENTS_PARKED, "tollgate_payment_events_total", "counter", "result=\"parked\"", "")                         \
  X(PAYMENT_EVENTS_AGAIN, "tollgate_payment_events_total", "counter", "result=\"again\"", "")                           \
  X(PAYMENT_PROBLEMS, "tollgate_payment_problems_total", "counter", "", "Payments and events somebody has to look at. Alarm.") \
  X(STRIPE_CALLS, "tollgate_stripe_calls_total", "counter", "", "Calls of Stripe's API.")                             \
  X(STRIPE_CALLS_FAILED, "tollgate_stripe_calls_failed_total", "counter", "", "Those that came to nothing known, or whose key was not taken. Alarm.") \
  X(STRIPE_BREAKER, "tollgate_stripe_breaker_open", "gauge", "", "1 while Stripe has been failing and is not asked. Alarm.") \
  X(STRIPE_EVENTS_STORED, "tollgate_stripe_events_total", "counter", "result=\"stored\"", "Events that Stripe sent and signed.") \
  X(STRIPE_EVENTS_KNOWN, "tollgate_stripe_events_total", "counter", "result=\"known\"", "")                               \
  X(STRIPE_PARKED_LIVEMODE, "tollgate_stripe_events_parked_total", "counter", "reason=\"livemode\"", "Events not for this deployment. Alarm.") \
  X(STRIPE_PARKED_ACCOUNT, "tollgate_stripe_events_parked_total", "counter", "reason=\"account\"", "")                    \
  X(STRIPE_PARKED_CONTEXT, "tollgate_stripe_events_parked_total", "counter", "reason=\"context\"", "")                    \
  X(STRIPE_REFUSED_HEADER, "tollgate_stripe_events_refused_total", "counter", "reason=\"header\"", "What came to the webhook and was not believed, or was no event.") \
  X(STRIPE_REFUSED_SIGNATURE, "tollgate_stripe_events_refused_total", "counter", "reason=\"signature\"", "")              \
  X(STRIPE_REFUSED_TIME, "tollgate_stripe_events_refused_total", "counter", "reason=\"time\"", "")                        \
  X(STRIPE_REFUSED_BODY, "tollgate_stripe_events_refused_total", "counter", "reason=\"body\"", "")                        \
  X(WEBHOOK_DELIVERED, "tollgate_webhook_attempts_total", "counter", "result=\"delivered\"", "Webhook attempts by what came of them.") \
  X(WEBHOOK_STATUS, "tollgate_webhook_attempts_total", "counter", "result=\"status\"", "")                             \
  X(WEBHOOK_TIMEOUT, "tollgate_webhook_attempts_total", "counter", "result=\"timeout\"", "")                           \
  X(WEBHOOK_UNREACHED, "tollgate_webhook_attempts_total", "counter", "result=\"unreached\"", "")                       \
  X(WEBHOOK_REFUSED, "tollgate_webhook_attempts_total", "counter", "result=\"refused\"", "")                           \
  X(WEBHOOK_BROKEN, "tollgate_webhook_attempts_total", "counter", "result=\"broken\"", "")                             \
  X(WEBHOOK_ENDED, "tollgate_webhook_deliveries_total", "counter", "state=\"delivered\"", "Webhook deliveries that have ended.") \
  X(WEBHOOK_FAILED, "tollgate_webhook_deliveries_total", "counter", "state=\"failed\"", "")                            \
  X(WEBHOOK_RUNNING, "tollgate_webhook_running", "gauge", "", "Webhook attempts under way.")                            \
  X(WEBHOOK_AGE, "tollgate_webhook_queue_age_ms", "gauge", "", "How long the oldest event that is due has been waiting.") \
  X(WEBHOOK_DISABLED, "tollgate_webhook_disabled_total", "counter", "", "Endpoints disabled because they are gone or only failed.") \
  X(CODES_REDEEMED, "tollgate_codes_total", "counter", "outcome=\"redeemed\"", "Redeem codes that were tried.")        \
  X(CODES_REFUSED, "tollgate_codes_total", "counter", "outcome=\"refused\"", "")                                      \
  X(DB_UP, "tollgate_database_up", "gauge", "", "1 while the ledger's connections work, each of them.")                             \
  X(DB_JOBS_REFUSED, "tollgate_db_jobs_refused_total", "counter", "", "Database jobs refused by a full queue.")

enum metric {
#define X(id, name, type, labels, help) METRIC_##id,
  METRICS(X)
#undef X
      METRIC_COUNT
};

void metric_add(enum metric m, int64_t delta);
void metric_set(enum metric m, int64_t value);
int64_t metric_get(enum metric m);
void metric_print(struct buf *out);
