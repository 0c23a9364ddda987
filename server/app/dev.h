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
  struct child stand_in, stripe, server;
  char url[128], stand_in_url[64]; // stand_in_url: "" where OpenAI itself is the provider
  char stripe_url[128], stripe_key[128], stripe_hook[64]; // "": no payments
  struct api *api;
  char admin_key[KEY_TEXT_LEN + 1], customer_key[KEY_TEXT_LEN + 1], customer_id[64];
  bool fresh; // the data folder was made by this start
};

// seed.c: the database's shape and the provider before the service starts; then an operator key, prices, a customer with
// credits and a key. What is there already stays. False with the reason on stderr.
bool seed_prepare(struct dev *d);
bool seed_run(struct dev *d);
extern const char *const seed_models; // "gpt-4o-mini, …"
// dev_stripe.c: a stand-in for Stripe that tells its events to the service at `port`, and a page on which the demo customer buys
// credits. False with the reason on stderr.
bool stripe_start(struct dev *d, const char *program, int64_t port);
void stripe_page_tell(struct dev *d);
// dev.c: starts a program and waits until it has written the file that says where it answers.
bool program_start(struct dev *d, struct child *c, const char *name, const char *const *argv, const char *const *environment, const char *ready,
                   struct buf *ret);
__attribute__((format(printf, 3, 4))) void step_tell(const struct dev *d, const char *what, const char *format, ...);
// seed.c: asks the service's API as the operator; NULL where it refused, which was said unless `quiet`.
struct json *seed_ask(struct dev *d, const char *method, const char *path, struct buf *body, bool quiet);
// demo.c: two calls with the customer's key and what they cost; and what else to try.
void demo_run(struct dev *d);
void demo_hints(const struct dev *d);
