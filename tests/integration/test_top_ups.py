"""Buying by itself, against the stand-in for Stripe: one charge for one crossing whatever breaks on the way, within what was agreed
to, and not where the card, the bank or a dispute stands in the way. Time is moved in the rows, not waited for."""
import uuid

import psycopg2
import pytest

from tests.harness.process import wait_for
from tests.harness.shop import Shop
from tests.harness.topped_up import INTENTS, Customer


@pytest.fixture(scope="module")
def shop(cluster, stripe):
    s = Shop(cluster, stripe, instances=2, STRIPE_TIMEOUT_MS="1000")
    yield s
    stripe.clear_faults()
    s.quiet()
    s.told()
    s.check_payments()
    s.audit()
    s.stop()


@pytest.fixture(autouse=True)
def calm(stripe):
    yield
    stripe.clear_faults()


# ---- one charge, whatever breaks

BREAKS = {
    "time-out before": ("timeout", {"when": "before"}), "time-out after": ("timeout", {"when": "after"}),
    "reset before": ("reset", {"when": "before"}), "reset after": ("reset", {"when": "after"}),
    "409": ("status", {"status": 409}), "429": ("status", {"status": 429}),
    "500 before": ("status", {"status": 500, "kept": False}),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_call_that_breaks_is_charged_once_and_its_credits_come_once(shop, stripe, name):
    customer = Customer(shop)
    with customer:
        kind, how = BREAKS[name]
        stripe.fault(kind, method="POST", path=INTENTS, times=1, **how)
        customer.cross()
        customer.bought()
    customer.hear()  # and the events say it again
    assert len(customer.charges()) == len(customer.payments()) == 1 and customer.balance == 505
    assert len({r["key"] for r in customer.asked()}) == 1


def test_a_failure_that_stripe_repeats_for_its_key_is_settled_by_the_event(shop, stripe):
    """It was charged, and each answer for the key says 500, for a day."""
    customer = Customer(shop)
    with customer:
        stripe.fault("status", method="POST", path=INTENTS, times=1, status=500, when="after")
        customer.cross()
        customer.left()
    assert customer.attempts()[0]["state"] == "open" and customer.balance == 5
    customer.hear()
    customer.bought()
    assert customer.balance == 505


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_nothing_is_known_of_is_asked_for_again_with_the_same_key_minutes_later(shop, stripe, when):
    """All tries of one round are lost."""
    customer = Customer(shop)
    stripe.fault("reset", method="POST", path=INTENTS, when=when)
    customer.cross()
    customer.left()
    wait_for(lambda: len(customer.charges()) == (when == "after"), 30, "what Stripe made of it")  # though nobody waits for its answer
    assert [o["state"] for o in customer.attempts()] == ["open"]
    stripe.clear_faults()
    customer.past(minutes=2)
    customer.bought()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_server_that_is_killed_while_stripe_is_asked_buys_once(shop, stripe, when):
    customer = Customer(shop)
    stripe.fault("timeout", method="POST", path=INTENTS, when=when, times=1, seconds=5)
    customer.cross()
    wait_for(lambda: customer.asked(fault=f"timeout-{when}"), 60, "Stripe being asked")
    for server in shop.servers:
        server.kill()
    for server in shop.servers:
        server.start()
    customer.past(minutes=2)
    customer.bought()
    assert customer.balance == 505 and len(customer.attempts()) == 1


def test_after_a_day_the_key_is_dead_and_stripe_is_asked_what_became_of_it(shop, stripe):
    """One that Stripe had made is taken for what it is; one that it never heard of has failed, and another follows."""
    for when, paid in (("after", 1), ("before", 0)):
        customer = Customer(shop)
        stripe.fault("reset", method="POST", path=INTENTS, when=when)
        customer.cross()
        customer.left()
        stripe.clear_faults()
        customer.past(hours=24)
        if paid:
            customer.bought()
        else:
            customer.until(lambda t: t["failures"] == 1, "the failure")
            assert customer.attempts()[0]["problem"] == "never_reached_stripe" and customer.charges() == []
            customer.past(hours=1)
            customer.bought()


def test_while_stripe_is_not_asked_no_order_loses_its_turn(shop, stripe):
    """Its next one would be a minute later, however soon Stripe is back."""
    customer = Customer(shop)
    stripe.fault("reset", method="POST", path=INTENTS, when="before")
    customer.cross()
    customer.left()
    stripe.fault("reset", method="POST", path="/v1/billing_portal/sessions", when="before")

    def portal(server):
        return server.client(shop.admin_key).post("/api/v1/portal-sessions", {"customer": customer.customer, "return_url": "https://example.com/account"})

    for i, server in enumerate(shop.servers):
        while not shop.metric("tollgate_stripe_breaker_open", i):
            answer = portal(server)
            assert answer.status == 503, answer
    stripe.clear_faults()
    customer.past(minutes=2)
    wait_for(lambda: [o["state"] for o in customer.attempts()] == ["paid"], 45, "the top-up")
    customer.bought()
    for server in shop.servers:  # one of them bought it: the other has not asked Stripe since
        wait_for(lambda: portal(server).status == 201, 60, "Stripe being asked again")


# ---- within what was agreed to

def test_as_many_packs_as_reach_the_target_in_one_payment(shop):
    customer = Customer(shop, target="1600")
    customer.cross()
    customer.bought()
    assert the(customer.charges())["amount"] == 8000 and customer.balance == 2005


def the(found):
    one, = found
    return one


def test_the_months_cap_buys_fewer_packs_and_then_none(shop):
    customer = Customer(shop, target="5000", monthly_cap=5000, threshold="1005")
    customer.bought()  # below the mark from the first: two packs, not ten
    assert the(customer.charges())["amount"] == 4000 and customer.balance == 1010
    client = shop.servers[0].client(customer.secret)
    for _ in range(5):
        assert client.chat(model="per-request", max_tokens=1).status == 200
    customer.past(minutes=11, within="month")
    customer.until(lambda t: t["problem"] == "the month's cap is reached", "the cap")
    assert len(customer.charges()) == 1
    shop.cluster.sql("UPDATE orders SET created_at = created_at - interval '40 days' WHERE customer_id = %s", customer.uuid)  # another month
    customer.past(hours=24)
    customer.bought(2)


def test_the_days_count_and_the_pause_between_two(shop):
    customer = Customer(shop, threshold="9000", daily_count=2)
    customer.paid(1)
    customer.until(lambda t: t["problem"] == "it has just bought", "the pause")
    customer.past(minutes=1, within="day")
    customer.paid(2)
    customer.until(lambda t: t["problem"] and "count" in t["problem"], "the day's count")
    customer.past(minutes=20, within="day")
    customer.until(lambda t: t["problem"] == "the day's count is reached", "the day's count still")
    assert len(customer.charges()) == 2


def test_two_attempts_in_ten_minutes(shop):
    customer = Customer(shop, threshold="9000", daily_count=100, monthly_cap=999999)
    for n in (1, 2):
        customer.paid(n)
        customer.until(lambda t: t["problem"] in ("it has just bought", "two attempts in ten minutes"), "a pause")
        customer.past(minutes=1)
    customer.until(lambda t: t["problem"] == "two attempts in ten minutes", "the pause")
    customer.past(minutes=11)
    wait_for(lambda: len(customer.charges()) == 3, 60, "the third")


def test_more_credits_than_can_be_counted_are_not_bought_and_hold_up_nobody(shop):
    huge = shop.product(name="huge", credits="9000000000")
    customer, other = Customer(shop, product=huge, target="9223372036", packs_at_once=1000, monthly_cap=999999999), Customer(shop)
    customer.cross(), other.cross()
    customer.waits("more credits than can be counted")
    other.bought()


def test_whoever_of_two_instances_comes_second_leaves_the_reason(shop):
    customer = Customer(shop, card=None)
    customer.cross()
    customer.waits("no card")
    shop.quiet()
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    connection = psycopg2.connect(shop.cluster.url())
    try:
        connection.cursor().execute("SELECT FROM customers WHERE id = %s FOR UPDATE", (customer.uuid,))
        # Its turn is now for both. They give up after a while and come again: not always in the same moment.
        shop.cluster.sql("UPDATE top_ups SET retry_at = NULL, problem = '' WHERE customer_id = %s", customer.uuid)
        wait_for(lambda: shop.cluster.sql(waiting) == [(2,)], 60, "both being at it", step=0.005)
    finally:
        connection.rollback()
        connection.close()
    wait_for(lambda: shop.cluster.sql(waiting) == [(0,)], 30, "both having been at it")
    customer.waits("there is no card to charge")


def test_who_is_above_its_mark_again_waits_for_nothing(shop):
    customer = Customer(shop, card=None)
    customer.cross()
    customer.waits("no card")
    assert shop.admin.post("/api/v1/grants", {"customer": customer.customer, "amount": "100"}).status == 201
    customer.past(minutes=11)
    customer.until(lambda t: t["problem"] is None and t["retry_at"] is None, "nothing to wait for")


# ---- declines

def decline(customer, how):
    """From now on the saved card does this."""
    method = customer.billing()["card"]["payment_method"]
    customer.stripe.control("POST", f"/payment_methods/{method}/update", card=how)


def test_soft_declines_are_tried_again_after_an_hour_and_a_day_and_three_suspend(shop):
    customer = Customer(shop)
    decline(customer, "insufficient_funds")
    customer.cross()
    for n, hours in ((1, 1), (2, 24)):
        told = customer.until(lambda t: t if t["failures"] == n else None, f"{n} failures")
        assert told["state"] == "ready" and told["problem"] == "the card was declined for now" and told["retry_at"]
        customer.past(hours=hours, minutes=-2)  # nearly
        assert len(customer.attempts()) == n
        customer.past(minutes=3)
    told = customer.until(lambda t: t if t["failures"] == 3 else None, "three failures")
    assert told["state"] == "suspended" and told["retry_at"] is None and customer.charges() == []
    assert [o["state"] for o in customer.attempts()] == ["failed"] * 3
    # Another card releases it.
    customer.past(hours=24)
    customer.save("mastercard")
    customer.bought()
    assert customer.now()["failures"] == 0


def test_a_hard_decline_suspends_until_somebody_releases_it(shop):
    customer = Customer(shop)
    decline(customer, "stolen")
    customer.cross()
    told = customer.until(lambda t: t if t["state"] == "suspended" else None, "the suspension")
    assert "another one is needed" in told["problem"] and len(customer.attempts()) == 1
    decline(customer, "visa")
    customer.past(hours=25)
    assert shop.servers[0].client(customer.secret).post(f"/api/v1/top-ups/release?customer={customer.customer}", None).status == 403
    assert shop.admin.post(f"/api/v1/top-ups/release?customer={customer.customer}", None).json["state"] == "ready"
    customer.bought()


def test_a_bank_that_asks_sends_the_customer_to_a_page_and_then_all_is_well(shop, stripe):
    customer = Customer(shop, card="auth_always")
    customer.cross()
    told = customer.until(lambda t: t if t["link"] else None, "the page")
    assert told["state"] == "needs_customer" and told["link"].startswith(stripe.url) and len(customer.attempts()) == 1
    page = the([o for o in customer.orders("purchase")])
    with customer:
        stripe.complete(page["stripe_id"], card="visa")
    customer.hear()
    assert customer.balance == 505 and customer.now()["state"] == "ready" and customer.now()["link"] is None


# ---- nothing is bought

def test_a_customer_that_is_gone_at_stripe_ends_it(shop, stripe):
    """Nobody has told: the call itself finds it."""
    customer = Customer(shop)
    with customer:
        stripe.delete(f"/v1/customers/{customer.at_stripe()}")
    customer.cross()
    told = customer.until(lambda t: t if not t["enabled"] else None, "its end")
    assert "gone at Stripe" in told["problem"] and customer.charges() == []
    customer.hear()
    assert customer.billing()["card"] is None


def test_a_card_that_was_taken_away_ends_it(shop, stripe):
    customer = Customer(shop)
    with customer:
        stripe.post(f"/v1/payment_methods/{customer.billing()['card']['payment_method']}/detach")
    customer.hear()
    customer.cross()
    told = customer.now()
    assert not told["enabled"] and told["problem"] == "the card was removed" and customer.attempts() == []


def test_while_a_dispute_is_open_nothing_is_bought(shop, stripe):
    customer = Customer(shop)
    with customer:
        session = customer.buy()
        dispute = customer.disputed(session, inquiry=True)
    customer.hear()
    customer.agree(threshold="3000")
    customer.waits("disputed")
    with customer:
        customer.decide(dispute, "warning_closed")
    customer.hear()
    customer.past(minutes=11)
    wait_for(customer.charges, 60, "the top-up")


def test_while_a_plan_is_not_paid_nothing_is_bought(shop, stripe):
    customer = Customer(shop)
    plan = shop.product(kind="plan", name="Pro", price=5000, credits="1", period="month")
    with customer:
        subscription = customer.buy(product=plan)["subscription"]
        customer.stripe.control("POST", f"/subscriptions/{subscription}/renew", card="insufficient_funds")
    customer.hear()
    customer.agree(threshold="100")
    customer.until(lambda t: t["problem"] == "an invoice is past due", "the arrears")
    assert customer.attempts() == []


def test_what_is_not_sold_any_more_is_not_bought(shop):
    own = shop.post("products", {"kind": "pack", "name": uuid.uuid4().hex, "currency": "usd", "price": 2000, "credits": "500"})["id"]
    customer = Customer(shop, product=own)
    assert shop.admin.post(f"/api/v1/products/{own}/archive", None).status == 200
    customer.cross()
    customer.waits("not sold any more")


def test_without_a_card_it_waits_and_buys_as_soon_as_there_is_one(shop):
    customer = Customer(shop, card=None)
    customer.cross()
    customer.waits("no card")
    customer.save("visa")
    customer.bought()


def test_what_was_switched_off_or_taken_away_buys_nothing(shop):
    off, gone = Customer(shop, enabled=False), Customer(shop)
    assert shop.admin.delete(f"/api/v1/top-ups?customer={gone.customer}").status == 200
    off.cross(), gone.cross()
    due = shop.cluster.sql("SELECT count(*) FROM customers WHERE top_up_due AND id = ANY (%s::uuid[])", [off.uuid, gone.uuid])
    assert due == [(0,)] and off.attempts() == gone.attempts() == []


def test_a_customer_whose_row_is_kept_holds_up_nobody_elses_top_up(shop):
    kept, other = Customer(shop), Customer(shop)
    both, when = [kept.uuid, other.uuid], "UPDATE top_ups SET retry_at = %s WHERE customer_id = ANY (%s::uuid[])"
    shop.cluster.sql(when, "2999-01-01", both)
    kept.cross(), other.cross()
    connection = psycopg2.connect(shop.cluster.url())
    try:
        connection.cursor().execute("SELECT FROM customers WHERE id = %s FOR UPDATE", (kept.uuid,))
        shop.cluster.sql(when, None, both)
        other.bought()
    finally:
        connection.rollback()
        connection.close()
    kept.bought()


# ---- what is told of it

def test_each_outcome_is_told_once(shop, stripe):
    made = shop.post("webhook-endpoints", {"url": "https://localhost:8443/none", "events": ["top_up.succeeded", "top_up.failed", "top_up.suspended", "top_up.action_required"]})
    paid, soft, hard, asks = Customer(shop), Customer(shop), Customer(shop), Customer(shop, card="auth_always")
    decline(soft, "insufficient_funds")
    decline(hard, "stolen")
    for c in (paid, soft, hard, asks):
        with c:
            c.cross()
    paid.bought()
    soft.until(lambda t: t["failures"] == 1, "the decline")
    hard.until(lambda t: t["state"] == "suspended", "the suspension")
    asks.until(lambda t: t["link"], "the page")
    for c in (paid, soft, hard, asks):
        c.hear()
    wait_for(lambda: not shop.cluster.sql("SELECT 1 FROM outbox LIMIT 1"), 30, "all being handed out")
    told = {}
    for d in shop.admin.get(f"/api/v1/webhook-endpoints/{made['id']}/deliveries?limit=100").json["data"]:
        told.setdefault(d["customer"], []).append(d["type"])
    assert told == {paid.customer: ["top_up.succeeded"], soft.customer: ["top_up.failed"], hard.customer: ["top_up.suspended"],
                    asks.customer: ["top_up.action_required"]}
    assert shop.admin.delete(f"/api/v1/webhook-endpoints/{made['id']}").status == 200
