// Why a call cost what it did, from what is stored: its rows, the price it was admitted under, the provider's own
// usage, the legs of the transfers that paid. The arithmetic is done again and held against the charge in the books.
#pragma once
#include "base/amount.h"
#include "base/arena.h"
#include "base/id.h"
#include "ledger/state.h"
#include "meter/held.h"
#include "plugin/registry.h"

struct db;

struct explain_line {
  struct str meter;
  int64_t quantity;
  bool priced; // the price, or a parent of the meter in it, has a rate
  int32_t per;
  amount rate, charge, cost;
};
struct explain_part {
  struct uuid grant; // nil: debt
  amount amount;
};
struct explain_revision {
  int revision;
  enum call_state state;
  unsigned flags; // enum call_flag
  struct uuid price;
  amount charge, cost;
  struct str usage, evidence; // JSON objects
};
struct explanation {
  struct uuid customer, id, key;
  enum call_state state;
  unsigned flags;
  amount charge, cost; // in all
  amount held;         // of a pending call
  int64_t created_at;
  struct {
    struct uuid id;
    struct str model, provider, plugin;
    int64_t valid_from, valid_until;
  } price;
  struct explain_line *lines;
  size_t line_count;
  bool adds_up;
  struct explain_part *parts; // who paid, less what was given back
  size_t part_count;
  struct explain_revision *revisions; // 0: how it ended; above: corrections
  size_t revision_count;
  struct str hold, raw_usage, evidence; // JSON; ptr NULL: none
  bool explicit;                        // an explicit hold
  bool by_amount;                       // an app said the charge itself, without usage
  struct uuid part_of;                  // the explicit hold that it is a part of; nil: none
  struct held_part *of_hold;            // an explicit hold's parts, the newest
  size_t of_hold_count;
};
// customer nil: whosoever. 0, 1: no such call, or FAULT_DB. Everything lives in the arena.
int explain_call(struct db *db, struct arena *arena, const struct plugin_registry *plugins, struct uuid customer,
                 struct uuid call, struct explanation *ret);

struct explain_summary {
  struct uuid id, key;
  enum call_state state;
  unsigned flags;
  amount charge, cost;
  struct str usage, model, provider;
};
struct explain_filter {
  struct uuid customer, key; // key nil: any
  int64_t from, to;          // microseconds; 0: open
  int state;                 // enum call_state; 0: any
  struct uuid before;        // nil: from the newest
};
// A customer's calls, pending ones included, newest first.
int explain_list(struct db *db, struct arena *arena, const struct explain_filter *filter, size_t max,
                 struct explain_summary **ret, size_t *ret_count);
