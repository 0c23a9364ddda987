"""Calls priced again: simulated, looked at, posted as corrections; and calls that waited for a price."""
import concurrent.futures
import datetime
import time
import uuid
from decimal import Decimal

import pytest

from tests.harness.cluster import Cluster
from tests.harness.holding import act, done, expired, hold
from tests.harness.process import wait_for
from tests.harness.server import World
from tests.harness.sink import Sink
from tests.harness.typeid import new_uuid, parse_id, print_id

SHORT = {"TOLLGATE_LEASE_MS": "1500", "TOLLGATE_WEBHOOK_ALLOW": "127.0.0.0/8"}
PACED = "stand-in:slow-61"  # twelve words, 61 ms before each


@pytest.fixture(scope="module")
def two():
    """Two instances on one database."""
    c = Cluster(settings=["fsync=off"])
    w = World(c, instances=2, **SHORT)
    yield w
    w.quiet()
    w.audit()
    w.stop()
    c.remove()


def at(seconds=0):
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def rates(input="1", output="2", cost="0.5"):
    return [("input_tokens", input, cost), ("output_tokens", output, cost)]


def model(world, name=None, **more):
    """A model of this test's own, priced for an hour back, so that its price can be put right before any call."""
    name = name or "m-" + uuid.uuid4().hex[:8]
    world.price(name, rates(**more), valid_from=at(-3600))
    called_by_now(world, name)
    return name


def called_by_now(world, name):
    _, key = world.customer("0.000001")
    for server in world.servers:
        wait_for(lambda s=server: any(m["id"] == name for m in s.client(key).get("/v1/models").json["data"]), 10, "the price")


def put_right(world, name, **more):
    return world.price(name, rates(**more), valid_from=at(-1800), correction=True)


def call(world, key, name, server=0, **more):
    answer = world.servers[server].client(key).chat(model=name, **more)
    assert answer.status == 200, answer
    return world.call(answer.headers["x-tollgate-call"])


def rerate(world, **more):
    made = world.admin.post("/api/v1/rerates", {"from": at(-7200), "reason": "the price was wrong", **more})
    assert made.status == 201, made
    return made.json["id"]


def state(world, job, wanted, server=0):
    path = f"/api/v1/rerates/{job}"
    return wait_for(lambda: (r := world.servers[server].client(world.admin_key).get(path).json)["state"] == wanted and r, 60, f"{job} being {wanted}")


def simulated(world, **more):
    return state(world, rerate(world, **more), "simulated")


def posted(world, job):
    answer = world.admin.post(f"/api/v1/rerates/{job}/post", None)
    assert answer.status == 200, answer
    return state(world, job, "posted")


def changed(world, job):
    return {c["customer"]: c for c in world.admin.get(f"/api/v1/rerates/{job}/customers?limit=100").json["data"]}


def by(usage, input, output):
    """What usage costs at rates for a million."""
    return (usage["input_tokens"] * Decimal(input) + usage["output_tokens"] * Decimal(output)) / 1000000


def report(world, customer):
    answer = world.admin.get(f"/api/v1/reports/usage?customer={customer}&group_by=model").json
    return {row["model"]: row for row in answer["rows"]}


