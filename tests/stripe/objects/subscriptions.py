"""The life of a subscription: it begins with a Checkout Session or a call, runs from period to period, falls behind when a payment
fails, recovers, and ends."""
from ..clock import DAY, HOUR
from ..errors import refused
from . import invoice_items, invoice_shape, invoices
from . import subscription_shape as shape

TABLE = shape.TABLE
LIVE = ("trialing", "active", "past_due", "unpaid", "incomplete")


# It begins


def start(account, customer, prices, method, extra=(), trial_end=None, intent=None, **given):
    """A new subscription with its first invoice. intent: what has paid it, or is on its way; without one, an invoice of more than nothing
    is left open and the subscription incomplete. The subscription."""
    costs = not trial_end and any(price["unit_amount"] for price, _ in [*prices, *extra])
    status = "trialing" if trial_end else "incomplete" if costs and not (intent or given.get("free")) else "active"
    made = shape.make(account, customer, prices, method, status, trial_end, **given)
    customer["currency"] = customer["currency"] or made["currency"]
    account.emit("customer.subscription.created", made)
    invoice = bill(account, customer, made, "subscription_create", extra, discount=given.get("discount", 0))
    if intent and invoice["status"] == "open":
        invoices.link(account, invoice, intent)
        if intent["status"] == "succeeded":
            invoices.paid_by(account, invoice, intent)
    expect_end(account, made)
    if trial_end:
        account.clock.later(trial_end - 3 * DAY, lambda: made["status"] == "trialing" and account.emit("customer.subscription.trial_will_end", made))
    if status == "incomplete":
        account.clock.later(account.now() + 23 * HOUR, lambda: made["status"] == "incomplete" and _expire(account, made))
    return made


def bill(account, customer, made, reason, extra=(), discount=0):
    """The invoice of the period that begins, finalized."""
    trial = reason == "subscription_create" and made["trial_end"]

    def lines(invoice):
        out = [_line(account, invoice, made, one, trial) for one in made["items"]["data"]]
        out += [invoice_shape.line(account, invoice, price["unit_amount"] * quantity, account.get(price["product"])["name"], price, quantity, subscription=made)
                for price, quantity in extra]
        waiting = [i for i in invoice_items.pending(account, customer) if account.secret(i).get("subscription") is made]
        return out + [invoice_items.take(account, invoice, i) for i in waiting]
    invoice = invoices.open_draft(account, customer, made["currency"], reason, lines, made, taxed=made["automatic_tax"]["enabled"], discount=discount)
    made["latest_invoice"] = invoice["id"]
    return invoices.finalize(account, invoice)


def _line(account, invoice, made, one, trial):
    price, quantity = one["price"], one["quantity"]
    amount = 0 if trial else price["unit_amount"] * quantity
    text = f"Trial period for {account.get(price['product'])['name']}" if trial else shape.described(account, price, quantity)
    return invoice_shape.line(account, invoice, amount, text, price, quantity, (one["current_period_start"], one["current_period_end"]), one, made)


def expect_end(account, made):
    """When this period is over the next one begins, unless something else has happened by then."""
    at = shape.ends(made)
    account.clock.later(at, lambda: made["status"] in ("trialing", "active", "past_due") and shape.ends(made) == at and renew(account, made))
    if made["cancel_at"]:
        _end_at(account, made, made["cancel_at"])


# Through Checkout


def begun(account, session, method, intent=None):
    """The session's card is saved, or its payment made or under way: now the subscription is there."""
    given = account.secret(session)["given"]
    data, lines = given.get("subscription_data", {}), account.secret(session)["lines"]
    prices = [(line["price"], line["quantity"]) for line in lines if line["price"]["recurring"]]
    extra = [(line["price"], line["quantity"]) for line in lines if not line["price"]["recurring"]]
    days = data.get("trial_period_days")
    made = start(account, account.get(session["customer"]), prices, method, extra, data.get("trial_end") or (days and account.now() + days * DAY), intent,
                 metadata=data.get("metadata", {}), description=data.get("description"), taxed=session["automatic_tax"]["enabled"],
                 discount=session["total_details"]["amount_discount"], free=session["amount_total"] == 0)
    session.update(subscription=made["id"], invoice=made["latest_invoice"])
    return made


