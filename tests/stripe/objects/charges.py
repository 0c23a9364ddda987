"""Charges, made by payments; and the money's movements that go with them."""
from .. import params as p
from ..account import nulls
from ..clock import DAY
from ..expand import included
from ..lists import created, page, whole
from ..routes import route

TABLE = "charges"


def transaction(account, source, amount, kind, description, fee=0):
    """A balance transaction: money that came (positive) or went."""
    fees = [{"amount": fee, "application": None, "currency": source["currency"], "description": description, "type": "stripe_fee"}] if fee else []
    made = account.new("txn_", "balance_transaction", amount=amount, available_on=account.now() + DAY, balance_type="payments",
                       currency=source["currency"], description=description, exchange_rate=None, fee=fee, fee_details=fees, net=amount - fee,
                       reporting_category=kind, source=source["id"], status="pending",
                       type={"dispute": "adjustment", "dispute_reversal": "adjustment", "refund_failure": "refund_failure"}.get(kind, kind))
    del made["livemode"]
    return account.put("balance_transactions", made)


def make(account, intent, method, card):
    """A charge that has not been decided."""
    made = account.new("ch_" if card.kind == "card" else "py_", "charge", **nulls(
        "application application_fee application_fee_amount balance_transaction failure_balance_transaction failure_code failure_message "
        "on_behalf_of receipt_number review shipping source source_transfer statement_descriptor statement_descriptor_suffix "
        "transfer_data transfer_group"),
        amount=intent["amount"], amount_captured=0, amount_refunded=0, billing_details=method["billing_details"],
        calculated_statement_descriptor=account.settings["display_name"].upper(), captured=False, currency=intent["currency"],
        customer=intent["customer"], description=intent["description"], disputed=False, fraud_details={}, metadata=dict(intent["metadata"]),
        outcome=None, paid=False, payment_intent=intent["id"], payment_method=method["id"], payment_method_details=_details(method, card, intent),
        radar_options={}, receipt_email=intent["receipt_email"], receipt_url=None, refunded=False, status="pending")
    return account.put(TABLE, made, card=card)


def _details(method, card, intent):
    if card.bank:
        return {"type": "us_bank_account", "us_bank_account": {**{k: v for k, v in method["us_bank_account"].items() if k in (
            "account_holder_type", "account_type", "bank_name", "fingerprint", "last4", "routing_number")}, "payment_reference": None}}
    own = {k: v for k, v in method["card"].items() if k in ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4",
                                                            "regulated_status", "wallet")}
    return {"type": "card", "card": {
        **own, **nulls("authorization_code electronic_commerce_indicator installments mandate network_transaction_id three_d_secure transaction_link_id"),
        "amount_authorized": intent["amount"], "extended_authorization": {"status": "disabled"}, "incremental_authorization": {"status": "unavailable"},
        "multicapture": {"status": "unavailable"}, "network": method["card"]["brand"], "network_token": {"used": False},
        "overcapture": {"maximum_amount_capturable": intent["amount"], "status": "unavailable"}}}


def _outcome(kind, network, message, decline=None):
    decline = decline or {}
    return {"advice_code": decline.get("advice_code"), "network_advice_code": decline.get("network_advice_code"),
            "network_decline_code": decline.get("network_decline_code"), "network_status": network, "reason": decline.get("decline_code"),
            "risk_level": "highest" if kind == "blocked" else "normal", "risk_score": 75 if kind == "blocked" else 12, "seller_message": message,
            "type": kind}


def succeed(account, charge):
    """charge.succeeded, and a moment later charge.updated: the money's movement is known only then."""
    charge.update(status="succeeded", paid=True, captured=True, amount_captured=charge["amount"],
                  receipt_url=f"{account.url}/receipts/{charge['id']}", outcome=_outcome("authorized", "approved_by_network", "Payment complete."))
    account.emit("charge.succeeded", charge)
    made = transaction(account, charge, charge["amount"], "charge", charge["description"], fee=charge["amount"] * 29 // 1000 + 30)
    account.change(charge, "charge.updated", balance_transaction=made["id"])


def pend(account, charge):
    charge.update(status="pending", captured=True, amount_captured=charge["amount"])
    account.emit("charge.pending", charge)


def fail(account, charge, decline, blocked=False):
    charge.update(status="failed", failure_code=decline.get("code"), failure_message=decline["message"], captured=False, amount_captured=0,
                  outcome=_outcome("blocked" if blocked else "issuer_declined", "not_sent_to_network" if blocked else "declined_by_network",
                                   "Declined by the stand-in.", decline))
    account.emit("charge.failed", charge)


@included("charge", "refunds")
def refunds(account, charge):
    return whole([r for r in reversed(account.all("refunds")) if r["charge"] == charge["id"]], f"/v1/charges/{charge['id']}/refunds")


@route("GET", "/v1/charges/{id}")
def retrieve(call):
    return call.account.find(TABLE, call.id, "charge")


@route("GET", "/v1/charges", {**p.PAGE, "customer": p.text(), "payment_intent": p.text(), "created": p.CREATED})
def listed(call):
    where = {k: call.params[k] for k in ("customer", "payment_intent") if k in call.params}
    return page(created(call.account.all(TABLE, **where), call.params.get("created")), call.params, "/v1/charges", call.account.tables.get(TABLE))


@route("POST", "/v1/charges/{id}", {"metadata": p.metadata, "description": p.clearable(p.text())})
def update(call):
    charge = call.account.find(TABLE, call.id, "charge")
    new = {k: v for k, v in call.params.items() if k == "description"}
    if "metadata" in call.params:
        new["metadata"] = p.merged(charge["metadata"], call.params["metadata"])
    call.account.change(charge, "charge.updated", **new)
    return charge


@route("GET", "/v1/balance_transactions/{id}")
def retrieve_transaction(call):
    return call.account.find("balance_transactions", call.id, "balance transaction")
