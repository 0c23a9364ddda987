"""Steps about credits, customers, limits, prices and time."""
import time

from ..process import wait_for
from ..typeid import new_uuid, parse_id, print_id
from .amounts import nano, told
from .books import Call
from .clock import HOUR, SECOND, moment, text
from .limits import Budget, Rate
from .steps import MODELS, WAITING, kind

DAY = 24 * HOUR
LIMITS = 4  # of one customer


def call_time(id):
    """Microseconds: the time in a call's id."""
    return (parse_id(id).int >> 80) * 1000


# ---- grants

def grant_body(s, customer):
    body = {"customer": customer.id, "amount": told(s.amount())}
    if s.chance.random() < 0.6:
        body["source"] = s.chance.choice(("purchase", "promotion", "subscription", "adjustment"))
    if s.chance.random() < 0.6:
        body["priority"] = s.chance.choice((0, 50, 100, 1000))
    if s.chance.random() < 0.5:
        body["expires_at"] = text(s.clock.half_past(s.chance.choice((0, 0, 1, 5, 30, 200))) + s.chance.randrange(600 * SECOND))
    return body


@kind(14)
def give(s):
    customer, key = s.pick(), None
    body = grant_body(s, customer)
    if s.chance.random() < 0.5:
        key = f"{s.name}-{next(s.serial)}"
    give_to(s, customer, body, key)


def give_to(s, customer, body, key=None):
    made = s.admin("POST", "/api/v1/grants", body, key)
    s.agree("status", 201, made.status)
    grant = customer.give(nano(body["amount"]), source=made.json["source"], priority=body.get("priority", 100),
                          expires=moment(body["expires_at"]) if "expires_at" in body else None, id=made.json["id"])
    grant.order = parse_id(grant.id).int  # of two that instances made in one moment their ids say which is the older
    s.agree("source", body.get("source", "purchase"), made.json["source"])
    s.agree("what is left of it", tuple(map(told, (grant.amount, grant.left, grant.consumed))), tuple(made.json[k] for k in ("amount", "left", "consumed")))
    if key:
        s.repeatable.append((s.now(), customer, key, body, grant))
    s.compare(customer)


@kind(3)
def give_again(s):
    """The same request again is told what was made; another under its key is refused."""
    found = s.some(one for one in s.repeatable if one[0] > s.now() - 6 * DAY)
    if found is None:
        return
    _, customer, key, body, grant = found
    s.ended(customer)
    if grant.is_over(s.now()):
        return  # its expiry can be asked for no more
    if s.chance.random() < 0.3:
        s.refused(s.admin("POST", "/api/v1/grants", {**body, "amount": told(nano(body["amount"]) + 1)}, key), 422, "idempotency_key_reused")
    else:
        again = s.admin("POST", "/api/v1/grants", body, key)
        s.agree("status", (201, "true"), (again.status, again.headers.get("idempotency-replayed")))
        s.agree("what is told again", (grant.id, told(grant.left)), (again.json["id"], again.json["left"]))
    s.compare(customer)


@kind(2)
def give_wrongly(s):
    customer = s.pick()
    body, status, code = s.chance.choice((
        ({"amount": "0"}, 400, "invalid_request"), ({"amount": "-1"}, 400, "invalid_request"), ({"amount": "1.0000000001"}, 400, "invalid_request"),
        ({"amount": "1", "expires_at": text(s.clock.half_past(-2))}, 400, "invalid_request"), ({"amount": "9999999999999"}, 400, "invalid_request"),
        ({"amount": "1", "customer": print_id("cus", new_uuid())}, 404, "not_found")))
    s.refused(s.admin("POST", "/api/v1/grants", {"customer": customer.id, **body}), status, code)
    s.compare(customer)


# ---- undone

@kind(9)
def void(s):
    customer = s.pick()
    call = s.some(customer.calls.values())
    if call is None or s.chance.random() < 0.03:
        s.refused(s.admin("POST", f"/api/v1/calls/{print_id('call', new_uuid())}/void", {"reason": "nobody's"}), 404, "not_found")
        return
    answer = s.admin("POST", f"/api/v1/calls/{call.id}/void", {"reason": "a test"})
    if call.state in ("settled", "voided", "unrated") or call.is_given_away:
        s.agree("status", 200, answer.status)
        customer.give_back(call, call.charge, s.now())
        call.is_given_away |= call.state == "unrated"
        call.state = "released" if call.is_given_away else "voided"
        s.agree("what it is now", (call.state, "0", {}), (answer.json["state"], answer.json["charge"], answer.json["usage"]))
    else:
        s.refused(answer, 409, "conflict")
    s.compare(customer)
    s.compare_call(customer, call)


