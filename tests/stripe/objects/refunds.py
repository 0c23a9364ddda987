"""Refunds: whole and partial, pending, failing after they have succeeded; and what that does to the charge."""
from .. import params as p
from ..account import nulls
from ..clock import DAY
from ..errors import invalid, missing, refused
from ..lists import created, page
from ..routes import route
from . import charges

TABLE = "refunds"
SETTLES_AFTER, FAILS_AFTER = 5 * DAY, 10 * DAY
CREATE = {"charge": p.text(), "payment_intent": p.text(), "amount": p.integer(1), "metadata": p.metadata, "instructions_email": p.text(),
          "reason": p.one_of("duplicate", "fraudulent", "requested_by_customer"), 
          **dict.fromkeys(("currency", "customer", "origin", "reverse_transfer", "refund_application_fee"), p.undone)}


@route("POST", "/v1/refunds", CREATE)
def create(call):
    charge = _charge(call.account, call.params)
    return make(call.account, charge, call.params.get("amount"), call.params.get("reason"), call.params.get("metadata", {}))


def _charge(account, given):
    if "charge" in given and "payment_intent" in given:
        raise invalid("You may only specify one of these parameters: charge, payment_intent.", "charge")
    if "charge" in given:
        return account.find(charges.TABLE, given["charge"], "charge", "charge", 404)
    if "payment_intent" not in given:
        raise missing("charge")
    intent = account.find("payment_intents", given["payment_intent"], "payment_intent", "payment_intent", 404)
    charge = account.get(intent["latest_charge"] or "")
    if charge is None or charge["status"] == "failed":
        raise refused("This PaymentIntent does not have a successful charge to refund.", "payment_intent_unexpected_state")
    return charge


def make(account, charge, amount=None, reason=None, metadata=None):
    """Gives money back: all that is left unless an amount is given."""
    left = charge["amount_captured"] - charge["amount_refunded"]
    if charge["status"] != "succeeded":
        raise refused("This charge has not succeeded: it cannot be refunded.", "charge_not_refundable")
    if _held_by_dispute(account, charge):
        raise refused("The charge has been disputed: it cannot be refunded.", "charge_disputed")
    if left == 0:
        raise refused("The charge has already been refunded.", "charge_already_refunded")
    amount = left if amount is None else amount
    if amount > left:
        raise refused(f"The refund's amount ({amount}) is greater than what is left of the charge ({left}).", param="amount")
    made = _refund(account, charge, amount, reason, metadata or {})
    account.emit("refund.created", made)
    _move(account, charge, amount)
    _agenda(account, made, account.secret(charge)["card"])
    return made


def _held_by_dispute(account, charge):
    return any(not d["is_charge_refundable"] and d["status"] not in ("won", "warning_closed") for d in account.all("disputes", charge=charge["id"]))


def _refund(account, charge, amount, reason, metadata):
    card = account.secret(charge)["card"]
    pending = card.refund == "pending" or card.bank
    made = account.new("re_", "refund", **nulls("balance_transaction customer_account receipt_number source_transfer_reversal transfer_reversal"),
                       amount=amount, charge=charge["id"], currency=charge["currency"], customer=charge["customer"], destination_details=_destination(card),
                       metadata=p.merged({}, metadata), payment_intent=charge["payment_intent"], payment_method=charge["payment_method"], reason=reason,
                       status="pending" if pending else "succeeded")
    del made["livemode"]
    if pending:
        made["pending_reason"] = "processing"
    account.put(TABLE, made)
    made["balance_transaction"] = charges.transaction(account, made, -amount, "refund", "REFUND FOR CHARGE")["id"]
    return made


def _destination(card):
    if card.bank:
        return {"type": "us_bank_transfer", "us_bank_transfer": {"reference": None, "reference_status": None}}
    return {"type": "card", "card": {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"}}


def _move(account, charge, amount):
    """amount_refunded is cumulative; a refund that fails takes its part out again."""
    refunded = charge["amount_refunded"] + amount
    account.change(charge, "charge.refunded" if amount > 0 else "charge.updated", amount_refunded=refunded, refunded=refunded == charge["amount"])


def _agenda(account, made, card):
    """What comes of it by itself, days later."""
    if made["status"] == "pending":
        account.clock.later(account.now() + SETTLES_AFTER, lambda: made["status"] == "pending" and settle(account, made))
    if card.refund == "fails":
        account.clock.later(account.now() + FAILS_AFTER, lambda: made["status"] == "succeeded" and fail(account, made))


def settle(account, made):
    """A pending refund arrives."""
    if made["status"] != "pending":
        raise refused(f"This refund has a status of {made['status']}.")
    made.pop("pending_reason", None)
    _changed(account, made, {"pending_reason": "processing", "status": "pending"}, status="succeeded")


def fail(account, made, reason="lost_or_stolen_card"):
    """It does not arrive, also after it has succeeded: the money is ours again."""
    if made["status"] not in ("pending", "succeeded"):
        raise refused(f"This refund has a status of {made['status']}.")
    was = {"status": made["status"], **({"pending_reason": made.pop("pending_reason")} if "pending_reason" in made else {})}
    back = charges.transaction(account, made, made["amount"], "refund_failure", "REFUND FAILURE")
    _changed(account, made, was, status="failed", failure_reason=reason, failure_balance_transaction=back["id"])
    account.emit("refund.failed", made)
    _move(account, account.get(made["charge"]), -made["amount"])


def _changed(account, made, was, **new):
    """Told twice, as Stripe does: by the refund's own name and by the one that older receivers know."""
    made.update(new)
    account.emit("refund.updated", made, was)
    account.emit("charge.refund.updated", made, was)


@route("GET", "/v1/refunds/{id}")
def retrieve(call):
    return call.account.find(TABLE, call.id, "refund", "refund")


@route("POST", "/v1/refunds/{id}", {"metadata": p.metadata})
def update(call):
    made = call.account.find(TABLE, call.id, "refund", "refund")
    if "metadata" in call.params:
        call.account.change(made, "refund.updated", metadata=p.merged(made["metadata"], call.params["metadata"]))
    return made


@route("POST", "/v1/refunds/{id}/cancel")
def cancel(call):
    made = call.account.find(TABLE, call.id, "refund", "refund")
    raise refused(f"Only refunds with a status of requires_action can be canceled; this one has {made['status']}.")


@route("GET", "/v1/refunds", {**p.PAGE, "charge": p.text(), "payment_intent": p.text(), "created": p.CREATED})
def listed(call):
    where = {k: call.params[k] for k in ("charge", "payment_intent") if k in call.params}
    return page(created(call.account.all(TABLE, **where), call.params.get("created")), call.params, "/v1/refunds", call.account.tables.get(TABLE))
