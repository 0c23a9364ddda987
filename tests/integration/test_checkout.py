"""Buying: the order that is kept, what Stripe is asked for it, and that there is never a second page for one order, whatever is
lost on the way. Stripe is the tests' own stand-in."""
import concurrent.futures
import time
import uuid

import pytest

from tests.harness.process import wait_for
from tests.harness.server import World
from tests.stripe.fake import FakeStripe

OK, BACK = "https://example.com/paid?cs={CHECKOUT_SESSION_ID}", "https://example.com/cart"
SESSIONS = "/v1/checkout/sessions"


@pytest.fixture(scope="module")
def shop(cluster):
    with FakeStripe() as stripe:
        w = World(cluster, stripe=stripe, STRIPE_TIMEOUT_MS="2000")
        yield w
        w.stop()
        stripe.no_bugs()


@pytest.fixture(autouse=True)
def calm(shop):
    """No fault is left over, and Stripe is asked again where it was left alone for having failed."""
    yield
    shop.stripe.clear_faults()
    customer, _ = shop.customer("0")
    wait_for(lambda: shop.admin.post("/api/v1/portal-sessions", {"customer": customer, "return_url": BACK}).status == 201, 60, "Stripe being asked again")


def product(shop, **over):
    answer = shop.admin.post("/api/v1/products", {"kind": "pack", "name": "20 credits", "currency": "usd", "price": 2000, "credits": "20", **over})
    assert answer.status == 201, answer
    return answer.json


def ask(shop, key=None, **body):
    headers = {"Idempotency-Key": key} if key else None
    return shop.admin.post("/api/v1/checkout-sessions", {"success_url": OK, **body}, headers=headers)


def buy(shop, customer=None, key=None, **body):
    """(order, the Session at Stripe, the request that made it)"""
    customer = customer or shop.customer("0")[0]
    answer = ask(shop, key, customer=customer, **body)
    assert answer.status == 201, answer
    session = shop.stripe.get(f"{SESSIONS}/{answer.json['stripe_id']}")
    made = shop.stripe.requests(method="POST", path=SESSIONS, key=f"cs:{answer.json['id']}:1", executed=True)
    assert len(made) == 1
    return answer.json, session, made[0]


def sessions_of(shop, order):
    return [s for s in shop.stripe.objects("checkout_sessions") if s["metadata"]["order_id"] == order]


def break_stripe(shop, kind, **rule):
    return shop.stripe.fault(kind, **rule)


# ---- what Stripe is asked

def test_a_pack_is_an_order_and_a_page_at_stripe(shop):
    customer, pack = shop.customer("0")[0], product(shop, bonus="2.5", expires_after_days=365)
    order, session, made = buy(shop, customer, product=pack["id"], cancel_url=BACK)
    assert (order["kind"], order["state"], order["product"], order["customer"]) == ("purchase", "open", pack["id"], customer)
    assert (order["price"], order["price_text"], order["currency"], order["livemode"]) == (2000, "20.00 USD", "usd", False)
    assert (order["credits"], order["bonus"], order["expires_after_days"], order["bonus_expires_after_days"]) == ("20", "2.5", 365, None)
    assert order["url"] == session["url"] and order["stripe_id"] == session["id"] and order["url_expires_at"] and not order["paid_at"]
    ours = {"order_id": order["id"], "customer_id": customer, "kind": "credit_purchase", "product_id": pack["id"], "quantity": "1"}
    given = made["params"]
    assert 22.9 * 3600 < int(given.pop("expires_at")) - time.time() < 23.1 * 3600
    assert given == {
        "mode": "payment", "customer": session["customer"], "client_reference_id": order["id"], "success_url": OK, "cancel_url": BACK,
        "line_items": [{"quantity": "1", "price_data": {"currency": "usd", "unit_amount": "2000", "product_data": {"name": "20 credits"}}}],
        "metadata": ours, "payment_intent_data": {"metadata": ours}}
    assert made["version"] == "2026-09-30.endive" and made["key"] == shop.stripe.key
    assert shop.admin.get(f"/api/v1/orders/{order['id']}?customer={customer}").json == order
    assert shop.admin.get(f"/api/v1/orders?customer={customer}").json["data"] == [order]


