"""Who may do what: rights.txt, tried line by line. A refusal tells a stranger nothing: what is another customer's is answered
as what is nobody's, to the letter."""
import base64
import datetime
import json
import re
import secrets
import zlib
from dataclasses import replace

import pytest

from tests.harness import rights, schema
from tests.harness.cases import Cases, runs, sound
from tests.harness.process import wait_for
from tests.harness.subject import Subject
from tests.harness.texts import UNKNOWN
from tests.harness.values import OTHER_FORMS, OTHER_PLACES, PLACES

SEED = 20261127
RIGHTS = rights.table()
CALLERS = list(next(iter(RIGHTS.values())))
KNOWN = [op for op in schema.OPERATIONS if op.id in RIGHTS]


def test_the_keys_made_here_are_of_the_form_that_is_given_out(world):
    _, key = world.customer("0")
    assert summed(key[:-6]) == key and forged(key)[:24] == key[:24] and forged(key) != key


def test_every_operation_has_its_line_and_every_line_its_operation():
    assert set(RIGHTS) == {op.id for op in schema.OPERATIONS if not op.is_signed}
    assert {word for row in RIGHTS.values() for word in row.values()} == {"ok", "401", "403", "404"}


# ---- callers

def soon():
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1.5)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def base62(number, width):
    digits, out = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", ""
    for _ in range(width):
        number, digit = divmod(number, 62)
        out = digits[digit] + out
    return out


def never_given_out():
    """A key that is well formed, its check sum too."""
    return summed(f"tlgsk_live_{base62(secrets.randbits(70), 12)}_{base62(secrets.randbits(255), 43)}")


def summed(text):
    return text + base62(zlib.crc32(text.encode()), 6)


def altered(key):
    place = len(key) - 20
    return key[:place] + ("A" if key[place] != "A" else "B") + key[place + 1:]


def forged(key):
    return summed(altered(key)[:-6])


@pytest.fixture(scope="module")
def ended(world):
    """Keys that open nothing any more: of a customer and of an operator, revoked and expired."""
    a, (customer, _) = world.admin, world.customer("1")
    made = {name: a.post("/api/v1/keys", {**whose, **({"expires_at": soon()} if "expired" in name else {})}).json
            for prefix, whose in (("", {"customer": customer}), ("op-", {"operator": True})) for name in (f"{prefix}revoked", f"{prefix}expired")}
    for name, key in made.items():
        assert world.servers[0].client(key["secret"]).get("/api/v1/balance?customer=" + customer).status == 200  # and is remembered
        if "revoked" in name:
            assert a.delete(f"/api/v1/keys/{key['id']}").status == 200
    for key in made.values():
        wait_for(lambda k=key: world.servers[0].client(k["secret"]).get("/api/v1/balance?customer=" + customer).status == 401, 10, "the key's end")
    return {name: key["secret"] for name, key in made.items()}


def complete(world, **more):
    """A subject with one of everything."""
    s = Subject(world, **more)
    for prefix in PLACES:
        s[prefix]
    return s


@pytest.fixture(scope="module")
def stranger(world):
    return complete(world)


def suspend(world):
    s = complete(world)
    assert world.admin.patch(f"/api/v1/customers/{s['cus']}", {"status": "suspended"}).status == 200
    return s


@pytest.fixture(scope="module")
def suspended(world):
    return suspend(world)


def sent(world, case, subject, key, headers=None):
    """The case as a caller sends it that has this key."""
    target, body = subject.filled(case.target().replace("%3A", ":")), subject.filled(case.content())
    return world.servers[0].client(key).request(case.op.method, target, body, headers=headers)


def outcome(answer):
    return "ok" if answer.status < 300 else str(answer.status)


@pytest.mark.parametrize("op", KNOWN, ids=str)
def test_each_caller_is_answered_as_its_line_says(world, ended, stranger, suspended, op):
    case, s = sound(op, SEED), complete(world)
    own = s.have["secret"]
    if "holds" in op.tags:
        suspended = suspend(world)  # a hold ends once
    keys = {"nobody": None, "garbage": never_given_out(), "altered": altered(own), "forged": forged(own),
            "suspended": suspended.have["secret"], "stranger": stranger.have["secret"], "own": own, "operator": world.admin_key, **ended}
    got = {}
    for caller in CALLERS:
        if caller == "x-api-key":
            got[caller] = outcome(sent(world, case, s, None, {"x-api-key": own}))
        elif caller != "operator":  # the last: it may end what the others ask for
            got[caller] = outcome(sent(world, case, suspended if caller == "suspended" else s, keys[caller]))
    got["operator"] = outcome(sent(world, case, s, keys["operator"]))
    assert got == RIGHTS[op.id]


