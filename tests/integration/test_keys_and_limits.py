"""Who may call, and how much: keys, revocation, suspension, limits."""
import concurrent.futures
import time
from decimal import Decimal

import pytest


def test_a_missing_malformed_unknown_or_revoked_key_is_one_and_the_same_401(world):
    customer, key = world.customer("10")
    made = world.key(customer)
    assert world.admin.delete(f"/api/v1/keys/{made['id']}").status == 200
    typo = key[:-1] + ("a" if key[-1] != "a" else "b")
    bodies = set()
    for bad in (None, "nonsense", typo, made["secret"], "tlgsk_live_" + "0" * 62):
        answer = world.servers[0].client(bad).chat()
        assert answer.status == 401 and answer.code == "invalid_api_key"
        assert answer.headers["www-authenticate"].startswith("Bearer")
        bodies.add(answer.json["error"]["message"])
    assert len(bodies) == 1


def test_a_revoked_key_starts_no_paid_call_on_any_instance(pair):
    customer, _ = pair.customer("10")
    for _ in range(5):
        made = pair.key(customer)
        clients = [s.client(made["secret"]) for s in pair.servers]
        assert [c.chat().status for c in clients] == [200, 200]  # now both instances know it
        assert pair.servers[0].client(pair.admin_key).delete(f"/api/v1/keys/{made['id']}").status == 200
        assert [c.chat().status for c in clients] == [401, 401]


def test_a_suspended_customer_starts_no_paid_call_on_any_instance(pair):
    customer, key = pair.customer("10")
    clients = [s.client(key) for s in pair.servers]
    assert [c.chat().status for c in clients] == [200, 200]
    assert pair.admin.patch(f"/api/v1/customers/{customer}", {"status": "suspended"}).status == 200
    assert [c.chat().status for c in clients] == [403, 403]
    assert pair.admin.patch(f"/api/v1/customers/{customer}", {"status": "active"}).status == 200
    assert [c.chat().status for c in clients] == [200, 200]


def test_the_secret_is_shown_once_and_not_stored(world):
    customer, _ = world.customer("0")
    made = world.key(customer)
    assert made["secret"].startswith("tlgsk_live_") and len(made["secret"]) == 73
    assert "secret" not in world.admin.get(f"/api/v1/keys/{made['id']}").json
    rows = world.cluster.sql("SELECT k::text FROM keys k WHERE public_id = %s", made["public_id"])
    assert made["secret"][24:60] not in rows[0][0]


def test_a_running_stream_of_a_revoked_key_ends_within_two_seconds(world):
    customer, _ = world.customer("10")
    made = world.key(customer)
    world.price("stand-in:slow-600", world.PRICES["gpt-4o-mini"])
    with concurrent.futures.ThreadPoolExecutor() as threads:
        running = threads.submit(lambda: world.servers[0].client(made["secret"]).chat(model="stand-in:slow-600", stream=True, timeout=60))
        time.sleep(1)
        assert world.admin.delete(f"/api/v1/keys/{made['id']}").status == 200
        began = time.monotonic()
        answer = running.result()
    assert time.monotonic() - began < 2.5
    assert b'"error"' in answer.body and answer.body.rstrip().endswith(b"data: [DONE]")


def limit(world, customer, **more):
    made = world.admin.post("/api/v1/limits", {"customer": customer, **more})
    assert made.status == 201, made
    return made.json


def test_requests_a_minute_pass_exactly_and_the_refusal_says_when(world):
    customer, key = world.customer("10")
    made = limit(world, customer, measure="requests", period="minute", amount=3)
    client = world.servers[0].client(key)
    assert [client.chat().status for _ in range(3)] == [200, 200, 200]
    refused = client.chat()
    assert refused.status == 429 and refused.code == "rate_limit_exceeded"
    details = refused.json["error"]["details"]
    assert details["limit"] == made["id"] and details["period"] == "minute" and details["refills_at"]
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert "ratelimit" in refused.headers and "ratelimit-policy" in refused.headers


