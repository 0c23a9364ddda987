"""Explicit holds: credits that an app sets aside before work that is no call through the gateway. They are taken by amount or by what
quantities can cost at most, settled for less or more, at once or in parts, given back, and given back by themselves when their time
runs out; what was used is charged, whenever that is said, and once."""
import concurrent.futures
import time
import uuid
from decimal import Decimal

import pytest

from tests.harness.cluster import Cluster
from tests.harness.holding import BOUND, COST, HOLDS, MOST, USAGE, act, done, expired, hold, refused, shown
from tests.harness.process import wait_for
from tests.harness.server import World
from tests.harness.typeid import parse_id


def new_key():
    return "k-" + uuid.uuid4().hex


@pytest.fixture(scope="module")
def world(cluster):
    """One whose sweeper comes often: half a lease is its time."""
    w = World(cluster, TOLLGATE_LEASE_MS="3000")
    yield w
    w.quiet()
    w.audit()
    w.stop()


@pytest.fixture
def own(world):
    """A customer with ten credits and a client with its own key: (id, client)."""
    customer, key = world.customer("10")
    return customer, world.servers[0].client(key)


def stands(world, customer, balance, held="0"):
    b = world.balance(customer)
    assert (Decimal(b["balance"]), Decimal(b["held"])) == (Decimal(balance), Decimal(held)), b


# ---- taking one

def test_a_hold_by_amount_takes_what_is_available_and_charges_nothing(world, own):
    customer, client = own
    made = hold(client, customer=customer, amount="2.5", metadata={"job": "7"})
    assert (made["state"], made["amount"], made["charged"], made["model"], made["price"]) == ("pending", "2.5", "0", None, None)
    assert (made["customer"], made["metadata"], made["balance"], made["available"]) == (customer, {"job": "7"}, "10", "7.5")
    stands(world, customer, "10", "2.5")
    told = shown(client, made)
    assert {k: told[k] for k in told} == {k: made[k] for k in told}
    assert [h["id"] for h in done(client.get(HOLDS))["data"]] == [made["id"]]


def test_a_hold_by_usage_is_what_that_can_cost_at_most(world, own):
    customer, client = own
    made = hold(client, model="gpt-4o-mini", usage=MOST)
    assert (made["amount"], made["model"], made["customer"]) == (BOUND, "gpt-4o-mini", customer) and made["price"]
    stands(world, customer, "10", BOUND)
    assert hold(client, model="openai/gpt-4o-mini", usage=MOST)["amount"] == BOUND
    dear = "m-" + uuid.uuid4().hex[:10]  # what is cached costs more than what is not
    world.price(dear, [("input_tokens", "1000", "1"), ("cached_input_tokens", "3000", "1"), ("output_tokens", "0", "0")])
    assert hold(client, model=dear, usage={"input_tokens": 1000})["amount"] == "3"


def test_an_operator_holds_for_a_customer_that_it_names(world):
    name = uuid.uuid4().hex
    customer, _ = world.customer("10", external_id=name)
    for who in (customer, f"ext:{name}"):
        made = hold(world.admin, customer=who, amount="1")
        assert (made["customer"], made["key"]) == (customer, None)
    assert [h["id"] for h in done(world.admin.get(f"{HOLDS}?customer=ext:{name}"))["data"]][0] == made["id"]


def test_open_holds_are_listed_in_pages_and_ended_ones_are_not(world, own):
    customer, client = own
    made = [hold(client, amount="0.1") for _ in range(5)]
    done(act(client, made[2], "release"))
    done(act(client, made[3], "settle", {"amount": "0.05", "final": False}))
    first = done(client.get(HOLDS + "?limit=2"))
    rest = done(client.get(f"{HOLDS}?limit=2&cursor={first['next_cursor']}"))
    assert [h["id"] for h in first["data"] + rest["data"]] == [made[i]["id"] for i in (4, 3, 1, 0)] and not rest["has_more"]
    assert [(h["amount"], h["charged"]) for h in first["data"]] == [("0.1", "0"), ("0.05", "0.05")]


