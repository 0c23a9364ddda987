"""Refunds and disputes: what they do to the charge, and what is told."""
import pytest

from tests.stripe.samples import last, paid, types


def refund(stripe, intent, **more):
    return stripe.post("/v1/refunds", {"payment_intent": intent["id"], **more})


def charge_of(stripe, intent):
    return stripe.get(f"/v1/charges/{intent['latest_charge']}")


# Refunds


def test_parts_add_up_on_the_charge(stripe):
    intent = paid(stripe)
    for amount, sum, whole in ((500, 500, False), (700, 1200, False), (800, 2000, True)):
        made = refund(stripe, intent, amount=amount, metadata={"order_id": "o1"}, reason="requested_by_customer")
        assert (made["status"], made["amount"], made["metadata"]) == ("succeeded", amount, {"order_id": "o1"})
        assert types(stripe)[-2:] == ["refund.created", "charge.refunded"]
        told = last(stripe, "charge.refunded")["data"]
        assert (told["object"]["amount_refunded"], told["object"]["refunded"]) == (sum, whole)
        assert told["previous_attributes"]["amount_refunded"] == sum - amount
    answer = stripe.ask("POST", "/v1/refunds", {"payment_intent": intent["id"]})
    assert answer.json["error"]["code"] == "charge_already_refunded"
    assert [r["amount"] for r in stripe.get("/v1/refunds", {"payment_intent": intent["id"], "limit": 100})["data"]] == [800, 700, 500]


def test_without_an_amount_it_is_all_that_is_left(stripe):
    intent = paid(stripe)
    refund(stripe, intent, amount=500)
    assert refund(stripe, intent)["amount"] == 1500
    assert stripe.get(f"/v1/charges/{intent['latest_charge']}", {"expand": ["refunds"]})["refunds"]["data"][0]["amount"] == 1500


@pytest.mark.parametrize("more, status", [({"amount": 2001}, 400), ({"amount": 0}, 400), ({"payment_intent": "pi_none"}, 404), ({"reason": "mood"}, 400)])
def test_what_is_refused(stripe, more, status):
    intent = paid(stripe)
    assert stripe.ask("POST", "/v1/refunds", {"payment_intent": intent["id"], **more}).status == status
    assert stripe.objects("refunds") == []


def test_what_was_not_paid_is_not_refunded(stripe):
    intent = stripe.post("/v1/payment_intents", {"amount": 2000, "currency": "usd"})
    assert stripe.ask("POST", "/v1/refunds", {"payment_intent": intent["id"]}).status == 400


def test_a_pending_one_arrives(stripe):
    made = refund(stripe, paid(stripe, "refund_pending"))
    assert (made["status"], made["pending_reason"]) == ("pending", "processing")
    made = stripe.control("POST", f"/refunds/{made['id']}/settle")
    assert made["status"] == "succeeded" and "pending_reason" not in made
    assert last(stripe, "refund.updated")["data"]["previous_attributes"] == {"status": "pending", "pending_reason": "processing"}


def test_one_fails_after_it_has_succeeded(stripe):
    intent = paid(stripe, "refund_fails")
    made = refund(stripe, intent, amount=500)
    assert made["status"] == "succeeded" and charge_of(stripe, intent)["amount_refunded"] == 500
    stripe.advance(11 * 86400)
    made = stripe.get(f"/v1/refunds/{made['id']}")
    assert made["status"] == "failed" and made["failure_reason"] and made["failure_balance_transaction"].startswith("txn_")
    assert charge_of(stripe, intent)["amount_refunded"] == 0
    assert types(stripe)[-4:] == ["refund.updated", "charge.refund.updated", "refund.failed", "charge.updated"]


def test_one_fails_on_request(stripe):
    made = refund(stripe, paid(stripe))
    assert stripe.control("POST", f"/refunds/{made['id']}/fail", reason="expired_or_canceled_card")["failure_reason"] == "expired_or_canceled_card"


def test_the_dashboard_refunds_without_metadata(stripe):
    made = stripe.control("POST", "/refunds", payment_intent=paid(stripe)["id"], amount=300)
    told = last(stripe, "refund.created")
    assert (made["amount"], made["metadata"], told["request"]["id"]) == (300, {}, None)


def test_metadata_alone_changes(stripe):
    made = refund(stripe, paid(stripe), metadata={"a": "1"})
    stripe.post(f"/v1/refunds/{made['id']}", {"metadata": {"a": "2"}})
    assert last(stripe, "refund.updated")["data"]["previous_attributes"] == {"metadata": {"a": "1"}}


# Disputes


def dispute(stripe, intent, **more):
    return stripe.control("POST", "/disputes", payment_intent=intent["id"], **more)


def signs(made):
    return [1 if t["amount"] > 0 else -1 for t in made["balance_transactions"]]