def test_what_is_asked_for_beside_it_is_passed_on(shop):
    pack = product(shop, description="For calls.", tax_code="txcd_10000000")
    order, session, made = buy(shop, product=pack["id"], quantity=3, save_payment_method=True, allow_promotion_codes=True, automatic_tax=True)
    assert (order["price"], order["credits"]) == (6000, "60") and session["amount_subtotal"] == 6000
    given = made["params"]
    assert given["line_items"][0]["quantity"] == "3" and given["allow_promotion_codes"] == "true"
    data = given["line_items"][0]["price_data"]
    assert data["product_data"] == {"name": "20 credits", "description": "For calls.", "tax_code": "txcd_10000000"} and data["tax_behavior"] == "exclusive"
    assert given["payment_intent_data"]["setup_future_usage"] == "off_session"
    assert given["automatic_tax"] == {"enabled": "true"} and given["billing_address_collection"] == "required" and given["customer_update"] == {"address": "auto"}


def test_a_plan_is_subscribed_to(shop):
    plan = product(shop, kind="plan", name="Pro", period="year", price=49000)
    order, session, made = buy(shop, product=plan["id"])
    assert order["kind"] == "subscription" and session["mode"] == "subscription"
    given = made["params"]
    assert given["line_items"][0]["price_data"]["recurring"] == {"interval": "year"}
    assert given["metadata"] == given["subscription_data"]["metadata"] == {"order_id": order["id"], "customer_id": order["customer"]}
    assert "payment_intent_data" not in given


def test_a_card_is_saved_without_anything_being_bought(shop):
    order, session, made = buy(shop, mode="setup", currency="eur")
    assert (order["kind"], order["price"], order["credits"], order["product"]) == ("setup", 0, "0", None)
    assert made["params"]["setup_intent_data"]["metadata"]["order_id"] == order["id"] and made["params"]["currency"] == "eur"
    assert buy(shop, mode="setup")[1]["currency"] == "usd"


def test_a_price_that_was_made_at_stripe_is_named(shop):
    price = shop.stripe.post("/v1/prices", {"currency": "usd", "unit_amount": 2000, "product_data": {"name": "20"}})
    pack = product(shop, stripe_price=price["id"])
    _, session, made = buy(shop, product=pack["id"], automatic_tax=True)
    assert made["params"]["line_items"] == [{"quantity": "1", "price": price["id"]}] and session["amount_subtotal"] == 2000


@pytest.mark.parametrize("currency, price, text", [("jpy", 2000, "2000 JPY"), ("kwd", 1230, "1.230 KWD"), ("isk", 50000, "500 ISK"), ("eur", 1999, "19.99 EUR"),
                                                   ("vnd", 100000, "100000 VND"), ("tnd", 60000, "60.000 TND")])
def test_a_currency_is_counted_as_stripe_counts_it(shop, currency, price, text):
    pack = product(shop, currency=currency, price=price)
    order, session, _ = buy(shop, product=pack["id"], quantity=2)
    assert pack["price_text"] == text and order["price"] == 2 * price == session["amount_subtotal"] == session["amount_total"] and session["currency"] == currency


def test_nothing_about_the_person_is_told_to_stripe(shop):
    word = uuid.uuid4().hex
    customer = shop.admin.post("/api/v1/customers", {"name": word, "external_id": word, "metadata": {"mail": word}}).json["id"]
    buy(shop, customer, product=product(shop)["id"])
    assert word not in str([r["params"] for r in shop.stripe.requests()])


# ---- one customer at Stripe

