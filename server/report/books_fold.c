// See books_fold.h. An account is a stack of spans of the row. What is left is taken at its low end and what was taken is
// given back at its high end, so that what comes back is what went last and stands where it stood.
#include "report/books_fold.h"
#include "base/log.h"

// Between two accounts: kinds that move one way and the other, and the flow that the difference counts in.
struct lane {
  enum books_account from, to;
  enum transfer_kind out[3], back[3]; // 0: none
  enum books_flow flow, back_flow;    // the same one: what comes back is taken off
};
static const struct lane lanes[] = {
    {BOOKS_OUT, BOOKS_LEFT, {TRANSFER_GRANT}, {0}, BOOKS_GRANTED, BOOKS_GRANTED},
    {BOOKS_LEFT, BOOKS_USED, {TRANSFER_CONSUME, TRANSFER_REPAY, TRANSFER_RENEW}, {TRANSFER_REVERSE, TRANSFER_RECALL}, BOOKS_CONSUMED, BOOKS_CONSUMED},
    {BOOKS_LEFT, BOOKS_GONE, {TRANSFER_EXPIRE}, {TRANSFER_UNEXPIRE}, BOOKS_EXPIRED, BOOKS_EXPIRED},
    {BOOKS_LEFT, BOOKS_BACK, {TRANSFER_REFUND}, {TRANSFER_RESTORE}, BOOKS_REFUNDED, BOOKS_REFUNDED},
    {BOOKS_LEFT, BOOKS_HELD, {TRANSFER_FREEZE}, {TRANSFER_THAW}, BOOKS_FROZEN, BOOKS_WON},
    {BOOKS_HELD, BOOKS_BACK, {TRANSFER_LOSE}, {TRANSFER_CONTEST}, BOOKS_LOST, BOOKS_LOST},
};
enum { LANE_BACK = 3, LANE_HELD = 4, LANE_LOST = 5, LANES = sizeof lanes / sizeof lanes[0] };

// ---- spans

// The price of the row up to x, rounded half up.
static int64_t price_to(const struct books_grant *g, amount x) {
  if (x == 0) return 0;
  return (int64_t)(((amount_wide)g->paid * x * 2 + g->granted) / ((amount_wide)g->granted * 2));
}

static int64_t price(const struct books_grant *g, struct books_span s) {
  return price_to(g, s.to) - price_to(g, s.from);
}

static bool takes_low(enum books_account a) {
  return a == BOOKS_OUT || a == BOOKS_LEFT;
}

static void push(struct books_grant *g, enum books_account a, struct books_span s) {
  struct books_span *top = g->accounts[a].count ? &g->accounts[a].at[g->accounts[a].count - 1] : NULL;
  if (top && top->to == s.from && !takes_low(a))
    top->to = s.to;
  else if (top && s.to == top->from && takes_low(a))
    top->from = s.from;
  else
    *vec_add(&g->accounts[a]) = s;
}

// Up to `most` off the top, which is not empty.
static struct books_span pop(struct books_grant *g, enum books_account a, amount most) {
  struct books_span *top = &g->accounts[a].at[g->accounts[a].count - 1], s = *top;
  if (s.to - s.from > most) {
    if (takes_low(a))
      top->from = s.to = s.from + most;
    else
      top->to = s.from = s.to - most;
  } else {
    g->accounts[a].count--;
  }
  return s;
}

// Moves a that are there; returns their money.
static int64_t move(struct books_grant *g, enum books_account from, enum books_account to, amount a) {
  int64_t money = 0;
  while (a > 0) {
    struct books_span s = pop(g, from, a);
    a -= s.to - s.from;
    money += price(g, s);
    push(g, to, s);
  }
  return money;
}

amount books_grant_credits(const struct books_grant *g, enum books_account a) {
  amount sum = 0;
  for (size_t i = 0; i < g->accounts[a].count; i++) sum += g->accounts[a].at[i].to - g->accounts[a].at[i].from;
  return sum;
}

int64_t books_grant_money(const struct books_grant *g, enum books_account a) {
  int64_t sum = 0;
  for (size_t i = 0; i < g->accounts[a].count; i++) sum += price(g, g->accounts[a].at[i]);
  return sum;
}

