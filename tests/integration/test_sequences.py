"""What is made can be read, listed, changed and ended, in that order, and what has ended is of no use: for each kind of thing
of the management API, over bodies made from its schemas. After each sequence the books are whole."""
import datetime
import itertools
import random
import re
from decimal import Decimal

import pytest

from tests.harness import schema
from tests.harness.cases import ACCEPTED, Cases, runs
from tests.harness.process import wait_for
from tests.harness.subject import Subject
from tests.harness.values import PLACES

SEED = 20261127
SAMPLE = 12  # sound bodies of one kind
turn = itertools.count()
# A hold is asked for in other words than it is told in, and needs credits: test_holds.py.
MADE = [op for op in schema.OPERATIONS if op.method == "POST" and op.id != "createHold"
        and f"GET {op.path}/{{id}}" in {f"{o.method} {o.path}" for o in schema.OPERATIONS}]


def at(op, method):
    """The operation with this method on one of the things that `op` makes, or None."""
    return next((o for o in schema.OPERATIONS if o.path == op.path + "/{id}" and o.method == method), None)


def sound_bodies(op, narrow=()):
    """Some sound bodies, the simplest and the fullest among them, whatever else."""
    seed = f"{SEED} {next(turn)}"  # names are to be new each time
    cases = Cases(op, seed, narrow)
    bodies = [case.body for case in cases.bodies() if case.expect == ACCEPTED and not case.may_be_taken]
    bases = [v.value for v in cases.values.bases(op.body)] if not narrow else []
    return bases + random.Random(seed).sample(bodies, min(SAMPLE, len(bodies)))


class Thing:
    """One made thing and the words to ask for it."""

    def __init__(self, world, op, body, subject):
        self.world, self.op, self.subject, self.admin = world, op, subject, world.admin
        self.body, self.key = subject_filled(subject, body), {"Idempotency-Key": f"{op.id}-{random.getrandbits(64):x}"}
        answer = self.make()
        assert answer.status == 201, (body, answer)
        self.made = {k: v for k, v in answer.json.items() if k not in ("secret", "code")}  # shown this once
        self.id, self.secret = self.made["id"], answer.json.get("secret")

    def make(self):
        return self.admin.post(self.op.path, self.body, headers=self.key)

    def query(self, op):
        whose = self.made.get("customer")  # of an operator's key: nobody's
        return f"?customer={whose}" if whose and any(p["name"] == "customer" for p in op.parameters) else ""

    def ask(self, method, body=None):
        one = at(self.op, method)
        return self.admin.request(method, f"{self.op.path}/{self.id}{self.query(one)}", body)

    def get(self):
        answer = self.ask("GET")
        assert answer.status == 200, answer
        return answer.json

    def listed(self):
        """The newest ones."""
        of = schema.operation("GET", self.op.path)
        return self.admin.get(f"{self.op.path}{self.query(of)}").json["data"]


def subject_filled(subject, value):
    if isinstance(value, dict):
        return {k: subject_filled(subject, v) for k, v in value.items()}
    return subject.filled(value) if isinstance(value, str) and re.search("7z{3}", value) else value


def moment(text):
    text = text.upper().replace("Z", "+00:00")
    text = re.sub(r"\.(\d{1,6})\d*", lambda m: "." + m[1].ljust(6, "0"), text)
    found = datetime.datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=datetime.timezone.utc)


def same(of, given, told, subject):
    """Whether what is told is what was given, in the server's own spelling."""
    if isinstance(given, str) and isinstance(told, str):
        if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", given) and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", told):
            return Decimal(given) == Decimal(told)
        if re.match(r"\d{4}-\d\d-\d\dT", told):
            return moment(given) == moment(told)
        names = [(subject.have.get(f"{prefix}'s other name"), subject.have.get(prefix)) for prefix in PLACES]
        return told in (given, given.rstrip("/")) or (given, told) in names
    if isinstance(given, list):
        key = (lambda one: one["meter"]) if of == "rates" else str
        return all(same(of, g, t, subject) for g, t in zip(sorted(given, key=key), sorted(told, key=key), strict=True))
    if isinstance(given, dict) and of == "rates":
        return all(same(k, v, told[k], subject) for k, v in given.items())
    return given == told


def differing(given, told, subject):
    return {k: (v, told[k]) for k, v in given.items() if k in told and not same(k, v, told[k], subject)}


# What goes on by itself once it is made.
MOVES = {"createRerate": ("state", "simulated_at", "seen_calls", "unpriced_calls", "customers", "calls", "charge_before", "charge_after", "difference",
                          "cost_before", "cost_after")}