def test_another_instance_ends_what_one_has_taken(pair):
    customer, key = pair.customer("10")
    here, there = (s.client(key) for s in pair.servers)
    made = hold(here, model="gpt-4o-mini", usage=USAGE)
    assert done(act(there, made, "extend", {"amount": "1"}))["amount"] == "1"
    assert done(act(pair.servers[1].client(pair.admin_key), made, "settle", {"usage": USAGE}))["charged"] == COST
    assert shown(here, made)["state"] == "settled"


# ---- ending it

@pytest.mark.parametrize("charge, above", [("0", False), ("1.25", False), ("2", False), ("3.5", True)])
def test_what_was_used_is_charged_less_or_more_than_was_held(world, own, charge, above):
    customer, client = own
    made = hold(client, amount="2")
    ended = done(act(client, made, "settle", {"amount": charge}))
    assert (ended["state"], ended["charged"], ended["amount"], ended["above_hold"], ended["late"]) == ("settled", charge, "0", above, False)
    assert ended["expires_at"] is None and Decimal(ended["balance"]) == Decimal(ended["available"]) == 10 - Decimal(charge)
    stands(world, customer, 10 - Decimal(charge))
    call = world.call(made["id"])
    assert (call["state"], call["charge"], call["adds_up"]) == ("settled", charge, True) and call["hold"]["explicit"]
    assert sum(Decimal(g["amount"]) for g in call["grants"]) == Decimal(charge)


def test_more_than_there_is_becomes_debt_and_is_not_lost(world, own):
    customer, client = own
    made = hold(client, amount="10")
    ended = done(act(client, made, "settle", {"amount": "12"}))
    assert (ended["charged"], ended["balance"]) == ("12", "-2") and world.balance(customer)["debt"] == "2"
    refused(client.post(HOLDS, {"amount": "0.1"}), 402, "insufficient_credits")


def test_quantities_cost_what_the_pinned_price_says_whatever_came_after(world, own):
    customer, client = own
    model = "m-" + uuid.uuid4().hex[:10]
    world.price(model, [("input_tokens", "1000", "1"), ("output_tokens", "2000", "1")])
    made = hold(client, model=model, usage={"input_tokens": 1000, "output_tokens": 500})
    assert made["amount"] == "2"
    newer = world.price(model, [("input_tokens", "9000", "1"), ("output_tokens", "9000", "1")])
    # Which is known everywhere in two seconds: then what is held anew is held by it.
    until = time.monotonic() + 20
    while (other := hold(client, amount="0.001")) and client.post("/api/v1/check", {"model": model, "usage": {"input_tokens": 1000}}).json["required"] != "9":
        done(act(client, other, "release"))
        assert time.monotonic() < until
    ended = done(act(client, made, "settle", {"usage": {"input_tokens": 500, "output_tokens": 100}}))
    assert (ended["charged"], ended["price"]) == ("0.7", made["price"]) and newer["id"] != made["price"]
    call = world.call(made["id"])
    assert [(line["meter"], line["amount"]) for line in call["lines"]] == [("input_tokens", "0.5"), ("output_tokens", "0.2")] and call["adds_up"]


def test_another_model_than_was_held_for_costs_what_it_costs_now(world, own):
    customer, client = own
    made = hold(client, model="gpt-4o-mini", usage=USAGE)
    ended = done(act(client, made, "settle", {"model": "text-embedding-3-small", "usage": {"input_tokens": 1000000}}))
    assert ended["charged"] == "0.02" and ended["price"] != made["price"] and ended["above_hold"]
    by_amount = hold(client, amount="1")
    refused(act(client, by_amount, "settle", {"usage": USAGE}), 400, "invalid_request", "model")
    assert done(act(client, by_amount, "settle", {"model": "gpt-4o-mini", "usage": USAGE}))["charged"] == COST


def test_a_hold_is_released_and_everything_comes_back(world, own):
    customer, client = own
    made = hold(client, amount="2.5")
    ended = done(act(client, made, "release"))
    assert (ended["state"], ended["charged"], ended["available"]) == ("released", "0", "10")
    stands(world, customer, "10")
    assert done(act(client, made, "release"))["state"] == "released"


