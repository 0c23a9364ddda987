// The service, wired: everything that a running instance consists of, made in the order of what needs what, and ended in
// the opposite one. Knows no signals.
#pragma once
#include "app/config.h"

struct service;
// NULL with a sentence in ret_error. The config is lent for the service's life.
struct service *service_create(const struct config *config, struct buf *ret_error);
uint16_t service_port(const struct service *s);
// Takes no new work and lets what runs finish, at most TOLLGATE_DRAIN_MS; what is still running then is charged for what it
// had used. Returns how many calls are left whose settlement the database could not take; their leases run out and the
// sweeper of another instance, or of the next start, ends them.
int service_drain(struct service *s);
void service_destroy(struct service *s); // after service_drain returned 0
