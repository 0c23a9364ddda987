// Plain readings that more than one target holds the real code against.
#pragma once
#include "http/target.h"

#define PLAIN_TARGET_MAX (16 * 1024)

// Percent-decodes one piece of a target; out has room for all of s. False: it has two readings, or none.
bool plain_decode(struct str s, bool query, char *out, size_t *ret_len);
// Goes through the parameters of a raw query in order and holds each against t's. False: the query is to be refused. t
// NULL: only that is asked.
bool plain_params(struct str query, const struct target *t);
// A request target in origin form, of at most PLAIN_TARGET_MAX bytes: its decoded path and its raw query. False:
// refused.
bool plain_target(struct str raw, char *path, size_t *path_len, struct str *query);