# From period to period


def renew(account, made, card=None):
    """The period is over. card: what the payment method does this time, whatever it does otherwise."""
    if made["status"] not in ("trialing", "active", "past_due"):
        raise refused(f"A subscription with a status of {made['status']} does not renew.")
    if made["cancel_at"] and made["cancel_at"] <= shape.ends(made):
        return end(account, made)
    before, was_trial = _periods(made), made["status"] == "trialing"
    for one in made["items"]["data"]:
        begins = one["current_period_end"]
        one.update(current_period_start=begins, current_period_end=shape.period_end(begins, one["price"]["recurring"], made["billing_cycle_anchor"]))
    customer = account.get(made["customer"])
    latest = made["latest_invoice"]
    if was_trial:
        made["status"] = "active"
    invoice = bill(account, customer, made, "subscription_cycle")
    account.emit("customer.subscription.updated", made, {"items": {"data": before}, "latest_invoice": latest, **({"status": "trialing"} if was_trial else {})})
    _collect(account, invoice, made, card)
    expect_end(account, made)
    return made


def _periods(made):
    return [{k: one[k] for k in ("id", "current_period_end", "current_period_start")} for one in made["items"]["data"]]


def _collect(account, invoice, made, card=None):
    id = made["default_payment_method"]
    method = account.get(id) if id else None
    if not (card and method):
        return invoices.collect(account, invoice)
    hidden = account.secret(method)
    usual, hidden["card"] = hidden["card"], card
    try:
        return invoices.collect(account, invoice)
    finally:
        hidden["card"] = usual


def retry(account, invoice, card=None):
    """Stripe tries an unpaid invoice again."""
    if invoice["status"] != "open":
        raise refused(f"This invoice has a status of {invoice['status']}.")
    made = account.get(invoice["parent"]["subscription_details"]["subscription"]) if invoice["parent"] else None
    return _collect(account, invoice, made, card) if made else invoices.collect(account, invoice)


@invoices.listener
def _invoice(account, invoice, outcome):
    """What an invoice's fate does to its subscription."""
    made = account.get(invoice["parent"]["subscription_details"]["subscription"]) if invoice["parent"] else None
    if made is None or made["latest_invoice"] != invoice["id"]:
        return
    if outcome == "paid" and made["status"] in ("past_due", "unpaid", "incomplete"):
        account.change(made, "customer.subscription.updated", status="active")
    elif outcome == "failed" and made["status"] == "active":
        account.change(made, "customer.subscription.updated", status="past_due")


def give_up(account, made, to="canceled"):
    """The retries are over: canceled or unpaid."""
    if to == "canceled":
        return end(account, made, reason="payment_failed")
    account.change(made, "customer.subscription.updated", status=to)
    return made


# It ends


def cancel_at(account, made, at, details=None):
    """It will end then; None: it will not. With flexible billing, cancel_at says so also for "at the end of the period"."""
    reason = {**made["cancellation_details"], **(details or {}), "reason": "cancellation_requested" if at else None}
    account.change(made, "customer.subscription.updated", cancel_at=at, canceled_at=account.now() if at else None, cancellation_details=reason)
    if at:
        _end_at(account, made, at)


def _end_at(account, made, at):
    account.clock.later(at, lambda: made["cancel_at"] == at and made["status"] in LIVE and end(account, made))


def end(account, made, reason=None, details=None):
    """Now."""
    if made["status"] not in LIVE:
        raise refused(f"A subscription with a status of {made['status']} has ended.")
    now = account.now()
    made.update(status="canceled", ended_at=now, canceled_at=made["canceled_at"] or now)
    made["cancellation_details"] = {**made["cancellation_details"], **(details or {}),
                                    "reason": reason or made["cancellation_details"]["reason"] or "cancellation_requested"}
    account.emit("customer.subscription.deleted", made)
    return made


def end_all(account, customer):
    """With the customer."""
    for made in account.all(TABLE, customer=customer["id"]):
        if made["status"] in LIVE:
            end(account, made)


def _expire(account, made):
    """23 hours without the first payment."""
    account.change(made, "customer.subscription.updated", status="incomplete_expired", ended_at=account.now())
    invoices.void(account, account.get(made["latest_invoice"]))

