// The planted faults, and what their own files share.
#pragma once
#include "ledger/fold.h"

//  id, name
#define PLANTED(X)                               \
  X(OFF_BY_ONE, "budget-off-by-one")             \
  X(NOT_GIVEN_BACK, "budget-not-given-back")     \
  X(NEVER_ROLLS, "window-never-rolls")           \
  X(NOT_LANDED, "lost-commit-counts-as-not-landed") \
  X(LANDED, "lost-commit-counts-as-landed")      \
  X(ANY_VERSION, "revoked-key-admitted-from-cache") \
  X(TRUSTS, "revoked-key-trusted-for-ever")      \
  X(ENDS_TWICE, "hold-ends-twice-in-a-batch")    \
  X(SWEEPS_TWICE, "sweep-settles-twice")         \
  X(SWEEPS_ALL, "sweep-of-a-living-writer")      \
  X(NEVER_SWEEPS, "calls-of-the-dead-left")      \
  X(BURNS_WRONG, "grants-burn-out-of-order")     \
  X(BURNED_FORGOTTEN, "what-burns-forgets-what-it-paid") \
  X(BURNS_ON, "what-burned-goes-on-burning")     \
  X(NO_REPAYMENT, "debt-not-repaid")             \
  X(RETRY_CHARGED, "retry-charged-twice")        \
  X(NEVER_EXPIRES, "expired-key-trusted")        \
  X(KEY_KEPT, "key-of-a-released-call-kept")     \
  X(FORGETS_ABOUT, "what-a-hold-was-about-lost") \
  X(LEGS_ASTRAY, "legs-of-another-transfer")     \
  X(AS_DIFFERENCE, "reversal-as-a-difference")   \
  X(NOT_OWED, "recalled-credits-not-owed")       \
  X(OWED_BESIDE, "recalled-credits-owed-beside-what-is-left") \
  X(LOST_TWICE, "frozen-credits-lost-twice")     \
  X(TWO_OF_ORIGIN, "origin-not-checked-within-a-batch") \
  X(ORIGIN_UNREAD, "origin-not-checked-against-earlier-batches") \
  X(NOT_RENEWED, "renewed-grant-not-made")       \
  X(RENEWED_EXPIRES, "renewed-credits-count-as-expired") \
  X(TO_RECALLED, "void-gives-back-to-a-recalled-grant") \
  X(MARK_ABOVE_HELD, "mark-ignores-what-is-held") \
  X(TOLD_AGAIN, "budget-told-again")             \
  X(LOOKED_UP_EARLY, "event-looked-up-before-the-lock") \
  X(REFUSED_UNSEEN, "event-refused-before-it-is-looked-for") \
  X(ANYBODYS, "event-of-another-customer-counts") \
  X(DUPLICATE_CHARGED, "duplicate-event-charged") \
  X(REFUSED_KEPT, "refused-event-leaves-its-identity") \
  X(NEVER_REFUSED, "event-taken-against-its-policy") \
  X(AHEAD, "event-counts-at-a-time-ahead")        \
  X(PART_TWICE, "part-taken-from-its-hold-twice") \
  X(PART_RELEASED, "expiry-releases-what-a-part-has-used") \
  X(PART_AS_HOLD, "part-known-as-its-hold")      \
  X(PART_UNCOUNTED, "part-in-no-budget-but-its-holds") \
  X(END_FORGOTTEN, "key-of-a-settlement-not-kept") \
  X(ONE_MORE, "one-hold-more-than-may-be-open")  \
  X(NOT_LATE, "late-settlement-not-marked")      \
  X(LATE_TWICE, "late-settlement-taken-twice")   \
  X(TO_ANOTHER, "re-rate-gives-back-to-another-grant") \
  X(ADDS_UP, "re-rate-as-a-difference")          \
  X(GIVEN_RATED, "call-that-was-given-away-rated") \
  X(BUDGET_STAYS, "re-rate-leaves-budgets-as-they-are") \
  X(EXTENDS_PAST, "extension-passes-the-floor")  \
  X(NEARER, "extension-brings-the-end-nearer")   \
  X(WINDOW_UNASKED, "extension-not-asked-of-a-new-window") \
  X(BUDGET_UNASKED, "extension-not-asked-of-a-new-budget") \
  X(REVIVES, "extension-revives-what-is-over")   \
  X(SWEEPS_EXTENDED, "extended-hold-swept")      \
  X(FOUND_BEFORE, "hold-told-as-an-earlier-try-found-it")

enum planted { NOTHING,
#define X(id, name) id,
  PLANTED(X)
#undef X
      PLANTED_COUNT };
extern enum planted planted;

#define INSTEAD(type, name, ...)  \
  type __real_##name(__VA_ARGS__); \
  type __wrap_##name(__VA_ARGS__); \
  type __wrap_##name(__VA_ARGS__)

// ---- planted_usage.c: those in usage that is told, where another has the same call
void usage_before(struct fold *f, struct ledger_op **ops, size_t count);
void usage_after(struct fold *f, struct ledger_op **ops, size_t count);
void usage_sweep(const struct fold *f, struct fold_hold *h, struct ledger_op *op);
bool usage_repaid(const struct fold_customer *c, const struct fold_ended *row, amount back, struct fold_ended *ret); // another grant had paid