void books_grant_begin(struct books_grant *g, amount granted, int64_t paid) {
  ASSERT(granted > 0 && paid >= 0);
  for (int a = 0; a < BOOKS_ACCOUNTS; a++) vec_clear(&g->accounts[a]);
  g->granted = granted;
  g->paid = paid;
  push(g, BOOKS_OUT, (struct books_span){0, granted});
}

void books_grant_finish(struct books_grant *g) {
  for (int a = 0; a < BOOKS_ACCOUNTS; a++) vec_finish(&g->accounts[a]);
}

// ---- a day

static amount sum_of(const amount moved[BOOKS_KINDS], const enum transfer_kind kinds[3]) {
  amount sum = 0;
  for (int i = 0; i < 3 && kinds[i]; i++) sum += moved[kinds[i]];
  return sum;
}

static void count(const struct lane *l, bool forward, amount a, int64_t money, struct books_delta *d) {
  bool same = l->flow == l->back_flow;
  enum books_flow flow = forward ? l->flow : l->back_flow;
  d->credits[flow] += forward || !same ? a : -a;
  d->money[flow] += forward || !same ? money : -money;
}

// As much of what is to move as is there to be moved. Returns whether anything did.
static bool lanes_move(struct books_grant *g, amount net[LANES], struct books_delta *d) {
  bool moved = false;
  for (size_t i = 0; i < LANES; i++) {
    bool forward = net[i] > 0;
    enum books_account from = forward ? lanes[i].from : lanes[i].to, to = forward ? lanes[i].to : lanes[i].from;
    amount there = books_grant_credits(g, from), wanted = forward ? net[i] : -net[i], a = wanted < there ? wanted : there;
    if (a == 0) continue;
    count(&lanes[i], forward, a, move(g, from, to, a), d);
    net[i] -= forward ? a : -a;
    moved = true;
  }
  return moved;
}

// What went once around (left, held, given back, left) moved nothing in the end; it counts all the same.
static bool ring_drop(amount net[LANES], struct books_delta *d) {
  static const int ring[] = {LANE_HELD, LANE_LOST, LANE_BACK};
  amount sign = net[LANE_HELD] > 0 ? 1 : -1, a = sign * net[LANE_HELD];
  amount lost = sign * net[LANE_LOST], back = -sign * net[LANE_BACK];
  if (lost < a) a = lost;
  if (back < a) a = back;
  if (a <= 0) return false;
  for (size_t i = 0; i < 3; i++) {
    bool forward = net[ring[i]] > 0;
    count(&lanes[ring[i]], forward, a, 0, d);
    net[ring[i]] -= forward ? a : -a;
  }
  return true;
}

// What was held back and let go on the same day counts both ways, at the value of what it was done to.
static void held_count(struct books_grant *g, amount both, struct books_delta *d) {
  enum books_account in = books_grant_credits(g, BOOKS_HELD) >= both ? BOOKS_HELD : BOOKS_LEFT;
  enum books_account other = in == BOOKS_HELD ? BOOKS_LEFT : BOOKS_HELD;
  bool there = books_grant_credits(g, in) >= both;
  int64_t money = there ? move(g, in, other, both) : 0;
  if (there) (void)move(g, other, in, both);
  count(&lanes[LANE_HELD], true, both, money, d);
  count(&lanes[LANE_HELD], false, both, money, d);
}

int books_grant_day(struct books_grant *g, const amount moved[BOOKS_KINDS], struct books_delta *ret) {
  amount net[LANES];
  *ret = (struct books_delta){{0}, {0}};
  if (moved[0] > 0) {
    ret->credits[BOOKS_RETURNED] = moved[0];
    ret->money[BOOKS_RETURNED] = move(g, BOOKS_OUT, BOOKS_LEFT, moved[0]);
  }
  for (size_t i = 0; i < LANES; i++) net[i] = sum_of(moved, lanes[i].out) - sum_of(moved, lanes[i].back);
  while (lanes_move(g, net, ret) || ring_drop(net, ret)) {}
  for (size_t i = 0; i < LANES; i++)
    if (net[i] != 0) return 1;
  amount both = moved[TRANSFER_FREEZE] < moved[TRANSFER_THAW] ? moved[TRANSFER_FREEZE] : moved[TRANSFER_THAW];
  if (both > 0) held_count(g, both, ret);
  return 0;
}
