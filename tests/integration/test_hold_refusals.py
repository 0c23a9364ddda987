"""Who gets no hold, and why: each refusal says which rule bound, what is left and when there is more, and changes nothing. What
`check` says is what a hold would have been told, and it takes nothing."""
import concurrent.futures
import uuid
from decimal import Decimal

import pytest

from tests.harness.holding import BOUND, HOLDS, MOST, USAGE, act, done, expired, hold, refused, shown
from tests.harness.process import wait_for
from tests.harness.texts import UNKNOWN
from tests.harness.typeid import parse_id


@pytest.fixture
def own(world):
    """A customer with ten credits and a client with its own key: (id, client)."""
    customer, key = world.customer("10")
    return customer, world.servers[0].client(key)


def limited(world, customer, **more):
    made = world.admin.post("/api/v1/limits", {"customer": customer, **more})
    assert made.status == 201, made
    return made.json


def left_of(world, customer):
    """What stands of the customer's one limit: (used, held, left)."""
    one, = done(world.admin.get(f"/api/v1/limits?customer={customer}"))["data"]
    return one["used"], one["held"], one["left"]


def check(client, **body):
    return done(client.post("/api/v1/check", body))


def everything(world, customer):
    """All that stands of a customer's money, to the last column."""
    whose = str(parse_id(customer))
    return [world.cluster.sql(f"SELECT t::text FROM {table} t WHERE {column} = %s ORDER BY 1", whose)
            for table, column in (("customers", "id"), ("holds", "customer_id"), ("calls", "customer_id"), ("buckets", "customer_id"), ("idempotency", "customer_id"))]


# ---- credits

def test_more_than_is_available_is_refused_with_what_there_is(world, own):
    customer, client = own
    first = hold(client, amount="7")
    error = refused(answer := client.post(HOLDS, {"amount": "3.5"}), 402, "insufficient_credits")
    assert error["details"] == {"balance": "10", "held": "7", "available": "3", "required": "3.5"} and answer.headers["x-should-retry"] == "false"
    error = refused(act(client, first, "extend", {"amount": "10.5"}), 402, "insufficient_credits")
    assert (error["details"]["available"], error["details"]["required"]) == ("3", "10.5")
    assert shown(client, first)["amount"] == "7"
    assert done(act(client, first, "extend", {"amount": "10"}))["available"] == "0"


def test_a_credit_limit_and_an_allowed_debt_count_as_they_do_for_calls(world):
    customer, key = world.customer("1", credit_limit="2")
    client = world.servers[0].client(key)
    assert hold(client, amount="3")["available"] == "0"
    customer, key = world.customer("1", short_policy="allow_debt", short_debt="0.5")
    client = world.servers[0].client(key)
    refused(client.post(HOLDS, {"amount": "1.6"}), 402, "insufficient_credits")
    assert not check(client, amount="1.6")["admitted"] and check(client, amount="1.5")["admitted"]
    assert hold(client, amount="1.5")["amount"] == "1.5"


def test_no_more_is_held_than_there_is_however_many_ask_at_once(pair):
    customer, key = pair.customer("10")
    clients = [s.client(key) for s in pair.servers]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda i: clients[i % 2].post(HOLDS, {"amount": "1"}), range(24)))
    assert sorted(a.status for a in answers) == [201] * 10 + [402] * 14
    assert pair.balance(customer)["available"] == "0"


# ---- limits

def test_a_budget_binds_a_hold_and_gets_back_what_was_not_used(world, own):
    customer, client = own
    made = limited(world, customer, measure="spend", period="day", amount="3")
    first = hold(client, amount="2")
    assert left_of(world, customer) == ("0", "2", "1")
    error = refused(answer := client.post(HOLDS, {"amount": "1.5"}), 429, "quota_exceeded")
    details = error["details"]
    assert (details["limit"], details["period"], details["amount"], details["left"], details["required"]) == (made["id"], "day", "3", "1", "1.5")
    assert details["refills_at"] and answer.headers["x-should-retry"] == "false"
    refused(act(client, first, "extend", {"amount": "3.5"}), 429, "quota_exceeded")
    assert left_of(world, customer) == ("0", "2", "1") and shown(client, first)["amount"] == "2"
    assert done(act(client, first, "extend", {"amount": "3"}))["amount"] == "3"
    done(act(client, first, "settle", {"amount": "0.5", "final": False}))
    assert left_of(world, customer) == ("0.5", "2.5", "0")
    done(act(client, first, "settle", {"amount": "0.25"}))
    assert left_of(world, customer) == ("0.75", "0", "2.25")
    done(act(client, hold(client, amount="2.25"), "release"))
    assert left_of(world, customer) == ("0.75", "0", "2.25")
    expired(client, hold(client, amount="2", ttl_seconds=1))
    assert left_of(world, customer) == ("0.75", "0", "2.25")