def test_a_price_is_raised_and_lowered_for_calls_that_were_made(world):
    name, (customer, key), (other, other_key) = model(world), world.customer("10"), world.customer("10")
    calls = [call(world, key, name, text="a b c " * n, max_tokens=20) for n in (1, 5, 9)]
    theirs = call(world, other_key, name)
    before = {customer: sum(Decimal(c["charge"]) for c in calls), other: Decimal(theirs["charge"])}
    dearer = put_right(world, name, input="3", output="6", cost="0.7")
    found = simulated(world, model=name)
    assert found["calls"] == 4 and found["customers"] == 2 and found["seen_calls"] == 4 and found["unpriced_calls"] == 0
    assert Decimal(found["charge_before"]) == sum(before.values()) and Decimal(found["charge_after"]) == 3 * sum(before.values())
    assert Decimal(found["difference"]) == 2 * sum(before.values()) and found["posted_calls"] == 0
    who = changed(world, found["id"])
    assert {c: Decimal(d["difference"]) for c, d in who.items()} == {c: 2 * amount for c, amount in before.items()}
    assert Decimal(world.balance(customer)["balance"]) == 10 - before[customer], "a simulation charges nothing"
    done = posted(world, found["id"])
    assert done["posted_calls"] == 4 and done["skipped_calls"] == 0 and done["posted_difference"] == found["difference"]
    assert Decimal(world.balance(customer)["balance"]) == 10 - 3 * before[customer]
    assert Decimal(world.balance(other)["balance"]) == 10 - 3 * before[other]
    for c in calls:
        told = world.call(c["id"])
        assert told["adds_up"] and told["price"]["id"] == dearer["id"] and told["usage"] == c["usage"] and "rerated" in told["flags"]
        assert Decimal(told["charge"]) == 3 * Decimal(c["charge"]) == by(c["usage"], 3, 6) and Decimal(told["cost"]) == by(c["usage"], "0.7", "0.7")
        (correction,) = told["corrections"]
        assert correction["price"] == dearer["id"] and correction["usage"] == {} and correction["evidence"]["rerate"] == found["id"]
        assert correction["evidence"]["reason"] == "the price was wrong"
        assert sum(Decimal(g["amount"]) for g in told["grants"]) == Decimal(told["charge"])
    assert Decimal(report(world, customer)[name]["charge"]) == 3 * before[customer]
    again = simulated(world, model=name)
    assert again["calls"] == 0 and again["seen_calls"] == 4, "it stands as the book says"
    # and back, further down than it was
    world.price(name, rates(input="0.5", output="1"), valid_from=at(-900), correction=True)
    lower = simulated(world, model=name)
    assert Decimal(lower["difference"]) == (Decimal("0.5") - 3) * sum(before.values())
    posted(world, lower["id"])
    assert Decimal(world.balance(customer)["balance"]) == 10 - before[customer] / 2
    told = world.call(calls[0]["id"])
    assert told["adds_up"] and len(told["corrections"]) == 2 and Decimal(told["corrections"][1]["charge"]) < 0
    assert Decimal(report(world, customer)[name]["charge"]) == before[customer] / 2 and report(world, customer)[name]["calls"] == 3


def test_credits_return_to_the_grants_that_paid_last_paid_first(world):
    name, (customer, key) = model(world, input="0", output="100000"), world.customer("0")
    first = world.admin.post("/api/v1/grants", {"customer": customer, "amount": "1", "priority": 1}).json["id"]
    second = world.admin.post("/api/v1/grants", {"customer": customer, "amount": "10", "priority": 2}).json["id"]

    def left():
        return {g["id"]: Decimal(g["left"]) for g in world.admin.get(f"/api/v1/grants?customer={customer}").json["data"]}
    c = call(world, key, name, max_tokens=20)
    charge = Decimal(c["charge"])
    assert charge > Decimal("1") and left() == {first: 0, second: 11 - charge}
    put_right(world, name, input="0", output="50000")
    posted(world, simulated(world, model=name)["id"])
    half = charge / 2
    back_to_second = min(half, charge - 1)
    assert left() == {first: half - back_to_second, second: 11 - charge + back_to_second}
    assert sum(Decimal(g["amount"]) for g in world.call(c["id"])["grants"]) == half


def test_what_returns_to_a_grant_that_has_expired_becomes_one_of_grace(world):
    name, (customer, key) = model(world, input="0", output="100000"), world.customer("0")
    expired = world.admin.post("/api/v1/grants", {"customer": customer, "amount": "20", "expires_at": at(3)}).json["id"]
    c = call(world, key, name, max_tokens=20)
    assert c["grants"][0]["grant"] == expired

    def grants():
        return world.admin.get(f"/api/v1/grants?customer={customer}").json["data"]
    wait_for(lambda: Decimal(grants()[0]["left"]) == 0, 20, "its expiry")
    put_right(world, name, input="0", output="40000")
    posted(world, simulated(world, model=name)["id"])
    fresh = [g for g in grants() if g["id"] != expired]
    assert len(fresh) == 1 and Decimal(fresh[0]["left"]) == Decimal(c["charge"]) * Decimal("0.6") == Decimal(world.balance(customer)["balance"])


