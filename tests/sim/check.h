// Where the product and the reference meet: at each COMMIT, and at each answer.
#pragma once
#include "backend.h"
#include "model.h"

// What an operator's transaction means to change.
enum intent_kind { INTENT_KEY, INTENT_REVOKE, INTENT_STATUS, INTENT_CREDIT, INTENT_LIMIT, INTENT_LIMIT_AMOUNT, INTENT_LIMIT_GONE,
  INTENT_LOW, INTENT_EVENTS, INTENT_TOP_UP_MARK, INTENT_TOP_UP_ENOUGH };
struct intent {
  enum intent_kind kind;
  struct uuid customer, object;
  struct model_limit limit; // new, or its new amount
  int64_t credit_limit, expires_at, low_balance, top_up_at;
  bool suspended, refuses_events;
};
struct note *note_intent(const struct intent *i);

void check_begin(uint64_t seed);
void check_commit(struct backend *b, const struct note *note); // after it was applied
void check_key_told(const struct backend *b, struct uuid customer, struct uuid key); // the database says how long it has
int check_holds_left(void); // but for those that stay: no balance could count what they cost
void check_end(void); // everything has come to rest: no hold is left, and all books are compared once more
uint64_t check_operations(void); // answered, over all worlds
void check_tell(void);           // how often each answer was given, over all worlds: what never happened proves nothing

// Reports and ends the process: the seed, the step, what was found.
_Noreturn void check_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
extern bool check_trace; // each commit and each blow of fate as a line
void check_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
