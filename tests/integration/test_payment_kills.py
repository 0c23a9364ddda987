"""Stories of payments end the same when what tells them dies at any step: the server, the session it writes with, the database."""
import concurrent.futures
import os
import random
import time

import pytest

from conftest import Cluster, ROOT, World
from tests.harness.process import wait_for
from tests.harness.story import CREDIT, Story
from tests.stripe.fake import FakeStripe
from test_payment_stories import bodies, recorded

SECRET = "whsec_kills_0123456789abcdef0123456789abcdef"
SEEDS = [int(s) for s in os.environ.get("TOLLGATE_KILL_SEEDS", "1").split(",")]
# Each write of what a payment touches is a step. The counter is a sequence, which no rollback takes back; at the step that
# was asked for, once, the session dies. Between stories the counter stands beyond all steps: what the servers write of
# themselves meanwhile takes none away.
STEPS = """
CREATE SEQUENCE steps;
CREATE SEQUENCE died;
CREATE TABLE dies_at (step bigint NOT NULL);
INSERT INTO dies_at VALUES (0);
CREATE FUNCTION step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF nextval('steps') = (SELECT step FROM dies_at) THEN
    PERFORM nextval('died');
    PERFORM pg_terminate_backend(pg_backend_pid());
  END IF;
  RETURN NULL;
END $$;
"""
BEYOND = 10**12
TABLES = ["stripe_events", "orders", "payments", "refunds", "disputes", "charges", "intents", "billing", "stripe_objects", "grants", "transfers", "customers"]


@pytest.fixture(scope="module")
def stripe():
    with FakeStripe() as fake:
        yield fake


@pytest.fixture(scope="module")
def pair(stripe):
    c = Cluster(settings=["fsync=off"])
    w = World(c, instances=2, STRIPE_SECRET_KEY=stripe.key, STRIPE_WEBHOOK_SECRET=SECRET, STRIPE_API_BASE=stripe.url, TOLLGATE_LEASE_MS="1500")
    c.sql("INSERT INTO products (id, kind, name, currency, price, credits, period, stripe_price) VALUES "
          "('00000000-0000-7000-8000-0000000000aa', 2, 'Pro', 'usd', 5000, %s, 1, 'price_1Fx0000000000000000PRO')", 5000 * CREDIT)
    w.plan = "00000000-0000-7000-8000-0000000000aa"
    yield w
    w.audit()
    w.stop()
    c.remove()


def delivered(story, index, server):
    """As Stripe does: again until it is answered 2xx."""
    def once():
        try:
            story.deliver(index, server)
            return True
        except (OSError, AssertionError):
            return False
    wait_for(once, 60, "an event being taken", step=0.1)


@pytest.fixture
def steps(pair):
    """The writes are counted, and one of them can be the last of its session."""
    pair.cluster.sql(STEPS)
    pair.cluster.sql("SELECT setval('steps', %s)", BEYOND)
    for table in TABLES:
        pair.cluster.sql(f"CREATE TRIGGER step AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION step()")
    yield
    for table in TABLES:
        pair.cluster.sql(f"DROP TRIGGER step ON {table}")
    pair.cluster.sql("DROP FUNCTION step; DROP TABLE dies_at; DROP SEQUENCE steps; DROP SEQUENCE died")


@pytest.mark.skipif(not recorded(), reason="the recorded stories are not here")
def test_a_session_that_dies_at_any_write_changes_nothing(pair, steps):
    scenario = next(s for s in recorded() if s["name"] == "refund_before_purchase_event")
    hit, at = 0, 0
    while True:
        at += 1
        story = Story(pair, bodies(scenario), SECRET, plan=pair.plan)
        pair.cluster.sql("UPDATE dies_at SET step = %s", at)
        pair.cluster.sql("SELECT setval('steps', 1, false)")
        for i in range(len(story.bodies)):
            delivered(story, i, i % 2)
        story.quiet()
        pair.cluster.sql("SELECT setval('steps', %s)", BEYOND)
        died = pair.cluster.sql("SELECT is_called FROM died")[0][0]
        pair.cluster.sql("SELECT setval('died', 1, false)")
        assert story.balance == scenario["final_balance"], (at, story.events())
        if not died:
            break
        hit += 1
    assert hit >= 15, f"only {hit} steps were met"


def strike(pair, chance):
    """Kills one of the two, or the database, and starts it again. In the thread that lives longest: children end with their thread."""
    if chance.random() < 0.25:
        pair.cluster.restart(mode="immediate")
        return
    server = chance.choice(pair.servers)
    server.kill()
    time.sleep(chance.uniform(0, 0.3))
    server.start(wait=False)


@pytest.mark.skipif(not recorded(), reason="the recorded stories are not here")
@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_is_killed_meanwhile_all_stories_end_as_they_do(pair, seed):
    chance = random.Random(seed)
    told = [(s, Story(pair, bodies(s), SECRET, plan=pair.plan)) for s in recorded()]
    todo = [(story, i) for _, story in told for i in list(range(len(story.bodies))) * 2]
    chance.shuffle(todo)
    where = random.Random(seed + 1)

    def tell():
        for story, i in todo:
            delivered(story, i, where.randrange(2))
            time.sleep(0.02)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        telling, strikes = pool.submit(tell), 0
        while not telling.done() or strikes < 5:
            time.sleep(chance.uniform(0.2, 0.9))
            strike(pair, chance)
            strikes += 1
        telling.result()
    for server in pair.servers:
        wait_for(server.ready, 60, "the servers being back")
    for scenario, story in told:
        story.quiet(timeout=90)
        assert story.balance == scenario["final_balance"], (seed, scenario["name"], story.events())
    grants = pair.cluster.sql("SELECT origin, count(*) FROM grants WHERE origin <> '' GROUP BY 1 HAVING count(*) > 1")
    assert grants == []


def test_fifty_deliveries_at_once_of_both_events_of_a_payment_are_one_grant(pair, stripe):
    """The Session's event and the PaymentIntent's, each 25 times, to both instances."""
    shared = {"currency": "usd", "metadata": {"account_id": "me", "order_id": "o1", "kind": "credit_purchase"}}
    intent = {"id": "evt_intent", "object": "event", "type": "payment_intent.succeeded", "api_version": "2026-10-28.endive", "created": int(time.time()), "livemode": False,
              "data": {"object": {**shared, "id": "pi_both", "object": "payment_intent", "amount": 2000, "amount_received": 2000, "status": "succeeded"}}}
    session = {**intent, "id": "evt_session", "type": "checkout.session.completed",
               "data": {"object": {**shared, "id": "cs_both", "object": "checkout.session", "mode": "payment", "payment_status": "paid", "payment_intent": "pi_both",
                                   "amount_subtotal": 2000, "amount_total": 2000, "total_details": {"amount_tax": 0, "amount_discount": 0}}}}
    story = Story(pair, [intent, session], SECRET)
    with concurrent.futures.ThreadPoolExecutor(25) as pool:
        list(pool.map(lambda n: story.deliver(n % 2, n // 2 % 2), range(50)))
    story.quiet()
    assert story.balance == 2000
    assert pair.cluster.sql("SELECT count(*) FROM grants WHERE customer_id = %s", str(story.customer))[0][0] == 1
    assert pair.cluster.sql("SELECT count(*) FROM payments WHERE customer_id = %s", str(story.customer))[0][0] == 1
