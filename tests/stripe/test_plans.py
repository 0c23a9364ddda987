"""Subscriptions and invoices."""
import pytest

from tests.stripe.samples import last, off_session, price, session, subscribed, types


def invoice_of(stripe, made, **more):
    return stripe.get(f"/v1/invoices/{stripe.get('/v1/subscriptions/' + made['id'])['latest_invoice']}", more)


def renew(stripe, made, card=None):
    return stripe.control("POST", f"/subscriptions/{made['id']}/renew", **({"card": card} if card else {}))


def lines(invoice):
    return [(line["amount"], line["parent"]["subscription_item_details"]["proration"]) for line in invoice["lines"]["data"]]


def test_a_buyer_subscribes(stripe, customer):
    plan = price(stripe)
    since = len(stripe.events())
    made = subscribed(stripe, customer, plan, metadata={"customer_id": "cus_ours"})
    assert types(stripe, since) == [
        "payment_intent.created", "payment_method.attached", "charge.succeeded", "charge.updated", "payment_intent.succeeded",
        "customer.subscription.created", "invoice.created", "invoice.finalized", "invoice_payment.paid", "invoice.paid", "invoice.payment_succeeded",
        "checkout.session.completed"]
    assert (made["status"], made["customer"], made["metadata"]) == ("active", customer["id"], {"customer_id": "cus_ours"})
    item = made["items"]["data"][0]
    assert item["price"]["id"] == plan["id"] and 28 * 86400 <= item["current_period_end"] - item["current_period_start"] <= 31 * 86400
    done = last(stripe, "checkout.session.completed")["data"]["object"]
    assert (done["subscription"], done["payment_intent"], done["payment_status"], done["invoice"]) == (made["id"], None, "paid", made["latest_invoice"])


def test_its_invoice_says_what_was_paid_and_by_what(stripe, customer):
    made = subscribed(stripe, customer, price(stripe), metadata={"customer_id": "cus_ours"})
    invoice = invoice_of(stripe, made, expand=["payments"])
    assert (invoice["status"], invoice["billing_reason"], invoice["amount_paid"]) == ("paid", "subscription_create", 5000)
    assert invoice["parent"]["subscription_details"] == {"metadata": {"customer_id": "cus_ours"}, "subscription": made["id"]}
    assert lines(invoice) == [(5000, False)]
    intent = invoice["payments"]["data"][0]["payment"]["payment_intent"]
    found = stripe.get("/v1/invoice_payments", {"payment": {"type": "payment_intent", "payment_intent": intent}})["data"]
    assert [(f["invoice"], f["status"], f["amount_paid"]) for f in found] == [(invoice["id"], "paid", 5000)]
    assert stripe.get(f"/v1/payment_intents/{intent}")["metadata"] == {}


def test_a_refused_card_begins_nothing(stripe, customer):
    made = session(stripe, mode="subscription", customer=customer["id"], line_items=[{"price": price(stripe)["id"], "quantity": 1}])
    assert stripe.request("POST", f"/_fake/sessions/{made['id']}/complete", b'{"card": "declined"}').status == 402
    assert stripe.objects("subscriptions") == [] and stripe.objects("invoices") == []
    assert stripe.complete(made)["status"] == "complete" and len(stripe.objects("subscriptions")) == 1


def test_a_period_follows_a_period(stripe, customer):
    made = subscribed(stripe, customer, price(stripe))
    before = made["items"]["data"][0]
    since = len(stripe.events())
    after = renew(stripe, made)["items"]["data"][0]
    assert after["current_period_start"] == before["current_period_end"]
    assert (invoice_of(stripe, made)["billing_reason"], invoice_of(stripe, made)["lines"]["data"][0]["period"]["start"]) == (
        "subscription_cycle", before["current_period_end"])
    assert types(stripe, since) == ["invoice.created", "invoice.finalized", "customer.subscription.updated", "payment_intent.created", "charge.succeeded",
                                    "charge.updated", "payment_intent.succeeded", "invoice_payment.paid", "invoice.paid", "invoice.payment_succeeded"]
    told = last(stripe, "customer.subscription.updated")["data"]["previous_attributes"]
    assert told["items"]["data"][0]["current_period_start"] == before["current_period_start"] and told["latest_invoice"] == made["latest_invoice"]


