"""Checkout Sessions: what they are made with, what the buyer does, what becomes of them."""
import pytest

from tests.stripe.samples import CREDITS, last, session, types

PAID = ["payment_intent.created", "charge.succeeded", "charge.updated", "payment_intent.succeeded", "checkout.session.completed"]
RECURRING = [{"quantity": 1, "price_data": {"currency": "usd", "unit_amount": 5000, "recurring": {"interval": "month"}, "product_data": {"name": "Pro"}}}]


def again(stripe, made):
    return stripe.get(f"/v1/checkout/sessions/{made['id']}")


def test_a_new_session(stripe, customer):
    made = session(stripe, customer=customer["id"], client_reference_id="acct_1", metadata={"order_id": "o1"}, cancel_url="http://x/no")
    assert (made["status"], made["payment_status"], made["mode"], made["ui_mode"]) == ("open", "unpaid", "payment", "hosted_page")
    assert (made["amount_subtotal"], made["amount_total"], made["currency"]) == (2000, 2000, "usd")
    assert made["url"].startswith(stripe.url) and made["expires_at"] - made["created"] == 86400 and made["payment_intent"] is None
    assert (made["customer"], made["client_reference_id"], made["metadata"]) == (customer["id"], "acct_1", {"order_id": "o1"})
    assert types(stripe) == ["customer.created"]


@pytest.mark.parametrize("more, param", [
    ({"mode": None}, "mode"), ({"success_url": None}, "success_url"), ({"line_items": None}, "line_items"), ({"success_url": "here"}, "success_url"),
    ({"payment_method_types": ["card"]}, "payment_method_types"), ({"ui_mode": "hosted"}, "ui_mode"),
    ({"subscription_data": {"description": "x"}}, "subscription_data"), ({"setup_intent_data": {"description": "x"}}, "setup_intent_data"),
    ({"mode": "subscription"}, "line_items"), ({"mode": "subscription", "line_items": RECURRING, "payment_intent_data": {"description": "x"}}, "payment_intent_data"),
    ({"line_items": RECURRING}, "line_items[0][price]"), ({"mode": "setup"}, "line_items"), ({"mode": "setup", "line_items": None}, "currency"),
    ({"line_items": [{"price_data": CREDITS[0]["price_data"]}]}, "line_items[0][quantity]"), ({"line_items": [{"quantity": 1}]}, "line_items[0]"),
    ({"line_items": [{"quantity": 1, "price": "price_none"}]}, "line_items[0][price]"), ({"client_reference_id": "x" * 201}, "client_reference_id"),
    ({"line_items": [{"quantity": 1, "price_data": {**CREDITS[0]["price_data"], "unit_amount": 10}}]}, "line_items"),
    ({"line_items": CREDITS + [{"quantity": 1, "price_data": {**CREDITS[0]["price_data"], "currency": "eur"}}]}, "line_items"),
    ({"customer_email": "a@example.com", "customer": "cus_x"}, "customer_email"), ({"expires_at": 1}, "expires_at"), ({"expires_at": 9999999999}, "expires_at"),
    ({"customer_update": {"address": "auto"}}, "customer_update")])
def test_what_is_refused(stripe, more, param):
    given = {"mode": "payment", "success_url": "http://x/", "line_items": CREDITS, **more}
    answer = stripe.ask("POST", "/v1/checkout/sessions", {k: v for k, v in given.items() if v is not None})
    assert answer.status == 400 and answer.json["error"]["param"] == param, answer.json
    assert stripe.objects("checkout_sessions") == []


# Payment


def test_a_buyer_pays(stripe, customer):
    made = session(stripe, customer=customer["id"], payment_intent_data={"metadata": {"kind": "credit_purchase"}})
    since = len(stripe.events())
    done = stripe.complete(made)
    assert (done["status"], done["payment_status"], done["url"]) == ("complete", "paid", None)
    assert types(stripe, since) == PAID
    told = last(stripe, "checkout.session.completed")
    assert told["data"]["object"] == done and told["request"] == {"id": None, "idempotency_key": None}
    assert stripe.get(f"/v1/payment_intents/{done['payment_intent']}")["metadata"] == {"kind": "credit_purchase"}


