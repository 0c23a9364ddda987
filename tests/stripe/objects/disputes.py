"""Disputes and inquiries: opened, escalated, answered, won, lost, won late; and early fraud warnings."""
from .. import params as p
from ..account import nulls
from ..clock import DAY
from ..errors import refused
from ..lists import created, page
from ..routes import route
from . import charges

TABLE = "disputes"
FEE = 1500
INQUIRY_DAYS, ANSWER_DAYS = 120, 9
EVIDENCE = ("access_activity_log billing_address cancellation_policy cancellation_policy_disclosure cancellation_rebuttal customer_communication "
            "customer_email_address customer_name customer_purchase_ip customer_signature duplicate_charge_documentation duplicate_charge_explanation "
            "duplicate_charge_id product_description receipt refund_policy refund_policy_disclosure refund_refusal_explanation service_date "
            "service_documentation shipping_address shipping_carrier shipping_date shipping_documentation shipping_tracking_number uncategorized_file "
            "uncategorized_text")
ANSWERABLE = {"needs_response": "under_review", "warning_needs_response": "warning_under_review"}
NETWORK_REASONS = {"fraudulent": "10.4", "product_not_received": "13.1", "general": "33"}


def open_dispute(account, charge, amount=None, reason="fraudulent", inquiry=False):
    """A bank takes its customer's side. amount: all of the charge; may be less, or more. Unless it is an inquiry, money goes at once."""
    if charge["status"] != "succeeded":
        raise refused("Only a charge that has succeeded can be disputed.")
    code = NETWORK_REASONS.get(reason, "10.4")
    made = account.new("du_", "dispute", amount=charge["amount"] if amount is None else amount, balance_transactions=[], charge=charge["id"],
                       currency=charge["currency"], enhanced_eligibility_types=[], intended_submission_method=None,
                       evidence={**nulls(EVIDENCE), "appeal": None, "enhanced_evidence": {}},
                       evidence_details={"due_by": account.now() + ANSWER_DAYS * DAY, "enhanced_eligibility": {}, "has_evidence": False, "past_due": False,
                                         "submission_count": 0, "submission_method": "not_submitted"},
                       is_charge_refundable=inquiry, metadata={}, network_reason_code=code, payment_intent=charge["payment_intent"],
                       payment_method_details={"type": "card", "card": {"brand": "visa", "case_type": "inquiry" if inquiry else "chargeback",
                                                                        "network": "visa", "network_reason_code": code}},
                       reason=reason, status="warning_needs_response" if inquiry else "needs_response")
    account.put(TABLE, made)
    if not inquiry:
        _withdraw(account, made)
    account.emit("charge.dispute.created", made)
    account.change(charge, "charge.updated", disputed=True)
    if inquiry:
        account.clock.later(account.now() + INQUIRY_DAYS * DAY, lambda: made["status"].startswith("warning_") and made["status"] != "warning_closed"
                            and close(account, made, "warning_closed"))
    else:
        account.emit("charge.dispute.funds_withdrawn", made)
    return made


def _withdraw(account, made):
    description = f"Chargeback withdrawal for {made['charge']}"
    made["balance_transactions"].append(charges.transaction(account, made, -made["amount"], "dispute", description, fee=FEE))


def _reinstate(account, made):
    description = f"Chargeback reversal for {made['charge']}"
    made["balance_transactions"].append(charges.transaction(account, made, made["amount"], "dispute_reversal", description))
    account.emit("charge.dispute.funds_reinstated", made)


def escalate(account, made):
    """An inquiry becomes a dispute: now the money goes."""
    if made["status"] not in ANSWERABLE and made["status"] != "warning_under_review" or not made["status"].startswith("warning_"):
        raise refused(f"A dispute with a status of {made['status']} does not escalate.")
    made["payment_method_details"]["card"]["case_type"] = "chargeback"
    _withdraw(account, made)
    account.change(made, "charge.dispute.updated", status="needs_response", is_charge_refundable=False)
    account.emit("charge.dispute.funds_withdrawn", made)
    return made