def test_time_renews_it_each_period_when_it_is_due(stripe, customer):
    made = subscribed(stripe, customer, price(stripe))
    stripe.advance(95 * 86400)
    bills = stripe.get("/v1/invoices", {"subscription": made["id"]})["data"]
    assert len(bills) == 4 and all(b["created"] == b["lines"]["data"][0]["period"]["start"] for b in bills)


@pytest.mark.parametrize("card, more", [("insufficient_funds", []), ("auth_always", ["invoice.payment_action_required"])])
def test_a_payment_fails_and_is_made_up_for(stripe, customer, card, more):
    made = subscribed(stripe, customer, price(stripe))
    made = renew(stripe, made, card)
    assert made["status"] == "past_due"
    assert types(stripe)[-2 - len(more):] == ["invoice.payment_failed", "customer.subscription.updated", *more]
    invoice = invoice_of(stripe, made)
    assert invoice["status"] == "open" and invoice["next_payment_attempt"] and invoice["attempt_count"] == 1
    stripe.control("POST", f"/invoices/{invoice['id']}/retry")
    assert invoice_of(stripe, made)["status"] == "paid" and stripe.get(f"/v1/subscriptions/{made['id']}")["status"] == "active"
    assert last(stripe, "customer.subscription.updated")["data"]["previous_attributes"] == {"status": "past_due"}


@pytest.mark.parametrize("to, event", [("canceled", "customer.subscription.deleted"), ("unpaid", "customer.subscription.updated")])
def test_the_retries_end(stripe, customer, to, event):
    made = renew(stripe, subscribed(stripe, customer, price(stripe)), "declined")
    assert stripe.control("POST", f"/subscriptions/{made['id']}/give_up", to=to)["status"] == to and types(stripe)[-1] == event


def test_it_ends_with_its_period(stripe, customer):
    made = subscribed(stripe, customer, price(stripe))
    end = made["items"]["data"][0]["current_period_end"]
    made = stripe.post(f"/v1/subscriptions/{made['id']}", {"cancel_at_period_end": True})
    assert (made["cancel_at"], made["status"], made["cancel_at_period_end"]) == (end, "active", False)
    assert stripe.post(f"/v1/subscriptions/{made['id']}", {"cancel_at_period_end": False})["cancel_at"] is None
    stripe.post(f"/v1/subscriptions/{made['id']}", {"cancel_at_period_end": True})
    stripe.advance(40 * 86400)
    assert stripe.get(f"/v1/subscriptions/{made['id']}")["status"] == "canceled" and types(stripe)[-1] == "customer.subscription.deleted"
    assert len(stripe.objects("invoices")) == 1


def test_it_ends_at_once(stripe, customer):
    made = subscribed(stripe, customer, price(stripe))
    ended = stripe.delete(f"/v1/subscriptions/{made['id']}")
    assert ended["status"] == "canceled" and ended["ended_at"] and types(stripe)[-1] == "customer.subscription.deleted"
    stripe.advance(40 * 86400)
    assert len(stripe.objects("invoices")) == 1
    assert stripe.get("/v1/subscriptions", {"customer": customer["id"]})["data"] == []
    assert len(stripe.get("/v1/subscriptions", {"customer": customer["id"], "status": "all"})["data"]) == 1