def test_only_what_the_range_and_its_filters_name_is_priced_again(world):
    name, other_model, (customer, key), (other, other_key) = model(world), model(world), world.customer("10"), world.customer("10")
    second_key = world.key(customer)
    early = call(world, key, name)
    time.sleep(0.05)
    middle = at()
    time.sleep(0.05)
    late = call(world, second_key["secret"], name)
    elsewhere, theirs = call(world, key, other_model), call(world, other_key, name)
    for m in (name, other_model):
        put_right(world, m, input="2", output="4")

    def differs(**filters):
        return Decimal(simulated(world, **{"model": name, **filters})["difference"])
    charge = {c["id"]: Decimal(c["charge"]) for c in (early, late, elsewhere, theirs)}
    assert differs(customer=customer) == charge[early["id"]] + charge[late["id"]]
    assert differs(customer=customer, to=middle) == charge[early["id"]]
    assert differs(customer=customer, **{"from": middle}) == charge[late["id"]]
    assert differs(key=second_key["id"]) == charge[late["id"]]
    assert differs(customer=customer, model=other_model) == charge[elsewhere["id"]]
    assert differs(provider="openai") == charge[early["id"]] + charge[late["id"]] + charge[theirs["id"]]
    assert differs(customer=customer, unrated=True) == 0
    posted(world, simulated(world, model=name, customer=other)["id"])
    assert Decimal(world.call(theirs["id"])["charge"]) == 2 * charge[theirs["id"]]
    assert world.call(early["id"])["corrections"] == world.call(elsewhere["id"])["corrections"] == []


def test_the_prices_in_force_now_may_be_taken_for_calls_of_the_past(world):
    name, (customer, key) = model(world), world.customer("10")
    c = call(world, key, name)
    world.price(name, rates(input="5", output="10"))  # two seconds ahead: the past stays as it was
    time.sleep(2.5)
    assert simulated(world, model=name)["calls"] == 0
    found = simulated(world, model=name, prices="current")
    assert Decimal(found["charge_after"]) == 5 * Decimal(c["charge"])
    posted(world, found["id"])
    assert Decimal(world.balance(customer)["balance"]) == 10 - 5 * Decimal(c["charge"])


def test_what_has_changed_since_the_simulation_is_skipped_and_what_has_come_is_left(world):
    name, (customer, key) = model(world), world.customer("10")
    kept, undone = call(world, key, name), call(world, key, name, text="other words")
    put_right(world, name, input="2", output="4")
    found = simulated(world, model=name)
    assert found["calls"] == 2
    assert world.admin.post(f"/api/v1/calls/{undone['id']}/void", {"reason": "goodwill"}).status == 200
    later = call(world, key, name)
    world.price(name, rates(input="100", output="200"), valid_from=at(-900), correction=True)  # nobody has seen what that would do
    done = posted(world, found["id"])
    assert done["posted_calls"] == 1 and done["skipped_calls"] == 1 and Decimal(done["posted_difference"]) == Decimal(kept["charge"])
    assert world.call(undone["id"])["state"] == "voided" and Decimal(world.call(undone["id"])["charge"]) == 0
    assert world.call(later["id"])["corrections"] == [] and Decimal(world.call(kept["id"])["charge"]) == 2 * Decimal(kept["charge"])
    (who,) = changed(world, found["id"]).values()
    assert (who["calls"], who["posted_calls"], who["skipped_calls"]) == (2, 1, 1)


def test_what_an_aborted_call_cost_the_operator_stays_that_of_all_it_generated(world):
    name, (customer, key) = model(world, PACED), world.customer("10", abort_charge="input")
    stream = world.servers[0].client(key).stream(model=name, text="some words to be charged for")
    while stream.bytes.count(b'"content":"') < 4:  # the first has the role and no word
        more = stream.socket.recv(4096)
        assert more, stream.bytes[-300:]
        stream.bytes += more
    stream.abort()
    c = world.call(stream.call)
    assert (c["state"], c["aborted"], c["adds_up"]) == ("settled", True, True) and set(c["usage"]) == {"input_tokens"}
    generated = c["evidence"]["abort"]["generated"]["usage"]
    put_right(world, name, input="2", output="4", cost="0.75")
    posted(world, simulated(world, model=name)["id"])
    told = world.call(c["id"])
    assert told["adds_up"] and Decimal(told["charge"]) == 2 * Decimal(c["charge"]) and told["usage"] == c["usage"]
    assert Decimal(told["cost"]) == sum(generated.values()) * Decimal("0.75") / 1000000 > Decimal(c["cost"]) > 0


# ---- without a price