# ---- extending it

def test_an_extension_says_what_is_to_stand_and_may_be_said_twice(world, own):
    customer, client = own
    made = hold(client, amount="2", ttl_seconds=60)
    for _ in range(2):
        longer = done(act(client, made, "extend", {"amount": "3"}))
        assert (longer["amount"], longer["available"], longer["expires_at"]) == ("3", "7", made["expires_at"])
    later = done(act(client, made, "extend", {"ttl_seconds": 600}))
    assert later["amount"] == "3" and later["expires_at"] > made["expires_at"]
    assert done(act(client, made, "extend", {"ttl_seconds": 1}))["expires_at"] == later["expires_at"]  # never nearer
    both = done(act(client, made, "extend", {"amount": "4", "ttl_seconds": 3600}))
    assert both["amount"] == "4" and both["expires_at"] > later["expires_at"]
    stands(world, customer, "10", "4")


def test_an_extension_in_time_keeps_the_sweeper_away(world, own):
    customer, client = own
    made = hold(client, amount="2", ttl_seconds=2)
    passing = hold(client, amount="1", ttl_seconds=2)
    done(act(client, made, "extend", {"ttl_seconds": 600}))
    assert expired(client, passing)["state"] == "expired"
    assert shown(client, made)["state"] == "pending"
    stands(world, customer, "10", "2")


def test_a_hold_whose_time_has_run_out_is_not_extended_swept_or_not(world, own):
    customer, client = own
    made = hold(client, amount="2", ttl_seconds=600)
    world.cluster.sql("UPDATE holds SET expires_at = clock_timestamp() - interval '1 s' WHERE call_id = %s", str(parse_id(made["id"])))
    told = [refused(act(client, made, "extend", body), 409, "conflict", "id")["message"] for body in ({"ttl_seconds": 600}, {"amount": "3"})]
    expired(client, made)
    told.append(refused(act(client, made, "extend", {"ttl_seconds": 600}), 409, "conflict", "id")["message"])
    assert len(set(told)) == 1 and "time has run out" in told[0]
    assert done(act(client, made, "settle", {"amount": "1"}))["late"]
    stands(world, customer, "9")


# ---- parts

def test_parts_are_charged_as_they_come_and_the_hold_goes_on_with_the_rest(world, own):
    customer, client = own
    made = hold(client, model="gpt-4o-mini", usage={"input_tokens": 10000000})  # 1.5 credits
    one = done(act(client, made, "settle", {"amount": "0.5", "final": False}))
    assert (one["state"], one["amount"], one["charged"], one["balance"], one["available"]) == ("pending", "1", "0.5", "9.5", "8.5")
    two = done(act(client, made, "settle", {"usage": {"input_tokens": 1000000}, "final": False}))
    assert (two["amount"], two["charged"], two["part_count"]) == ("0.85", "0.65", 2)
    ended = done(act(client, made, "settle", {"amount": "0.1", "final": True}))
    assert (ended["state"], ended["charged"], ended["amount"]) == ("settled", "0.75", "0")
    assert [p["charge"] for p in ended["parts"]] == ["0.15", "0.5"]  # the newest first
    stands(world, customer, "9.25")
    explained = [world.call(p["call"]) for p in ended["parts"]]
    assert all(c["part_of"] == made["id"] and c["adds_up"] for c in explained) and explained[0]["usage"] == {"input_tokens": 1000000}
    whole = world.call(made["id"])
    assert whole["charge"] == "0.1" and [p["call"] for p in whole["parts"]] == [p["call"] for p in ended["parts"]]


def test_parts_of_more_than_is_held_are_charged_whole(world, own):
    customer, client = own
    made = hold(client, amount="1")
    told = done(act(client, made, "settle", {"amount": "1.5", "final": False}))
    assert (told["state"], told["amount"], told["charged"]) == ("pending", "0", "1.5")
    assert done(act(client, made, "extend", {"amount": "2"}))["amount"] == "2"
    assert done(act(client, made, "settle", {"amount": "0.5"}))["charged"] == "2"
    stands(world, customer, "8")