def test_more_than_a_budget_has_is_charged_all_the_same_when_it_was_used(world, own):
    customer, client = own
    limited(world, customer, measure="spend", period="total", amount="1")
    made = hold(client, amount="1")
    assert done(act(client, made, "settle", {"amount": "1.5"}))["charged"] == "1.5"
    used, held, left = left_of(world, customer)
    assert (used, held) == ("1.5", "0") and Decimal(left) <= 0
    refused(client.post(HOLDS, {"amount": "0.1"}), 429, "quota_exceeded")


def test_a_rate_counts_a_hold_as_one_request_and_says_when_there_is_another(world, own):
    customer, client = own
    made = limited(world, customer, measure="requests", period="minute", amount=2)
    held = [hold(client, amount="1") for _ in range(2)]
    error = refused(answer := client.post(HOLDS, {"amount": "1"}), 429, "rate_limit_exceeded")
    assert (error["details"]["limit"], error["details"]["left"]) == (made["id"], 0) and error["details"]["refills_at"]
    assert 0 < int(answer.headers["retry-after"]) <= 60 and made["id"] in answer.headers["ratelimit"] and answer.headers["ratelimit-policy"]
    assert done(act(client, held[0], "extend", {"amount": "2"}))["amount"] == "2"  # it is the same request
    done(act(client, held[1], "settle", {"amount": "1"}))
    assert client.post(HOLDS, {"amount": "1"}).status == 429  # a request that was made was made


def yesterday(world, customer):
    """Moves what the customer's one budget counts, and its open holds' draws from it, into the window before."""
    whose, day = str(parse_id(customer)), 24 * 3600 * 10 ** 6
    world.cluster.sql("UPDATE holds SET draws = overlay(draws PLACING int8send((SELECT window_start - %s FROM buckets b WHERE b.customer_id = holds.customer_id)) FROM 17) "
                      "WHERE customer_id = %s", day, whose)
    world.cluster.sql("UPDATE buckets SET window_start = window_start - %s, window_end = window_start WHERE customer_id = %s", day, whose)


def test_a_hold_of_yesterday_that_is_extended_today_counts_in_todays_budget(world, own):
    customer, client = own
    limited(world, customer, measure="spend", period="day", amount="3")
    old, left_alone = hold(client, amount="2", ttl_seconds=600), hold(client, amount="1")
    yesterday(world, customer)
    assert left_of(world, customer) == ("0", "0", "3")
    today = hold(client, amount="1.5")
    for body in ({"ttl_seconds": 3600}, {"amount": "2.5"}):
        error = refused(act(client, old, "extend", body), 429, "quota_exceeded")
        assert error["details"]["left"] == "1.5"
    assert shown(client, old)["expires_at"] == old["expires_at"] and left_of(world, customer) == ("0", "1.5", "1.5")
    done(act(client, today, "settle", {"amount": "0.5"}))
    assert done(act(client, old, "extend", {"ttl_seconds": 3600}))["amount"] == "2"
    assert left_of(world, customer) == ("0.5", "2", "0.5")
    assert done(act(client, old, "extend", {"amount": "2.5"}))["amount"] == "2.5"  # in its own window it asks for what is more
    done(act(client, old, "settle", {"amount": "2.25"}))
    done(act(client, left_alone, "settle", {"amount": "1"}))
    assert left_of(world, customer) == ("2.75", "0", "0.25")


def test_a_budget_that_came_after_a_hold_binds_its_extension_as_a_new_hold(world, own):
    customer, client = own
    made = hold(client, amount="2")
    limited(world, customer, measure="spend", period="total", amount="2.5")
    refused(act(client, made, "extend", {"amount": "3"}), 429, "quota_exceeded")
    assert left_of(world, customer) == ("0", "0", "2.5")
    done(act(client, made, "extend", {"amount": "2.5"}))
    assert left_of(world, customer) == ("0", "2.5", "0")
    done(act(client, made, "settle", {"amount": "1"}))
    assert left_of(world, customer) == ("1", "0", "1.5")


def test_where_neither_a_limit_nor_credits_allow_it_the_limit_is_told(world, own):
    customer, client = own
    limited(world, customer, measure="spend", period="day", amount="3")
    made = hold(client, amount="1")
    refused(client.post(HOLDS, {"amount": "11"}), 429, "quota_exceeded")
    refused(act(client, made, "extend", {"amount": "11"}), 429, "quota_exceeded")
    assert check(client, amount="11")["reason"] == "quota_exceeded"