@pytest.mark.parametrize("op", [op for op in KNOWN if not op.is_open], ids=str)
def test_a_key_counts_only_where_keys_belong(world, stranger, op):
    case, own = sound(op, SEED), world.admin_key if RIGHTS[op.id]["operator"] == "ok" else stranger.have["secret"]
    basic = base64.b64encode(f"{own}:".encode()).decode()
    for value in (own, f"Token {own}", f"Basic {basic}", f"Bearer{own}", "Bearer", f"Bearer {own[:-1]}", f"Bearer {own}x", f"Bearer {own} {own}"):
        assert sent(world, case, stranger, None, {"Authorization": value}).status == 401, value
    for name, value in (("Cookie", f"key={own}; Authorization=Bearer {own}"), ("X-Auth-Token", own), ("Proxy-Authorization", f"Bearer {own}")):
        assert sent(world, case, stranger, None, {name: value}).status == 401, name
    for name in ("api_key", "key", "access_token", "authorization"):
        assert sent(world, replace(case, query=case.query + [(name, own)]), stranger, None).status == 401, name


# ---- what a stranger learns

class Nothing:
    """A subject of which nothing is there."""

    def filled(self, text):
        for prefix, place in PLACES.items():
            text = text and text.replace(place, f"{OTHER_FORMS.get(prefix, prefix)}_{UNKNOWN}")
        for place in OTHER_PLACES.values():
            text = text and text.replace(place, ("ext:" if place.startswith("ext:") else "") + "nobody-has-this-name")
        return text


def names_something(case):
    text = case.target().replace("%3A", ":") + (case.content() or "")
    return any(place in text for place in [*PLACES.values(), *OTHER_PLACES.values()])


def told(answer):
    """An answer without what differs from request to request."""
    text = re.sub(r"req_[0-9a-z]{26}", "req", answer.body.decode())
    return answer.status, text, {k: v for k, v in answer.headers.items() if k not in ("x-request-id", "request-id", "date")}


CATALOGUE = ["listProducts", "getProduct"]  # of nobody: what is on sale every customer may see


@pytest.mark.parametrize("op", [op for op in KNOWN if not op.is_open and op.id not in CATALOGUE], ids=str)
def test_a_stranger_cannot_tell_what_is_anothers_from_what_is_nobodys(world, stranger, op):
    """By whatever name it asks: each place of an id in path, query and body, alone and together."""
    theirs, tried = complete(world), 0
    for case in Cases(op, SEED, runs(op)[0][1]).all():
        if case.expect != "accepted" or isinstance(case.body, bytes) or not names_something(case):
            continue
        without = replace(case, query=[pair for pair in case.query if pair[0] != "customer"])
        for one in (case, without):
            a, b = (told(sent(world, one, of, stranger.have["secret"])) for of in (theirs, Nothing()))
            assert a == b and not (a[0] < 300 and theirs.have["cus"] in a[1]), one.label
            tried += 1
    assert tried or not any("{id}" in op.path or p["name"] == "customer" for p in op.parameters)


def test_a_customers_key_sees_only_its_own_where_it_names_nobody(world, stranger):
    theirs = complete(world)
    own = world.servers[0].client(stranger.have["secret"])
    for path in ("keys", "grants", "limits", "calls", "orders"):
        data = own.get(f"/api/v1/{path}?limit=100").json["data"]
        assert data and {o["customer"] for o in data} == {stranger["cus"]}, path
    for path, prefix in (("grants", "grt"), ("limits", "lim"), ("keys", "key"), ("calls", "call"), ("orders", "ord")):
        assert own.get(f"/api/v1/{path}/{theirs[prefix]}").status == 404 and own.get(f"/api/v1/{path}/{stranger[prefix]}").status == 200
    assert own.get("/api/v1/balance").json["customer"] == own.get("/api/v1/reports/usage").json["customer"] == stranger["cus"]


def test_costs_are_shown_to_operators_only(world, stranger):
    own = world.servers[0].client(stranger.have["secret"])
    for path in (f"calls/{stranger['call']}", f"calls?customer={stranger['cus']}", f"reports/usage?customer={stranger['cus']}&group_by=day,model,key"):
        shown = world.admin.get(f"/api/v1/{path}").body, own.get(f"/api/v1/{path}").body
        assert b'"cost"' in shown[0] and b'"cost"' not in shown[1] and b'"evidence"' not in shown[1]


def test_two_different_keys_in_one_request_are_refused(world, stranger):
    other = world.key(stranger["cus"])["secret"]
    for path, body in (("/v1/models", None), ("/v1/chat/completions", json.dumps({"model": "gpt-4o-mini", "messages": []}))):
        answer = world.servers[0].client(stranger.have["secret"]).request("POST" if body else "GET", path, body, headers={"x-api-key": other})
        assert (answer.status, answer.code) == (400, "invalid_request")