def test_what_is_released_after_parts_is_the_rest(world, own):
    customer, client = own
    made = hold(client, amount="3")
    done(act(client, made, "settle", {"amount": "1", "final": False}))
    ended = done(act(client, made, "release"))
    assert (ended["state"], ended["charged"], ended["available"]) == ("released", "1", "9")
    stands(world, customer, "9")


# ---- its time runs out

def test_a_hold_whose_time_has_run_out_is_given_back_by_itself(world, own):
    customer, client = own
    made = hold(client, amount="4", ttl_seconds=1)
    ended = expired(client, made)
    assert (ended["state"], ended["amount"], ended["charged"], ended["expires_at"], ended["late"]) == ("expired", "0", "0", None, False)
    stands(world, customer, "10")
    assert world.call(made["id"])["state"] == "expired"
    assert done(act(client, made, "release"))["state"] == "expired"  # nothing was used: so it stands


def test_parts_stay_charged_when_the_rest_expires(world, own):
    customer, client = own
    made = hold(client, amount="4", ttl_seconds=1)
    done(act(client, made, "settle", {"amount": "1", "final": False}))
    assert expired(client, made)["charged"] == "1"
    stands(world, customer, "9")


def test_what_is_settled_after_expiry_is_charged_once_and_late(world, own):
    customer, client = own
    made = hold(client, model="gpt-4o-mini", usage=USAGE, ttl_seconds=1)
    expired(client, made)
    for _ in range(2):
        ended = done(act(client, made, "settle", {"usage": USAGE}))
        assert (ended["state"], ended["charged"], ended["late"]) == ("settled", COST, True)
    stands(world, customer, 10 - Decimal(COST))
    call = world.call(made["id"])
    assert call["late"] and call["charge"] == COST and call["adds_up"] and len(call["corrections"]) == 1
    refused(act(client, made, "settle", {"amount": "5"}), 409, "conflict", "id")


def test_parts_after_expiry_are_charged_and_late(world, own):
    customer, client = own
    made = hold(client, amount="1", ttl_seconds=1)
    expired(client, made)
    told = done(act(client, made, "settle", {"amount": "0.25", "final": False}))
    assert (told["state"], told["charged"], told["parts"][0]["late"]) == ("expired", "0.25", True)
    ended = done(act(client, made, "settle", {"amount": "0.5"}))
    assert (ended["state"], ended["charged"], ended["late"]) == ("settled", "0.75", True)
    stands(world, customer, "9.25")


# ---- a price that is not there

def test_usage_without_a_price_is_parked_and_never_free(world, own):
    customer, client = own
    made = hold(client, amount="1")
    for model, usage in (("nobody-sells-this", {"input_tokens": 5}), ("gpt-4o-mini", {"images": 2})):
        part = done(act(client, made, "settle", {"model": model, "usage": usage, "final": False}))["parts"][0]
        assert (part["state"], part["charge"]) == ("unrated", "0") and world.call(part["call"])["usage"] == usage
    ended = done(act(client, made, "settle", {"model": "nobody-sells-this", "usage": {"input_tokens": 5}}))
    assert ended["state"] == "unrated"
    assert done(act(client, made, "settle", {"model": "nobody-sells-this", "usage": {"input_tokens": 5}}))["state"] == "unrated"
    refused(act(client, made, "settle", {"model": "nobody-sells-this", "usage": {"input_tokens": 6}}), 409, "conflict", "id")
    stands(world, customer, "10")


# ---- said again

def test_a_hold_that_is_asked_for_again_is_taken_once(world, own):
    customer, client = own
    key = new_key()
    first = hold(client, key, amount="2")
    again = client.post(HOLDS, {"amount": "2"}, headers={"Idempotency-Key": key})
    assert (again.status, again.json["id"], again.headers["idempotency-replayed"]) == (201, first["id"], "true")
    refused(client.post(HOLDS, {"amount": "3"}, headers={"Idempotency-Key": key}), 422, "idempotency_key_reused", "Idempotency-Key")
    stands(world, customer, "10", "2")
    done(act(client, first, "release"))
    assert hold(client, key, amount="2")["state"] == "released"  # it was taken, whatever became of it


