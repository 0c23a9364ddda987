"""Steps about usage events."""
from .amounts import told
from .books import Call
from .clock import MINUTE, text
from .do_credits import DAY, call_time
from .steps import WAITING, kind

METERS = {"mix": ("input_tokens", "cached_input_tokens", "output_tokens"), "img": ("images",), "odd": ("gpu_ms",)}
LEAST = {"input_tokens": 1, "cached_input_tokens": 1, "output_tokens": 1, "images": 1, "gpu_ms": 1}
MOST = {"input_tokens": 9000, "cached_input_tokens": 9000, "output_tokens": 3000, "images": 4, "gpu_ms": 9999}


def draw_usage(s):
    """(a model's short name, usage)"""
    short = s.chance.choice(("mix", "mix", "img", "odd", "waiting"))
    if short == "waiting":
        short += str(s.chance.randrange(WAITING))
    meters = METERS.get(short, ("images",))
    usage = {meter: s.chance.randint(LEAST[meter], MOST[meter]) for meter in meters if s.chance.random() < 0.7} or {meters[0]: 1}
    if s.chance.random() < 0.03:
        usage["audio_ms"] = 5  # no price has a rate for it
    elif s.chance.random() < 0.03:
        usage = {meters[0]: 0}
    return short, usage


def draw_time(s):
    """(microseconds or None, whether it is taken)"""
    roll = s.chance.random()
    if roll < 0.5:
        return None, True
    if roll < 0.75:
        return s.clock.half_past(-s.chance.randint(1, 48)), True
    if roll < 0.88:
        return s.clock.half_past(-s.chance.randint(48, 34 * 24)), True
    if roll < 0.94:
        return s.now() + 3 * MINUTE, True
    return s.now() + s.chance.choice((10 * MINUTE, -36 * DAY)), False


class Sent:
    """An event as it is sent."""

    def __init__(self, s, customer):
        self.customer = customer
        self.id, self.source = f"{s.name}-{next(s.serial)}", s.chance.choice(("/a", "/b"))
        self.short, self.usage = draw_usage(s)
        self.time, self.is_taken = draw_time(s)
        first = s.book.versions.get(self.short, [None])[0]
        if first and self.is_taken and self.time and self.time < first.begins:
            self.time = None  # it would be charged by the first price that came after, in a while

    def at(self, now):
        """When it counts: what is ahead of the clock has happened by now."""
        return min(self.time or now, now)

    def body(self, s):
        body = {"id": self.id, "source": self.source, "type": s.model(self.short), "subject": self.customer.id, "data": {"usage": self.usage}}
        return {**body, "time": text(self.time)} if self.time else body

    @property
    def content(self):
        """What must be the same where it comes again; nothing used is nothing said."""
        return self.short, {m: n for m, n in self.usage.items() if n}

    def again(self, s, known):
        self.id, self.source, self.short, self.usage = known.id, known.source, known.short, known.usage
        if s.chance.random() < 0.25:
            self.usage = {**self.usage, next(iter(self.usage)): self.usage[next(iter(self.usage))] + 1}


def draw(s, customer):
    sent = Sent(s, customer)
    known = s.some(sent for sent in customer.events.values() if sent.arrived > s.now() - 33 * DAY)
    if known and s.chance.random() < 0.2:
        sent.again(s, known)
    return sent


class Wanted:
    """What is to become of an event, by the rules: a status, or the codes of which one refuses it."""

    def __init__(self, s, sent, own=False):
        self.customer, self.known = sent.customer, sent.customer.events.get((sent.source, sent.id))
        self.version, self.cost = s.book.rate(sent.short, sent.usage, sent.at(s.now()))
        self.status, self.codes, self.limits = None, (), []
        if not sent.is_taken or (own and self.customer.suspended):  # which of the two is told is not said
            self.codes = ("invalid_request",) * (not sent.is_taken) + ("customer_suspended",) * (own and self.customer.suspended)
        elif self.known and self.known.content != sent.content:
            self.codes = ("event_conflict",)
        elif self.known:
            self.status = "duplicate"
        else:
            self._covered(s, sent, own)
            self.status = None if self.codes else "accepted"

    def _covered(self, s, sent, own):
        """By its customer's policy what is not covered is refused."""
        if self.customer.event_policy != "refuse":
            return
        call = Call("", sent.at(s.now()), "settled", self.customer.key if own else None)
        self.limits = [limit for limit in self.customer.limits.values() if limit.measure == "spend" and limit.counts(self.customer, call, s.now())
                       and not limit.covers(self.customer, self.cost or 0, s.now())]
        self.codes = ("quota_exceeded",) * bool(self.limits)
        if not self.customer.covers(self.cost or 0):
            self.codes += ("insufficient_credits",)


