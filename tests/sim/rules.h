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

// ---- rules.c
void rule_seen(struct model_answer *a, struct uuid object, int result);
// A call's only row so far, and the row that brings it to another end.
struct model_call *rule_call_add(struct model_customer *c, struct model_call call);
void rule_correct(struct model_customer *c, struct model_call *call, struct model_call to, const struct model_moment *at, struct model_answer *a);
struct uuid rule_price(const struct ledger_op *op, struct uuid pinned); // what ends a hold says its price, says there is none, or nothing
bool rule_is_over(const struct model_hold *h, const struct model_moment *at); // an explicit one's time
void rule_found(struct model_answer *a, const struct model_hold *h, const struct model_moment *at);
extern uint64_t rule_batch;

// ---- once.c
bool once_is_new(const struct model_customer *c, const struct ledger_op *op, const struct model_moment *at, struct model_answer *a, int told);
bool once_is_kept(const struct model_customer *c, struct str key);
void once_keep_own(struct model_customer *c, const struct ledger_op *op, const struct model_moment *at);
void once_keep_lost(struct model_customer *c, struct uuid call, struct str key, const struct model_moment *at);
void once_give_up(struct model_customer *c, const struct model_hold *h);

// ---- limits.c
void limits_roll(struct model_customer *c, struct model_limit *l, int64_t begun_at);
bool limits_cover(const struct model_customer *c, struct model_limit *l, wide spend, const struct model_moment *at, struct model_answer *a);
void limits_draw(struct model_limit *l, wide spend, int64_t now, struct model_hold *h);
bool limits_extend(struct model_customer *c, const struct model_hold *h, wide all, const struct model_moment *at, struct model_answer *a);
void limits_redraw(struct model_customer *c, struct model_hold *h, wide all);
void limits_return(struct model_customer *c, const struct model_hold *h, wide used);
// A call without a hold: whether this budget has a say in it, and what all of them make of it.
bool limits_bind(const struct model_limit *l, struct uuid key, struct uuid call);
void limits_correct(struct model_customer *c, const struct model_call *call, wide difference);
void limits_part(struct model_customer *c, struct model_hold *h, const struct model_call *part, const struct model_moment *at);

// ---- usage.c
void usage_record(struct model_customer *c, const struct ledger_op *op, const struct model_moment *at, struct model_answer *a);
void usage_part(struct model_customer *c, const struct ledger_op *op, const struct model_moment *at, struct model_answer *a, int told);
void usage_rerate(struct model_customer *c, const struct ledger_op *op, const struct model_moment *at, struct model_answer *a, int told);

// ---- credits.c
bool credits_reach(const struct model_customer *c, wide more, wide debt_allowed);
bool credits_fit(const struct model_customer *c, wide charge); // whether amounts can count what is left after it
void credits_burn(struct model_customer *c, struct model_call *call, wide charge);
void credits_give_back(struct model_customer *c, struct model_call *call, wide back, int64_t now);
struct model_grant *credits_bought(struct model_customer *c, struct str origin); // NULL: none was given for that
void credits_grant(struct model_customer *c, const struct ledger_op *op);
void credits_expire(struct model_customer *c, struct model_grant *g, wide gone);
void credits_reverse(struct model_customer *c, const struct ledger_op *op, int64_t now, struct model_answer *a, int told);
