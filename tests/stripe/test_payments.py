"""PaymentIntents: what each test payment method does when the customer is not there, and when he is."""
import pytest

from tests.stripe.objects import cards
from tests.stripe.samples import last, off_session, paid, session, types

DECLINED = [
    ("pm_card_chargeCustomerFail", "card_declined", "generic_decline", None),
    ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline", None),
    ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds", "try_again_later"),
    ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card", "do_not_try_again"),
    ("pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card", "do_not_try_again"),
    ("pm_card_chargeDeclinedExpiredCard", "expired_card", None, "do_not_try_again"),
    ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", None, "confirm_card_data"),
    ("pm_card_chargeDeclinedProcessingError", "processing_error", None, "try_again_later"),
    ("pm_card_visa_chargeDeclinedVelocityLimitExceeded", "card_declined", "card_velocity_exceeded", "try_again_later"),
    ("pm_card_authenticationRequiredOnSetup", "authentication_required", "authentication_required", None),
    ("pm_card_authenticationRequired", "authentication_required", "authentication_required", None),
    ("pm_card_authenticationRequiredChargeDeclinedInsufficientFunds", "authentication_required", "authentication_required", None),
    ("pm_card_radarBlock", "card_declined", "fraudulent", None),
]
SUCCEEDS = ["pm_card_visa", "pm_card_mastercard", "pm_card_authenticationRequiredSetupForOffSession", "pm_card_createDispute",
            "pm_card_createDisputeProductNotReceived", "pm_card_createDisputeInquiry", "pm_card_createMultipleDisputes", "pm_card_createIssuerFraudRecord",
            "pm_card_pendingRefund", "pm_card_refundFail", "pm_card_bypassPending"]
BANK = ["pm_usBankAccount_success", "pm_usBankAccount_insufficientFunds", "pm_usBankAccount_accountClosed"]


def test_every_test_method_is_in_these_lists():
    assert {m for m, *_ in DECLINED} | set(SUCCEEDS) | set(BANK) == set(cards.BY_ID)


@pytest.mark.parametrize("method, code, decline_code, advice_code", DECLINED)
def test_a_refusal_off_session_is_a_402_with_the_intent_inside(stripe, customer, method, code, decline_code, advice_code):
    since = len(stripe.events())
    answer = off_session(stripe, customer, method, key="atu:1:1")
    error = answer.json["error"]
    assert answer.status == 402 and error["type"] == "card_error"
    assert (error["code"], error.get("decline_code"), error.get("advice_code")) == (code, decline_code, advice_code)
    intent = error["payment_intent"]
    assert intent["status"] == "requires_payment_method" and intent["payment_method"] is None and intent["amount_received"] == 0
    assert intent["last_payment_error"]["code"] == code and intent["last_payment_error"]["payment_method"]["object"] == "payment_method"
    assert intent["metadata"] == {"kind": "auto_topup"} and error["charge"] == intent["latest_charge"]
    assert stripe.get(f"/v1/payment_intents/{intent['id']}") == intent
    assert types(stripe, since) == ["payment_intent.created", "charge.failed", "payment_intent.payment_failed"]
    assert {e["request"]["idempotency_key"] for e in stripe.events()[since:]} == {"atu:1:1"}


@pytest.mark.parametrize("method", SUCCEEDS)
def test_a_payment_off_session(stripe, customer, method):
    since = len(stripe.events())
    intent = off_session(stripe, customer, method, key="atu:1:1", expand=["latest_charge"]).json
    assert (intent["status"], intent["amount_received"], intent["customer"]) == ("succeeded", 2000, customer["id"])
    charge = intent["latest_charge"]
    assert charge["paid"] and charge["captured"] and charge["amount_captured"] == 2000 and charge["payment_intent"] == intent["id"]
    assert types(stripe, since)[:4] == ["payment_intent.created", "charge.succeeded", "charge.updated", "payment_intent.succeeded"]
    told = last(stripe, "payment_intent.succeeded")
    assert told["request"]["idempotency_key"] == "atu:1:1" and told["request"]["id"].startswith("req_")
    assert told["data"]["object"]["metadata"] == {"kind": "auto_topup"}