def record(s, sent, wanted, told_of, own):
    """Holds one event's answer against what was wanted, and does the same here."""
    s.agree("what became of an event", wanted.status, told_of["status"])
    customer = sent.customer
    if wanted.status == "duplicate":
        call = wanted.known.call
    else:
        state = "unrated" if wanted.cost is None else "settled"
        call = Call(told_of["call"], call_time(told_of["call"]), state, customer.key if own else None, sent.short, sent.usage, wanted.version)
        s.near("the time in its id", sent.at(s.now()), call.at)
        customer.charge(call, wanted.cost or 0)
        sent.call, sent.arrived = call, s.now()
        customer.events[sent.source, sent.id] = sent
    s.agree("the event's call", (call.id, call.state, told(call.charge), customer.id), tuple(told_of[k] for k in ("call", "state", "charge", "customer")))


def agree_refusal(s, sent, wanted, error):
    s.agree("the code of an event's refusal", True, error["code"] in wanted.codes or f"{error['code']} for {wanted.codes}")
    customer, details = sent.customer, error.get("details") or {}
    if error["code"] == "insufficient_credits":
        have = (customer.balance, customer.held, customer.available, wanted.cost or 0)
        s.agree("details", tuple(map(told, have)), tuple(details[k] for k in ("balance", "held", "available", "required")))
    elif error["code"] == "quota_exceeded":
        limit = next((one for one in wanted.limits if one.id == details["limit"]), None)
        s.agree("the limit that binds", True, limit is not None)
        s.agree("what is left of it", told(limit.left(customer, s.now())), details["left"])
    elif error["code"] == "event_conflict":
        s.agree("the first call", wanted.known.call.id, details["call"])


@kind(30)
def event(s):
    customer = s.pick()
    sent, own = draw(s, customer), s.chance.random() < 0.3
    wanted = Wanted(s, sent, own)
    if own and customer.suspended and wanted.known:
        return  # what a suspended customer is told of what is recorded already is not said
    answer = s.own(customer, "POST", "/api/v1/events", sent.body(s)) if own else s.admin("POST", "/api/v1/events", sent.body(s))
    if wanted.status:
        s.agree("status", 200, answer.status)
        record(s, sent, wanted, answer.json, own)
        s.agree("balance in the answer", told(customer.balance), answer.json["balance"])
    else:
        s.agree("an event's refusal", True, answer.status >= 400 or answer.json["status"])
        agree_refusal(s, sent, wanted, answer.json["error"])
    s.compare(customer)


@kind(5)
def batch(s):
    """Several customers' in one request: each is answered as if it came alone, in its turn."""
    people = s.chance.sample(s.customers, s.chance.randint(1, 3))
    for customer in people:
        s.ended(customer)
    events = []
    for _ in range(s.chance.randint(1, 14)):
        twice = s.some(events) if s.chance.random() < 0.1 else None
        events.append(twice or draw(s, s.chance.choice(people)))
    answer = s.admin("POST", "/api/v1/events", [one.body(s) for one in events])
    s.agree("status", 200, answer.status)
    counts = {"accepted": 0, "duplicate": 0, "rejected": 0}
    for sent, told_of in zip(events, answer.json["data"], strict=True):
        wanted = Wanted(s, sent)
        if wanted.status:
            record(s, sent, wanted, told_of, False)
        else:
            s.agree("what became of an event", "rejected", told_of["status"])
            agree_refusal(s, sent, wanted, told_of["error"])
        counts[told_of["status"]] += 1
    s.agree("counts", tuple(counts.values()), tuple(answer.json[k] for k in ("accepted", "duplicates", "rejected")))
    for customer in people:
        s.compare(customer)


