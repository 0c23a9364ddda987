// What may come of two or three operations on one customer that meet: what tests/server/ledger/interleavings.c holds every
// order of their statements against. Included there, behind what the operations are.
#pragma once

// ---- what may come of it

#define DONE LEDGER_DONE
#define STALE LEDGER_STALE
#define SHORT LEDGER_SHORT
#define DUPLICATE LEDGER_DUPLICATE
#define GONE LEDGER_GONE
#define UNKNOWN LEDGER_UNKNOWN
struct pair {
  enum verb a, b;
  int a_first[2], b_first[2]; // both answers, where that one decided first
};
static const struct pair pairs[] = {
    {ADMIT, ADMIT, {DONE, SHORT}, {SHORT, DONE}},
    {ADMIT, EXTEND, {DONE, SHORT}, {SHORT, DONE}},
    {ADMIT, SETTLE, {DONE, DONE}, {DONE, DONE}},
    {ADMIT, LATE, {DONE, DONE}, {SHORT, DONE}},
    {ADMIT, SWEEP, {DONE, DONE}, {DONE, DONE}},
    {ADMIT, GRANT, {DONE, DONE}, {DONE, DONE}},
    {ADMIT, EXPIRE, {DONE, DONE}, {SHORT, DONE}}, // what the hold needs does not expire
    {ADMIT, VOID, {DONE, DONE}, {DONE, DONE}},
    {ADMIT, REVOKE, {DONE, DONE}, {STALE, DONE}},
    {ADMIT, SUSPEND, {DONE, DONE}, {STALE, DONE}},
    {ADMIT, LIMIT, {DONE, DONE}, {STALE, DONE}},
    {ADMIT, CREDIT, {DONE, DONE}, {STALE, DONE}},
    {ONCE, ONCE, {DONE, DUPLICATE}, {DUPLICATE, DONE}},
    {TWIN, TWIN, {DONE, DUPLICATE}, {DUPLICATE, DONE}},
    {AGAIN, RELEASE, {DUPLICATE, DONE}, {DONE, DONE}}, // a key whose call came to nothing may be used again
    {AGAIN, SETTLE, {DUPLICATE, DONE}, {DUPLICATE, DONE}},
    {EXTEND, EXTEND, {DONE, DONE}, {DONE, DONE}},
    {EXTEND, SETTLE, {DONE, DONE}, {GONE, DONE}},
    {EXTEND, LATE, {DONE, DONE}, {DONE, DONE}},
    {EXTEND, SWEEP, {DONE, GONE}, {GONE, DONE}}, // it lives by the writer that extended it
    {EXTEND, GRANT, {DONE, DONE}, {DONE, DONE}},
    {EXTEND, EXPIRE, {DONE, DONE}, {DONE, DONE}},
    {EXTEND, VOID, {DONE, DONE}, {DONE, DONE}},
    {EXTEND, REVOKE, {DONE, DONE}, {DONE, DONE}},
    {EXTEND, SUSPEND, {DONE, DONE}, {DONE, DONE}},
    {EXTEND, LIMIT, {DONE, DONE}, {DONE, DONE}},
    {EXTEND, CREDIT, {DONE, DONE}, {DONE, DONE}},
    {SETTLE, SETTLE, {DONE, DUPLICATE}, {DUPLICATE, DONE}},
    {SETTLE, RELEASE, {DONE, DUPLICATE}, {DUPLICATE, DONE}},
    {SETTLE, LATE, {DONE, DONE}, {DONE, DONE}},
    {SETTLE, SWEEP, {DONE, GONE}, {DONE, DONE}}, // what is known corrects what was swept
    {SETTLE, GRANT, {DONE, DONE}, {DONE, DONE}},
    {SETTLE, EXPIRE, {DONE, UNKNOWN}, {DONE, DONE}},
    {SETTLE, VOID, {DONE, DONE}, {DONE, DONE}},
    {SETTLE, REVOKE, {DONE, DONE}, {DONE, DONE}},
    {SETTLE, SUSPEND, {DONE, DONE}, {DONE, DONE}},
    {SETTLE, LIMIT, {DONE, DONE}, {DONE, DONE}},
    {SETTLE, CREDIT, {DONE, DONE}, {DONE, DONE}},
    {LATE, LATE, {DONE, DUPLICATE}, {DUPLICATE, DONE}},
    {LATE, SWEEP, {DONE, DONE}, {DONE, DONE}},
    {LATE, GRANT, {DONE, DONE}, {DONE, DONE}},
    {LATE, EXPIRE, {DONE, DONE}, {DONE, DONE}},
    {LATE, VOID, {DONE, DONE}, {DONE, DONE}},
    {LATE, REVOKE, {DONE, DONE}, {DONE, DONE}},
    {LATE, LIMIT, {DONE, DONE}, {DONE, DONE}},
    {SWEEP, SWEEP, {DONE, GONE}, {GONE, DONE}},
    {SWEEP, GRANT, {DONE, DONE}, {DONE, DONE}},
    {SWEEP, EXPIRE, {DONE, DONE}, {DONE, DONE}},
    {SWEEP, VOID, {DONE, DONE}, {DONE, DONE}},
    {SWEEP, REVOKE, {DONE, DONE}, {DONE, DONE}},
    {SWEEP, SUSPEND, {DONE, DONE}, {DONE, DONE}},
    {SWEEP, LIMIT, {DONE, DONE}, {DONE, DONE}},
    {SWEEP, TAKE, {DONE, DONE}, {GONE, DONE}},
    {GRANT, GRANT, {DONE, DONE}, {DONE, DONE}},
    {GRANT, EXPIRE, {DONE, DONE}, {DONE, DONE}},
    {GRANT, VOID, {DONE, DONE}, {DONE, DONE}},
    {GRANT, SUSPEND, {DONE, DONE}, {DONE, DONE}},
    {EXPIRE, EXPIRE, {DONE, UNKNOWN}, {UNKNOWN, DONE}},
    {EXPIRE, VOID, {DONE, DONE}, {DONE, DONE}},
    {EXPIRE, CREDIT, {DONE, DONE}, {DONE, DONE}},
    {VOID, VOID, {DONE, DUPLICATE}, {DUPLICATE, DONE}},
    {RECORD, RECORD, {DONE, DUPLICATE}, {DUPLICATE, DONE}},
    {RECORD, ADMIT, {DONE, SHORT}, {DONE, DONE}},
    {RECORD, SETTLE, {DONE, DONE}, {DONE, DONE}},
    {RECORD, VOID, {DONE, DONE}, {DONE, DONE}},
    {BOUGHT, BOUGHT, {DONE, DUPLICATE}, {DUPLICATE, DONE}},
    {BOUGHT, REFUND, {DONE, DONE}, {DONE, UNKNOWN}},
    {REFUND, REFUND, {UNKNOWN, UNKNOWN}, {UNKNOWN, UNKNOWN}},
    {REVERSE, ADMIT, {DONE, SHORT}, {DONE, DONE}},
    {REVERSE, EXTEND, {DONE, SHORT}, {DONE, DONE}},
    {REVERSE, SETTLE, {DONE, DONE}, {DONE, DONE}},
    {REVERSE, LATE, {DONE, DONE}, {DONE, DONE}},
    {REVERSE, SWEEP, {DONE, DONE}, {DONE, DONE}},
    {REVERSE, GRANT, {DONE, DONE}, {DONE, DONE}},
    {REVERSE, EXPIRE, {DONE, UNKNOWN}, {DONE, DONE}}, // of what had expired nothing is owed
    {REVERSE, VOID, {DONE, DONE}, {DONE, DONE}}, // what was recalled comes back as a grant of its own
    {REVERSE, REVERSE, {DONE, DONE}, {DONE, DONE}},
    {REVERSE, CREDIT, {DONE, DONE}, {DONE, DONE}},
    {VOID, LIMIT, {DONE, DONE}, {DONE, DONE}},
    {VOID, REVOKE, {DONE, DONE}, {DONE, DONE}},
    // The first of these is the one whose lease has run out: who has its row first is alive, or is dead.
    {SETTLE, FENCE, {DONE, NOTHING}, {FENCED, SWEPT}},
    {EXTEND, FENCE, {DONE, NOTHING}, {FENCED, SWEPT}},
    {ADMIT, FENCE, {DONE, NOTHING}, {FENCED, SWEPT}},
    {SETTLE, TAKE, {DONE, DONE}, {DONE, DONE}},
    {EXTEND, TAKE, {DONE, DONE}, {DONE, DONE}},
};