def test_a_customer_is_made_at_stripe_once(shop):
    customer, pack = shop.customer("0")[0], product(shop)["id"]
    with concurrent.futures.ThreadPoolExecutor(6) as threads:
        orders = [f.result() for f in [threads.submit(buy, shop, customer, product=pack) for _ in range(6)]]
    theirs, = {session["customer"] for _, session, _ in orders}
    assert len({order["id"] for order, _, _ in orders}) == len({session["id"] for _, session, _ in orders}) == 6
    assert [c["id"] for c in shop.stripe.objects("customers") if c["metadata"].get("customer_id") == customer] == [theirs]
    made, = shop.stripe.requests(method="POST", path="/v1/customers", key=f"cust:{customer}", executed=True)
    assert made["params"] == {"metadata": {"customer_id": customer}}
    billing = shop.admin.get(f"/api/v1/billing?customer={customer}").json
    assert billing["stripe_customer"] == theirs and billing["card"] is None and billing["past_due"] is billing["disputed"] is False


def test_a_customer_that_was_deleted_at_stripe_gets_another_one(shop):
    customer, pack = shop.customer("0")[0], product(shop)["id"]
    first = buy(shop, customer, product=pack)[1]["customer"]
    shop.stripe.delete(f"/v1/customers/{first}")
    refused = ask(shop, customer=customer, product=pack)
    assert (refused.status, refused.code) == (422, "stripe_refused") and refused.json["error"]["details"]["stripe_code"] == "resource_missing"
    second = buy(shop, customer, product=pack)[1]["customer"]
    assert second != first and shop.admin.get(f"/api/v1/billing?customer={customer}").json["stripe_customer"] == second


# ---- never two pages for one order

FAULTS = {
    "no answer, nothing done": dict(kind="timeout", when="before", times=1),
    "no answer, and yet done": dict(kind="timeout", when="after", times=1),
    "cut off, nothing done": dict(kind="reset", when="before", times=1),
    "cut off, and yet done": dict(kind="reset", when="after", times=1),
    "409": dict(kind="status", status=409, times=1),
    "409, twice": dict(kind="status", status=409, times=2),
    "429 of the account": dict(kind="status", status=429, reason="global-rate", times=1),
    "429 of a lock": dict(kind="status", status=429, times=1),
    "500 that is forgotten": dict(kind="status", status=500, kept=False, times=1),
    "500 with a wish for another try": dict(kind="status", status=500, kept=False, should_retry=True, times=1),
    "503": dict(kind="status", status=503, kept=False, times=1),
    "slow": dict(kind="slow", seconds=1, times=1),
}


@pytest.mark.parametrize("path", [SESSIONS, "/v1/customers"])
@pytest.mark.parametrize("fault", FAULTS)
def test_what_fails_once_is_asked_again_under_the_same_key(shop, fault, path):
    customer, pack = shop.customer("0")[0], product(shop)["id"]
    rule = break_stripe(shop, path=path, method="POST", **FAULTS[fault])
    answer = ask(shop, customer=customer, product=pack)
    assert answer.status == 201, answer
    assert [s["id"] for s in sessions_of(shop, answer.json["id"])] == [answer.json["stripe_id"]]
    assert len([c for c in shop.stripe.objects("customers") if c["metadata"].get("customer_id") == customer]) == 1
    keys = {r["idempotency_key"] for r in shop.stripe.requests(method="POST", path=path, fault=rule["name"])}
    assert len(keys) >= 1 and None not in keys


LASTING = {
    "no answer, nothing done": dict(kind="timeout", when="before"),
    "no answer, and yet done": dict(kind="timeout", when="after"),
    "cut off, and yet done": dict(kind="reset", when="after"),
    "409": dict(kind="status", status=409),
    "429": dict(kind="status", status=429, reason="global-rate"),
    "429 with no wish for another try": dict(kind="status", status=429, reason="global-rate", should_retry=False),
    "500 with no wish for another try": dict(kind="status", status=500, kept=False, should_retry=False),
    "500 that is forgotten": dict(kind="status", status=500, kept=False),
}