def parked(world, customer, price=None, model=None, usage='{"input_tokens":1000,"output_tokens":10}'):
    """A call that ended without a price, as the ledger leaves it: its time is now."""
    call, of = new_uuid(), parse_id(customer)
    call = uuid.UUID(bytes=call.bytes[:12] + of.bytes[12:])
    world.cluster.sql("INSERT INTO calls (customer_id, id, key_id, price_id, charge, cost, place, seq, writer_id, revision, state, flags, usage) "
                      "SELECT %s, %s, %s, %s, 0, 0, 0, seq, id, 0, 5, 0, %s FROM writers WHERE seq > 0 LIMIT 1",
                      str(of), str(call), str(new_uuid()), str(parse_id(price) if price else uuid.UUID(int=0)), usage)
    world.cluster.sql("INSERT INTO call_evidence (customer_id, call_id, evidence) VALUES (%s, %s, json_build_object('model', %s::text))", str(of), str(call), model)
    return print_id("call", call)


def reported(world, customer, model, **usage):
    body = {"id": uuid.uuid4().hex, "type": model, "subject": customer, "data": {"usage": usage}}
    answer = world.admin.post("/api/v1/events", body)
    assert answer.status == 200, answer
    return answer.json


def rated(world, call):
    return wait_for(lambda: (c := world.admin.get(f"/api/v1/calls/{call}").json)["state"] == "settled" and c, 30, "the call being rated")


def test_calls_that_wait_for_a_price_are_rated_when_it_comes(world):
    name, (customer, _), (poor, _) = "m-" + uuid.uuid4().hex[:8], world.customer("10"), world.customer("0")
    calls = [parked(world, customer, model=name), parked(world, customer, model="openai/" + name), parked(world, poor, model=name)]
    waits = parked(world, customer, model="m-" + uuid.uuid4().hex[:8])
    price = world.price(name, rates(), valid_from=at(-1))["id"]
    for c in calls:
        told = rated(world, c)
        assert told["adds_up"] and told["price"]["id"] == price and Decimal(told["charge"]) == Decimal("0.00102")
        assert "rerated" in told["flags"] and [v["state"] for v in told["corrections"]] == ["settled"]
    assert Decimal(world.balance(customer)["balance"]) == 10 - 2 * Decimal("0.00102")
    assert Decimal(world.balance(poor)["debt"]) == Decimal("0.00102"), "what was used is charged"
    assert report(world, poor)[name]["charge"] == "0.00102" and report(world, poor)[name]["calls"] == 1
    assert world.call(waits)["state"] == "unrated" and world.call(waits)["charge"] == "0"


@pytest.fixture
def patient():
    """Its writers hear of the database's clock with a batch, and else every twenty seconds."""
    c = Cluster(settings=["fsync=off"])
    w = World(c, TOLLGATE_LEASE_MS="60000")
    yield w
    w.audit()
    w.stop()
    c.remove()


def fall_behind(world, customer, seconds):
    """What an instance knows of the database's clock is so old by then: a batch waited for a customer's row."""
    keeper = world.cluster.connect()
    keeper.autocommit = False
    keeper.cursor().execute("SELECT FROM customers WHERE id = %s FOR UPDATE", (str(parse_id(customer)),))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        grant = pool.submit(world.admin.post, "/api/v1/grants", {"customer": customer, "amount": "1"})
        time.sleep(seconds)
        keeper.close()
        assert grant.result().status == 201


def test_a_price_that_has_just_begun_rates_what_waits_at_once_by_the_databases_clock(patient):
    name, (customer, _) = "m-" + uuid.uuid4().hex[:8], patient.customer("10")
    c = parked(patient, customer, model=name)
    fall_behind(patient, customer, 2.5)
    patient.price(name, rates())
    assert Decimal(rated(patient, c)["charge"]) == Decimal("0.00102")


def given_away(world, call, **more):
    answer = world.admin.post(f"/api/v1/calls/{call}/void", {"reason": "our mistake"}, **more)
    assert answer.status == 200, answer
    return answer.json


