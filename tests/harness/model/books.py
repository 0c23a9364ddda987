"""A customer's books, by the rules as they are documented: balances, grants and who pays, debt, calls and holds, what ends by time.
Whole nanocredits and microseconds; no database, no caches, no batches."""
from .clock import HOUR

GRACE = 7 * 24 * HOUR


class Grant:
    def __init__(self, order, amount, source="adjustment", priority=100, expires=None, id=None):
        self.order, self.amount, self.source, self.priority, self.expires, self.id = order, amount, source, priority, expires, id
        self.left, self.consumed, self.expired = amount, 0, 0

    @property
    def burns(self):
        """The lowest priority first, then the earliest expiry, then the oldest."""
        return self.priority, self.expires is None, self.expires or 0, self.order

    def is_over(self, now):
        return self.expires is not None and self.expires <= now


class Call:
    def __init__(self, id, at, state, key=None, model=None, usage=None, version=None):
        self.id, self.at, self.state, self.key, self.model, self.usage, self.version = id, at, state, key, model, usage or {}, version
        self.paid = []  # [grant or None for debt, amount], in the order in which they paid
        self.flags = set()
        self.hold = None
        self.drawn = None  # of a hold's end: (where its hold had drawn when it was extended, what was charged there)
        self.is_given_away = False  # it waited for a price and was voided

    @property
    def charge(self):
        return sum(amount for _, amount in self.paid)


class Hold:
    """An explicit one. Its call is how it ends; parts are calls of their own."""

    def __init__(self, call, amount, expires, metadata=None):
        self.call, self.amount, self.expires, self.metadata = call, amount, expires, metadata or {}
        self.model, self.version = call.model, call.version  # whose price is pinned
        self.parts = []
        self.settled = None  # what was sent to settle it
        self.drawn = None  # once it has been extended: {limit: the window in which it draws}
        call.hold = self

    @property
    def is_open(self):
        return self.call.state == "pending"

    @property
    def charged(self):
        return self.call.charge + sum(part.charge for part in self.parts)


class Customer:
    def __init__(self, id, zone="UTC", credit_limit=0, event_policy="accept", short_policy="refuse", short_debt=0):
        self.id, self.zone, self.credit_limit, self.event_policy = id, zone, credit_limit, event_policy
        self.short_policy, self.short_debt = short_policy, short_debt
        self.suspended = False
        self.debt, self.made = 0, 0
        self.grants, self.calls, self.holds, self.limits, self.events = [], {}, {}, {}, {}

    # ---- sums

    @property
    def balance(self):
        return sum(g.left for g in self.grants) - self.debt

    @property
    def held(self):
        return sum(h.amount for h in self.holds.values() if h.is_open)

    @property
    def available(self):
        return max(0, self.balance - self.held + self.credit_limit)

    def covers(self, more, debt_allowed=0):
        """The floor."""
        return self.balance - self.held - more >= -(self.credit_limit + debt_allowed)

    @property
    def debt_allowed(self):
        return self.short_debt if self.short_policy == "allow_debt" else 0

    # ---- credits

    def give(self, amount, **more):
        self.made += 1
        grant = Grant(self.made, amount, **more)
        self.grants.append(grant)
        self._repay(grant)
        return grant

    def _repay(self, grant):
        """Debt is repaid before anything else."""
        paid = min(self.debt, grant.left)
        self.debt -= paid
        grant.left -= paid
        grant.consumed += paid

    def charge(self, call, amount):
        """In burn order; what grants do not cover is debt."""
        for grant in sorted(self.grants, key=lambda g: g.burns):
            part = min(grant.left, amount)
            if part:
                grant.left -= part
                grant.consumed += part
                amount -= part
                self._pay(call, grant, part)
        if amount:
            self.debt += amount
            self._pay(call, None, amount)
        self.calls[call.id] = call

    @staticmethod
    def _pay(call, grant, amount):
        if call.paid and call.paid[-1][0] is grant:
            call.paid[-1][1] += amount
        else:
            call.paid.append([grant, amount])

    def give_back(self, call, amount, now):
        """To those that paid, the last one first."""
        while amount:
            grant, paid = call.paid[-1]
            part = min(paid, amount)
            amount -= part
            call.paid[-1][1] -= part
            if not call.paid[-1][1]:
                call.paid.pop()
            self._return(grant, part, now)

    def _return(self, grant, amount, now):
        if grant is None:  # it made debt; where that was repaid since, it comes back as credits
            off = min(self.debt, amount)
            self.debt -= off
            if amount > off:
                self._renew(Grant(0, amount - off))
            return
        if grant.is_over(now):  # comes back as a new one of its kind, for a while
            self._renew(Grant(0, amount, grant.source, grant.priority, now + GRACE))
            return
        grant.consumed -= amount
        grant.left += amount
        self._repay(grant)

    def _renew(self, grant):
        self.made += 1
        grant.order = (1 << 130) + self.made  # the newest, until its id is known
        self.grants.append(grant)
        self._repay(grant)

    # ---- what ends by time

    def due(self, now):
        """Whether time has brought something that the service has to do still."""
        return any(h.is_open and h.expires <= now for h in self.holds.values()) or (
            self.balance > self.held and any(g.left and g.is_over(now) for g in self.grants))

    def pass_time(self, now):
        for hold in self.holds.values():
            if hold.is_open and hold.expires <= now:
                hold.call.state, hold.amount = "expired", 0
        for grant in sorted(self.grants, key=lambda g: (g.expires or 0, g.order)):
            if grant.is_over(now):
                gone = min(grant.left, max(0, self.balance - self.held))  # what open holds need stays
                grant.left -= gone
                grant.expired += gone

    # ---- limits

    def binding(self, key, more, now, asked=None, answered=None):
        """(limits that refuse this, limits that may or may not). asked, answered: of what rates count too."""
        no, perhaps = [], []
        for limit in self.limits.values():
            if limit.key not in (None, key):
                continue
            if limit.measure == "spend":
                fits = limit.covers(self, more, now)
            elif asked is not None:
                fits = limit.verdict(asked, answered)
            else:
                continue
            if fits is False:
                no.append(limit)
            elif fits is None:
                perhaps.append(limit)
        return no, perhaps