@pytest.mark.parametrize("method, outcome", zip(BANK, ("succeeded", "requires_payment_method", "requires_payment_method")))
def test_a_bank_debit_is_decided_days_later(stripe, customer, method, outcome):
    intent = off_session(stripe, customer, method).json
    assert intent["status"] == "processing"
    assert types(stripe)[-2:] == ["charge.pending", "payment_intent.processing"]
    stripe.advance(5 * 86400)
    intent = stripe.get(f"/v1/payment_intents/{intent['id']}")
    assert intent["status"] == outcome
    assert types(stripe)[-1] == ("payment_intent.succeeded" if outcome == "succeeded" else "payment_intent.payment_failed")
    assert stripe.events()[-1]["request"] == {"id": None, "idempotency_key": None}


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
def test_a_bank_debit_is_decided_on_request(stripe, customer, outcome):
    intent = off_session(stripe, customer, "pm_usBankAccount_success").json
    assert (stripe.settle(intent, outcome)["status"] == "succeeded") == (outcome == "succeeded")


# Saved methods


@pytest.mark.parametrize("card, works", [("visa", True), ("auth_on_setup", True), ("auth_done", True), ("auth_always", False), ("charge_fails", False)])
def test_a_card_saved_on_the_page_is_charged_later(stripe, customer, card, works):
    if card == "charge_fails":
        stripe.complete(stripe.post("/v1/checkout/sessions", {"mode": "setup", "currency": "usd", "customer": customer["id"], "success_url": "http://x/"}), card)
    else:
        paid(stripe, card, customer=customer["id"], payment_intent_data={"setup_future_usage": "off_session"})
    method = stripe.get("/v1/payment_methods", {"customer": customer["id"]})["data"][0]
    assert off_session(stripe, customer, method).status == (200 if works else 402)


def test_a_card_that_was_not_saved_is_not_charged_again(stripe, customer):
    intent = paid(stripe, customer=customer["id"])
    answer = off_session(stripe, customer, intent["payment_method"])
    assert answer.status == 400 and answer.json["error"]["param"] == "payment_method"


@pytest.mark.parametrize("number", ["4000000000000002", "4000000000009995", "4000000000000069", "4000000000006975"])
def test_some_cards_cannot_be_saved(stripe, customer, number):
    method = stripe.post("/v1/payment_methods", {"type": "card", "card": {"number": number}})
    assert stripe.ask("POST", f"/v1/payment_methods/{method['id']}/attach", {"customer": customer["id"]}).status == 402


def test_what_is_gone_is_400(stripe, customer):
    method = stripe.post("/v1/payment_methods/pm_card_visa/attach", {"customer": customer["id"]})
    assert off_session(stripe, customer, method).status == 200
    assert off_session(stripe, customer, "pm_none").json["error"]["code"] == "resource_missing"
    other = stripe.post("/v1/customers", {})
    assert off_session(stripe, other, method).status == 400
    detached = stripe.post(f"/v1/payment_methods/{method['id']}/detach")
    assert detached["customer"] is None
    assert last(stripe, "payment_method.detached")["data"]["previous_attributes"] == {"customer": customer["id"]}
    assert off_session(stripe, customer, method).status == 400
    stripe.delete(f"/v1/customers/{customer['id']}")
    answer = off_session(stripe, customer, "pm_card_visa")
    assert (answer.status, answer.json["error"]["code"], answer.json["error"]["param"]) == (400, "resource_missing", "customer")


def test_a_card_is_renewed_by_its_bank(stripe, customer):
    method = stripe.post("/v1/payment_methods/pm_card_chargeCustomerFail/attach", {"customer": customer["id"]})
    assert off_session(stripe, customer, method).status == 402
    stripe.control("POST", f"/payment_methods/{method['id']}/update", card="visa", exp_year=2040, fingerprint="another")
    told = last(stripe, "payment_method.automatically_updated")
    assert told["data"]["object"]["card"]["exp_year"] == 2040 and "fingerprint" in told["data"]["previous_attributes"]["card"]
    assert off_session(stripe, customer, method).status == 200


# With the customer there


def test_the_bank_asks_the_customer(stripe):
    intent = stripe.post("/v1/payment_intents", {"amount": 2000, "currency": "usd", "payment_method": "pm_card_authenticationRequired", "confirm": True})
    assert intent["status"] == "requires_action" and intent["next_action"]["type"] == "use_stripe_sdk"
    assert types(stripe)[-1] == "payment_intent.requires_action"
    assert stripe.control("POST", f"/payments/{intent['id']}/authenticate")["status"] == "succeeded"


