// Chance, per kind.
#include "faults.h"
#include "chance.h"

const char *const fault_names[FAULT_KINDS] = {
#define X(id, name) [STRIKE_##id] = name,
    FAULTS(X)
#undef X
};
int64_t fault_counts[FAULT_KINDS];
static uint64_t without;
static int64_t pace;
static bool calm;

// One kind in four does not happen here, and the pace is another: some things are only seen where little else goes wrong.
void faults_begin(uint64_t kinds) {
  static const int64_t paces[] = {60000, 300000, 1500000, 6000000};
  without = kinds | (chance_u64() & chance_u64());
  pace = paces[chance_below(4)];
  calm = false;
}

int64_t faults_pace(void) {
  return pace;
}

void faults_calm(void) {
  calm = true;
}

void faults_note(enum fault_kind kind) {
  fault_counts[kind]++;
}

// Chance is asked for in any case: leaving a kind out changes little else.
bool faults_strike(enum fault_kind kind, int64_t one_in) {
  bool strikes = chance_one_in(one_in) && !calm && !(without >> kind & 1);
  if (strikes) fault_counts[kind]++;
  return strikes;
}

bool faults_refuse(void) {
  return faults_strike(STRIKE_STATEMENT, 3000);
}

const char *faults_sqlstate(void) {
  static const char *const states[] = {"57014", "53200", "40001", "58030"};
  return states[chance_below(4)];
}