def test_a_refused_hold_may_be_asked_for_again_with_its_key(world, own):
    customer, client = own
    key = new_key()
    refused(client.post(HOLDS, {"amount": "11"}, headers={"Idempotency-Key": key}), 402, "insufficient_credits")
    assert world.admin.post("/api/v1/grants", {"customer": customer, "amount": "5"}).status == 201
    assert hold(client, key, amount="11")["available"] == "4"


def test_the_same_settlement_again_answers_the_same_and_another_is_a_conflict(world, own):
    customer, client = own
    made = hold(client, amount="2")
    first = done(act(client, made, "settle", {"amount": "1"}))
    again = act(client, made, "settle", {"amount": "1"}, new_key())
    assert done(again) == {**first, "parts": []} and again.headers["idempotency-replayed"] == "true"
    error = refused(act(client, made, "settle", {"amount": "1.5"}), 409, "conflict", "id")
    assert error["details"] == {"hold": made["id"], "state": "settled", "amount": "0", "charged": "1"}
    refused(act(client, made, "release"), 409, "conflict", "id")
    refused(act(client, made, "extend", {"amount": "5"}), 409, "conflict", "id")
    refused(act(client, made, "settle", {"amount": "1", "final": False}), 409, "conflict", "id")
    stands(world, customer, "9")


def test_the_same_quantities_again_are_the_same_whatever_their_model_costs_by_now(world, own):
    customer, client = own
    model, usage = "m-" + uuid.uuid4().hex[:10], {"output_tokens": 1000}
    world.price(model, [("output_tokens", "100", "1")])
    wait_for(lambda: client.post("/api/v1/check", {"model": model, "usage": usage}).status == 200, 20, "the price being known")
    made, named = hold(client, amount="2"), hold(client, amount="2")
    first = done(act(client, made, "settle", {"model": model, "usage": usage}))
    other = done(act(client, named, "settle", {"model": f"openai/{model}", "usage": usage}))
    assert (first["charged"], other["charged"]) == ("0.1", "0.1")
    world.price(model, [("output_tokens", "300", "1")])
    wait_for(lambda: done(client.post("/api/v1/check", {"model": model, "usage": usage}))["required"] == "0.3", 20, "the new price being known")
    assert done(act(client, made, "settle", {"model": model, "usage": usage}))["charged"] == "0.1"
    assert done(act(client, named, "settle", {"model": f"openai/{model}", "usage": usage}))["charged"] == "0.1"
    refused(act(client, made, "settle", {"model": model, "usage": {"output_tokens": 999}}), 409, "conflict", "id")
    refused(act(client, made, "settle", {"model": "gpt-4o-mini", "usage": usage}), 409, "conflict", "id")
    stands(world, customer, "9.8")


def test_what_was_parked_is_the_same_when_its_price_has_come(world, own):
    customer, client = own
    model, usage = "m-" + uuid.uuid4().hex[:10], {"output_tokens": 1000}
    made = hold(client, amount="2")
    assert done(act(client, made, "settle", {"model": model, "usage": usage}))["state"] == "unrated"
    refused(act(client, made, "settle", {"model": "gpt-4o-mini", "usage": usage}), 409, "conflict", "id")
    world.price(model, [("output_tokens", "100", "1")])
    wait_for(lambda: client.post("/api/v1/check", {"model": model, "usage": usage}).status == 200, 20, "the price being known")
    assert done(act(client, made, "settle", {"model": model, "usage": usage}))["state"] in ("unrated", "settled")


