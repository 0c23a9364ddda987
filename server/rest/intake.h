// One request that reports usage, from its body to its answer. It is begun on an event thread and mostly answered there, when the
// ledger's writer has said what became of it; what needs the database besides (a key that is not known yet, names of customers,
// what is on record of an event that came before), and what is long, is done by jobs in between. One thread has it at a time, but
// for the operations that wait.
#pragma once
#include "rest/endpoints.h"
#include "usage/event.h"
#include "usage/rate.h"
#include "usage/recorded.h"
#include <stdatomic.h>

enum intake_shape { INTAKE_ONE, INTAKE_BINARY, INTAKE_ARRAY, INTAKE_LINES };

struct intake_event {
  struct usage_event e;
  struct uuid customer;
  struct str own_name; // of a customer that is still to be looked up; len 0: none is
  int64_t at;
  struct usage_rating rating;
  bool refused; // and this is why:
  bool ledgers; // the refusal is the ledger's
  enum problem problem;
  const char *param;
  char *message;
  struct ledger_op op; // its result says what became of it, unless it was refused
  bool asked;          // it is, or is to be, in the ledger's hands
  const struct usage_recorded *recorded;
};

struct intake {
  struct rest_request *r;
  enum intake_shape shape;
  enum usage_form form;
  struct principal *who;
  bool fresh; // who it is was read for this request
  bool revoked; // their key, while pieces of a batch were recorded: what is left is refused
  int reloads;
  struct usage_walk walk;
  bool more; // the walk has not come to its end

  // of what is being taken: all, or a window of a longer batch
  struct arena *arena;
  struct book *book;
  struct intake_event *events;
  size_t count;
  _Atomic size_t pending;

  // of a batch
  struct arena window;
  struct buf out;
  struct json_writer writer;
  size_t answer_max, told_max; // of its answer; beyond the latter refusals are told by their code alone
  size_t first; // the window's first, of the whole
  int64_t accepted, duplicates, rejected, retriable, keyless;
  enum problem last_retriable;
};

#define INTAKE_REVOKED "The API key was revoked while this batch was taken: what came before is recorded, this event is not."

// ---- the steps; each goes on to the next, or has answered
void intake_begin(struct intake *in);                 // who asks is known
void intake_take(struct intake *in, struct db *db);   // db NULL: what needs it is handed to a job
void intake_submit(struct intake *in);
void intake_answer(struct intake *in, struct db *db); // all of `events` have become what they are
void intake_job(struct intake *in, void (*step)(struct intake *in, struct db *db));
void intake_reload(struct intake *in, void (*then)(struct intake *in, struct db *db));

// ---- their parts
// Counts the memory that a batch of so many events needs. False: there is too little.
bool intake_reserve(struct intake *in, size_t events);
// Reads the next events. False: answered.
bool intake_read(struct intake *in);
size_t intake_unnamed(const struct intake *in);
int intake_names_read(struct intake *in, struct db *db);
void intake_judge(struct intake *in); // customers are known: may it, when was it, what does it cost
void intake_refuse(struct intake *in, struct intake_event *one, enum problem problem, const char *param, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
static inline bool intake_is_batch(const struct intake *in) { return in->shape == INTAKE_ARRAY || in->shape == INTAKE_LINES; }
// Ends the request with one answer; `in` is gone afterwards.
void intake_end(struct intake *in, int status, struct buf *body);
void intake_end_refused(struct intake *in, enum problem problem, const char *param, struct str details, const char *message);
void intake_end_fault(struct intake *in, int fault);