def test_what_waits_for_a_price_is_given_away_once(world):
    name, (customer, _) = "m-" + uuid.uuid4().hex[:8], world.customer("10")
    c, waits = (reported(world, customer, name, input_tokens=n, output_tokens=10)["call"] for n in (1000, 70))
    listed = f"/api/v1/calls?customer={customer}&state="
    key = {"Idempotency-Key": uuid.uuid4().hex}
    told = given_away(world, c, headers=key)
    assert (told["state"], told["charge"], told["usage"], told["grants"], told["adds_up"]) == ("released", "0", {}, [], True)
    (correction,) = told["corrections"]
    assert (correction["state"], correction["charge"], correction["usage"]) == ("released", "0", {"input_tokens": -1000, "output_tokens": -10})
    assert correction["evidence"]["reason"] == "our mistake" and correction["evidence"]["by"].startswith("key_")
    assert given_away(world, c, headers=key) == given_away(world, c) == told
    assert [x["id"] for x in world.admin.get(listed + "unrated").json["data"]] == [waits]
    assert [x["id"] for x in world.admin.get(listed + "released").json["data"]] == [c]
    assert world.balance(customer)["balance"] == "10"
    assert report(world, customer)[""]["usage"] == {"input_tokens": 70, "output_tokens": 10}, "of the one that waits alone"
    assert world.admin.get(f"/api/v1/calls/{c}/receipt").status == 409


def test_what_was_given_away_is_charged_by_no_price_that_comes(world):
    name, (customer, _) = "m-" + uuid.uuid4().hex[:8], world.customer("10")
    away, waits = parked(world, customer, model=name), parked(world, customer, model=name)
    given_away(world, away)
    world.price(name, rates(), valid_from=at(-1))
    rated(world, waits)
    assert simulated(world, customer=customer, model=name)["calls"] == simulated(world, customer=customer, unrated=True)["seen_calls"] == 0
    assert world.call(away)["state"] == "released" and world.call(away)["charge"] == "0"
    assert Decimal(world.balance(customer)["balance"]) == 10 - Decimal("0.00102")
    told = world.admin.post(f"/api/v1/calls/{waits}/void", {"reason": "charged by now"}).json
    assert told["state"] == "voided" and world.balance(customer)["balance"] == "10"


def test_what_is_given_away_while_a_job_waits_is_left_by_it(world):
    name, (customer, _) = "m-" + uuid.uuid4().hex[:8], world.customer("10")
    world.price(name, [("input_tokens", "1", "1")], valid_from=at(-60))
    half = world.admin.get(f"/api/v1/prices?model={name}").json["data"][0]["id"]
    world.cluster.sql("UPDATE parked_calls SET lease_id = gen_random_uuid(), lease_until = 'infinity'")  # the chore would rate it first
    try:
        c = parked(world, customer, price=half)
        world.price(name, rates(), valid_from=at(-30), correction=True)
        job = wait_for(lambda: (found := simulated(world, customer=customer, unrated=True))["calls"] == 1 and found, 30, "a job that would rate it")
        given_away(world, c)
        done = posted(world, job["id"])
    finally:
        world.cluster.sql("UPDATE parked_calls SET lease_until = NULL")
    assert (done["posted_calls"], done["skipped_calls"], done["posted_difference"]) == (0, 1, "0")
    assert world.call(c)["state"] == "released" and world.balance(customer)["balance"] == "10"


def test_what_cannot_be_voided_is_refused_with_what_it_is(world):
    customer, key = world.customer("10")
    world.price("stand-in:garbage", world.PRICES["gpt-4o-mini"])
    wait_for(lambda: any(m["id"] == "stand-in:garbage" for m in world.servers[0].client(key).get("/v1/models").json["data"]), 10, "the price")
    nothing = world.servers[0].client(key).chat(model="stand-in:garbage", check=False).headers["x-tollgate-call"]
    held = world.admin.post("/api/v1/holds", {"customer": customer, "amount": "1"}).json["id"]
    assert world.call(nothing)["state"] == "released"
    for c, is_now in ((nothing, "released"), (held, "pending")):
        answer = world.admin.post(f"/api/v1/calls/{c}/void", {"reason": "why not"})
        assert (answer.status, answer.code) == (409, "conflict") and f"this one is {is_now}" in answer.json["detail"]


def test_a_price_that_knew_not_all_meters_is_followed_by_one_that_does(world):
    name, (customer, _) = "m-" + uuid.uuid4().hex[:8], world.customer("10")
    half = world.price(name, [("input_tokens", "1", "1")])["id"]
    c = parked(world, customer, price=half)
    found = simulated(world, customer=customer, unrated=True)
    assert (found["seen_calls"], found["unpriced_calls"], found["calls"]) == (1, 1, 0)
    assert world.call(c)["state"] == "unrated"
    whole = world.price(name, rates(), valid_from=at(3))["id"]
    told = rated(world, c)
    assert told["price"]["id"] == whole and Decimal(told["charge"]) == Decimal("0.00102")