def test_what_was_parked_late_is_charged_too_when_its_price_has_come(world, own):
    customer, client = own
    model, usage = "m-" + uuid.uuid4().hex[:10], {"output_tokens": 1000}
    by_amount, by_usage = hold(client, amount="2", ttl_seconds=1), hold(client, model="gpt-4o-mini", usage=USAGE, ttl_seconds=1)
    for made in (by_amount, by_usage):
        expired(client, made)
        assert done(act(client, made, "settle", {"model": model, "usage": usage}))["state"] == "unrated"
    world.price(model, [("output_tokens", "100", "1")])
    for made in (by_amount, by_usage):
        wait_for(lambda: shown(client, made)["charged"] == "0.1", 30, "its being rated")
        assert done(act(client, made, "settle", {"model": model, "usage": usage}))["charged"] == "0.1"
    stands(world, customer, "9.8")


def test_a_part_with_a_key_is_charged_once_and_parts_without_are_as_many_as_come(world, own):
    customer, client = own
    made = hold(client, amount="5")
    key = new_key()
    for _ in range(2):
        told = act(client, made, "settle", {"amount": "1", "final": False}, key)
        assert done(told)["charged"] == "1"
    assert told.headers["idempotency-replayed"] == "true"
    refused(act(client, made, "settle", {"amount": "2", "final": False}, key), 422, "idempotency_key_reused", "Idempotency-Key")
    for count in (2, 3):
        assert done(act(client, made, "settle", {"amount": "1", "final": False}))["part_count"] == count
    stands(world, customer, "7", "2")


def at_once(count, ask):
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(ask, range(count)))


def test_a_settlement_with_a_key_is_known_by_it_whatever_became_of_it(world, own):
    customer, client = own
    made, other = hold(client, amount="5"), hold(client, amount="1")
    key = new_key()
    done(act(client, made, "settle", {"amount": "1", "final": False}, part := new_key()))
    refused(act(client, made, "settle", {"amount": "1"}, part), 422, "idempotency_key_reused", "Idempotency-Key")
    first = done(act(client, made, "settle", {"amount": "2"}, key))
    again = act(client, made, "settle", {"amount": "2"}, key)
    assert (done(again)["charged"], first["charged"], again.headers["idempotency-replayed"]) == ("3", "3", "true")
    refused(act(client, made, "settle", {"amount": "2.5"}, key), 422, "idempotency_key_reused", "Idempotency-Key")
    refused(act(client, other, "settle", {"amount": "2"}, key), 422, "idempotency_key_reused", "Idempotency-Key")
    refused(client.post(HOLDS, {"amount": "2"}, headers={"Idempotency-Key": key}), 422, "idempotency_key_reused", "Idempotency-Key")
    assert world.admin.post(f"/api/v1/calls/{made['id']}/void", {"reason": "a mistake"}).status == 200
    assert done(act(client, made, "settle", {"amount": "2"}, key))["state"] == "voided"
    refused(act(client, made, "settle", {"amount": "2"}), 409, "conflict", "id")
    stands(world, customer, "9", "1")


def test_one_key_on_requests_at_the_same_time_is_one_hold_and_one_part(pair):
    customer, secret = pair.customer("10")
    clients = [s.client(secret) for s in pair.servers]
    for turn in range(5):
        key = new_key()
        made = at_once(6, lambda i: hold(clients[i % 2], key, customer=customer, amount="0.5"))
        assert len({h["id"] for h in made}) == 1
        key = new_key()
        parts = at_once(6, lambda i: act(clients[i % 2], made[0], "settle", {"amount": "0.1", "final": False}, key))
        assert {done(p)["charged"] for p in parts} == {"0.1"}
        end = new_key() if turn % 2 else None
        ends = at_once(6, lambda i: act(clients[i % 2], made[0], "settle", {"amount": "0.2"}, end))
        assert {done(e)["charged"] for e in ends} == {"0.3"}
    stands(pair, customer, "8.5")


@pytest.fixture
def few():
    """Two instances that let a customer have five holds open."""
    cluster = Cluster(settings=["fsync=off"])
    world = World(cluster, instances=2, TOLLGATE_OPEN_HOLDS_MAX="5", TOLLGATE_LEASE_MS="3000")
    yield world
    world.audit()
    world.stop()
    cluster.remove()