@pytest.mark.parametrize("fault, path", [*((fault, SESSIONS) for fault in LASTING), *((fault, "/v1/customers") for fault in list(LASTING)[1:4])])
def test_what_goes_on_failing_is_continued_by_the_same_request(shop, fault, path):
    customer, pack, key = shop.customer("0")[0], product(shop)["id"], uuid.uuid4().hex
    break_stripe(shop, path=path, method="POST", times=4, **LASTING[fault])
    answer = ask(shop, key, customer=customer, product=pack)
    assert (answer.status, answer.code) == (503, "stripe_unavailable") and answer.headers["retry-after"] and answer.headers["x-should-retry"] == "true"
    order = answer.json["error"]["details"]["order"]
    kept = shop.admin.get(f"/api/v1/orders/{order}?customer={customer}").json
    assert kept["state"] == "open" and kept["url"] is None
    asked = {r["idempotency_key"] for r in shop.stripe.requests(method="POST", path=path) if r["fault"] and (order in r["idempotency_key"] or customer in r["idempotency_key"])}
    assert len(asked) == 1
    shop.stripe.clear_faults()
    again = wait_for(lambda: (lambda a: a if a.status == 201 else None)(ask(shop, key, customer=customer, product=pack)), 60, "the order being continued")
    assert again.json["id"] == order and again.json["url"] and again.headers["idempotency-replayed"] == "true"
    assert len(sessions_of(shop, order)) == 1 and len(shop.admin.get(f"/api/v1/orders?customer={customer}").json["data"]) == 1
    assert len([c for c in shop.stripe.objects("customers") if c["metadata"].get("customer_id") == customer]) == 1


def test_a_500_that_belongs_to_the_key_stays_and_no_page_is_made_behind_it(shop):
    customer, pack, key = shop.customer("0")[0], product(shop)["id"], uuid.uuid4().hex
    break_stripe(shop, "status", path=SESSIONS, when="after", status=500, should_retry=False, times=1)
    for _ in range(2):
        answer = ask(shop, key, customer=customer, product=pack)
        assert (answer.status, answer.code) == (503, "stripe_unavailable")
    assert len(sessions_of(shop, answer.json["error"]["details"]["order"])) == 1


def test_the_bytes_that_are_sent_again_are_the_same_though_the_product_has_changed(shop):
    customer, pack, key = shop.customer("0")[0], product(shop)["id"], uuid.uuid4().hex
    break_stripe(shop, "timeout", path=SESSIONS, when="after", times=3)
    assert ask(shop, key, customer=customer, product=pack).status == 503
    assert shop.admin.patch(f"/api/v1/products/{pack}", {"price": 9900, "name": "other"}).status == 200
    shop.stripe.clear_faults()
    again = wait_for(lambda: (lambda a: a if a.status == 201 else None)(ask(shop, key, customer=customer, product=pack)), 60, "the order being continued")
    sent = shop.stripe.requests(method="POST", path=SESSIONS, key=f"cs:{again.json['id']}:1")
    assert len(sent) >= 2 and all(r["params"] == sent[0]["params"] for r in sent) and again.json["price"] == 2000


def test_one_request_sent_many_times_at_once_has_one_order_and_one_page(shop):
    customer, pack, key = shop.customer("0")[0], product(shop)["id"], uuid.uuid4().hex
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        answers = [f.result() for f in [threads.submit(ask, shop, key, customer=customer, product=pack) for _ in range(8)]]
    assert {a.status for a in answers} == {201}, answers
    assert len({a.json["id"] for a in answers}) == len({a.json["url"] for a in answers}) == 1
    assert len(sessions_of(shop, answers[0].json["id"])) == 1 and sum("idempotency-replayed" in a.headers for a in answers) == 7


def test_an_order_that_has_its_page_is_told_again_without_stripe(shop):
    customer, pack, key = shop.customer("0")[0], product(shop)["id"], uuid.uuid4().hex
    first = ask(shop, key, customer=customer, product=pack)
    break_stripe(shop, "reset")
    again = ask(shop, key, customer=customer, product=pack)
    assert again.status == 201 and again.json == first.json and again.headers["idempotency-replayed"] == "true"
    assert len(shop.stripe.requests(method="POST", path=SESSIONS, key=f"cs:{first.json['id']}:1")) == 1


