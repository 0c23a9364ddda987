"""What a browser sees: the pages are read as a person reads them, and their buttons pressed as forms are sent."""
import html.parser
import urllib.parse

import pytest

from tests.stripe.objects import cards
from tests.stripe.samples import CREDITS, last, price, session, subscribed, types


class Page(html.parser.HTMLParser):
    """Words, links by id, choices and buttons of a page."""

    def __init__(self, answer):
        super().__init__()
        self.status, self.words, self.links, self.choices, self.buttons = answer.status, "", {}, [], []
        self.feed(answer.body.decode())

    def handle_data(self, data):
        self.words += data

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "a":
            self.links[given.get("id")] = given["href"]
        elif tag == "input" and given.get("type") == "radio":
            self.choices.append(given["value"])
        elif tag == "button":
            self.buttons.append(given["value"])


def look(stripe, url):
    return Page(stripe.request("GET", urllib.parse.urlsplit(url).path))


def press(stripe, url, button, **fields):
    """The next page, or the address it leads to."""
    assert button in look(stripe, url).buttons, f"no button {button}"
    answer = stripe.request("POST", urllib.parse.urlsplit(url).path, urllib.parse.urlencode({"do": button, **fields}),
                            {"Content-Type": "application/x-www-form-urlencoded"})
    return answer.headers["location"] if answer.status == 303 else Page(answer)


def status(stripe, made):
    return stripe.get(f"/v1/checkout/sessions/{made['id']}")["status"]


def test_the_page_says_what_is_bought_and_what_it_is(stripe):
    made = session(stripe, cancel_url="http://x/no", line_items=[{"quantity": 2, "price_data": {**CREDITS[0]["price_data"], "product_data": {"name": "<b>Credits</b> & more"}}}])
    page = look(stripe, made["url"])
    assert "<b>Credits</b> & more" in page.words and "40.00 USD" in page.words and "2 × 20.00 USD" in page.words
    assert "no money moves" in page.words and "stand-in for Stripe" in page.words
    assert page.links["cancel"] == "http://x/no" and page.buttons == ["pay"] and set(page.choices) == set(cards.BY_NAME)


def test_paying_leads_back_with_the_sessions_id(stripe):
    made = session(stripe)
    assert press(stripe, made["url"], "pay", card="visa") == f"http://127.0.0.1:9/ok?session={made['id']}"
    assert status(stripe, made) == "complete" and "All is done" in look(stripe, made["url"] or f"/c/pay/{made['id']}").words


def test_a_refused_card_can_be_followed_by_another(stripe):
    made = session(stripe)
    page = press(stripe, made["url"], "pay", card="insufficient_funds")
    assert "insufficient funds" in page.words and "pay" in page.buttons and status(stripe, made) == "open"
    assert press(stripe, made["url"], "pay", card="visa").startswith("http://127.0.0.1:9/ok")


def test_the_bank_asks_on_a_page_of_its_own(stripe):
    made = session(stripe)
    assert press(stripe, made["url"], "pay", card="auth_always") == made["url"]
    assert "did not pass" in press(stripe, made["url"], "fail").words
    press(stripe, made["url"], "pay", card="auth_always")
    assert press(stripe, made["url"], "pass").startswith("http://127.0.0.1:9/ok") and status(stripe, made) == "complete"


@pytest.mark.parametrize("card", ["bank_debit", "bank_debit_fails", "dispute", "refund_pending"])
def test_the_other_choices_lead_back_too(stripe, card):
    assert press(stripe, session(stripe)["url"], "pay", card=card).startswith("http://127.0.0.1:9/ok")


def test_a_promotion_code(stripe):
    made = session(stripe, allow_promotion_codes=True)
    press(stripe, made["url"], "pay", code="free")
    assert stripe.get(f"/v1/checkout/sessions/{made['id']}")["payment_status"] == "no_payment_required"
    other = session(stripe)
    press(stripe, other["url"], "pay", code="free")
    assert stripe.get(f"/v1/checkout/sessions/{other['id']}")["payment_status"] == "paid"


def test_saving_a_card_and_subscribing(stripe, customer):
    made = stripe.post("/v1/checkout/sessions", {"mode": "setup", "currency": "usd", "customer": customer["id"], "success_url": "http://x/"})
    page = look(stripe, made["url"])
    assert "Save a card" in page.words and "bank_debit" not in page.choices
    assert press(stripe, made["url"], "pay") == "http://x/"
    plan = session(stripe, mode="subscription", customer=customer["id"], line_items=[{"price": price(stripe)["id"], "quantity": 1}], success_url="http://x/")
    assert "each month" in look(stripe, plan["url"]).words and press(stripe, plan["url"], "pay") == "http://x/"


