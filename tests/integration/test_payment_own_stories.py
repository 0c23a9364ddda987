"""Stories of buying that Stripe's stand-in tells: each ends the same in the order in which it happened, backwards, shuffled with
duplicates, and by thin events alone. And what is told of one thing at once waits for each other in one order."""
import json
import os
import uuid

import psycopg2
import pytest

from tests.harness.buying import STORIES, begin
from tests.harness.process import wait_for
from tests.harness.shop import Buyer, Shop, shuffled

SHUFFLES = int(os.environ.get("TOLLGATE_STORY_SHUFFLES", "1"))
WAYS = {
    "in order": lambda b: b.tell(),
    "backwards": lambda b: b.tell(list(reversed(range(len(b.bodies))))),
    **{f"shuffled {seed}": lambda b, seed=seed: b.tell(shuffled(len(b.bodies), seed)) for seed in range(SHUFFLES)},
    "thin": lambda b: b.tell(bodies=b.thin),
}


@pytest.fixture(scope="module")
def shop(cluster, stripe):
    s = Shop(cluster, stripe)
    yield s
    s.check_payments()
    s.audit()
    assert cluster.sql("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [(0,)]
    s.stop()


@pytest.mark.parametrize("name", STORIES)
def test_a_story_ends_the_same_however_it_is_told(shop, name):
    told = []
    for way, tell in WAYS.items():
        buyer, end = begin(shop, name)
        tell(buyer)
        told.append((way, buyer, end))
    shop.told()
    for way, buyer, end in told:
        assert buyer.balance == end.balance, (way, shop.parked())
        assert end.stands(buyer), (way, buyer.payments(), buyer.subscriptions(), buyer.billing())
    assert shop.parked() == {}


# ---- locks

def event(type, object):
    return json.dumps({"id": f"evt_{uuid.uuid4().hex}", "object": "event", "api_version": "2026-10-28.endive", "created": 1, "livemode": False, "type": type,
                       "data": {"object": object}, "request": None, "pending_webhooks": 1}).encode()


def waits_without(shop, body, holds, needs):
    """Whoever acts on the event waits for what `holds` has, and keeps what `needs` asks for from nobody meanwhile."""
    connection = psycopg2.connect(shop.cluster.url())
    try:
        cursor = connection.cursor()
        cursor.execute(holds)
        shop.deliver(body)
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        wait_for(lambda: shop.cluster.sql(waiting)[0][0], 20, "the event waiting")
        cursor.execute("SET LOCAL lock_timeout = '500ms'")
        cursor.execute(needs)
    finally:
        connection.rollback()
        connection.close()
    shop.told()


def test_what_paid_an_invoice_waits_for_it_before_anything_else(shop):
    n = uuid.uuid4().hex
    body = event("invoice_payment.paid", {"id": f"inpay_{n}", "object": "invoice_payment", "invoice": f"in_{n}",
                                          "payment": {"type": "payment_intent", "payment_intent": f"pi_{n}"}})
    waits_without(shop, body, f"INSERT INTO invoice_payments (invoice, payment_intent) VALUES ('in_{n}', '')", f"INSERT INTO intents (id) VALUES ('pi_{n}')")


@pytest.mark.parametrize("type", ["checkout.session.completed", "payment_intent.succeeded"])
def test_a_purchase_waits_for_its_payment_before_it_touches_its_customer(shop, type):
    with Buyer(shop) as buyer:
        session = buyer.buy(save_payment_method=True)
    body = next(b for b in buyer.bodies if json.loads(b)["type"] == type)
    waits_without(shop, body, f"INSERT INTO intents (id) VALUES ('{session['payment_intent']}')",
                  f"INSERT INTO billing (customer_id) VALUES ('{buyer.uuid}') ON CONFLICT (customer_id) DO UPDATE SET updated_at = now()")


def test_a_customer_whose_row_is_kept_keeps_nobody_elses_credits_from_them(shop):
    """An operator's session that was left open, say: its customer waits, others do not."""
    buyer, *others = (Buyer(shop) for _ in range(4))
    for b in (buyer, *others):
        with b:
            b.buy()
    connection = psycopg2.connect(shop.cluster.url())
    try:
        connection.cursor().execute("SELECT FROM customers WHERE id = %s FOR UPDATE", (buyer.uuid,))
        buyer.tell()
        wait_for(lambda: shop.cluster.sql("SELECT count(*) FROM payments WHERE customer_id = %s AND pending", buyer.uuid)[0][0] == 1, 20, "its payment waiting")
        for b in others:
            b.tell()
        wait_for(lambda: all(b.balance == 2000 for b in others), 30, "the others' credits")
        assert buyer.balance == 0
    finally:
        connection.rollback()
        connection.close()
    shop.told()
    assert buyer.balance == 2000