def test_a_customer_has_as_many_holds_open_as_it_may_however_many_ask_at_once(few):
    customer, secret = few.customer("10")
    clients = [s.client(secret) for s in few.servers]
    ask = lambda i: clients[i % 2].post(HOLDS, {"amount": "0.1", "ttl_seconds": 600})  # noqa: E731
    answers = at_once(16, ask)
    assert sorted(a.status for a in answers) == [201] * 5 + [409] * 11
    assert "5 open holds" in refused(ask(0), 409, "conflict")["message"]
    made = next(a.json for a in answers if a.status == 201)
    done(act(clients[1], made, "settle", {"amount": "0.05", "final": False}))
    refused(ask(0), 409, "conflict")  # a part ends none
    done(act(clients[1], made, "release"))
    assert sorted(a.status for a in at_once(6, ask)) == [201] + [409] * 5
    few.cluster.sql("UPDATE holds SET expires_at = clock_timestamp() WHERE customer_id = %s", str(parse_id(customer)))
    wait_for(lambda: not done(clients[0].get(HOLDS))["data"], 30, "the open ones being swept")
    assert [ask(i).status for i in range(6)] == [201] * 5 + [409]


def test_settling_and_releasing_at_the_same_time_is_one_of_them(pair):
    customer, secret = pair.customer("10")
    clients = [s.client(secret) for s in pair.servers]
    charged = 0
    for _ in range(5):
        made = hold(clients[0], amount="1")
        answers = at_once(4, lambda i: act(clients[i % 2], made, *(("settle", {"amount": "0.5"}) if i < 2 else ("release",))))
        state = shown(clients[0], made)["state"]
        won = {"settled": [200, 200, 409, 409], "released": [409, 409, 200, 200]}[state]
        assert [a.status for a in answers] == won
        charged += state == "settled"
    stands(pair, customer, 10 - Decimal(charged) / 2)


def test_holds_survive_the_instance_that_took_them(pair):
    """They live by their own time, not by their instance's."""
    customer, secret = pair.customer("10")
    made = hold(pair.servers[1].client(secret), amount="3")
    pair.servers[1].kill()
    pair.servers[1].start()
    client = pair.servers[0].client(secret)
    assert shown(client, made)["state"] == "pending"
    assert done(act(client, made, "settle", {"amount": "1"}))["charged"] == "1"
    stands(pair, customer, "9")


# ---- the same from the shell

def test_an_operator_holds_and_settles_from_the_shell(world):
    name = uuid.uuid4().hex
    customer, _ = world.customer("10", external_id=name)
    def told(*argv):
        return world.tool(*argv, "--json", json_out=True)
    made = told("holds", "create", "--customer", f"ext:{name}", "--amount", "2", "--ttl", "60", "--metadata", '{"job": "7"}')
    assert (made["amount"], made["metadata"]) == ("2", {"job": "7"})
    listed = world.tool("holds", "list", "--customer", f"ext:{name}").splitlines()
    assert listed[0].split() == ["ID", "CREATED", "MODEL", "HELD", "CHARGED", "EXPIRES"] and listed[1].split()[:1] == [made["id"]]
    assert told("holds", "extend", made["id"], "--amount", "3")["amount"] == "3"
    part = told("holds", "settle", made["id"], "--model", "gpt-4o-mini", "--usage", '{"input_tokens": 1000000}', "--final", "false")
    assert (part["state"], part["charged"]) == ("pending", "0.15")
    assert told("holds", "settle", made["id"], "--amount", "1")["charged"] == "1.15"
    assert "settled" in world.tool("holds", "show", made["id"])
    assert told("check", "--customer", customer, "--amount", "8.85")["admitted"] and not told("check", "--customer", customer, "--amount", "8.86")["admitted"]
    other = told("holds", "create", "--customer", customer, "--model", "gpt-4o-mini", "--usage", '{"output_tokens": 10}')
    assert told("holds", "release", other["id"])["state"] == "released"
    world.tool("holds", "release", made["id"], code=5)  # it is settled
