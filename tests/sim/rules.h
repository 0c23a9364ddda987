// What the reference's own files share.
#pragma once
#include "model.h"
#include <stdlib.h>
#include <string.h>

#define MOST ((wide)INT64_MAX)

static inline bool same(struct uuid a, struct uuid b) {
  return memcmp(a.b, b.b, 16) == 0;
}

static inline bool is_nil(struct uuid id) {
  return same(id, (struct uuid){{0}});
}

static inline bool same_text(struct str a, struct str b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline wide least(wide a, wide b) {
  return a < b ? a : b;
}

static inline wide unless_negative(wide a) {
  return a > 0 ? a : 0;
}

static inline void tell(struct model_customer *c, const char *type, struct uuid of, wide a, wide b) {
  *MODEL_ADD(c->told, c->told_count) = (struct model_told){type, of, a, b};
}

// ---- credits.c
bool credits_cover(const struct model_customer *c, wide more, wide debt_allowed);
bool credits_fit(const struct model_customer *c, wide charge); // whether amounts can count what is left after it
void credits_burn(struct model_customer *c, struct model_call *call, wide charge);
void credits_give_back(struct model_customer *c, struct model_call *call, wide back, int64_t now);
struct model_grant *credits_bought(struct model_customer *c, struct str origin); // NULL: none was given for that
void credits_grant(struct model_customer *c, const struct ledger_op *op);
void credits_expire(struct model_customer *c, struct model_grant *g, wide gone);
void credits_reverse(struct model_customer *c, const struct ledger_op *op, int64_t now, struct model_answer *a, int told);
