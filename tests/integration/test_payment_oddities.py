"""What does not go smoothly: credits that were spent before their money went back, events that are not ours or cannot be right, and the
same thing told fifty times at once."""
import concurrent.futures
import json
import uuid

import pytest

from tests.harness.shop import Buyer, Shop


@pytest.fixture(scope="module")
def shop(cluster, stripe):
    s = Shop(cluster, stripe, instances=2)
    yield s
    s.quiet()
    s.check_payments()
    s.audit()
    s.stop()


@pytest.fixture
def buyer(shop):
    return Buyer(shop)


def bought(buyer, **how):
    """A purchase that was told: its Session."""
    with buyer:
        session = buyer.buy(**how)
    told(buyer)
    return session


def told(buyer):
    buyer.tell()
    buyer.bodies.clear()
    buyer.shop.told()


def body_of(buyer, type):
    return json.loads(next(b for b in buyer.bodies if json.loads(b)["type"] == type))


# ---- spent, and taken back

def test_what_was_spent_and_is_refunded_is_owed_and_repaid_by_the_next_purchase(shop, buyer):
    session = bought(buyer)
    buyer.spend(15)
    with buyer:
        buyer.refund(session, 2000)
    told(buyer)
    balance = shop.balance(buyer.customer)
    assert (balance["balance"], balance["debt"], balance["available"]) == ("-1500", "1500", "0")
    assert shop.servers[0].client(buyer.secret).chat(model="by-hundreds", max_tokens=1).status == 402
    bought(buyer)
    balance = shop.balance(buyer.customer)
    assert (balance["balance"], balance["debt"]) == ("500", "0")
    buyer.spend(5)
    assert buyer.balance == 0


def test_what_was_spent_and_is_disputed_comes_back_when_the_dispute_is_won(shop, buyer):
    session = bought(buyer)
    buyer.spend(5)
    with buyer:
        dispute = buyer.disputed(session)
    told(buyer)
    assert buyer.balance == -500 and shop.balance(buyer.customer)["debt"] == "500"
    with buyer:
        buyer.decide(dispute, "won")
    told(buyer)
    assert buyer.balance == 1500 and shop.balance(buyer.customer)["debt"] == "0"


def test_a_refund_of_one_purchase_is_not_paid_by_another_beyond_what_is_there(shop, buyer):
    first = bought(buyer)
    bought(buyer)
    buyer.spend(30)  # the first grant whole, half of the second
    with buyer:
        buyer.refund(first, 2000)
    told(buyer)
    assert buyer.balance == -1000 and sorted(g["left"] for g in buyer.grants()) == ["0", "0"]


# ---- what is not ours, or cannot be right

def changed(event, **members):
    """The event with another id, and members of its object changed."""
    event = json.loads(json.dumps(event))
    event["id"] = f"evt_{uuid.uuid4().hex}"
    for path, value in members.items():
        place = event["data"]["object"]
        *parents, last = path.split("__")
        for parent in parents:
            place = place[parent]
        place[last] = value
    return event


def sent(shop, event):
    shop.deliver(json.dumps(event).encode())
    shop.told()
    return shop.admin.get(f"/api/v1/stripe-events/{event['id']}").json