def test_what_is_settled_after_its_hold_has_expired_is_rated_when_its_price_comes(world):
    name, known, (customer, key) = "m-" + uuid.uuid4().hex[:8], model(world), world.customer("10")
    client, usage = world.servers[0].client(key), {"input_tokens": 1000, "output_tokens": 10}
    holds = [hold(client, ttl_seconds=1, **of) for of in ({"amount": "1"}, {"model": known, "usage": usage})]
    for held in holds:
        expired(client, held)
        told = done(act(client, held, "settle", {"model": name, "usage": usage}))
        assert (told["state"], told["charged"], told["late"]) == ("unrated", "0", True)
    found = simulated(world, customer=customer, model=name)
    assert found["calls"] == 0 and world.balance(customer)["balance"] == "10"
    price = world.price(name, rates())["id"]
    for held in holds:
        told = rated(world, held["id"])
        assert told["adds_up"] and told["price"]["id"] == price and Decimal(told["charge"]) == Decimal("0.00102")
    assert Decimal(world.balance(customer)["balance"]) == 10 - 2 * Decimal("0.00102")


def test_calls_without_a_price_may_be_part_of_a_job(world):
    name, (customer, _) = "m-" + uuid.uuid4().hex[:8], world.customer("10")
    world.price(name, [("input_tokens", "1", "1")], valid_from=at(-60))
    half = world.admin.get(f"/api/v1/prices?model={name}").json["data"][0]["id"]
    c = parked(world, customer, price=half, usage='{"input_tokens":1000}')
    # the chore tries again only when the book moves or after a while, so that a job may come first; either rates it once
    found = simulated(world, customer=customer, unrated=True)
    if found["calls"] == 1:
        assert Decimal(found["difference"]) == Decimal("0.001")
        done = posted(world, found["id"])
        assert done["posted_calls"] + done["skipped_calls"] == 1
    assert Decimal(rated(world, c)["charge"]) == Decimal("0.001") and Decimal(world.balance(customer)["balance"]) == Decimal("9.999")


def test_budgets_are_corrected_and_the_outside_is_told(two):
    world = two
    name, (customer, key) = model(world), world.customer("10")
    limit = world.admin.post("/api/v1/limits", {"customer": customer, "measure": "spend", "period": "day", "amount": "5"}).json["id"]
    sink = Sink()
    try:
        hook = world.admin.post("/api/v1/webhook-endpoints", {"url": sink.url, "events": ["usage.settled"]}).json["id"]
        c = call(world, key, name)

        def used():
            return Decimal(world.admin.get(f"/api/v1/limits/{limit}?customer={customer}").json["used"])
        assert used() == Decimal(c["charge"])
        put_right(world, name, input="3", output="6")
        posted(world, simulated(world, model=name)["id"])
        assert used() == 3 * Decimal(c["charge"])

        def told():
            rows = [one for a in list(sink.attempts) for one in a.json["data"].get("object", a.json["data"])["calls"] if one["call"] == c["id"]]
            return rows if len(rows) == 2 else None
        first, second = sorted(wait_for(told, 20, "both events"), key=lambda one: one["revision"])
        assert (first["revision"], second["revision"]) == (0, 1) and Decimal(second["charge"]) == 2 * Decimal(first["charge"]) and second["usage"] == {}
        world.admin.delete(f"/api/v1/webhook-endpoints/{hook}")
    finally:
        sink.close()


def test_what_a_job_may_become(world):
    name, (customer, key) = model(world), world.customer("10")
    call(world, key, name)
    put_right(world, name, input="2", output="4")
    a, headers = world.admin, {"Idempotency-Key": uuid.uuid4().hex}
    body = {"from": at(-7200), "model": name, "customer": customer, "reason": "twice"}
    job = a.post("/api/v1/rerates", body, headers=headers).json["id"]
    assert a.post("/api/v1/rerates", body, headers=headers).json["id"] == job
    state(world, job, "simulated")
    assert a.post(f"/api/v1/rerates/{job}/cancel", None).json["state"] == "cancelled"
    assert a.post(f"/api/v1/rerates/{job}/cancel", None).json["state"] == "cancelled"
    refused = a.post(f"/api/v1/rerates/{job}/post", None)
    assert refused.status == 409 and "cancelled" in refused.json["error"]["message"]
    other = simulated(world, model=name, customer=customer)["id"]
    posted(world, other)
    assert a.post(f"/api/v1/rerates/{other}/post", None).json["state"] == "posted" and a.post(f"/api/v1/rerates/{other}/cancel", None).status == 409
    ids = [r["id"] for r in a.get("/api/v1/rerates?limit=2").json["data"]]
    assert ids == [other, job]
    assert simulated(world, to=at(-9000))["seen_calls"] == 0, "an empty range"