def test_a_trial_costs_nothing_at_first(stripe, customer):
    made = subscribed(stripe, customer, price(stripe), trial_period_days=14)
    invoice = invoice_of(stripe, made)
    assert (made["status"], invoice["amount_paid"], invoice["status"], lines(invoice)) == ("trialing", 0, "paid", [(0, False)])
    assert last(stripe, "checkout.session.completed")["data"]["object"]["payment_status"] == "no_payment_required"
    assert stripe.objects("payment_intents") == []
    stripe.advance(12 * 86400)
    assert types(stripe)[-1] == "customer.subscription.trial_will_end"
    stripe.advance(3 * 86400)
    assert invoice_of(stripe, made)["amount_paid"] == 5000 and stripe.get(f"/v1/subscriptions/{made['id']}")["status"] == "active"


def test_a_bank_debit_pays_later(stripe, customer):
    made = subscribed(stripe, customer, price(stripe), "bank_debit")
    assert invoice_of(stripe, made)["status"] == "open" and "invoice.paid" not in types(stripe)
    stripe.advance(5 * 86400)
    assert invoice_of(stripe, made)["status"] == "paid"
    assert types(stripe)[-3:] == ["invoice.paid", "invoice.payment_succeeded", "checkout.session.async_payment_succeeded"]


