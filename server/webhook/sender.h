// The sender: takes events from the outbox, hands them to the endpoints that listen, delivers them, and writes down what came
// of it. Any number of instances share the work. At least once: an event is out of the outbox only when it waits for each of
// its endpoints, and out of that queue only when its end is written; what an instance had in hand when it died is another's
// when its lease has run out.
#pragma once
#include "crypto/crypto.h"
#include "net/ranges.h"
#include "webhook/retry.h"

struct db;

struct webhook_config {
  const char *url; // of the database; lent for the sender's life, as is all that is pointed to
  const struct crypto_keys *keys;
  const struct net_ranges *open; // addresses that foreign URLs may name
  const struct retry_schedule *schedule;
  int timeout_ms;    // of a whole attempt
  int disable_hours; // of nothing but failures
  bool livemode;
};

struct webhook_sender;
struct webhook_sender *webhook_sender_create(const struct webhook_config *config); // starts its threads
// Any thread: something may have been told or changed just now. Without it that is found out a moment later. NULL is fine.
void webhook_sender_hint(struct webhook_sender *s);
// Begins nothing any more, gives back what it has not begun, and waits for what runs: bound_ms at most, then that is cut off
// and given back too. NULL is fine.
void webhook_sender_stop(struct webhook_sender *s, int bound_ms);
void webhook_sender_destroy(struct webhook_sender *s); // stops it where it was not; NULL is fine

// Housekeeping, on a job thread: a day's partitions are made ahead, and dropped keep_days after it; what waits for an endpoint
// that was deleted, or is older than that, is forgotten in pieces. How many, or FAULT_DB.
int webhook_partitions(struct db *db, int keep_days);
int webhook_forget(struct db *db, int keep_days);