def test_a_page_that_is_over_says_so(stripe):
    made = session(stripe)
    stripe.post(f"/v1/checkout/sessions/{made['id']}/expire")
    page = look(stripe, f"/c/pay/{made['id']}")
    assert "expired" in page.words and page.buttons == []
    assert look(stripe, "/c/pay/cs_none").status == 404 and look(stripe, "/nothing").status == 404


def test_the_portal_replaces_and_removes_cards(stripe, customer):
    made = subscribed(stripe, customer, price(stripe))
    url = stripe.post("/v1/billing_portal/sessions", {"customer": customer["id"], "return_url": "http://x/back"})["url"]
    page = look(stripe, url)
    assert page.links["return"] == "http://x/back" and "visa •••• 4242" in page.words and "Pro" in page.words
    assert "mastercard •••• 4444 (default)" in press(stripe, url, "replace", card="mastercard").words
    new = stripe.get(f"/v1/customers/{customer['id']}")["invoice_settings"]["default_payment_method"]
    assert stripe.get(f"/v1/subscriptions/{made['id']}")["default_payment_method"] == new
    assert types(stripe)[-4:] == ["payment_method.attached", "setup_intent.succeeded", "customer.updated", "customer.subscription.updated"]
    old = next(b for b in look(stripe, url).buttons if b.startswith("remove:") and new not in b)
    press(stripe, url, old)
    assert types(stripe)[-1] == "payment_method.detached" and [m["id"] for m in stripe.get("/v1/payment_methods", {"customer": customer["id"]})["data"]] == [new]


def test_the_portal_refuses_a_bad_card(stripe, customer):
    url = stripe.post("/v1/billing_portal/sessions", {"customer": customer["id"]})["url"]
    assert "declined" in press(stripe, url, "replace", card="declined").words


def test_the_portal_ends_a_plan_and_keeps_it_after_all(stripe, customer):
    made = subscribed(stripe, customer, price(stripe))
    url = stripe.post("/v1/billing_portal/sessions", {"customer": customer["id"]})["url"]
    press(stripe, url, f"cancel:{made['id']}")
    told = last(stripe, "customer.subscription.updated")["data"]
    assert told["object"]["cancel_at"] == made["items"]["data"][0]["current_period_end"] and told["previous_attributes"]["cancel_at"] is None
    press(stripe, url, f"keep:{made['id']}")
    assert stripe.get(f"/v1/subscriptions/{made['id']}")["cancel_at"] is None
    stripe.control("POST", "/settings", portal_cancels_at_once=True)
    press(stripe, url, f"cancel:{made['id']}")
    assert types(stripe)[-1] == "customer.subscription.deleted"


def test_the_portal_of_one_customer_does_not_touch_anothers(stripe, customer):
    made = subscribed(stripe, customer, price(stripe))
    other = stripe.post("/v1/billing_portal/sessions", {"customer": stripe.post("/v1/customers")["id"]})["url"]
    stripe.request("POST", urllib.parse.urlsplit(other).path, f"do=cancel%3A{made['id']}", {"Content-Type": "application/x-www-form-urlencoded"})
    assert stripe.get(f"/v1/subscriptions/{made['id']}")["cancel_at"] is None


def test_an_open_invoice_is_paid_on_its_page(stripe, customer):
    made = subscribed(stripe, customer, price(stripe))
    stripe.control("POST", f"/subscriptions/{made['id']}/renew", card="auth_always")
    invoice = last(stripe, "invoice.payment_action_required")["data"]["object"]
    assert "declined" in press(stripe, invoice["hosted_invoice_url"], "pay", card="declined").words
    press(stripe, invoice["hosted_invoice_url"], "pay", card="auth_always")
    press(stripe, invoice["hosted_invoice_url"], "pass")
    assert "paid" in look(stripe, invoice["hosted_invoice_url"]).words
    assert stripe.get(f"/v1/subscriptions/{made['id']}")["status"] == "active"


def test_a_payment_with_a_way_back_is_authenticated_on_a_page(stripe):
    intent = stripe.post("/v1/payment_intents", {"amount": 2000, "currency": "usd", "payment_method": "pm_card_authenticationRequired", "confirm": True,
                                                 "return_url": "http://x/back?a=1"})
    url = intent["next_action"]["redirect_to_url"]["url"]
    assert "20.00 USD" in look(stripe, url).words
    assert press(stripe, url, "pass") == f"http://x/back?a=1&payment_intent={intent['id']}&redirect_status=succeeded"
    assert look(stripe, url).buttons == []


def test_a_receipt(stripe):
    made = stripe.complete(session(stripe))
    charge = stripe.get(f"/v1/payment_intents/{made['payment_intent']}", {"expand": ["latest_charge"]})["latest_charge"]
    assert "20.00 USD" in look(stripe, charge["receipt_url"]).words
