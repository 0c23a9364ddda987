"""A sequence while it runs: its customers here and there, the steps that it knows, and the comparison after each."""
import itertools
import os
import random
import time

from ..process import wait_for
from ..typeid import parse_id
from .amounts import nano, told
from .books import Customer
from .clock import HOUR, SECOND, moment, text
from .prices import Book, Version
from .real import Line

PEOPLE = [{}, {"event_policy": "refuse"}, {"credit_limit": 3 * 10 ** 9, "zone": "America/New_York"},
          {"event_policy": "refuse", "credit_limit": 10 ** 9 // 2, "zone": "Asia/Tokyo"}, {"short_policy": "allow_debt", "short_debt": 2 * 10 ** 9}]
MODELS = {"mix": [("input_tokens", 10 ** 6, "150.25"), ("cached_input_tokens", 10 ** 6, "75.1"), ("output_tokens", 10 ** 6, "600.7")],
          "img": [("images", 1, "0.7")], "odd": [("gpu_ms", 1000, "0.100000333")]}
WAITING = 4  # models whose price comes later, or never
KINDS = {}  # name: (weight, function)
numbers = itertools.count(int(time.time() * 1000))


def kind(weight):
    def add(function):
        KINDS[function.__name__] = (weight, function)
        return function
    return add


class Disagreement(Exception):
    def __init__(self, at, kind, words):
        super().__init__(f"step {at}: {words}")
        self.at, self.kind = at, kind


class Sequence:
    def __init__(self, real, seed, trace=None):
        self.real, self.clock, self.seed, self.trace = real, real.clock, seed, trace
        self.name = f"{next(numbers)}-{os.getpid()}"  # of this run: what it makes is nobody else's
        self.at, self.step = -1, "the beginning"
        self.chance = random.Random(seed)
        self.book, self.customers, self.keys = Book(), [], {}
        self.repeatable, self.repeatable_holds, self.repeatable_ends = [], [], []
        self.serial = itertools.count()

    # ---- the whole

    def go(self, steps):
        try:
            self.begin()
            for at, name, number in steps:
                self.at, self.step, self.chance = at, name, random.Random(number)
                KINDS[name][1](self)
            self.end()
        finally:
            for customer in self.customers:
                self.keys[customer.id].close()

    def begin(self):
        self.real.step_clock(self.clock.first_of(1 + self.seed % 12))
        self.start = self.clock.now()
        made = self.admin("POST", "/api/v1/providers", {"name": f"p{self.name}", "plugin": "none"})
        self.agree("a provider", 201, made.status)
        for model in MODELS:
            self.add_price(model, MODELS[model], self.start - 40 * 24 * HOUR)
        for person in PEOPLE:
            self.add_customer(**person)
        self.known("odd")

    def end(self):
        for customer in self.customers:
            self.compare(customer)
            self.compare_told(customer)
            self.compare_calls(customer)

    # ---- what it is about

    def add_customer(self, zone="UTC", **more):
        body = {k: told(v) if k in ("credit_limit", "short_debt") else v for k, v in more.items()}
        made = self.admin("POST", "/api/v1/customers", {"time_zone": zone, **body})
        self.agree("a customer", 201, made.status)
        customer = Customer(made.json["id"], zone, **more)
        key = self.admin("POST", "/api/v1/keys", {"customer": customer.id})
        self.agree("a key", 201, key.status)
        customer.key = key.json["id"]
        self.keys[customer.id] = Line(self.real.operators[0].port, key.json["secret"])
        self.customers.append(customer)

    def model(self, short):
        return f"{short}-{self.name}"

    def add_price(self, short, rates, begins=None):
        body = {"provider": f"p{self.name}", "model": self.model(short), "rates": [{"meter": m, "per": per, "charge": charge} for m, per, charge in rates]}
        made = self.admin("POST", "/api/v1/prices", {**body, **({"valid_from": text(begins)} if begins else {})})
        self.agree("a price", 201, made.status)
        self.book.add(short, Version(made.json["id"], rates, moment(made.json["valid_from"])))

    def known(self, short):
        """Waits until every instance has a model's price, and so all of the book that was there before it."""
        body = {"customer": self.real.scrap, "model": self.model(short), "usage": {MODELS.get(short, MODELS["img"])[0][0]: 1}}
        for line in self.real.operators:
            wait_for(lambda at=line: at.post("/api/v1/check", body).status == 200, 20, "the price being known")

    # ---- asking

    def admin(self, method, path, body=None, key=None):
        """As an operator, of one instance or another."""
        line = self.chance.choice(self.real.operators)
        answer = line.request(method, path, body, {"Idempotency-Key": key} if key else None)
        self.note(method, path, body, answer)
        return answer

    def own(self, customer, method, path, body=None, key=None):
        """With the customer's key."""
        answer = self.keys[customer.id].request(method, path, body, {"Idempotency-Key": key} if key else None)
        self.note(method, path, body, answer)
        return answer

    def note(self, method, path, body, answer):
        if self.trace and self.at >= 0:
            self.trace(f"{self.at:5} {self.step:12} {method} {path} {body or ''} -> {answer.status} {answer.body.decode(errors='replace')[:300]}")

    def now(self):
        return self.clock.now()

    # ---- choosing

    def pick(self):
        """A customer, with all done that time has brought it."""
        customer = self.chance.choice(self.customers)
        self.ended(customer)
        return customer

    def some(self, things):
        things = list(things)
        return self.chance.choice(things) if things else None

    def amount(self, most=8):
        """Nanocredits; often whole tenths, so that sums meet."""
        if self.chance.random() < 0.5:
            return self.chance.randint(1, most * 10) * 10 ** 8
        return self.chance.randint(1, most * 10 ** 9)

    # ---- comparing

    def agree(self, what, wanted, told):
        if wanted != told:
            if isinstance(wanted, dict) and isinstance(told, dict):  # no more than what differs
                differ = [k for k in {**wanted, **told} if wanted.get(k) != told.get(k)]
                wanted, told = ({k: side.get(k) for k in differ} for side in (wanted, told))
            raise Disagreement(self.at, (self.step, what), f"{self.step}: {what}: the model says {wanted!r}, Tollgate {told!r}")

    def near(self, what, wanted, told):
        """Instants that were taken a moment apart."""
        if abs(wanted - told) > 5 * SECOND:
            self.agree(what, wanted, told)

    def refused(self, answer, status, *codes):
        self.agree("the refusal", (status, True), (answer.status, answer.status == status and answer.code in codes))

    def ended(self, customer):
        """After this nothing is left to be done of what time has brought."""
        if customer.due(self.now()):
            self.real.done(customer.id)
            customer.pass_time(self.now())

    def compare(self, customer):
        self.ended(customer)
        balance, held, debt, grants, holds = self.real.books(customer.id)
        self.recognise(customer, grants)
        self.agree("grants", {g.id: (g.source, g.priority, g.expires, g.amount, g.left, g.consumed, g.expired) for g in customer.grants}, grants)
        self.agree("balance, held, debt", (customer.balance, customer.held, customer.debt), (balance, held, debt))
        self.agree("open holds", {h.call.id: (h.amount, h.expires) for h in customer.holds.values() if h.is_open}, holds)

    def recognise(self, customer, grants):
        """Grants that came of a return have no name in the model yet."""
        known = {g.id for g in customer.grants}
        for id in sorted(grants, key=lambda one: parse_id(one).bytes):
            source, priority, expires, amount = grants[id][:4]
            for g in customer.grants if id not in known else []:
                if g.id is None and (g.source, g.priority, g.amount) == (source, priority, amount) and (g.expires is None) == (expires is None):
                    self.near("expiry of what was given back", g.expires or 0, expires or 0)
                    g.id, g.expires, g.order = id, expires, parse_id(id).int
                    break

    def compare_told(self, customer):
        """What the API shows of it."""
        shown = self.admin("GET", f"/api/v1/balance?customer={customer.id}").json
        wanted = {"balance": customer.balance, "held": customer.held, "available": customer.available, "debt": customer.debt, "credit_limit": customer.credit_limit}
        self.agree("the balance that is shown", {k: told(v) for k, v in wanted.items()}, {k: shown[k] for k in wanted})
        page = {g["id"]: g for g in self.own(customer, "GET", f"/api/v1/grants?customer={customer.id}&limit=100").json["data"]}
        for g in customer.grants[-30:]:
            one = page.get(g.id) if len(customer.grants) > 100 else page[g.id]
            if one:
                self.agree("a grant that is shown", tuple(map(told, (g.amount, g.left, g.consumed, g.expired))), tuple(one[k] for k in ("amount", "left", "consumed", "expired")))
        for limit in self.admin("GET", f"/api/v1/limits?customer={customer.id}").json["data"]:
            self.compare_limit(customer, limit)

    def compare_limit(self, customer, shown):
        limit, now = customer.limits[shown["id"]], self.now()
        if limit.measure == "spend":
            wanted = (limit.amount, limit.used(customer, now), limit.held(customer, now), limit.left(customer, now))
            self.agree(f"used of a budget ({limit.period})", tuple(map(told, wanted)), tuple(shown[k] for k in ("amount", "used", "held", "left")))

    def compare_call(self, customer, call):
        shown = self.admin("GET", f"/api/v1/calls/{call.id}").json
        self.agree("a call's state and charge", (call.state, told(call.charge)), (shown["state"], shown["charge"]))
        paid = {}
        for grant, amount in call.paid:
            paid[grant and grant.id] = paid.get(grant and grant.id, 0) + amount
        grants = {}
        for one in shown["grants"]:
            grants[one["grant"]] = grants.get(one["grant"], 0) + nano(one["amount"])
        self.agree("who paid", paid, grants)
        self.agree("adds_up", True, shown["adds_up"])

    def compare_calls(self, customer):
        """All that have ended, as they are listed."""
        found, cursor = {}, ""
        while True:
            page = self.admin("GET", f"/api/v1/calls?customer={customer.id}&limit=100{cursor}").json
            found |= {c["id"]: (c["state"], c["charge"]) for c in page["data"]}
            if not page["has_more"]:
                break
            cursor = "&cursor=" + page["next_cursor"]
        wanted = {c.id: (c.state, told(c.charge)) for c in customer.calls.values() if c.state != "pending"}
        self.agree("calls", wanted, {id: one for id, one in found.items() if one[0] != "pending"})
