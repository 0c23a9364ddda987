// What the files of `tollgate dev` share: the folder, the programs it started, and who was made in the service.
#pragma once
#include "app/api.h"
#include "app/cluster.h"
#include "app/config.h"
#include "customer/key.h"
#include <stdio.h>

#define DEV_PATH 512
#define DEV_DEMO_CREDITS "10"
struct dev {
  const struct config *config;
  FILE *say; // what people read: stdout, or stderr where stdout is for JSON
  char program[DEV_PATH]; // of this process
  char folder[DEV_PATH]; // absolute
  int lock_fd;
  char master[65];
  struct cluster cluster;
  struct child stand_in, server;
  char url[128], stand_in_url[64]; // stand_in_url: "" where OpenAI itself is the provider
  struct api *api;
  char admin_key[KEY_TEXT_LEN + 1], customer_key[KEY_TEXT_LEN + 1], customer_id[64];
  bool fresh; // the data folder was made by this start
};

// seed.c: the database's shape and the provider before the service starts; then an operator key, prices, a customer with
// credits and a key. What is there already stays. False with the reason on stderr.
bool seed_prepare(struct dev *d);
bool seed_run(struct dev *d);
extern const char *const seed_models; // "gpt-4o-mini, …"
// demo.c: two calls with the customer's key and what they cost; and what else to try.
void demo_run(struct dev *d);
void demo_hints(const struct dev *d);
