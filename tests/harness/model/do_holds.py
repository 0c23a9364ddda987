"""Steps about explicit holds."""
from ..typeid import new_uuid, print_id
from .amounts import told
from .books import Call, Hold
from .clock import MINUTE, SECOND, moment, text
from .do_credits import DAY, call_time, give_to, pass_time
from .do_events import draw_usage
from .steps import kind

WEEK_S = 7 * 24 * 3600


def ttl_of(s):
    """Seconds until three quarters past some hour."""
    ends = s.clock.half_past(s.chance.choice((0, 1, 3, 30, 60, 160))) + 15 * MINUTE
    return min(WEEK_S, (ends - s.now()) // SECOND)


def ask(s, own, customer, path, body, key=None, method="POST"):
    return s.own(customer, method, path, body, key) if own else s.admin(method, path, body, key)


# ---- holding answers against the model

def agree_hold(s, customer, hold, shown, after=True):
    """The hold as it stands, in an answer."""
    call = hold.call
    wanted = {"id": call.id, "customer": customer.id, "key": call.key, "state": call.state, "late": "late" in call.flags, "above_hold": "above_hold" in call.flags,
              "amount": told(hold.amount if hold.is_open else 0), "charged": told(hold.charged)}
    s.agree("the hold that is shown", wanted, {k: shown[k] for k in wanted})
    s.agree("the end that is shown", hold.expires if hold.is_open else None, shown["expires_at"] and moment(shown["expires_at"]))
    if "parts" in shown:
        s.agree("parts", {p.id: (p.state, told(p.charge), "late" in p.flags) for p in hold.parts[-100:]}, {p["call"]: (p["state"], p["charge"], p["late"]) for p in shown["parts"]})
    if after and "balance" in shown:
        s.agree("balance, available after it", (told(customer.balance), told(customer.available)), (shown["balance"], shown["available"]))


def agree_refusal(s, customer, answer, required, no, perhaps, short):
    """What binds, of limits and credits, and what is left of it."""
    s.agree("the refusal", True, answer.status in (402, 429) or answer.status)
    code, details = answer.code, answer.json["error"]["details"]
    if code == "insufficient_credits":
        s.agree("credits are short, and no limit binds before them", (True, False), (short, bool(no)))
        have = (customer.balance, customer.held, customer.available, required)
        s.agree("details", tuple(map(told, have)), tuple(details[k] for k in ("balance", "held", "available", "required")))
        return
    limit = next((one for one in no + perhaps if one.id == details["limit"]), None)
    s.agree("the limit that binds", (True, code), (limit is not None, "rate_limit_exceeded" if limit and limit.measure == "requests" else "quota_exceeded"))
    if limit.measure == "spend":
        s.agree("what is left of it", told(limit.left(customer, s.now())), details["left"])


# ---- taking

def draw_hold(s, customer):
    """(body without its customer, nanocredits or None: not priced, model, version)"""
    if s.chance.random() < 0.6:
        amount = s.amount(4)
        if customer.available and s.chance.random() < 0.3:  # all there is, or one unit more, or nearly all
            amount = max(1, customer.available + s.chance.choice((0, 1, -s.amount(2), -s.amount(2))))
        return {"amount": told(amount)}, amount, None, None
    short, usage = draw_usage(s)
    version, cost = s.book.rate(short, usage, s.now())
    return {"model": s.model(short), "usage": usage}, cost if version else None, short, version


def admitted(s, customer, required, key, asked):
    """(refused by these, perhaps by these, whether credits are short)"""
    no, perhaps = customer.binding(key, required, s.now(), asked, s.now())
    return no, perhaps, not customer.covers(required, customer.debt_allowed)


@kind(16)
def hold(s):
    customer, own = s.pick(), s.chance.random() < 0.3
    body, required, short, version = draw_hold(s, customer)
    key = f"{s.name}-{next(s.serial)}" if s.chance.random() < 0.3 else None
    hold_for(s, customer, own, body, required, short, version, ttl_of(s), key)


@kind(0.5)
def hold_what_expires(s):
    """A grant's time runs out while an open hold needs some of it."""
    customer = s.pick()
    amount = s.amount(5)
    ends = s.clock.half_past(0) + s.chance.randrange(600 * SECOND)
    give_to(s, customer, {"customer": customer.id, "amount": told(amount), "priority": s.chance.choice((0, 100, 1000)), "expires_at": text(ends)})
    needed = customer.available - customer.credit_limit - s.chance.randint(0, amount)
    if needed > 0:
        hold_for(s, customer, False, {"amount": told(needed)}, needed, None, None, (s.clock.half_past(50) + 15 * MINUTE - s.now()) // SECOND)
        pass_time(s, 1)
        s.compare(customer)


def hold_for(s, customer, own, body, required, short, version, ttl, key=None):
    body |= {"customer": customer.id, "ttl_seconds": ttl, "metadata": {"n": str(next(s.serial))}}
    asked = s.now()
    answer = ask(s, own, customer, "/api/v1/holds", body, key)
    if required is None or customer.suspended:
        wanted = [(403, "customer_suspended")] * customer.suspended + [(404, "model_not_priced")] * (required is None)
        s.agree("the refusal", True, (answer.status, answer.status >= 400 and answer.code) in wanted or answer)
    else:
        no, perhaps, lacks = admitted(s, customer, required, customer.key if own else None, asked)
        if no or lacks or (perhaps and answer.status != 201):
            agree_refusal(s, customer, answer, required, no, perhaps, lacks)
        else:
            s.agree("status", 201, answer.status)
            made = take(s, customer, required, own, answer.json, asked, short, version)
            s.near("its end", s.now() + ttl * SECOND, made.expires)
            s.agree("metadata", body["metadata"], answer.json["metadata"])
            agree_hold(s, customer, made, answer.json)
            if key:
                s.repeatable_holds.append((s.now(), customer, own, key, body, made))
    s.compare(customer)


def take(s, customer, amount, own, made, asked, short, version):
    key = customer.key if own else None
    call = Call(made["id"], call_time(made["id"]), "pending", key, short, {}, version)
    hold = customer.holds[call.id] = Hold(call, amount, moment(made["expires_at"]))
    customer.calls[call.id] = call
    for limit in customer.limits.values():
        if limit.measure == "requests" and limit.key in (None, key):
            limit.draw(asked, s.now())
    return hold


@kind(2)
def hold_again(s):
    found = s.some(one for one in s.repeatable_holds if one[0] > s.now() - 6 * DAY)
    if found is None:
        return
    _, customer, own, key, body, made = found
    s.ended(customer)
    if customer.suspended:
        return  # whether that or the first answer is told is not said
    if s.chance.random() < 0.3:
        other = {**body, "metadata": {"n": "another"}}
        s.refused(ask(s, own, customer, "/api/v1/holds", other, key), 422, "idempotency_key_reused")
    else:
        again = ask(s, own, customer, "/api/v1/holds", body, key)
        s.agree("status", (201, "true"), (again.status, again.headers.get("idempotency-replayed")))
        agree_hold(s, customer, made, again.json)
    s.compare(customer)


@kind(3)
def check(s):
    """What would be decided; nothing is taken."""
    customer, own = s.pick(), s.chance.random() < 0.3
    body, required, _, _ = draw_hold(s, customer)
    asked = s.now()
    answer = ask(s, own, customer, "/api/v1/check", {"customer": customer.id, **body})
    if required is None:
        s.refused(answer, 404, "model_not_priced")
    else:
        s.agree("status", 200, answer.status)
        no, perhaps, lacks = admitted(s, customer, required, customer.key if own else None, asked)
        reasons = {"quota_exceeded" if limit.measure == "spend" else "rate_limit_exceeded" for limit in no + perhaps} | ({"insufficient_credits"} if lacks else set())
        if customer.suspended:
            reasons = {"customer_suspended"}
        if not (no or lacks or customer.suspended):
            reasons.add(None)
        s.agree("the reason", True, answer.json["reason"] in reasons or (answer.json["reason"], reasons))
        s.agree("what is required and there", (told(required), told(customer.available)), (answer.json["required"], answer.json["available"]))
    s.compare(customer)


# ---- one that there is

def pick_hold(s, open_ones=0.8):
    """(customer, hold or None)"""
    customer = s.pick()
    holds = list(customer.holds.values())
    pending = [h for h in holds if h.is_open]
    return customer, s.some(pending) if pending and s.chance.random() < open_ones else s.some(holds)


@kind(1)
def hold_of_nobody(s):
    customer, path = s.pick(), f"/api/v1/holds/{print_id('call', new_uuid())}"
    other = s.some(h for c in s.customers if c is not customer for h in c.holds.values())
    event = s.some(call for call in customer.calls.values() if call.hold is None)
    if other and s.chance.random() < 0.4:  # another's is nobody's
        answer = s.own(customer, "POST", f"/api/v1/holds/{other.call.id}/{s.chance.choice(('settle', 'extend'))}", {"amount": "1"})
    elif event and s.chance.random() < 0.5:  # and so is what is no hold
        answer = s.admin("POST", f"/api/v1/holds/{event.id}/{s.chance.choice(('settle', 'extend'))}", {"amount": "1"})
    else:
        answer = s.admin("POST", f"{path}/{s.chance.choice(('settle', 'extend'))}", {"amount": "1"})
    if customer.suspended and answer.status == 403:
        s.refused(answer, 403, "customer_suspended")  # a suspended one is told that first
    else:
        s.refused(answer, 404, "not_found")
    s.compare(customer)


@kind(4)
def extend(s):
    customer, hold = pick_hold(s, 0.9)
    if hold is None:
        return
    own, body = s.chance.random() < 0.3, {}
    amount = hold.amount + s.chance.choice((-10 ** 8, 0, 10 ** 8, s.amount(3)))
    if s.chance.random() < 0.7 and amount > 0:
        body["amount"] = told(amount)
    if s.chance.random() < 0.6 or not body:
        body["ttl_seconds"] = ttl_of(s)
    answer = ask(s, own, customer, f"/api/v1/holds/{hold.call.id}/extend", body)
    amount = amount if "amount" in body else hold.amount
    if customer.suspended or not hold.is_open or amount < hold.amount:
        wanted = [(403, "customer_suspended")] * customer.suspended + [(409, "conflict")] * (not hold.is_open or amount < hold.amount)
        s.agree("the refusal", True, (answer.status, answer.status >= 400 and answer.code) in wanted or answer)
    else:
        extend_open(s, customer, hold, amount, body, answer)
    s.compare(customer)


def extend_open(s, customer, hold, amount, body, answer):
    more, now = amount - hold.amount, s.now()
    budgets = [limit for limit in customer.limits.values() if limit.measure == "spend" and limit.key in (None, hold.call.key)]
    no = [limit for limit in budgets if not limit.covers(customer, more if limit.holds(customer, hold, now) else amount, now)]
    lacks = not customer.covers(more, customer.debt_allowed)
    if no or lacks:
        agree_refusal(s, customer, answer, amount if "amount" in body else 0, no, [], lacks)
        return
    s.agree("status", 200, answer.status)
    hold.amount = amount
    hold.drawn = {limit.id: limit.begin(customer, now) for limit in budgets}
    if "ttl_seconds" in body:
        ends = now + body["ttl_seconds"] * SECOND
        told_of = moment(answer.json["expires_at"])
        s.near("its end", max(ends, hold.expires), told_of)
        s.agree("its end is not brought nearer", True, told_of >= hold.expires)
        hold.expires = told_of
    agree_hold(s, customer, hold, answer.json)


def draw_settlement(s, hold):
    """(body, state, nanocredits, short, usage, version), or None where this asks for more than it says."""
    if s.chance.random() < 0.6:
        charge = s.chance.choice((0, hold.amount, hold.amount // 3, hold.amount + 10 ** 7, s.amount(3)))
        return {"amount": told(charge)}, "settled", charge, hold.model, {}, hold.version
    short, usage = draw_usage(s)
    if hold.version and s.chance.random() < 0.6:  # by the pinned price
        version, cost = hold.version, hold.version.costs(usage)
        return {"usage": usage}, "settled" if cost is not None else "unrated", cost or 0, hold.model, usage, version
    if short == hold.model:
        version, cost = hold.version, hold.version.costs(usage)
    else:
        version, cost = s.book.rate(short, usage, s.now())
    return {"model": s.model(short), "usage": usage}, "settled" if cost is not None else "unrated", cost or 0, short, usage, version


def used(usage):
    return {meter: n for meter, n in usage.items() if n}


def ended_so(call, hold, body, short, charge, usage):
    """Whether it has ended as this asks: the same amount; or the same quantities of the same model, by the price that it was given."""
    if "amount" in body:
        return call.state == "settled" and call.charge == charge and not used(call.usage)
    if used(call.usage) != used(usage) or call.model != short:
        return False
    cost = call.version.costs(usage) if call.version else None if used(usage) else 0
    return (call.state, call.charge) == (("settled", cost) if cost is not None else ("unrated", 0))


@kind(11)
def settle(s):
    customer, hold = pick_hold(s, 0.75)
    if hold is None:
        return
    own, call = s.chance.random() < 0.3, hold.call
    body, state, charge, short, usage, version = again = draw_settlement(s, hold)
    if hold.settled and call.state in ("settled", "unrated") and s.chance.random() < 0.5:
        again = hold.settled
        body, state, charge, short, usage, version = again
    key = f"{s.name}-{next(s.serial)}" if s.chance.random() < 0.4 else None
    answer = ask(s, own, customer, f"/api/v1/holds/{call.id}/settle", body, key)
    if call.state in ("pending", "expired"):
        s.agree("status", 200, answer.status)
        hold.settled = again
        if key:
            s.repeatable_ends.append((s.now(), customer, own, key, body, hold))
        if call.state == "expired":
            call.flags.add("late")
        elif charge > hold.amount:
            call.flags.add("above_hold")
        if hold.is_open and hold.drawn is not None:
            call.drawn = hold.drawn, charge
        call.state, call.model, call.usage, call.version, hold.amount = state, short, usage, version, 0
        customer.charge(call, charge)
        agree_hold(s, customer, hold, answer.json)
    elif ended_so(call, hold, body, short, charge, usage):
        s.agree("status", 200, answer.status)
        agree_hold(s, customer, hold, answer.json)
    else:
        refused_as_ended(s, body, answer)
    s.compare(customer)
    s.compare_call(customer, call)


@kind(2)
def settle_with_its_key_again(s):
    found = s.some(one for one in s.repeatable_ends if one[0] > s.now() - 6 * DAY)
    if found is None:
        return
    _, customer, own, key, body, hold = found
    s.ended(customer)
    path = f"/api/v1/holds/{hold.call.id}/settle"
    if s.chance.random() < 0.3:
        s.refused(ask(s, own, customer, path, {"amount": "0.123"}, key), 422, "idempotency_key_reused")
    else:
        answer = ask(s, own, customer, path, body, key)
        s.agree("status", (200, "true"), (answer.status, answer.headers.get("idempotency-replayed")))
        agree_hold(s, customer, hold, answer.json)
    s.compare(customer)


def refused_as_ended(s, body, answer):
    """Which price is pinned to a hold that has ended is not said: quantities alone may be refused for that."""
    if answer.status == 400 and "usage" in body and "model" not in body:
        s.refused(answer, 400, "invalid_request")
    else:
        s.refused(answer, 409, "conflict")


@kind(7)
def part(s):
    customer, hold = pick_hold(s, 0.85)
    if hold is None:
        return
    own, key = s.chance.random() < 0.3, f"{s.name}-{next(s.serial)}" if s.chance.random() < 0.4 else None
    body, state, charge, short, usage, version = draw_settlement(s, hold)
    body["final"] = False
    answer = ask(s, own, customer, f"/api/v1/holds/{hold.call.id}/settle", body, key)
    if hold.call.state not in ("pending", "expired"):
        refused_as_ended(s, body, answer)
    else:
        s.agree("status", 200, answer.status)
        new = {p["call"] for p in answer.json["parts"]} - {p.id for p in hold.parts}
        s.agree("new parts", 1, len(new))
        one = Call(new.pop(), 0, state, hold.call.key, short, usage, version)
        one.at = call_time(one.id)
        s.near("its time", s.now(), one.at)
        if not hold.is_open:
            one.flags.add("late")
        hold.amount = max(0, hold.amount - charge) if hold.is_open else 0
        hold.parts.append(one)
        customer.charge(one, charge)
        agree_hold(s, customer, hold, answer.json)
        if key:
            part_again(s, customer, own, hold, body, key)
    s.compare(customer)


def part_again(s, customer, own, hold, body, key):
    again = ask(s, own, customer, f"/api/v1/holds/{hold.call.id}/settle", body, key)
    s.agree("status", (200, "true"), (again.status, again.headers.get("idempotency-replayed")))
    agree_hold(s, customer, hold, again.json)


@kind(5)
def release(s):
    customer, hold = pick_hold(s, 0.75)
    if hold is None:
        return
    own = s.chance.random() < 0.3
    answer = ask(s, own, customer, f"/api/v1/holds/{hold.call.id}/release", None)
    if hold.call.state in ("pending", "released", "expired"):
        s.agree("status", 200, answer.status)
        if hold.is_open:
            hold.call.state, hold.amount = "released", 0
        agree_hold(s, customer, hold, answer.json)
    else:
        s.refused(answer, 409, "conflict")
    s.compare(customer)


@kind(4)
def look_at_hold(s):
    customer, hold = pick_hold(s, 0.5)
    if hold is None:
        return
    answer = ask(s, s.chance.random() < 0.5, customer, f"/api/v1/holds/{hold.call.id}", None, method="GET")
    s.agree("status", 200, answer.status)
    agree_hold(s, customer, hold, answer.json)
    listed = s.admin("GET", f"/api/v1/holds?customer={customer.id}&limit=100").json["data"]
    wanted = [h for h in customer.holds.values() if h.is_open]
    if len(wanted) <= 100:
        s.agree("the open holds that are listed", {h.call.id for h in wanted}, {h["id"] for h in listed})
    for shown in listed:
        agree_hold(s, customer, customer.holds[shown["id"]], shown)