def test_a_keys_limit_binds_what_is_asked_for_with_it_alone(world):
    customer, first = world.customer("10")
    second = world.key(customer)
    limited(world, customer, key=second["id"], measure="spend", period="day", amount="1")
    one, two = world.servers[0].client(first), world.servers[0].client(second["secret"])
    refused(two.post(HOLDS, {"amount": "2"}), 429, "quota_exceeded")
    assert check(two, amount="2")["reason"] == "quota_exceeded"
    assert check(one, amount="2")["admitted"] and hold(one, amount="2") and hold(world.admin, customer=customer, amount="2")


def test_as_many_pass_as_a_budget_allows_however_many_ask_at_once(pair):
    customer, key = pair.customer("100")
    limited(pair, customer, measure="spend", period="day", amount="5")
    clients = [s.client(key) for s in pair.servers]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda i: clients[i % 2].post(HOLDS, {"amount": "1"}), range(16)))
    assert sorted(a.status for a in answers) == [201] * 5 + [429] * 11
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        ended = list(pool.map(lambda a: act(clients[0], a.json, "settle", {"amount": "0.5"}), [a for a in answers if a.status == 201]))
    assert {a.status for a in ended} == {200} and left_of(pair, customer) == ("2.5", "0", "2.5")


def test_a_changed_limit_binds_the_next_hold_on_any_instance(pair):
    customer, key = pair.customer("10")
    clients = [s.client(key) for s in pair.servers] + [s.client(pair.admin_key) for s in pair.servers]
    ask = lambda: [c.post(HOLDS, {"customer": customer, "amount": "0.1"}).status for c in clients]  # noqa: E731
    assert ask() == [201] * 4
    made = limited(pair, customer, measure="spend", period="total", amount="0")
    assert ask() == [429] * 4
    assert pair.admin.delete(f"/api/v1/limits/{made['id']}?customer={customer}").status == 200
    assert ask() == [201] * 4


# ---- who asks

def test_anothers_hold_is_no_hold_and_anothers_customer_is_forbidden(world, own):
    customer, client = own
    other, key = world.customer("10")
    stranger = world.servers[0].client(key)
    made = hold(client, amount="1")
    call = hold(stranger, amount="1")
    refused(stranger.get(f"{HOLDS}/{made['id']}"), 404, "not_found", "id")
    for verb, body in (("extend", {"amount": "2"}), ("settle", {"amount": "1"}), ("settle", {"amount": "1", "final": False}), ("settle", {"model": "gpt-4o-mini", "usage": USAGE}), ("release", None)):
        refused(act(stranger, made, verb, body), 404, "not_found", "id")
        refused(act(stranger, {"id": f"call_{UNKNOWN}"}, verb, body), 404, "not_found", "id")
        refused(act(world.admin, {"id": f"call_{UNKNOWN}"}, verb, body), 404, "not_found", "id")
    refused(stranger.post(HOLDS, {"customer": customer, "amount": "1"}), 403, "forbidden", "customer")
    refused(stranger.post("/api/v1/check", {"customer": customer, "amount": "1"}), 403, "forbidden", "customer")
    refused(stranger.get(f"{HOLDS}?customer={customer}"), 403, "forbidden", "customer")
    assert [h["id"] for h in done(stranger.get(HOLDS))["data"]] == [call["id"]]
    refused(world.admin.post(HOLDS, {"customer": f"cus_{UNKNOWN}", "amount": "1"}), 404, "not_found", "customer")
    refused(world.admin.post(HOLDS, {"customer": "ext:" + uuid.uuid4().hex, "amount": "1"}), 404, "not_found", "customer")
    refused(world.admin.post(HOLDS, {"amount": "1"}), 400, "invalid_request", "customer")
    refused(world.admin.post("/api/v1/check", {"amount": "1"}), 400, "invalid_request", "customer")
    assert shown(client, made)["state"] == "pending"


def test_calls_through_the_gateway_are_no_explicit_holds(world, own):
    customer, client = own
    world.price("stand-in:slow-100", world.PRICES["gpt-4o-mini"])
    stream = client.stream("stand-in:slow-100")
    call = {"id": stream.call}
    assert world.admin.get(f"/api/v1/calls/{call['id']}").json["state"] == "pending"
    for verb, body in (("extend", {"amount": "2"}), ("settle", {"amount": "1"}), ("settle", {"amount": "1", "final": False}), ("release", None)):
        assert act(client, call, verb, body).status == 404
    assert world.admin.get(f"/api/v1/calls/{call['id']}").json["state"] == "pending"
    stream.read_until(b"[DONE]")
    stream.close()
    world.quiet()
    before = world.call(call["id"])
    for verb, body in (("settle", {"amount": "1"}), ("settle", {"amount": "1", "final": False}), ("release", None)):
        assert act(client, call, verb, body).status in (404, 409)
    refused(client.get(f"{HOLDS}/{call['id']}"), 404, "not_found", "id")
    assert world.call(call["id"]) == before