@pytest.mark.parametrize("op", MADE, ids=str)
def test_what_is_made_is_as_it_was_asked_for_and_is_read_and_listed_so(world, op):
    for body in sound_bodies(op):
        thing = Thing(world, op, body, Subject(world))
        assert not differing(thing.body, thing.made, thing.subject)
        assert not set(thing.body) - set(thing.made) - {"secret", "correction"}, "each member comes back, but a secret, and why it was allowed"
        moves = MOVES.get(op.id, ())
        made = apart(thing.made, *moves)
        assert apart(thing.get(), *moves) == made and apart(thing.listed()[0], *moves) == made
        again = thing.make()
        assert again.status == 201 and apart(again.json, *moves) == made and again.headers["idempotency-replayed"] == "true"
    world.audit()


def apart(told, *members):
    return {k: v for k, v in told.items() if k not in ("updated_at", *members)}


def changes(op):
    patch = at(op, "PATCH")
    return [(run, body) for run, narrow in runs(patch) for body in sound_bodies(patch, narrow)] if patch else []


def first_of(world, op, run):
    """A thing to be changed, with a subject that fits it."""
    subject = Subject(world, limit=run or "spend")
    for body in sound_bodies(op):
        if not run or body["measure"] == run:
            return Thing(world, op, body, subject)
    raise AssertionError(run)


@pytest.mark.parametrize("op", [op for op in MADE if at(op, "PATCH")], ids=str)
def test_a_change_changes_what_it_names_and_nothing_else(world, op):
    for run, change in changes(op):
        thing = first_of(world, op, run)
        change, before = subject_filled(thing.subject, change), thing.get()
        answer = thing.ask("PATCH", change)
        assert answer.status == 200, (change, answer)
        assert thing.get() == answer.json == thing.make().json, "read, and told again, as it stands now"
        # What follows from what was changed: a balance from its limits, what is left from an amount, a secret's being there, a price's
        # text from the price, why an endpoint is off from its being off.
        follows = {"balance", "left", "refills_at", "price_text"}
        follows |= ({"has_secret"} if "secret" in change else set()) | ({"disabled_reason"} if "enabled" in change else set())
        assert apart(answer.json, *change, *follows) == apart(before, *change, *follows)
        merged = {k: v for k, v in {**before.get("metadata", {}), **change.get("metadata", {})}.items() if v is not None}
        wrong = differing({**change, **({"metadata": merged} if "metadata" in change else {})}, answer.json, thing.subject)
        assert not wrong and ("secret" not in change or answer.json["has_secret"] == (change["secret"] is not None))
    world.audit()


@pytest.mark.parametrize("op", [op for op in MADE if at(op, "DELETE")], ids=str)
def test_what_has_ended_is_of_no_use(world, op):
    for body in sound_bodies(op)[:4]:
        thing = Thing(world, op, body, Subject(world))
        ended = thing.ask("DELETE")
        assert ended.status == 200, ended
        if "revoked_at" in thing.made:  # a key stays, and says that it is revoked
            assert ended.json["revoked_at"] and thing.get() == ended.json == thing.ask("DELETE").json and thing.listed()[0] == ended.json
            assert thing.make().json == ended.json
            own = world.servers[0].client(thing.secret)
            assert own.chat().status == 401  # at once; what costs nothing closes within two seconds
            wait_for(lambda: own.get("/v1/models").status == own.get("/api/v1/balance").status == 401, 3, "its end")
            continue
        assert ended.json == {"id": thing.id, "object": thing.made["object"], "deleted": True}
        assert thing.id not in [one["id"] for one in thing.listed()]
        patch = [thing.ask("PATCH", subject_filled(thing.subject, body)) for _, body in changes(op)[:1]]
        for answer in [thing.ask("GET"), thing.ask("DELETE"), *patch]:
            assert (answer.status, answer.code) == (404, "not_found")
    world.audit()


@pytest.mark.parametrize("op", [op for op in MADE if any(p["name"] == "customer" for p in at(op, "GET").parameters)], ids=str)
def test_a_thing_of_one_customer_is_not_found_under_another(world, op):
    thing, other = Thing(world, op, sound_bodies(op)[0], Subject(world)), Subject(world)
    for method in ("GET", "DELETE"):
        if at(op, method):
            answer = world.admin.request(method, f"{op.path}/{thing.id}?customer={other['cus']}")
            assert (answer.status, answer.code) == (404, "not_found")
    if at(op, "PATCH"):
        answer = thing.ask("PATCH", {"customer": other["cus"], "amount": thing.made["amount"]})
        assert (answer.status, answer.code) == (404, "not_found")
    assert thing.get() == thing.made


def test_a_suspended_customer_calls_nothing_until_it_is_active_again(world):
    s = Subject(world)
    s["grt"], s["key"]
    for status, wanted in (("suspended", 403), ("active", 200)) * 2:
        assert world.admin.patch(f"/api/v1/customers/{s['cus']}", {"status": status}).status == 200
        assert s.caller.chat().status == wanted and s.caller.get("/api/v1/balance").status == 200
    world.quiet()
    world.audit()
