// The meters that an event may name: the standard ones, those of the plugins, those that the operator has defined.
#pragma once
#include "base/buf.h"
#include "price/book.h"
#include "usage/event.h"

// The meter's own name and whether it has a price; NULL: there is none of that name.
const char *usage_meter_find(const struct usage_words *words, struct str name, enum book_aggregation *ret_aggregation);
// Why a name that looks like a meter is none, where it is a usual one that counts other meters' quantities again; else NULL.
const char *usage_meter_inclusive(struct str name);
// "input_tokens, output_tokens, …", each once.
void usage_meters_list(const struct usage_words *words, struct buf *out);