def test_a_change_in_the_middle_is_split(stripe, customer):
    made = subscribed(stripe, customer, price(stripe, 5000))
    start, end = (made["items"]["data"][0][f"current_period_{k}"] for k in ("start", "end"))
    stripe.advance((end - start) // 2)
    made = stripe.post(f"/v1/subscriptions/{made['id']}", {"items": [{"id": made["items"]["data"][0]["id"], "price": price(stripe, 20000)["id"]}],
                                                           "proration_behavior": "always_invoice"})
    invoice = invoice_of(stripe, made)
    (back, first), (ahead, second) = lines(invoice)
    assert (invoice["billing_reason"], invoice["status"], first, second) == ("subscription_update", "paid", True, True)
    assert -2501 <= back <= -2499 and 9999 <= ahead <= 10001 and invoice["amount_paid"] == back + ahead
    assert made["items"]["data"][0]["price"]["unit_amount"] == 20000


def test_a_change_can_wait_for_the_next_invoice(stripe, customer):
    made = subscribed(stripe, customer, price(stripe, 5000))
    stripe.post(f"/v1/subscriptions/{made['id']}", {"items": [{"id": made["items"]["data"][0]["id"], "price": price(stripe, 20000)["id"]}]})
    assert len(stripe.objects("invoices")) == 1
    renew(stripe, made)
    assert [proration for _, proration in lines(invoice_of(stripe, made))] == [False, True, True]


def test_another_length_of_period_begins_today(stripe, customer):
    made = subscribed(stripe, customer, price(stripe, 5000))
    yearly = price(stripe, 50000, "year")
    made = stripe.post(f"/v1/subscriptions/{made['id']}", {"items": [{"id": made["items"]["data"][0]["id"], "price": yearly["id"]}]})
    item = made["items"]["data"][0]
    assert item["current_period_end"] - item["current_period_start"] >= 365 * 86400
    assert (50000, False) in lines(invoice_of(stripe, made))


@pytest.mark.parametrize("method, behavior, outcome", [("pm_card_visa", "allow_incomplete", "active"), ("pm_card_chargeCustomerFail", "allow_incomplete", "incomplete"),
                                                       ("pm_card_visa", "default_incomplete", "incomplete"), ("pm_card_chargeCustomerFail", "error_if_incomplete", 402)])
def test_one_begins_by_a_call(stripe, customer, method, behavior, outcome):
    answer = stripe.ask("POST", "/v1/subscriptions", {"customer": customer["id"], "items": [{"price": price(stripe)["id"]}], "default_payment_method": method,
                                                      "payment_behavior": behavior})
    assert (answer.json["status"] if answer.status == 200 else answer.status) == outcome


def test_an_incomplete_one_expires(stripe, customer):
    made = stripe.post("/v1/subscriptions", {"customer": customer["id"], "items": [{"price": price(stripe)["id"]}], "default_payment_method": "pm_card_chargeCustomerFail"})
    stripe.advance(24 * 3600)
    assert stripe.get(f"/v1/subscriptions/{made['id']}")["status"] == "incomplete_expired" and invoice_of(stripe, made)["status"] == "void"


def test_the_customer_goes_and_takes_it_along(stripe, customer):
    made = subscribed(stripe, customer, price(stripe))
    stripe.delete(f"/v1/customers/{customer['id']}")
    assert stripe.get(f"/v1/subscriptions/{made['id']}")["status"] == "canceled"
    assert types(stripe)[-3:] == ["customer.subscription.deleted", "payment_method.detached", "customer.deleted"]
    assert stripe.get(f"/v1/customers/{customer['id']}") == {"id": customer["id"], "object": "customer", "deleted": True}
    assert off_session(stripe, customer, "pm_card_visa").status == 400


# Invoices of their own


def bill(stripe, customer, **more):
    made = stripe.post("/v1/invoices", {"customer": customer["id"], "collection_method": "charge_automatically", **more})
    stripe.post("/v1/invoiceitems", {"customer": customer["id"], "invoice": made["id"], "amount": 2000, "currency": "usd", "description": "Top-up"})
    return made


def test_an_invoice_is_charged_by_itself(stripe, customer):
    method = stripe.post("/v1/payment_methods/pm_card_visa/attach", {"customer": customer["id"]})
    stripe.post(f"/v1/customers/{customer['id']}", {"invoice_settings": {"default_payment_method": method["id"]}})
    made = bill(stripe, customer, auto_advance=True)
    stripe.advance(3601)
    made = stripe.get(f"/v1/invoices/{made['id']}")
    assert (made["status"], made["amount_paid"], made["parent"]) == ("paid", 2000, None)


def test_an_invoice_is_paid_by_a_call(stripe, customer):
    made = bill(stripe, customer)
    assert stripe.ask("POST", f"/v1/invoices/{made['id']}/pay").status == 400
    assert stripe.ask("POST", f"/v1/invoices/{made['id']}/pay", {"payment_method": "pm_card_visa_chargeDeclined"}).status == 402
    assert stripe.post(f"/v1/invoices/{made['id']}/pay", {"payment_method": "pm_card_visa"})["status"] == "paid"
    assert stripe.ask("POST", f"/v1/invoices/{made['id']}/pay", {"payment_method": "pm_card_visa"}).status == 400


def test_an_invoice_is_paid_elsewhere(stripe, customer):
    made = bill(stripe, customer)
    assert stripe.post(f"/v1/invoices/{made['id']}/pay", {"paid_out_of_band": True})["status"] == "paid"
    assert "invoice.paid" in types(stripe) and "invoice.payment_succeeded" not in types(stripe) and stripe.objects("payment_intents") == []


@pytest.mark.parametrize("verb, status, event", [("void", "void", "invoice.voided"), ("mark_uncollectible", "uncollectible", "invoice.marked_uncollectible")])
def test_an_invoice_is_given_up(stripe, customer, verb, status, event):
    made = bill(stripe, customer)
    stripe.post(f"/v1/invoices/{made['id']}/finalize", {"auto_advance": False})
    assert stripe.post(f"/v1/invoices/{made['id']}/{verb}")["status"] == status and types(stripe)[-1] == event


def test_tax_is_on_the_lines(stripe, customer):
    stripe.control("POST", "/settings", tax_percent=10)
    made = stripe.complete(session(stripe, mode="subscription", customer=customer["id"], automatic_tax={"enabled": True}, customer_update={"address": "auto"},
                                   line_items=[{"price": price(stripe, tax_behavior="exclusive")["id"], "quantity": 1}]))
    invoice = stripe.get(f"/v1/invoices/{made['invoice']}")
    assert (invoice["total"], invoice["total_excluding_tax"], made["amount_total"]) == (5500, 5000, 5500)
    assert invoice["lines"]["data"][0]["taxes"][0]["amount"] == 500