def test_the_same_key_with_another_request_is_refused(shop):
    customer, pack, key = shop.customer("0")[0], product(shop)["id"], uuid.uuid4().hex
    assert ask(shop, key, customer=customer, product=pack).status == 201
    answer = ask(shop, key, customer=customer, product=pack, quantity=2)
    assert (answer.status, answer.code) == (422, "idempotency_key_reused")


def test_an_order_whose_page_was_not_made_in_time_has_expired(shop):
    customer, pack, key = shop.customer("0")[0], product(shop)["id"], uuid.uuid4().hex
    break_stripe(shop, "status", path=SESSIONS, status=500, kept=False, should_retry=False, times=1)
    order = ask(shop, key, customer=customer, product=pack).json["error"]["details"]["order"]
    shop.cluster.sql("UPDATE orders SET created_at = created_at - interval '22 hours 31 minutes' WHERE stripe_id IS NULL AND state = 1")
    answer = ask(shop, key, customer=customer, product=pack)
    assert answer.status == 201 and answer.json["id"] == order and answer.json["state"] == "expired" and answer.json["url"] is None
    assert not sessions_of(shop, order)


def test_an_instance_that_is_killed_while_stripe_works_leaves_an_order_to_be_continued(shop):
    customer, pack, key = shop.customer("0")[0], product(shop)["id"], uuid.uuid4().hex
    break_stripe(shop, "slow", path=SESSIONS, when="after", seconds=1.5, times=1)
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        lost = thread.submit(ask, shop, key, customer=customer, product=pack)
        wait_for(lambda: [r for r in shop.stripe.requests(method="POST", path=SESSIONS) if r["fault"] == "slow-after" and r["executed"]], 20, "Stripe working")
        shop.servers[0].kill()
        with pytest.raises(OSError):
            lost.result()
    shop.servers[0].start()
    again = wait_for(lambda: (lambda a: a if a.status == 201 else None)(ask(shop, key, customer=customer, product=pack)), 60, "the order being continued")
    assert len(sessions_of(shop, again.json["id"])) == 1 and len(shop.admin.get(f"/api/v1/orders?customer={customer}").json["data"]) == 1


# ---- refusals

def test_what_stripe_refuses_fails_with_stripes_words(shop):
    customer, pack, key = shop.customer("0")[0], product(shop, price=10)["id"], uuid.uuid4().hex
    for _ in range(2):
        answer = ask(shop, key, customer=customer, product=pack)
        assert (answer.status, answer.code) == (422, "stripe_refused") and answer.headers["x-should-retry"] == "false"
        assert "at least 0.50 USD" in answer.json["detail"]
    order, = shop.admin.get(f"/api/v1/orders?customer={customer}").json["data"]
    assert order["state"] == "failed" and "at least 0.50 USD" in order["problem"] and answer.json["error"]["details"]["order"] == order["id"]
    assert len(shop.stripe.requests(method="POST", path=SESSIONS, key=f"cs:{order['id']}:1")) == 1, "what has failed is not asked again"


def test_a_key_that_stripe_does_not_take_costs_no_order(shop):
    customer, pack, key = shop.customer("0")[0], product(shop)["id"], uuid.uuid4().hex
    for state in ("revoked", "restricted"):
        shop.stripe.account.keys[shop.stripe.key] = state
        answer = ask(shop, key, customer=customer, product=pack)
        assert (answer.status, answer.code) == (503, "stripe_unavailable") and "key" not in answer.json["detail"].replace("Idempotency-Key", "").lower()
    del shop.stripe.account.keys[shop.stripe.key]
    answer = ask(shop, key, customer=customer, product=pack)
    assert answer.status == 201 and answer.json["state"] == "open"
    assert '"stripe.call"' in shop.servers[0].log() and shop.stripe.key not in shop.servers[0].log()


