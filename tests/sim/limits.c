// The reference's rules of limits: rates, and budgets in their windows.
#include "rules.h"

#define DAY_US INT64_C(86400000000)
#define REQUEST ((wide)60000000) // units in a rate's bucket

static int64_t floor_day(int64_t us) {
  int64_t day = us / DAY_US;
  return day * DAY_US > us ? day - 1 : day;
}

// The month by stepping from 2023-11-01 (day 19662), where the worlds begin; they last for less than that many years.
static void month(int64_t day, int64_t *first, int64_t *next) {
  static const int lengths[] = {30, 31, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31};
  *first = 19662;
  for (int i = 0;; i++) {
    *next = *first + lengths[i % 24];
    if (day < *next) return;
    *first = *next;
  }
}

// Windows move on with the time at which the transaction began, and never back.
void limits_roll(struct model_customer *c, struct model_limit *l, int64_t begun_at) {
  if ((l->period != 2 && l->period != 3) || l->window_end > begun_at) return;
  int64_t first = floor_day(begun_at + c->zone_offset), next = first + 1;
  if (l->period == 3) month(first, &first, &next);
  int64_t start = first * DAY_US - c->zone_offset;
  if (start <= l->window_start) return;
  l->window_start = start;
  l->window_end = next * DAY_US - c->zone_offset;
  l->used = l->used_before = 0;
}

static wide rate_now(const struct model_limit *l, int64_t now) {
  wide full = l->amount * REQUEST, level = l->level;
  if (l->drawn_at == 0 || now - l->drawn_at >= 60000000) level = full;
  else if (now > l->drawn_at) level += (wide)(now - l->drawn_at) * l->amount;
  return least(level, full);
}

static bool refuse(struct model_answer *a, const struct model_limit *l, wide left, int64_t refills_at) {
  a->result = LEDGER_LIMITED;
  a->limit = l->id;
  a->left = left;
  a->refills_at = refills_at;
  return false;
}

bool limits_cover(const struct model_customer *c, struct model_limit *l, wide spend, const struct model_moment *at, struct model_answer *a) {
  if (l->period == 1) {
    wide level = rate_now(l, at->now);
    if (level >= REQUEST) return true;
    wide missing = REQUEST - level;
    int64_t wait = l->amount ? (int64_t)(missing / l->amount + (missing % l->amount != 0)) : 0;
    return refuse(a, l, level / REQUEST, l->amount ? at->now + wait : 0);
  }
  wide taken = l->used + model_bucket_held(c, l);
  if (taken + spend <= l->amount) return true;
  return refuse(a, l, unless_negative(l->amount - taken), l->period == 4 ? 0 : l->window_end);
}

void limits_draw(struct model_limit *l, wide spend, int64_t now, struct model_hold *h) {
  if (l->period == 1) {
    l->level = rate_now(l, now) - REQUEST;
    if (now > l->drawn_at) l->drawn_at = now;
  } else h->draws[h->draw_count++] = (struct model_draw){l->id, l->window_start, spend};
}

// ---- a hold grows

static bool binds_hold(const struct model_limit *l, const struct model_hold *h) {
  return l->measure == 2 && (is_nil(l->key) || same(l->key, h->key));
}

static const struct model_draw *drawn(const struct model_hold *h, const struct model_limit *l) {
  for (int i = 0; i < h->draw_count; i++)
    if (same(h->draws[i].limit, l->id) && h->draws[i].window == l->window_start) return &h->draws[i];
  return NULL;
}

// A call asks what it has drawn from, while the window stands. An explicit hold asks all that binds it now: for what it grows by where
// it has drawn in this window, for the whole where it has not.
bool limits_extend(struct model_customer *c, const struct model_hold *h, wide all, const struct model_moment *at, struct model_answer *a) {
  struct model_limit *first = NULL;
  wide asked = 0;
  for (int i = 0; i < c->limit_count; i++) {
    struct model_limit *l = &c->limits[i];
    struct model_answer its = {0};
    if (!binds_hold(l, h)) continue;
    limits_roll(c, l, at->begun_at);
    if (h->expires_at == 0 && !drawn(h, l)) continue;
    wide more = drawn(h, l) ? all - h->amount : all;
    if (limits_cover(c, l, more, at, &its) || (first && memcmp(first->id.b, l->id.b, 16) < 0)) continue;
    first = l;
    asked = more;
  }
  return !first || limits_cover(c, first, asked, at, a);
}

static int by_limit(const void *a, const void *b) {
  return memcmp(((const struct model_draw *)a)->limit.b, ((const struct model_draw *)b)->limit.b, 16);
}

void limits_redraw(struct model_customer *c, struct model_hold *h, wide all) {
  struct model_hold before = *h;
  h->draw_count = 0;
  for (int i = 0; i < c->limit_count; i++) {
    const struct model_limit *l = &c->limits[i];
    const struct model_draw *d = drawn(&before, l);
    if (binds_hold(l, h) && (d || h->expires_at != 0))
      h->draws[h->draw_count++] = (struct model_draw){l->id, l->window_start, d ? d->amount + all - before.amount : all};
  }
  qsort(h->draws, (size_t)h->draw_count, sizeof *h->draws, by_limit);
}

// A hold is over: of what the budgets held for it, so much was used.
void limits_return(struct model_customer *c, const struct model_hold *h, wide used) {
  for (int i = 0; i < h->draw_count; i++) {
    struct model_limit *l = model_limit(c, h->draws[i].limit);
    if (l && l->window_start == h->draws[i].window) l->used = least(l->used + used, MOST);
  }
}

// ---- a call without a hold counts at the time in its id

bool limits_bind(const struct model_limit *l, struct uuid key, struct uuid call) {
  int64_t at = model_id_time(call);
  bool bound = (is_nil(l->key) || same(l->key, key)) && model_id_time(l->id) <= at;
  bool stands = at >= l->window_start && (l->period == 4 || at < l->window_end);
  return l->measure == 2 && bound && stands;
}

// The budgets that bound the call when it was made, where their window still stands.
void limits_correct(struct model_customer *c, const struct model_call *call, wide difference) {
  for (int i = 0; i < c->limit_count; i++)
    if (limits_bind(&c->limits[i], call->key, call->id)) c->limits[i].used = unless_negative(least(c->limits[i].used + difference, MOST));
}

// A part gives back what its hold has drawn for it, and counts as any call at its own time.
void limits_part(struct model_customer *c, struct model_hold *h, const struct model_call *part, const struct model_moment *at) {
  for (int i = 0; i < c->limit_count; i++)
    if (c->limits[i].measure == 2) limits_roll(c, &c->limits[i], at->begun_at);
  for (int i = 0; h && i < h->draw_count; i++)
    if (model_limit(c, h->draws[i].limit)) h->draws[i].amount -= least(h->draws[i].amount, part->charge);
  limits_correct(c, part, part->charge);
}