# ---- looking

@kind(8)
def look(s):
    customer = s.pick()
    s.compare(customer)
    s.compare_told(customer)
    call = s.some(c for c in customer.calls.values())
    if call:
        s.compare_call(customer, call)


# ---- customers

@kind(3)
def change(s):
    customer = s.pick()
    what = s.chance.choice(("event_policy", "credit_limit", "status", "status", "short_policy"))
    if what == "event_policy":
        customer.event_policy = value = s.chance.choice(("accept", "refuse"))
    elif what == "credit_limit":
        customer.credit_limit = s.chance.choice((0, 10 ** 9, 5 * 10 ** 9))
        value = told(customer.credit_limit)
    elif what == "short_policy":
        customer.short_policy = value = s.chance.choice(("refuse", "allow_debt"))
    else:
        customer.suspended = not customer.suspended
        value = "suspended" if customer.suspended else "active"
    s.agree("status", 200, s.admin("PATCH", f"/api/v1/customers/{customer.id}", {what: value}).status)
    s.compare(customer)


@kind(2)
def limit(s):
    """One is made, changed or taken away."""
    customer = s.pick()
    one = s.some(customer.limits.values())
    if one is None or (len(customer.limits) < LIMITS and s.chance.random() < 0.4):
        limit_make(s, customer)
    elif one.measure == "spend" and s.chance.random() < 0.5:
        one.amount = s.amount(20)
        answer = s.admin("PATCH", f"/api/v1/limits/{one.id}", {"customer": customer.id, "amount": told(one.amount)})
        s.agree("status", 200, answer.status)
        s.compare_limit(customer, answer.json)
    else:
        s.agree("status", 200, s.admin("DELETE", f"/api/v1/limits/{one.id}?customer={customer.id}").status)
        del customer.limits[one.id]
    s.compare_told(customer)


def limit_make(s, customer):
    if any(call.at > s.now() for call in customer.calls.values()):
        return  # whether a limit counts what was reported before it and happens after it is not said
    body = {"customer": customer.id}
    key = customer.key if s.chance.random() < 0.3 else None
    if key:
        body["key"] = key
    if s.chance.random() < 0.15:
        body |= {"measure": "requests", "period": "minute", "amount": s.chance.randint(2, 4)}
    else:
        body |= {"measure": "spend", "period": s.chance.choice(("day", "month", "total")), "amount": told(s.amount(20))}
    made = s.admin("POST", "/api/v1/limits", body)
    s.agree("status", 201, made.status)
    id = made.json["id"]
    if body["measure"] == "requests":
        customer.limits[id] = Rate(id, call_time(id), body["amount"], key)
    else:
        customer.limits[id] = Budget(id, call_time(id), body["period"], nano(body["amount"]), key, customer.calls)
    s.compare_limit(customer, made.json)
    time.sleep(0.002)  # what comes now comes after it, by their ids too


# ---- prices

@kind(0.2)
def price_changes(s):
    """From some half hour on images cost something else."""
    begins = s.clock.half_past(s.chance.choice((0, 3, 20, 50)))
    if begins > s.book.versions["img"][-1].begins:
        s.add_price("img", [("images", 1, told(s.amount(1)))], begins)
        mark = f"mark{next(s.serial)}"  # a model that nobody uses: who has its price has the other one
        s.add_price(mark, MODELS["img"])
        s.known(mark)


@kind(0.2)
def price_arrives(s):
    """What waited for it is charged, in whatever state its customer is."""
    short = s.some(w for w in (f"waiting{n}" for n in range(WAITING - 1)) if w not in s.book.versions)  # the last one never has any
    if short is None:
        return
    for customer in s.customers:
        s.ended(customer)
    s.add_price(short, MODELS["img"])
    s.known(short)
    version = s.book.versions[short][0]
    for customer in s.customers:
        for call in sorted((c for c in customer.calls.values() if c.state == "unrated" and c.model == short), key=lambda c: parse_id(c.id).bytes):
            cost = version.costs(call.usage)
            if cost is None:
                continue
            wait_for(lambda id=call.id: s.real.operators[0].get(f"/api/v1/calls/{id}").json["state"] == "settled", 20, "a call being rated")
            call.state, call.version = "settled", version
            customer.charge(call, cost)
        s.compare(customer)


# ---- time

@kind(1.2)
def pass_time(s, hours=None):
    s.real.step_clock(s.clock.hour + (hours or s.chance.choice((1, 1, 2, 5, 13, 24, 24, 24 * 8))))