def test_the_customer_does_not_pass(stripe):
    intent = stripe.post("/v1/payment_intents", {"amount": 2000, "currency": "usd", "payment_method": "pm_card_authenticationRequired", "confirm": True})
    intent = stripe.control("POST", f"/payments/{intent['id']}/authenticate", passed=False)
    assert (intent["status"], intent["last_payment_error"]["code"]) == ("requires_payment_method", "payment_intent_authentication_failure")


def test_asking_can_be_refused(stripe):
    answer = stripe.ask("POST", "/v1/payment_intents", {"amount": 2000, "currency": "usd", "payment_method": "pm_card_authenticationRequired",
                                                       "confirm": True, "error_on_requires_action": True})
    assert answer.status == 402 and answer.json["error"]["code"] == "authentication_required"


def test_a_payment_in_steps(stripe, customer):
    intent = stripe.post("/v1/payment_intents", {"amount": 2000, "currency": "usd", "customer": customer["id"]})
    where = f"/v1/payment_intents/{intent['id']}"
    assert intent["status"] == "requires_payment_method"
    assert stripe.ask("POST", where + "/confirm").json["error"]["code"] == "payment_intent_unexpected_state"
    assert stripe.post(where, {"amount": 2500, "payment_method": "pm_card_visa", "metadata": {"a": "1"}})["status"] == "requires_confirmation"
    assert stripe.post(where + "/confirm")["amount_received"] == 2500
    assert stripe.ask("POST", where + "/confirm").json["error"]["payment_intent"]["status"] == "succeeded"
    assert stripe.ask("POST", where, {"amount": 3000}).status == 400
    assert stripe.ask("POST", where + "/cancel").status == 400


def test_a_refused_intent_is_paid_in_the_end(stripe, customer):
    intent = off_session(stripe, customer, "pm_card_visa_chargeDeclined").json["error"]["payment_intent"]
    assert stripe.post(f"/v1/payment_intents/{intent['id']}/confirm", {"payment_method": "pm_card_visa"})["status"] == "succeeded"


def test_an_intent_is_canceled(stripe):
    intent = stripe.post("/v1/payment_intents", {"amount": 2000, "currency": "usd"})
    intent = stripe.post(f"/v1/payment_intents/{intent['id']}/cancel", {"cancellation_reason": "abandoned"})
    assert (intent["status"], intent["cancellation_reason"]) == ("canceled", "abandoned") and types(stripe)[-1] == "payment_intent.canceled"


def test_those_of_a_session_are_not_touched_directly(stripe):
    made = session(stripe)
    stripe.request("POST", f"/_fake/sessions/{made['id']}/complete", b'{"card": "declined"}')
    intent = stripe.get(f"/v1/checkout/sessions/{made['id']}")["payment_intent"]
    assert stripe.ask("POST", f"/v1/payment_intents/{intent}/cancel").json["error"]["code"] == "payment_intent_unexpected_state"


def test_a_list_is_searched_for_ones_own(stripe, customer):
    off_session(stripe, customer, "pm_card_visa", metadata={"topup": "1"})
    off_session(stripe, stripe.post("/v1/customers", {}), "pm_card_visa", metadata={"topup": "2"})
    found = stripe.get("/v1/payment_intents", {"customer": customer["id"], "created": {"gte": 0}})["data"]
    assert [i["metadata"]["topup"] for i in found] == ["1"]


def test_a_card_is_saved_by_a_setup_intent(stripe, customer):
    intent = stripe.post("/v1/setup_intents", {"customer": customer["id"], "payment_method": "pm_card_authenticationRequiredOnSetup", "confirm": True})
    assert intent["status"] == "requires_action"
    intent = stripe.control("POST", f"/payments/{intent['id']}/authenticate")
    assert intent["status"] == "succeeded" and off_session(stripe, customer, intent["payment_method"]).status == 200
    answer = stripe.ask("POST", "/v1/setup_intents", {"customer": customer["id"], "payment_method": "pm_card_visa_chargeDeclined", "confirm": True})
    assert answer.status == 402 and answer.json["error"]["setup_intent"]["status"] == "requires_payment_method"
    assert types(stripe)[-1] == "setup_intent.setup_failed"
