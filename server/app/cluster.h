// A private PostgreSQL cluster: made, started and stopped here, reached over a Unix socket only, never the system's. As
// root it runs under an unprivileged user.
#pragma once
#include "app/child.h"
#include "base/buf.h"

#define CLUSTER_PATH 512
struct cluster {
  char bin[CLUSTER_PATH];     // the folder of initdb and postgres
  char data[CLUSTER_PATH];    // PostgreSQL's own folder
  char reached[CLUSTER_PATH]; // how PostgreSQL itself names it
  char socket[CLUSTER_PATH];  // the folder of its socket
  char log[CLUSTER_PATH];
  char url[2 * CLUSTER_PATH];
  uid_t uid;
  gid_t gid;
  int data_fd; // -1: not needed
  struct child postgres;
};

// Makes folder/cluster where it is not there yet (*ret_new tells), starts it and waits until it answers. False with a
// sentence in ret_error; cluster_stop either way.
bool cluster_start(struct cluster *c, const char *folder, bool *ret_new, struct buf *ret_error);
// In good order, or at once: PostgreSQL then recovers at the next start.
void cluster_stop(struct cluster *c, bool at_once);
