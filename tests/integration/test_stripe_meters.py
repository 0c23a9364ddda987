"""Settled usage is reported to Stripe's billing meters: every unit of it, once."""
import pytest

from conftest import World
from tests.harness.process import wait_for
from tests.stripe.fake import FakeStripe

SECRET = "whsec_meters_0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def stripe():
    with FakeStripe() as fake:
        yield fake


@pytest.fixture(scope="module")
def world(cluster, stripe):
    w = World(cluster, STRIPE_SECRET_KEY=stripe.key, STRIPE_WEBHOOK_SECRET=SECRET, STRIPE_API_BASE=stripe.url,
              STRIPE_METERS="output_tokens=tokens_out,charge=credits", STRIPE_TIMEOUT_MS="700", STRIPE_METERS_SECONDS="1")
    yield w
    w.audit()
    w.stop()


def known_at_stripe(world, stripe):
    customer, key = world.customer("50")
    made = stripe.post("/v1/customers", {"email": "a@example.com"})
    uid = world.cluster.sql("SELECT id FROM customers ORDER BY id DESC LIMIT 1")[0][0]
    world.cluster.sql("INSERT INTO billing (customer_id, stripe_customer) VALUES (%s, %s)", str(uid), made["id"])
    return uid, key, made["id"]


def sent(world):
    """Every batch has been summed, and then every sum been sent: in this order."""
    behind = ("SELECT count(*) FROM stripe_meter_progress p WHERE EXISTS (SELECT FROM calls c WHERE c.writer_id = p.writer_id AND c.seq > p.seq)")
    wait_for(lambda: world.cluster.sql(behind)[0][0] == 0 and world.cluster.sql("SELECT count(*) FROM stripe_meter_events")[0][0] == 0, 60,
             "the meters being reported")


def sums(stripe, customer):
    """What the stand-in has counted for a Stripe customer, by event name."""
    found = {}
    for event in stripe.objects("meter_events"):
        if event["payload"]["stripe_customer_id"] == customer:
            found.setdefault(event["event_name"], []).append(event["payload"]["value"])
    return found


def charged(world, uid):
    tokens, nano = world.cluster.sql("SELECT coalesce(sum((usage ->> 'output_tokens')::bigint), 0), coalesce(sum(charge), 0) FROM calls WHERE customer_id = %s", str(uid))[0]
    return int(tokens), int(nano)


def nano(texts):
    from decimal import Decimal
    return int(sum((Decimal(t) for t in texts), Decimal(0)) * 10**9)


def test_what_was_settled_is_reported_to_the_unit(world, stripe):
    uid, key, customer = known_at_stripe(world, stripe)
    for _ in range(12):
        assert world.servers[0].client(key).chat().status == 200
    sent(world)
    found, (tokens, charge) = sums(stripe, customer), charged(world, uid)
    assert tokens > 0
    assert sum(map(int, found["tokens_out"])) == tokens
    assert nano(found["credits"]) == charge


FAULTS = [("timeout", {"when": "after"}), ("status", {"status": 429}), ("status", {"status": 500}), ("reset", {"when": "after"})]


@pytest.mark.parametrize("kind, how", FAULTS, ids=lambda x: x if isinstance(x, str) else "-".join(map(str, x.values())))
def test_and_once_whatever_happens_on_the_way(world, stripe, kind, how):
    uid, key, customer = known_at_stripe(world, stripe)
    stripe.fault(kind, path="/v1/billing/meter_events", times=1, **how)
    for _ in range(3):
        assert world.servers[0].client(key).chat().status == 200
    sent(world)
    stripe.clear_faults()
    tokens, charge = charged(world, uid)
    assert sum(map(int, sums(stripe, customer)["tokens_out"])) == tokens
    assert nano(sums(stripe, customer)["credits"]) == charge


def test_a_call_undone_is_taken_off(world, stripe):
    uid, key, customer = known_at_stripe(world, stripe)
    call = world.servers[0].client(key).chat().headers["x-tollgate-call"]
    sent(world)
    assert nano(sums(stripe, customer)["credits"]) > 0
    voided = world.admin.post(f"/api/v1/calls/{call}/void", {"reason": "a test"})
    assert voided.status == 200, voided
    sent(world)
    assert nano(sums(stripe, customer)["credits"]) == 0


def test_customers_that_stripe_does_not_know_are_not_reported(world, stripe):
    before = len(stripe.objects("meter_events"))
    _, key = world.customer("5")
    assert world.servers[0].client(key).chat().status == 200
    sent(world)
    assert len(stripe.objects("meter_events")) == before