def test_a_suspended_customer_gets_no_hold_and_ends_those_it_has(pair):
    customer, key = pair.customer("10")
    clients = [s.client(key) for s in pair.servers] + [s.client(pair.admin_key) for s in pair.servers]
    made = [hold(c, customer=customer, amount="1") for c in clients]
    assert pair.admin.patch(f"/api/v1/customers/{customer}", {"status": "suspended"}).status == 200
    for client, held in zip(clients, made):
        refused(client.post(HOLDS, {"customer": customer, "amount": "1"}), 403, "customer_suspended")
        refused(act(client, held, "extend", {"amount": "2"}), 403, "customer_suspended")
        assert check(client, customer=customer, amount="1")["reason"] == "customer_suspended"
    assert done(act(clients[0], made[0], "settle", {"amount": "1"}))["charged"] == "1"
    assert done(act(clients[1], made[1], "settle", {"amount": "0.5", "final": False}))["charged"] == "0.5"
    assert done(act(clients[2], made[2], "release"))["state"] == "released"
    assert pair.admin.patch(f"/api/v1/customers/{customer}", {"status": "active"}).status == 200
    assert all(hold(c, customer=customer, amount="1") for c in clients)


def test_a_revoked_key_takes_no_hold_on_any_instance(pair):
    customer, _ = pair.customer("10")
    for _ in range(3):
        key = pair.key(customer)
        clients = [s.client(key["secret"]) for s in pair.servers]
        made = [hold(c, amount="1") for c in clients]
        assert pair.admin.delete(f"/api/v1/keys/{key['id']}").status == 200
        assert [c.post(HOLDS, {"amount": "1"}).status for c in clients] == [401, 401]
        assert [c.post("/api/v1/check", {"amount": "1"}).status for c in clients] == [401, 401]
        wait_for(lambda: [act(c, h, "extend", {"amount": "1"}).status for c, h in zip(clients, made)] == [401, 401], 10, "the key being nobody's")
        for held in made:  # its customer's other keys end what it has taken
            done(act(pair.admin, held, "release"))


def test_an_operators_key_that_was_revoked_takes_no_hold(world, own):
    customer, _ = own
    made = world.admin.post("/api/v1/keys", {"operator": True, "name": "holds"}).json
    operator = world.servers[0].client(made["secret"])
    assert hold(operator, customer=customer, amount="1")
    assert world.admin.delete(f"/api/v1/keys/{made['id']}").status == 200
    assert operator.post(HOLDS, {"customer": customer, "amount": "1"}).status == 401


# ---- what is asked for

@pytest.mark.parametrize("body, param", [
    ({}, "amount"), ({"amount": "0"}, "amount"), ({"amount": "-1"}, "amount"), ({"amount": 1}, "amount"), ({"amount": "1.0000000001"}, "amount"),
    ({"amount": "1", "usage": {"input_tokens": 1}, "model": "gpt-4o-mini"}, "usage"), ({"model": "gpt-4o-mini"}, "amount"), ({"usage": {"input_tokens": 1}}, "model"),
    ({"amount": "1", "model": "gpt-4o-mini"}, "model"), ({"model": "gpt-4o-mini", "usage": {}}, "usage"), ({"model": "gpt-4o-mini", "usage": {"tokens": 1}}, "usage"),
    ({"model": "gpt-4o-mini", "usage": {"input_tokens": -1}}, "usage"), ({"model": "gpt-4o-mini", "usage": {"input_tokens": 1.5}}, "usage"),
    ({"amount": "1", "ttl_seconds": 0}, "ttl_seconds"), ({"amount": "1", "ttl_seconds": 604801}, "ttl_seconds"),
    ({"amount": "1", "metadata": {"a": 1}}, "metadata"), ({"amount": "1", "colour": "red"}, "colour")])
def test_a_hold_that_is_not_understood_is_400_and_names_what_is_wrong(world, own, body, param):
    answer = own[1].post(HOLDS, body)
    assert (answer.status, answer.json["error"]["param"].split(".")[0]) == (400, param), answer


