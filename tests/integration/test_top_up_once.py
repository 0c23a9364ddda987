"""Buying by itself never runs away: one purchase for a crossing, whoever crosses it and whatever breaks on the way."""
import concurrent.futures

import pytest

from conftest import Cluster, World
from tests.harness.process import wait_for
from tests.stripe.fake import FakeStripe

SECRET = "whsec_topup_0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def stripe():
    with FakeStripe() as fake:
        yield fake
        fake.no_bugs()


@pytest.fixture(scope="module")
def pair(stripe):
    c = Cluster(settings=["fsync=off"])
    w = World(c, instances=2, STRIPE_SECRET_KEY=stripe.key, STRIPE_WEBHOOK_SECRET=SECRET, STRIPE_API_BASE=stripe.url, STRIPE_TIMEOUT_MS="1500")
    stripe.listen(f"http://127.0.0.1:{w.servers[0].port}/webhooks/stripe", SECRET)
    made = w.admin.post("/api/v1/products", {"kind": "pack", "name": "500 credits", "currency": "usd", "price": 2000, "credits": "500"})
    assert made.status == 201, made
    w.pack = made.json["id"]
    yield w
    w.quiet()
    w.audit()
    w.stop()
    c.remove()


def buyer(world, stripe, credits="60", threshold="50", method="pm_card_visa", **terms):
    """A customer with a saved card who agreed to have a pack bought: (id, key)."""
    customer, key = world.customer(credits)
    session = world.admin.post("/api/v1/checkout-sessions", {"customer": customer, "mode": "setup", "success_url": "https://example.com/saved"})
    assert session.status == 201, session
    at_stripe = world.admin.get(f"/api/v1/billing?customer={customer}").json["stripe_customer"]
    attached = stripe.post(f"/v1/payment_methods/{method}/attach", {"customer": at_stripe})
    kept = "SELECT count(*) FROM billing WHERE payment_method = %s AND fingerprint <> ''"
    wait_for(lambda: world.cluster.sql(kept, attached["id"])[0][0] == 1, 30, "the card being known")
    answer = world.admin.post("/api/v1/top-ups", {"customer": customer, "product": world.pack, "threshold": threshold, "daily_count": 3, "monthly_cap": 10000,
                                                  "return_url": "https://example.com/account", "consent_text": "terms-1", **terms})
    assert answer.status == 200, answer
    return customer, key, at_stripe


def bought(stripe, at_stripe):
    return [i for i in stripe.objects("payment_intents") if i["customer"] == at_stripe and i["status"] == "succeeded"]


def orders(world, customer):
    return [o for o in world.admin.get(f"/api/v1/orders?customer={customer}").json["data"] if o["kind"] == "top_up"]


def credited(world, customer):
    """Once the purchase is in the books."""
    return wait_for(lambda: any(o["state"] == "paid" for o in orders(world, customer)) and
                    float(world.balance(customer)["balance"]) > 60, 60, "the credits of the top-up")


def settled(world, customer):
    """Its turn has been taken: nothing is due."""
    due = "SELECT top_up_due FROM customers c WHERE c.id = (SELECT customer_id FROM billing WHERE stripe_customer = %s)"
    at_stripe = world.admin.get(f"/api/v1/billing?customer={customer}").json["stripe_customer"]
    wait_for(lambda: not world.cluster.sql(due, at_stripe)[0][0], 90, "nothing being due")


def test_two_hundred_debits_across_the_threshold_buy_once(pair, stripe):
    customer, key, at_stripe = buyer(pair, stripe)

    def debit(i):
        return pair.servers[i % 2].client(key).chat(model="per-request", max_tokens=1).status

    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        statuses = list(pool.map(debit, range(200)))
    assert statuses.count(200) > 10, statuses
    credited(pair, customer)
    settled(pair, customer)
    assert len(bought(stripe, at_stripe)) == 1
    assert len(orders(pair, customer)) == 1


BREAKS = [("timeout", {"when": "after"}), ("reset", {"when": "before"})]


@pytest.mark.parametrize("kind, how", BREAKS, ids=lambda x: x if isinstance(x, str) else "-".join(map(str, x.values())))
def test_a_call_that_breaks_is_asked_for_again_and_charged_once(pair, stripe, kind, how):
    stripe.fault(kind, path="/v1/payment_intents", method="POST", times=1, **how)
    customer, _, at_stripe = buyer(pair, stripe, credits="10")
    wait_for(lambda: float(pair.balance(customer)["balance"]) == 510, 90, "the credits of the top-up")
    stripe.clear_faults()
    settled(pair, customer)
    assert len(bought(stripe, at_stripe)) == 1


@pytest.mark.parametrize("method, state", [("pm_card_chargeCustomerFail", "ready"), ("pm_card_authenticationRequired", "needs_customer")])
def test_a_decline_waits_or_asks_the_customer_and_never_tries_at_once(pair, stripe, method, state):
    customer, _, at_stripe = buyer(pair, stripe, credits="10", method=method)

    def judged():
        answer = pair.admin.get(f"/api/v1/top-ups?customer={customer}").json
        return answer if answer["failures"] == 1 and (state != "needs_customer" or answer["link"]) else None
    answer = wait_for(judged, 60, "the decline being known")
    assert answer["state"] == state, answer
    assert len(orders(pair, customer)) == 1
    assert bought(stripe, at_stripe) == []
    if state == "ready":
        assert answer["retry_at"] is not None
    else:
        assert answer["link"].startswith(stripe.url)


def test_a_restored_database_asks_stripe_first_and_does_not_buy_again(pair, stripe):
    """What was bought after the backup is found at Stripe, with its order, before anything else is bought."""
    customer, _, at_stripe = buyer(pair, stripe, credits="10")
    wait_for(lambda: float(pair.balance(customer)["balance"]) == 510, 60, "the credits of the top-up")
    uid = pair.cluster.sql("SELECT customer_id FROM billing WHERE stripe_customer = %s", at_stripe)[0][0]
    for server in pair.servers:
        server.stop()
    # As a backup from before the purchase would have it.
    intent = bought(stripe, at_stripe)[0]["id"]
    for text in ("DELETE FROM orders WHERE customer_id = %(c)s AND kind = 2", "DELETE FROM payments WHERE customer_id = %(c)s",
                 "DELETE FROM transfers t USING grants g WHERE g.customer_id = %(c)s AND g.origin <> '' AND t.customer_id = g.customer_id AND g.id = ANY (t.leg_grants)",
                 "DELETE FROM grant_rows WHERE customer_id = %(c)s AND origin <> ''", "DELETE FROM stripe_events WHERE object_id = %(i)s",
                 "DELETE FROM stripe_objects WHERE id = %(i)s",
                 "UPDATE customers SET balance = 10 * 1000000000::bigint, top_up_due = true, burning = NULL, burning_left = 0, burned = 0 WHERE id = %(c)s"):
        with pair.cluster.connect() as connection, connection.cursor() as cursor:
            cursor.execute(text, {"c": str(uid), "i": intent})
    for server in pair.servers:
        server.start()
    wait_for(lambda: float(pair.balance(customer)["balance"]) == 510, 90, "the purchase being found at Stripe")
    settled(pair, customer)
    assert len(bought(stripe, at_stripe)) == 1
    assert [o["state"] for o in orders(pair, customer)] == ["paid"]
