"""The life of an invoice: a draft, finalized, tried, paid or not, voided. What its payment's fate does to it and to the
subscription it belongs to."""
from ..clock import DAY, HOUR
from ..errors import StripeError, refused
from . import customers, invoice_shape, payment_intents, paying

TABLE = invoice_shape.TABLE
RETRY_AFTER = 3 * DAY
LISTENERS = []  # functions of (account, invoice, outcome): "paid" or "failed"; subscriptions listen


def listener(function):
    LISTENERS.append(function)
    return function


def _told(account, made, outcome):
    for function in LISTENERS:
        function(account, made, outcome)


def add(account, made, lines):
    made["lines"]["data"].extend(lines)
    invoice_shape.total(account, made)


def open_draft(account, customer, currency, reason, lines, subscription=None, **given):
    """A draft with the lines that `lines(invoice)` makes; told as invoice.created."""
    made = invoice_shape.draft(account, customer, currency, reason, subscription, **given)
    add(account, made, lines(made))
    account.emit("invoice.created", made)
    return made


def later(account, made):
    """auto_advance: an hour after it was made a draft is finalized and tried."""
    made["automatically_finalizes_at"] = account.now() + HOUR
    account.clock.later(made["automatically_finalizes_at"], lambda: made["status"] == "draft" and finalize(account, made) and collect(account, made))


def finalize(account, made):
    """From now on it does not change. One of nothing is paid at once."""
    if made["status"] != "draft":
        raise refused("This invoice is already finalized, you can't re-finalize a non-draft invoice.", "invoice_not_editable")
    customer, now = account.get(made["customer"]), account.now()
    made.update(status="open", number=f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04d}", effective_at=now, auto_advance=True,
                hosted_invoice_url=f"{account.url}/i/{made['id']}", invoice_pdf=f"{account.url}/i/{made['id']}/pdf", ending_balance=0,
                automatically_finalizes_at=None)
    made["status_transitions"]["finalized_at"] = now
    if made["automatic_tax"]["enabled"]:
        made["automatic_tax"]["status"] = "complete"
    customer["next_invoice_sequence"] += 1
    account.emit("invoice.finalized", made)
    if made["amount_due"] == 0:
        _paid(account, made)
    return made


def collect(account, made, method=None, off_session=True, raises=False):
    """Tries to take the money from the method, or from the one that the subscription or the customer has. The invoice, whatever came
    of it; a refusal is raised where the caller wants to see it."""
    if made["status"] != "open":
        return made
    method = method or _method(account, made)
    made["attempt_count"] += 1
    made["attempted"] = True
    if method is None:
        _failed(account, made, None)
        if raises:
            raise refused("The customer has no payment method to charge. Set a default payment method.", "missing")
        return made
    try:
        paying.attempt(account, _intent(account, made), method, off_session)
    except StripeError as error:
        if raises:
            raise
        if error.error.get("code") == "authentication_required":
            account.emit("invoice.payment_action_required", made)
    return made


def _method(account, made):
    subscription = _subscription(account, made)
    customer = account.get(made["customer"])
    id = (made["default_payment_method"] or (subscription and subscription["default_payment_method"])
          or customer["invoice_settings"]["default_payment_method"])
    return account.get(id) if id else None


def _subscription(account, made):
    return account.get(made["parent"]["subscription_details"]["subscription"]) if made["parent"] else None


def _intent(account, made):
    """One PaymentIntent for all attempts. It carries none of the subscription's metadata."""
    id = account.secret(made)["intent"]
    intent = account.get(id) if id else None
    if intent is None or intent["status"] == "canceled":
        descriptions = {"subscription_create": "Subscription creation", "subscription_cycle": "Subscription update",
                        "subscription_update": "Subscription update"}
        intent = payment_intents.make(account, made["amount_remaining"], made["currency"], customer=made["customer"],
                                      description=descriptions.get(made["billing_reason"], f"Payment for Invoice {made['number']}"))
        link(account, made, intent)
    return intent