def test_a_session_is_paid_once(stripe):
    made = session(stripe)
    stripe.complete(made)
    assert stripe.request("POST", f"/_fake/sessions/{made['id']}/complete", b"{}").status == 400
    assert stripe.ask("POST", f"/v1/checkout/sessions/{made['id']}/expire").status == 400


def test_a_refused_card_leaves_it_open(stripe):
    made = session(stripe)
    assert stripe.request("POST", f"/_fake/sessions/{made['id']}/complete", b'{"card": "insufficient_funds"}').status == 402
    assert again(stripe, made)["status"] == "open" and types(stripe)[-1] == "payment_intent.payment_failed"
    assert stripe.complete(made)["payment_status"] == "paid" and len(stripe.objects("payment_intents")) == 1


def test_authentication_passed_and_not(stripe):
    made = session(stripe)
    assert stripe.complete(made, "auth_always", authenticate=False)["status"] == "open"
    assert types(stripe)[-1] == "payment_intent.requires_action"
    assert stripe.complete(made, "auth_always")["payment_status"] == "paid"


@pytest.mark.parametrize("card, event, status", [("bank_debit", "checkout.session.async_payment_succeeded", "paid"),
                                                 ("bank_debit_fails", "checkout.session.async_payment_failed", "unpaid")])
def test_a_delayed_payment(stripe, card, event, status):
    made = stripe.complete(session(stripe), card)
    assert (made["status"], made["payment_status"]) == ("complete", "unpaid")
    stripe.settle(made["payment_intent"])
    assert types(stripe)[-1] == event and again(stripe, made)["payment_status"] == status
    assert stripe.events()[-1]["data"]["object"] == again(stripe, made)


def test_the_card_stays_for_later(stripe):
    made = stripe.complete(session(stripe, payment_intent_data={"setup_future_usage": "off_session"}))
    assert made["customer"].startswith("cus_")
    assert [m["id"] for m in stripe.get("/v1/payment_methods", {"customer": made["customer"]})["data"]] == [
        stripe.get(f"/v1/payment_intents/{made['payment_intent']}")["payment_method"]]
    assert "payment_method.attached" in types(stripe)


def test_a_guest_stays_a_guest(stripe):
    made = stripe.complete(session(stripe), email="guest@example.com")
    assert made["customer"] is None and made["customer_details"]["email"] == "guest@example.com"
    assert stripe.complete(session(stripe, customer_creation="always"))["customer"].startswith("cus_")


def test_a_full_discount_needs_no_payment(stripe):
    made = stripe.complete(session(stripe), percent_off=100)
    assert (made["payment_status"], made["amount_total"], made["amount_subtotal"], made["payment_intent"]) == ("no_payment_required", 0, 2000, None)
    assert types(stripe)[-1] == "checkout.session.completed" and stripe.objects("payment_intents") == []


def test_a_discount_lowers_the_total_only(stripe):
    made = stripe.complete(session(stripe), percent_off=25)
    assert (made["amount_total"], made["amount_subtotal"], made["total_details"]["amount_discount"]) == (1500, 2000, 500)
    assert stripe.get(f"/v1/payment_intents/{made['payment_intent']}")["amount_received"] == 1500


def test_tax_comes_on_top_or_is_inside(stripe):
    stripe.control("POST", "/settings", tax_percent=20)
    for behavior, total, tax in (("exclusive", 2400, 400), ("inclusive", 2000, 333)):
        items = [{"quantity": 1, "price_data": {**CREDITS[0]["price_data"], "tax_behavior": behavior}}]
        made = session(stripe, line_items=items, automatic_tax={"enabled": True})
        assert (made["amount_subtotal"], made["amount_total"], made["total_details"]["amount_tax"]) == (2000, total, tax)
        assert stripe.get(f"/v1/payment_intents/{stripe.complete(made)['payment_intent']}")["amount"] == total