WRONG = {
    "customer": [None, "", "cus_1", 7], "product": ["prd_1", "cus_01h2xcejqtf2nbrexx3vqjhp41", "", 7, None],
    "mode": ["", "Payment", "gift", "subscription", 1], "currency": ["usd", "USD", "us", ""],
    "success_url": [None, "", "example.com", "ftp://example.com", "https://", "https:///x", "https://exa mple.com", "https://exämple.com", "javascript:alert(1)",
                    "https://example.com/" + "x" * 2000, "http://:80/", "//example.com"],
    "cancel_url": ["", "example.com", "https://a\nb"], "quantity": [0, 101, -1, 1.5, "1", None], "save_payment_method": ["yes", 1, None],
    "allow_promotion_codes": [0], "automatic_tax": ["true"], "price": [1],
}


@pytest.mark.parametrize("param, value", [(param, value) for param, values in WRONG.items() for value in values])
def test_what_is_wrong_is_named_and_makes_no_order(shop, param, value):
    customer = shop.customer("0")[0]
    body = {"customer": customer, "product": product(shop)["id"], "success_url": OK, param: value}
    answer = shop.admin.post("/api/v1/checkout-sessions", body)
    assert (answer.status, answer.code) == (400, "invalid_request") and answer.json["error"]["param"] == param, answer
    assert not shop.admin.get(f"/api/v1/orders?customer={customer}").json["data"]


@pytest.mark.parametrize("body, param", [({}, "product"), ({"mode": "payment"}, "product"), ({"mode": "setup", "quantity": 1}, "quantity"),
                                         ({"mode": "setup", "currency": "euro"}, "currency")])
def test_what_does_not_go_together_is_refused(shop, body, param):
    answer = ask(shop, customer=shop.customer("0")[0], **body)
    assert (answer.status, answer.json["error"]["param"]) == (400, param)


def test_a_setup_buys_nothing_and_a_pack_is_not_subscribed_to(shop):
    customer, pack, plan = shop.customer("0")[0], product(shop)["id"], product(shop, kind="plan", period="month")["id"]
    for more, param in (({"product": pack, "mode": "setup"}, "product"), ({"product": pack, "mode": "subscription"}, "mode"), ({"product": plan, "mode": "payment"}, "mode")):
        answer = ask(shop, customer=customer, **more)
        assert (answer.status, answer.json["error"]["param"]) == (400, param)


def test_more_than_can_be_counted_is_refused(shop):
    customer = shop.customer("0")[0]
    for over in ({"price": 10 ** 11}, {"credits": "9000000000"}, {"bonus": "9000000000"}):
        answer = ask(shop, customer=customer, product=product(shop, **over)["id"], quantity=100)
        assert (answer.status, answer.json["error"]["param"]) == (400, "quantity")


def test_what_is_archived_is_sold_no_more_but_what_was_begun_goes_on(shop):
    customer, pack, key = shop.customer("0")[0], product(shop)["id"], uuid.uuid4().hex
    first = ask(shop, key, customer=customer, product=pack)
    assert shop.admin.post(f"/api/v1/products/{pack}/archive", None).json["enabled"] is False
    answer = ask(shop, customer=customer, product=pack)
    assert (answer.status, answer.code, answer.json["error"]["param"]) == (409, "conflict", "product")
    assert ask(shop, key, customer=customer, product=pack).json["id"] == first.json["id"]
    assert shop.admin.patch(f"/api/v1/products/{pack}", {"enabled": True}).status == 200
    assert ask(shop, customer=customer, product=pack).status == 201


def test_a_customer_buys_for_itself_and_for_nobody_else(shop):
    (customer, key), (other, _) = shop.customer("0"), shop.customer("0")
    own, pack = shop.servers[0].client(key), product(shop)["id"]
    assert own.post("/api/v1/checkout-sessions", {"customer": customer, "product": pack, "success_url": OK}).status == 201
    assert own.post("/api/v1/portal-sessions", {"customer": customer, "return_url": BACK}).status == 201
    for path, body in (("checkout", {"product": pack, "success_url": OK}), ("portal", {"return_url": BACK})):
        assert own.post(f"/api/v1/{path}-sessions", {"customer": other, **body}).status == 403
    assert len(own.get("/api/v1/orders").json["data"]) == 1 and own.get("/api/v1/billing").json["stripe_customer"]