def link(account, made, intent):
    """The intent pays this invoice: what becomes of it, becomes of the invoice."""
    account.secret(made)["intent"], account.secret(intent)["invoice"] = intent["id"], made["id"]
    intent["payment_details"] = {"customer_reference": None, "order_reference": made["id"]}
    payment = account.new("inpay_", "invoice_payment", amount_paid=None, amount_requested=intent["amount"], currency=made["currency"], invoice=made["id"],
                          is_default=True, payment={"type": "payment_intent", "payment_intent": intent["id"]}, status="open",
                          status_transitions={"canceled_at": None, "paid_at": None})
    account.put("invoice_payments", payment)


@paying.listener
def _payment(account, intent, outcome):
    id = account.secret(intent).get("invoice")
    if not id:
        return
    made = account.get(id)
    if outcome == "succeeded" and made["status"] in ("open", "uncollectible"):
        paid_by(account, made, intent)
    elif outcome == "failed" and made["status"] == "open":
        _failed(account, made, account.now() + RETRY_AFTER)


def paid_by(account, made, intent):
    for payment in account.all("invoice_payments", invoice=made["id"]):
        if payment["payment"]["payment_intent"] == intent["id"]:
            payment.update(status="paid", amount_paid=intent["amount"], status_transitions={"canceled_at": None, "paid_at": account.now()})
            account.emit("invoice_payment.paid", payment)
    _paid(account, made)


def _paid(account, made):
    """invoice.paid, and its older name for all that took money or needed none."""
    made.update(status="paid", amount_paid=made["amount_due"], amount_remaining=0, attempted=True, next_payment_attempt=None, auto_advance=False)
    made["status_transitions"]["paid_at"] = account.now()
    account.emit("invoice.paid", made)
    if not account.secret(made).get("out_of_band"):
        account.emit("invoice.payment_succeeded", made)
    _told(account, made, "paid")


def out_of_band(account, made):
    """Somebody has paid outside Stripe."""
    account.secret(made)["out_of_band"] = True
    _cancel_intent(account, made)
    _paid(account, made)
    return made


def _failed(account, made, next_attempt):
    made["next_payment_attempt"] = next_attempt
    account.emit("invoice.payment_failed", made)
    _told(account, made, "failed")


def _cancel_intent(account, made):
    id = account.secret(made)["intent"]
    intent = account.get(id) if id else None
    if intent and intent["status"] in paying.OPEN:
        paying.cancel(account, intent, "void_invoice")


def void(account, made):
    if made["status"] not in ("open", "uncollectible"):
        raise refused("You can only pass in open or uncollectible invoices. This one is " + made["status"] + ".", "invoice_not_editable")
    made.update(status="void", auto_advance=False, next_payment_attempt=None)
    made["status_transitions"]["voided_at"] = account.now()
    _cancel_intent(account, made)
    account.emit("invoice.voided", made)
    return made


def uncollectible(account, made):
    if made["status"] != "open":
        raise refused("You can only mark open invoices as uncollectible. This one is " + made["status"] + ".", "invoice_not_editable")
    made.update(status="uncollectible", auto_advance=False, next_payment_attempt=None)
    made["status_transitions"]["marked_uncollectible_at"] = account.now()
    account.emit("invoice.marked_uncollectible", made)
    return made


def of_payment(account, session, intent, lines):
    """invoice_creation: what a Checkout Session has been paid for, as a paid invoice."""
    customer = customers.named(account, session["customer"]) if session["customer"] else customers.make(account, email=session["customer_details"]["email"])

    def its_lines(made):
        return [invoice_shape.line(account, made, one["amount_subtotal"], one["description"], one["price"], one["quantity"], metadata={}) for one in lines]
    made = open_draft(account, customer, session["currency"], "manual", its_lines, taxed=session["automatic_tax"]["enabled"],
                      discount=session["total_details"]["amount_discount"])
    finalize(account, made)
    if made["status"] == "open":
        link(account, made, intent)
        paid_by(account, made, intent)
    return made