def test_tax_wants_an_address(stripe, customer):
    given = {"mode": "payment", "success_url": "http://x/", "line_items": CREDITS, "customer": customer["id"], "automatic_tax": {"enabled": True}}
    assert stripe.ask("POST", "/v1/checkout/sessions", given).json["error"]["code"] == "customer_tax_location_invalid"
    stripe.complete(stripe.post("/v1/checkout/sessions", {**given, "customer_update": {"address": "auto"}}))
    assert stripe.get(f"/v1/customers/{customer['id']}")["address"]["country"]


def test_an_invoice_comes_with_it(stripe, customer):
    made = stripe.complete(session(stripe, customer=customer["id"], invoice_creation={"enabled": True}))
    invoice = stripe.get(f"/v1/invoices/{made['invoice']}")
    assert (invoice["status"], invoice["amount_paid"], invoice["parent"], invoice["billing_reason"]) == ("paid", 2000, None, "manual")


# Saving a card


def card_only(stripe, customer):
    return stripe.post("/v1/checkout/sessions", {"mode": "setup", "currency": "usd", "customer": customer["id"], "success_url": "http://x/",
                                                 "setup_intent_data": {"metadata": {"customer_id": "cus_ours"}}})


def test_a_card_is_saved(stripe, customer):
    made = stripe.complete(card_only(stripe, customer))
    assert (made["status"], made["payment_status"], made["payment_intent"], made["amount_total"]) == ("complete", "no_payment_required", None, None)
    intent = stripe.get(f"/v1/setup_intents/{made['setup_intent']}", {"expand": ["payment_method"]})
    assert intent["metadata"] == {"customer_id": "cus_ours"} and intent["payment_method"]["customer"] == customer["id"] and intent["usage"] == "off_session"
    assert types(stripe)[1:] == ["setup_intent.created", "payment_method.attached", "setup_intent.succeeded", "checkout.session.completed"]


def test_a_card_is_not_saved(stripe, customer):
    made = card_only(stripe, customer)
    assert stripe.request("POST", f"/_fake/sessions/{made['id']}/complete", b'{"card": "lost"}').status == 402
    assert again(stripe, made)["status"] == "open" and types(stripe)[-1] == "setup_intent.setup_failed"


# The end without a payment


def test_it_expires_by_call_and_by_time(stripe):
    made = session(stripe)
    assert stripe.post(f"/v1/checkout/sessions/{made['id']}/expire")["status"] == "expired"
    assert types(stripe) == ["checkout.session.expired"]
    later = session(stripe, expires_at=made["created"] + 1800)
    stripe.advance(1799)
    assert again(stripe, later)["status"] == "open"
    stripe.advance(5)
    assert again(stripe, later)["status"] == "expired" and again(stripe, later)["url"] is None
    assert stripe.request("POST", f"/_fake/sessions/{later['id']}/complete", b"{}").status == 400


def test_an_expired_one_takes_its_payment_along(stripe):
    made = session(stripe)
    stripe.complete(made, "auth_always", authenticate=False)
    stripe.control("POST", f"/sessions/{made['id']}/expire")
    assert types(stripe)[-2:] == ["payment_intent.canceled", "checkout.session.expired"]


def test_a_completed_one_does_not_expire_later(stripe):
    made = stripe.complete(session(stripe))
    stripe.advance(2 * 86400)
    assert again(stripe, made)["status"] == "complete" and "checkout.session.expired" not in types(stripe)


def test_prices_that_exist_are_used(stripe):
    price = stripe.post("/v1/prices", {"product_data": {"name": "Pack"}, "currency": "eur", "unit_amount": 1500})
    made = session(stripe, line_items=[{"price": price["id"], "quantity": 3}])
    assert (made["amount_total"], made["currency"]) == (4500, "eur")
    line = stripe.get(f"/v1/checkout/sessions/{made['id']}/line_items")["data"][0]
    assert (line["quantity"], line["amount_total"], line["price"]["id"], line["description"]) == (3, 4500, price["id"], "Pack")
    stripe.post(f"/v1/prices/{price['id']}", {"active": False})
    assert stripe.ask("POST", "/v1/checkout/sessions", {"mode": "payment", "success_url": "http://x/", "line_items": [{"price": price["id"], "quantity": 1}]}).status == 400