struct triple {
  enum verb verbs[3];
  int answers[6][3]; // decided in the order ABC, ACB, BAC, BCA, CAB, CBA
};
static const struct triple triples[] = {
    {{ADMIT, ADMIT, REVOKE},
     {{DONE, SHORT, DONE}, {DONE, STALE, DONE}, {SHORT, DONE, DONE}, {STALE, DONE, DONE}, {STALE, STALE, DONE}, {STALE, STALE, DONE}}},
    {{ADMIT, ADMIT, GRANT},
     {{DONE, SHORT, DONE}, {DONE, SHORT, DONE}, {SHORT, DONE, DONE}, {SHORT, DONE, DONE}, {DONE, SHORT, DONE}, {SHORT, DONE, DONE}}},
    {{SETTLE, SWEEP, SETTLE},
     {{DONE, GONE, DUPLICATE}, {DONE, GONE, DUPLICATE}, {DONE, DONE, DUPLICATE}, {DUPLICATE, DONE, DONE}, {DUPLICATE, GONE, DONE}, {DUPLICATE, GONE, DONE}}},
    {{REVERSE, EXPIRE, VOID},
     {{DONE, UNKNOWN, DONE}, {DONE, UNKNOWN, DONE}, {DONE, DONE, DONE}, {DONE, DONE, DONE}, {DONE, UNKNOWN, DONE}, {DONE, DONE, DONE}}},
    {{ADMIT, EXTEND, EXPIRE},
     {{DONE, SHORT, DONE}, {DONE, SHORT, DONE}, {SHORT, DONE, DONE}, {SHORT, DONE, DONE}, {SHORT, DONE, DONE}, {SHORT, DONE, DONE}}},
};

// The step by which a verb decides: it has what it needs from then on. A call that has no hold is looked for twice.
