// What the endpoints of webhook endpoints and of their deliveries share.
#pragma once
#include "rest/request.h"
#include "webhook/delivery.h"
#include "webhook/endpoint.h"

// The endpoint that the path names. False: answered.
bool webhook_path(struct rest_request *r, struct db *db, struct webhook_endpoint *ret);
// As the API shows it; secret NULL: without.
void webhook_write(struct json_writer *w, const struct webhook_endpoint *e, const char *secret);
void webhook_delivery_answer(struct rest_request *r, struct db *db, int status, const struct webhook_endpoint *e, struct uuid event);
void webhook_hint(const struct rest_request *r); // after a commit that gave the sender something to do