def test_a_customer_has_no_more_than_a_hundred_open_pages(shop):
    customer, pack, key = shop.customer("0")[0], product(shop)["id"], uuid.uuid4().hex
    first = buy(shop, customer, key=key, product=pack)[0]
    columns = "customer_id, kind, state, product_id, currency, price, credits, livemode"
    shop.cluster.sql(f"""INSERT INTO orders ({columns}, id) SELECT {columns}, overlay(id::text placing lpad(to_hex(n), 12, '0') from 25)::uuid
                         FROM orders, generate_series(1, 99) n WHERE stripe_id = %s""", first["stripe_id"])
    answer = ask(shop, customer=customer, product=pack)
    assert (answer.status, answer.code) == (409, "conflict") and "100 orders" in answer.json["detail"]
    assert ask(shop, key, customer=customer, product=pack).json["id"] == first["id"], "what was begun goes on"
    shop.cluster.sql("UPDATE orders SET state = 4 WHERE id = (SELECT id FROM orders WHERE customer_id = (SELECT customer_id FROM stripe_objects WHERE id = %s) LIMIT 1)", first["stripe_id"])
    assert ask(shop, customer=customer, product=pack).status == 201
    assert ask(shop, customer=customer, product=pack).status == 409


# ---- the portal

def test_the_portal_is_the_customers_own_page(shop):
    customer, key = shop.customer("0")[0], uuid.uuid4().hex
    body = {"customer": customer, "return_url": BACK}
    first, again = (shop.admin.post("/api/v1/portal-sessions", body, headers={"Idempotency-Key": key}) for _ in range(2))
    other = shop.admin.post("/api/v1/portal-sessions", body)
    assert first.status == again.status == other.status == 201 and first.json["url"] == again.json["url"] != other.json["url"]
    made = [s for s in shop.stripe.objects("portal_sessions") if s["url"] == first.json["url"]][0]
    assert made["customer"] == shop.admin.get(f"/api/v1/billing?customer={customer}").json["stripe_customer"] and made["return_url"] == BACK


def test_the_portal_says_where_stripe_cannot_be_asked(shop):
    customer = shop.customer("0")[0]
    break_stripe(shop, "status", path="/v1/billing_portal/*", status=500, should_retry=False, times=1)
    answer = shop.admin.post("/api/v1/portal-sessions", {"customer": customer, "return_url": BACK})
    assert (answer.status, answer.code) == (503, "stripe_unavailable") and "order" not in answer.json["error"]["details"]


# ---- nobody else waits for Stripe

def test_requests_that_wait_for_stripe_keep_nobody_waiting_but_themselves(shop):
    customer, pack = shop.customer("0")[0], product(shop)["id"]
    buy(shop, customer, product=pack)
    break_stripe(shop, "slow", path=SESSIONS, when="before", seconds=1.5)
    with concurrent.futures.ThreadPoolExecutor(80) as threads:
        waiting = [threads.submit(ask, shop, customer=customer, product=pack) for _ in range(80)]
        wait_for(lambda: any(f.done() for f in waiting), 30, "the first being turned away")
        began = time.monotonic()
        for _ in range(20):
            assert shop.admin.get(f"/api/v1/balance?customer={customer}").status == 200
        assert sum(not f.done() for f in waiting) > 20 or time.monotonic() - began > 20, "they were waiting meanwhile"
        shop.stripe.clear_faults()
        answers = [f.result() for f in waiting]
    turned_away = [a for a in answers if a.status == 503 and a.code == "overloaded"]
    assert turned_away and all(a.status == 201 or a.code in ("overloaded", "stripe_unavailable") for a in answers)
    orders = [a.json["id"] for a in answers if a.status == 201]
    assert orders and all(len(sessions_of(shop, order)) == 1 for order in orders[:5])
