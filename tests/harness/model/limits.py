"""Limits: budgets over calendar windows in the customer's time zone, and rates. A budget is what its calls cost, each counted at the
time in its id, from the limit's making on: here it is added up anew each time it is asked for. A hold that was extended counts in the
windows that stood then, in every budget that bound it then, and so does its end; what corrects that later goes by the time in its id."""
import datetime
import zoneinfo

from .clock import MINUTE


def window(period, at, zone):
    """(begin, end) of the window that a time lies in."""
    if period == "total":
        return 0, None
    here = datetime.datetime.fromtimestamp(at / 10 ** 6, zoneinfo.ZoneInfo(zone))
    day = datetime.datetime(here.year, here.month, here.day if period == "day" else 1)
    after = day + datetime.timedelta(days=1) if period == "day" else (day + datetime.timedelta(days=32)).replace(day=1)
    return tuple(int(d.replace(tzinfo=zoneinfo.ZoneInfo(zone)).timestamp()) * 10 ** 6 for d in (day, after))


class Budget:
    measure = "spend"

    def __init__(self, id, made_at, period, amount, key=None, before=()):
        """before: ids of what was there already; two instances' clocks may differ by a little."""
        self.id, self.made_at, self.period, self.amount, self.key, self.before = id, made_at, period, amount, key, frozenset(before)

    def counts(self, customer, call, now):
        begin, end = window(self.period, now, customer.zone)
        return (self.key in (None, call.key) and call.id not in self.before and call.at >= self.made_at and call.at >= begin and (end is None or call.at < end))

    def begin(self, customer, now):
        return window(self.period, now, customer.zone)[0]

    def used(self, customer, now):
        return sum(self.used_by(customer, c, now) for c in customer.calls.values())

    def used_by(self, customer, call, now):
        windows, charged = call.drawn or ({}, 0)
        there = charged if windows.get(self.id) == self.begin(customer, now) else 0
        return there + (call.charge - charged if self.counts(customer, call, now) else 0)

    def holds(self, customer, hold, now):
        """Whether it has drawn from this in the window that stands."""
        if hold.drawn is None:
            return self.counts(customer, hold.call, now)
        return hold.drawn.get(self.id) == self.begin(customer, now)

    def held(self, customer, now):
        return sum(h.amount for h in customer.holds.values() if h.is_open and self.holds(customer, h, now))

    def left(self, customer, now):
        return max(0, self.amount - self.used(customer, now) - self.held(customer, now))

    def covers(self, customer, more, now):
        return self.used(customer, now) + self.held(customer, now) + more <= self.amount


class Rate:
    """So many requests a minute, in a bucket that refills evenly. How full it is at an instant that is not known exactly lies between
    two bounds."""
    measure, period = "requests", "minute"

    def __init__(self, id, made_at, amount, key=None):
        self.id, self.made_at, self.amount, self.key = id, made_at, amount, key
        self.least = self.most = float(amount)
        self.since = (made_at, made_at)

    def at(self, asked, answered):
        """(least, most) there can be for a request between these instants."""
        least = self.least + max(0, asked - self.since[1]) * self.amount / MINUTE
        most = self.most + (answered - self.since[0]) * self.amount / MINUTE
        return min(least, self.amount), min(most, self.amount)

    def verdict(self, asked, answered):
        """True: covered, False: not, None: either."""
        least, most = self.at(asked, answered)
        return True if least >= 1.001 else False if most < 0.999 else None

    def draw(self, asked, answered):
        least, most = self.at(asked, answered)
        self.least, self.most = max(0.0, least - 1), max(0.0, most - 1)
        self.since = (asked, answered)