def test_a_spend_budget_binds_and_names_what_is_left(world):
    customer, key = world.customer("100")
    made = limit(world, customer, measure="spend", period="day", amount="0.001")
    client = world.servers[0].client(key)
    refused = client.chat(max_tokens=4000)
    assert refused.status == 429 and refused.code == "quota_exceeded"
    assert refused.headers["x-should-retry"] == "false"
    details = refused.json["error"]["details"]
    assert details["limit"] == made["id"] and details["left"] == "0.001"
    assert client.chat(max_tokens=100).status == 200
    world.quiet()
    listed = world.admin.get(f"/api/v1/limits?customer={customer}").json["data"][0]
    assert Decimal(listed["used"]) == Decimal("100") - Decimal(world.balance(customer)["balance"])
    assert listed["held"] == "0"


def test_a_keys_limit_binds_that_key_alone(world):
    customer, first = world.customer("10")
    second = world.key(customer)
    limit(world, customer, key=second["id"], measure="requests", period="minute", amount=1)
    one, two = world.servers[0].client(first), world.servers[0].client(second["secret"])
    assert [two.chat().status, two.chat().status] == [200, 429]
    assert one.chat().status == 200


def test_a_changed_limit_binds_the_next_call_on_any_instance(pair):
    customer, key = pair.customer("10")
    clients = [s.client(key) for s in pair.servers]
    assert [c.chat().status for c in clients] == [200, 200]
    made = limit(pair, customer, measure="spend", period="total", amount="0")
    assert [c.chat().status for c in clients] == [429, 429]
    assert pair.admin.delete(f"/api/v1/limits/{made['id']}?customer={customer}").status == 200
    assert [c.chat().status for c in clients] == [200, 200]


# ---- exactness under concurrency: "per-request" costs one credit for each token of output, and is capped at one token

def burst(world, key, count):
    """Fires `count` calls of one credit at once, spread over the instances; how many passed, and the others' codes."""
    def one(i):
        answer = world.servers[i % len(world.servers)].client(key).chat(model="per-request", max_tokens=1)
        return answer.status, None if answer.status == 200 else answer.code
    with concurrent.futures.ThreadPoolExecutor(64) as threads:
        answers = list(threads.map(one, range(count)))
    return sum(s == 200 for s, _ in answers), {c for s, c in answers if s != 200}


@pytest.mark.parametrize("which", ["world", "pair"])
def test_exactly_as_many_calls_pass_as_can_be_paid(which, request):
    world = request.getfixturevalue(which)
    customer, key = world.customer("37.5")
    passed, codes = burst(world, key, 300)
    world.quiet()
    # A hold is given back by what a call does not use; here each uses all of it, so no refusal can be premature.
    assert passed == 37 and codes == {"insufficient_credits"}
    assert world.balance(customer)["balance"] == "0.5"


@pytest.mark.parametrize("which", ["world", "pair"])
def test_exactly_as_many_calls_pass_as_a_budget_allows(which, request):
    world = request.getfixturevalue(which)
    customer, key = world.customer("1000")
    limit(world, customer, measure="spend", period="month", amount="23")
    passed, codes = burst(world, key, 200)
    world.quiet()
    assert passed == 23 and codes == {"quota_exceeded"}
    assert world.balance(customer)["balance"] == "977"


@pytest.mark.parametrize("which", ["world", "pair"])
def test_exactly_as_many_calls_pass_as_a_rate_allows(which, request):
    world = request.getfixturevalue(which)
    customer, key = world.customer("1000")
    limit(world, customer, measure="requests", period="minute", amount=17)
    began = time.monotonic()
    passed, codes = burst(world, key, 200)
    refilled = int((time.monotonic() - began) * 17 / 60) + 1
    assert 17 <= passed <= 17 + refilled and codes == {"rate_limit_exceeded"}