@pytest.mark.parametrize("card, reason", [("dispute", "fraudulent"), ("dispute_not_received", "product_not_received")])
def test_a_card_brings_one(stripe, card, reason):
    intent = paid(stripe, card)
    made = stripe.get("/v1/disputes", {"payment_intent": intent["id"]})["data"][0]
    assert (made["status"], made["reason"], made["amount"], signs(made)) == ("needs_response", reason, 2000, [-1])
    assert types(stripe)[-3:] == ["charge.dispute.created", "charge.updated", "charge.dispute.funds_withdrawn"]
    assert charge_of(stripe, intent)["disputed"] is True
    assert stripe.ask("POST", "/v1/refunds", {"payment_intent": intent["id"]}).json["error"]["code"] == "charge_disputed"


def test_a_card_brings_two(stripe):
    intent = paid(stripe, "several_disputes")
    assert [d["amount"] for d in stripe.get("/v1/disputes", {"charge": intent["latest_charge"]})["data"]] == [1000, 1000]


def test_a_card_brings_a_warning(stripe):
    intent = paid(stripe, "fraud_warning")
    made = last(stripe, "radar.early_fraud_warning.created")["data"]["object"]
    assert made["charge"] == intent["latest_charge"] and stripe.get(f"/v1/radar/early_fraud_warnings/{made['id']}") == made


@pytest.mark.parametrize("text, status, moves", [("winning_evidence", "won", [-1, 1]), ("losing_evidence", "lost", [-1]), ("something", "under_review", [-1])])
def test_evidence_decides(stripe, text, status, moves):
    made = dispute(stripe, paid(stripe))
    made = stripe.post(f"/v1/disputes/{made['id']}", {"evidence": {"uncategorized_text": text}, "submit": True})
    assert (made["status"], signs(made), made["evidence_details"]["submission_count"]) == (status, moves, 1)
    ends = {"won": ["charge.dispute.updated", "charge.dispute.closed", "charge.dispute.funds_reinstated"],
            "lost": ["charge.dispute.updated", "charge.dispute.closed"], "under_review": ["charge.dispute.updated"]}[status]
    assert types(stripe)[-len(ends):] == ends


def test_evidence_can_wait(stripe):
    made = dispute(stripe, paid(stripe))
    made = stripe.post(f"/v1/disputes/{made['id']}", {"evidence": {"uncategorized_text": "winning_evidence"}, "submit": False})
    assert made["status"] == "needs_response"
    assert stripe.post(f"/v1/disputes/{made['id']}", {"submit": True})["status"] == "won"


def test_an_inquiry_moves_no_money(stripe):
    intent = paid(stripe, "inquiry")
    made = stripe.get("/v1/disputes", {"payment_intent": intent["id"]})["data"][0]
    assert (made["status"], made["balance_transactions"], made["is_charge_refundable"]) == ("warning_needs_response", [], True)
    assert refund(stripe, intent)["status"] == "succeeded"


def test_an_inquiry_ends_by_itself_or_by_an_answer(stripe):
    quiet = dispute(stripe, paid(stripe), inquiry=True)
    answered = dispute(stripe, paid(stripe), inquiry=True)
    assert stripe.post(f"/v1/disputes/{answered['id']}", {"evidence": {"uncategorized_text": "winning_evidence"}})["status"] == "warning_closed"
    stripe.advance(121 * 86400)
    assert stripe.get(f"/v1/disputes/{quiet['id']}")["status"] == "warning_closed"
    assert "charge.dispute.funds_withdrawn" not in types(stripe)


def test_an_inquiry_becomes_a_dispute(stripe):
    made = dispute(stripe, paid(stripe), inquiry=True)
    made = stripe.control("POST", f"/disputes/{made['id']}/escalate")
    assert (made["status"], signs(made)) == ("needs_response", [-1])
    assert types(stripe)[-2:] == ["charge.dispute.updated", "charge.dispute.funds_withdrawn"]


@pytest.mark.parametrize("amount", [800, 6000])
def test_less_or_more_than_the_charge(stripe, amount):
    made = dispute(stripe, paid(stripe), amount=amount)
    assert made["amount"] == amount and made["balance_transactions"][0]["amount"] == -amount


def test_lost_then_won_after_all(stripe):
    made = dispute(stripe, paid(stripe))
    assert stripe.post(f"/v1/disputes/{made['id']}/close")["status"] == "lost"
    made = stripe.control("POST", f"/disputes/{made['id']}/close", status="won")
    assert (made["status"], signs(made)) == ("won", [-1, 1])
    assert types(stripe)[-2:] == ["charge.dispute.updated", "charge.dispute.funds_reinstated"]


@pytest.mark.parametrize("first, then", [("won", "lost"), ("won", "won"), ("lost", "lost"), ("lost", "warning_closed")])
def test_what_is_decided_stays(stripe, first, then):
    made = dispute(stripe, paid(stripe))
    stripe.control("POST", f"/disputes/{made['id']}/close", status=first)
    answer = stripe.request("POST", f"/_fake/disputes/{made['id']}/close", f'{{"status": "{then}"}}'.encode())
    assert answer.status == 400