WRONG = {
    "another customer's order": ({"metadata__customer_id": "cus_01h2xcejqtf2nbrexx3vqjhp41"}, "is not here"),
    "an order of no form of ours": ({"metadata__order_id": "12345", "id": "cs_of_another_shop"}, "none of this service"),
    "another currency": ({"currency": "eur"}, "is in eur, its order in usd"),
    "another amount": ({"amount_subtotal": 100, "amount_total": 100}, "is about 100, its order about 2000"),
    "another mode": ({"mode": "subscription"}, "its order is not"),
    "a mode that nobody knows": ({"mode": "tomorrow"}, 'the mode "tomorrow", which is not known'),
    "nothing to pay, without a discount": ({"payment_status": "no_payment_required", "amount_total": 0}, "without a discount"),
    "no PaymentIntent": ({"payment_intent": None}, "without a PaymentIntent"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_session_that_cannot_be_right_is_parked_with_a_reason_and_an_alarm(shop, buyer, name):
    members, reason = WRONG[name]
    with buyer:
        buyer.buy()
    event = changed(body_of(buyer, "checkout.session.completed"), **members)
    before = shop.metric("tollgate_payment_problems_total") + shop.metric("tollgate_payment_problems_total", server=1)
    event_told = sent(shop, event)
    assert event_told["state"] == "parked" and reason in event_told["reason"]
    after = shop.metric("tollgate_payment_problems_total") + shop.metric("tollgate_payment_problems_total", server=1)
    assert after == before + 1 and any(event["id"] in s.log() and reason.split('"')[0] in s.log() for s in shop.servers)
    assert buyer.balance == 0 and buyer.payments() == [] and buyer.orders()[0]["state"] == "open"
    told(buyer)  # the real one
    assert buyer.balance == 2000


def test_a_parked_event_is_acted_on_once_what_it_lacked_is_there(shop, buyer):
    with buyer:
        buyer.buy()
    row = shop.cluster.sql("DELETE FROM orders WHERE customer_id = %s RETURNING *", buyer.uuid)[0]
    event = changed(body_of(buyer, "checkout.session.completed"), metadata__product_id="prd_01h2xcejqtf2nbrexx3vqjhp41")
    assert "is not here" in sent(shop, event)["reason"]
    with shop.cluster.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO orders VALUES ({', '.join(['%s'] * len(row))})", row)
    assert shop.admin.post(f"/api/v1/stripe-events/{event['id']}/retry", None).status == 200
    shop.told()
    assert buyer.balance == 2000 and shop.admin.get(f"/api/v1/stripe-events/{event['id']}").json["state"] == "done"


def test_money_of_the_other_mode_is_none_here(shop, buyer):
    with buyer:
        buyer.buy()
    event = {**changed(body_of(buyer, "checkout.session.completed"), livemode=True), "livemode": True}
    event_told = sent(shop, event)
    assert (event_told["state"], event_told["reason"]) == ("parked", "livemode")
    assert shop.metric("tollgate_stripe_events_parked_total") >= 1 and buyer.balance == 0
    assert shop.admin.post(f"/api/v1/stripe-events/{event['id']}/retry", None).status == 409


def test_what_nobody_knows_is_kept_and_left_alone(shop, buyer):
    with buyer:
        buyer.buy()
    event = {**changed(body_of(buyer, "checkout.session.completed")), "type": "checkout.session.of_tomorrow"}
    event_told = sent(shop, event)
    assert event_told["state"] == "ignored" and event_told["reason"] and buyer.balance == 0


def test_a_payment_of_somebody_elses_shop_on_the_same_account_is_left_alone(shop, buyer, stripe):
    with buyer:
        intent = stripe.post("/v1/payment_intents", {"amount": 900, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True, "return_url": "https://example.com"})
        stripe.post("/v1/refunds", {"payment_intent": intent["id"], "amount": 100})
        stripe.control("POST", "/disputes", payment_intent=intent["id"])
    told(buyer)
    assert shop.cluster.sql("SELECT count(*) FROM payments WHERE payment_intent = %s", intent["id"]) == [(0,)]
    assert not set(shop.parked()) & {json.loads(b)["id"] for b in buyer.bodies}


def test_both_forms_of_one_event_are_one_fact(shop, buyer):
    with buyer:
        session = buyer.buy()
        buyer.refund(session, 500)
    for snapshot, thin in zip(buyer.bodies, buyer.thin, strict=True):
        shop.deliver(thin, 0)
        shop.deliver(snapshot, 1)
    shop.told()
    assert buyer.balance == 1500


# ---- at once

@pytest.mark.parametrize("types", [("checkout.session.completed",), ("payment_intent.succeeded",), ("checkout.session.completed", "payment_intent.succeeded"),
                                   ("refund.created", "charge.refunded"), ("charge.dispute.created",)], ids="-and-".join)
def test_fifty_deliveries_at_once_are_one(shop, buyer, types):
    with buyer:
        session = buyer.buy()
        if types[0].startswith("refund"):
            buyer.refund(session, 500)
        elif types[0].startswith("charge"):
            buyer.disputed(session, amount=500)
    first = [b for b in buyer.bodies if json.loads(b)["type"] not in types]
    many = [b for b in buyer.bodies if json.loads(b)["type"] in types]
    with concurrent.futures.ThreadPoolExecutor(25) as pool:
        list(pool.map(lambda n: shop.deliver(many[n % len(many)], n // len(many) % 2), range(50)))
    for body in first:
        shop.deliver(body)
    shop.told()
    assert buyer.balance == (2000 if "checkout" in types[0] or "intent" in types[0] else 1500)
    assert len(buyer.grants()) == len(buyer.payments()) == 1
