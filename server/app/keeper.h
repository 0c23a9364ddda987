// Housekeeping: a clock thread that hands each chore to a small pool of its own when it is due, never twice at once. So
// busy API jobs cannot delay what keeps caches fresh, and a slow chore delays no other.
#pragma once
#include "db/pool.h"
#include "gateway/gateway.h"
#include "ledger/ledger.h"
#include "stripe/meter_map.h"
#include "receipt/ring.h"

struct keeper;
struct keeper_config {
  const char *url;
  int lease_ms;
  struct ledger *ledger;
  struct journal *journal; // NULL: none
  struct principals *principals;
  struct book_holder *books;
  const struct plugin_registry *plugins;
  struct receipt_ring *receipts;
  struct gateway_context *gateway;
  struct stripe *stripe; // NULL: payments are off
  struct meter_map meters; // what is reported to Stripe
  int meters_ms, reconcile_ms;
  int webhook_keep_days;
  struct ledger_retention retention; // and what is remembered of it
};
struct keeper *keeper_create(const struct keeper_config *config);
void keeper_destroy(struct keeper *k); // waits for running chores; NULL is fine