def close(account, made, status):
    """Decided: won, lost or warning_closed. One that was lost can still be won."""
    late = made["status"] == "lost" and status == "won"
    warning = made["status"].startswith("warning_")
    if made["status"] in ("won", "warning_closed", "prevented") or (made["status"] == "lost" and not late) or warning != (status == "warning_closed"):
        raise refused(f"A dispute with a status of {made['status']} does not become {status}.")
    account.change(made, "charge.dispute.updated" if late else "charge.dispute.closed", status=status)
    if status == "won":
        _reinstate(account, made)
    return made


def warn(account, charge, kind="made_with_stolen_card"):
    """The card's issuer thinks that this was fraud."""
    made = account.new("issfr_", "radar.early_fraud_warning", actionable=True, charge=charge["id"], fraud_type=kind, payment_intent=charge["payment_intent"])
    account.put("early_fraud_warnings", made)
    account.emit("radar.early_fraud_warning.created", made)
    return made


EVIDENCE_PARAMS = p.hash_of(**{name: p.clearable(p.text(20000)) for name in EVIDENCE.split()}, enhanced_evidence=p.anything, appeal=p.anything)


@route("POST", "/v1/disputes/{id}", {"evidence": EVIDENCE_PARAMS, "metadata": p.metadata, "submit": p.boolean})
def update(call):
    account, made, given = call.account, call.account.find(TABLE, call.id, "dispute", "dispute"), call.params
    new = {}
    if "metadata" in given:
        new["metadata"] = p.merged(made["metadata"], given["metadata"])
    if "evidence" in given:
        if made["status"] not in ANSWERABLE:
            raise refused(f"Evidence cannot be given for a dispute with a status of {made['status']}.")
        new["evidence"] = {**made["evidence"], **given["evidence"]}
        new["evidence_details"] = {**made["evidence_details"], "has_evidence": True}
    submits = given.get("submit", "evidence" in given) and made["status"] in ANSWERABLE
    if submits:
        details = new.get("evidence_details", made["evidence_details"])
        new["evidence_details"] = {**details, "submission_count": details["submission_count"] + 1, "submission_method": "manual"}
        new["status"] = ANSWERABLE[made["status"]]
    account.change(made, "charge.dispute.updated", **new)
    if submits:
        _decide(account, made)
    return made


def _decide(account, made):
    """Test disputes are decided by what is written in the evidence; anything else waits."""
    text = made["evidence"]["uncategorized_text"]
    inquiry = made["status"].startswith("warning_")
    if text == "winning_evidence":
        close(account, made, "warning_closed" if inquiry else "won")
    elif text == "losing_evidence":
        if inquiry:
            escalate(account, made)
        else:
            close(account, made, "lost")


@route("POST", "/v1/disputes/{id}/close")
def close_call(call):
    made = call.account.find(TABLE, call.id, "dispute", "dispute")
    if made["status"] not in ("needs_response", "under_review"):
        raise refused("This dispute is already closed, or is no dispute yet.", "dispute_already_closed")
    return close(call.account, made, "lost")


@route("GET", "/v1/disputes/{id}")
def retrieve(call):
    return call.account.find(TABLE, call.id, "dispute", "dispute")


@route("GET", "/v1/disputes", {**p.PAGE, "charge": p.text(), "payment_intent": p.text(), "created": p.CREATED})
def listed(call):
    where = {k: call.params[k] for k in ("charge", "payment_intent") if k in call.params}
    return page(created(call.account.all(TABLE, **where), call.params.get("created")), call.params, "/v1/disputes", call.account.tables.get(TABLE))


@route("GET", "/v1/radar/early_fraud_warnings/{id}")
def retrieve_warning(call):
    return call.account.find("early_fraud_warnings", call.id, "early fraud warning", "early_fraud_warning")


@route("GET", "/v1/radar/early_fraud_warnings", {**p.PAGE, "charge": p.text(), "payment_intent": p.text(), "created": p.CREATED})
def list_warnings(call):
    where = {k: call.params[k] for k in ("charge", "payment_intent") if k in call.params}
    return page(created(call.account.all("early_fraud_warnings", **where), call.params.get("created")), call.params, "/v1/radar/early_fraud_warnings")