def test_the_command_does_it_all(world):
    name, (customer, key) = model(world), world.customer("10")
    c = call(world, key, name)
    put_right(world, name, input="2", output="4")
    made = world.tool("rerates", "create", "--from", at(-7200), "--model", name, "--reason", "test", "--json", json_out=True)["id"]
    state(world, made, "simulated")
    assert world.tool("rerates", "get", made, "--json", json_out=True)["calls"] == 1
    assert customer in world.tool("rerates", "customers", made) and made in world.tool("rerates", "list")
    world.tool("rerates", "post", made, "--yes")
    state(world, made, "posted")
    assert Decimal(world.call(c["id"])["charge"]) == 2 * Decimal(c["charge"])
    world.tool("calls", "void", c["id"], "--reason", "test", "--yes")
    assert world.balance(customer)["balance"] == "10"
    world.tool("rerates", "cancel", made, code=5)


def test_posting_that_is_killed_in_the_middle_goes_on_and_every_call_is_corrected_once(two):
    name, people = model(two), [two.customer("10") for _ in range(6)]
    calls = {customer: [call(two, key, name, text=f"{n} words", server=n % 2) for n in range(3)] for customer, key in people}
    put_right(two, name, input="2", output="4")
    job = simulated(two, model=name)["id"]
    assert two.admin.get(f"/api/v1/rerates/{job}").json["calls"] == 18
    last = max(calls, key=lambda customer: parse_id(customer).bytes)
    keeper = two.cluster.connect()
    keeper.autocommit = False
    with keeper.cursor() as cursor:
        cursor.execute("SELECT 1 FROM customers WHERE id = %s FOR UPDATE", (str(parse_id(last)),))
        assert two.admin.post(f"/api/v1/rerates/{job}/post", None).status == 200
        wait_for(lambda: two.cluster.sql("SELECT count(*) FROM calls WHERE revision = 1 AND flags & 512 <> 0")[0][0] >= 15, 90, "the others' corrections")
        for server in two.servers:
            server.kill()
    keeper.rollback()
    keeper.close()
    assert two.cluster.sql("SELECT posted FROM rerates WHERE id = %s", str(parse_id(job)))[0][0] == 0, "what was posted was not yet saved"
    for server in two.servers:
        server.start()
    done = state(two, job, "posted")
    assert done["posted_calls"] == 18 and done["skipped_calls"] == 0
    for customer, theirs in calls.items():
        assert Decimal(two.balance(customer)["balance"]) == 10 - 2 * sum(Decimal(c["charge"]) for c in theirs)
        assert all(len(two.call(c["id"])["corrections"]) == 1 for c in theirs)
    assert Decimal(done["posted_difference"]) == sum(Decimal(c["charge"]) for theirs in calls.values() for c in theirs)
    two.quiet()
    two.audit()


def test_two_instances_at_many_jobs_do_each_piece_once(two):
    names, (customer, key) = [model(two) for _ in range(4)], two.customer("10")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        calls = list(pool.map(lambda n: call(two, key, names[n % 4], server=n % 2), range(40)))
    for name in names:
        put_right(two, name, input="2", output="4")
    jobs = [rerate(two, model=name) for name in names]
    for job in jobs:
        assert state(two, job, "simulated")["calls"] == 10
        assert two.servers[1].client(two.admin_key).post(f"/api/v1/rerates/{job}/post", None).status == 200
    for job in jobs:
        done = state(two, job, "posted", server=1)
        assert done["posted_calls"] == 10 and done["skipped_calls"] == 0
    assert Decimal(two.balance(customer)["balance"]) == 10 - 2 * sum(Decimal(c["charge"]) for c in calls)
    two.audit()