def test_what_has_no_price_is_not_held(world, own):
    refused(own[1].post(HOLDS, {"model": "nobody-sells-this", "usage": {"input_tokens": 1}}), 404, "model_not_priced", "model")
    refused(own[1].post(HOLDS, {"model": "gpt-4o-mini", "usage": {"images": 1}}), 404, "model_not_priced", "usage")
    refused(own[1].post("/api/v1/check", {"model": "nobody-sells-this", "usage": {"input_tokens": 1}}), 404, "model_not_priced", "model")
    refused(own[1].post(HOLDS, {"model": "per-request", "usage": {"output_tokens": 2 ** 62}}), 400, "invalid_request", "usage")


def test_a_hold_is_not_made_less_and_has_an_end(world, own):
    customer, client = own
    made = hold(client, amount="2")
    error = refused(act(client, made, "extend", {"amount": "1.5"}), 409, "conflict", "id")
    assert error["details"]["amount"] == "2" and error["details"]["state"] == "pending"
    refused(act(client, made, "extend", {}), 400, "invalid_request", "amount")
    refused(act(client, made, "settle", {}), 400, "invalid_request", "amount")
    refused(act(client, made, "settle", {"amount": "1", "usage": USAGE}), 400, "invalid_request", "usage")
    refused(act(client, made, "settle", {"amount": "1", "model": "gpt-4o-mini"}), 400, "invalid_request", "model")
    refused(client.post(f"{HOLDS}/cus_{UNKNOWN}/settle", {"amount": "1"}, check=False), 400, "invalid_request", "id")
    assert shown(client, made)["amount"] == "2"


# ---- check

def test_check_says_what_a_hold_would_be_told_and_takes_nothing(world, own):
    customer, client = own
    limit = limited(world, customer, measure="spend", period="day", amount="3")
    hold(client, amount="1")
    before = everything(world, customer)
    fits = check(client, amount="2")
    assert (fits["admitted"], fits["reason"], fits["required"], fits["available"], fits["limit"], fits["customer"]) == (True, None, "2", "9", None, customer)
    bound = check(client, amount="2.5")
    assert (bound["admitted"], bound["reason"], bound["limit"]["limit"], bound["limit"]["left"]) == (False, "quota_exceeded", limit["id"], "2") and bound["limit"]["refills_at"]
    assert check(world.admin, customer=customer, model="gpt-4o-mini", usage=MOST)["required"] == BOUND
    assert everything(world, customer) == before
    assert [client.post(HOLDS, {"amount": amount}).status for amount in ("2.5", "2")] == [429, 201]


def test_check_says_what_credits_do_not_cover(world, own):
    customer, client = own
    hold(client, amount="1")
    before = everything(world, customer)
    for asking in (client, world.admin):
        short = check(asking, customer=customer, amount="9.5")
        assert (short["admitted"], short["reason"], short["required"], short["available"], short["limit"]) == (False, "insufficient_credits", "9.5", "9", None)
    assert everything(world, customer) == before and client.post(HOLDS, {"amount": "9.5"}).status == 402


def test_check_draws_on_no_rate(world, own):
    customer, client = own
    limited(world, customer, measure="requests", period="minute", amount=1)
    assert all(check(client, amount="1")["admitted"] for _ in range(5))
    hold(client, amount="1")
    told = check(client, amount="1")
    assert (told["admitted"], told["reason"], told["limit"]["left"]) == (False, "rate_limit_exceeded", 0)


# ---- the database is away

def test_while_the_database_is_away_nothing_is_held_and_nothing_is_lost(world, own):
    customer, client = own
    made = hold(client, amount="2")
    world.cluster.stop("immediate")
    try:
        for caller in (client, world.admin):
            assert caller.post(HOLDS, {"customer": customer, "amount": "1"}, timeout=30).status == 503
            assert caller.post("/api/v1/check", {"customer": customer, "amount": "1"}, timeout=30).status == 503
            assert caller.get(f"{HOLDS}/{made['id']}").status == 503
            for verb, body in (("extend", {"amount": "3"}), ("settle", {"amount": "1"}), ("settle", {"amount": "1", "final": False}), ("release", None)):
                assert act(caller, made, verb, body).status == 503
    finally:
        world.cluster.start()
    wait_for(lambda: client.get(f"{HOLDS}/{made['id']}").status == 200, 20, "service after the database is back")
    assert (shown(client, made)["amount"], world.balance(customer)["available"]) == ("2", "8")
    ended = wait_for(lambda: (a := act(client, made, "settle", {"amount": "1"})).status == 200 and a, 20, "the settlement")
    assert ended.json["charged"] == "1" and world.balance(customer)["balance"] == "9"
