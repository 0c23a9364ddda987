"""What the buyer does on a Checkout Session's page: pays with a test card, authenticates, saves a card, or subscribes; and what
the session becomes when the payment's fate is known later."""
from ..errors import refused
from . import checkout, customers, payment_intents, payment_methods, paying, setup_intents


def pay(account, made, card, percent_off=0, email=None, name=None):
    """The buyer presses the button. The session, complete, or still open where the bank wants the buyer (authenticate). Raises
    the 402 of a card that is declined: the session stays open."""
    if made["status"] != "open":
        raise refused(f"This Checkout Session has a status of {made['status']}.")
    if percent_off:
        _discount(made, percent_off)
    _buyer(account, made, email or made["customer_email"] or "buyer@example.com", name or "Jenny Buyer")
    method = payment_methods.make(account, card, email=made["customer_details"]["email"], name=made["customer_details"]["name"])
    return {"payment": _payment, "setup": _setup, "subscription": _subscription}[made["mode"]](account, made, method)


def _discount(made, percent):
    off = made["amount_subtotal"] * percent // 100
    made["total_details"] = {**made["total_details"], "amount_discount": off}
    made["amount_total"] = made["amount_subtotal"] - off + made["total_details"]["amount_tax"] * (100 - percent) // 100
    made["total_details"]["amount_tax"] = made["total_details"]["amount_tax"] * (100 - percent) // 100
    made["discounts"] = [{"coupon": f"{percent}_OFF", "promotion_code": None}]


def _buyer(account, made, email, name):
    """Who buys: the session's customer, or one made from what the page asked, where the session wants one."""
    if made["customer"] is None:
        made["customer_details"] = {"address": {"city": "Lisbon", "country": "PT", "line1": "Rua das Flores 1", "line2": None, "postal_code": "1200-194", "state": None},
                                    "business_name": None, "email": email, "individual_name": None, "name": name, "phone": None, "tax_exempt": "none", "tax_ids": []}
        data = account.secret(made)["given"].get("payment_intent_data", {})
        if made["customer_creation"] == "always" or data.get("setup_future_usage"):
            made["customer"] = customers.make(account, email=email, name=name, address=made["customer_details"]["address"])["id"]
    elif not made["customer_details"]["email"]:
        made["customer_details"]["email"] = email


def complete(account, made, payment_status):
    made.update(status="complete", payment_status=payment_status, url=None)
    if made["automatic_tax"]["enabled"]:
        made["automatic_tax"]["status"] = "complete"
    account.emit("checkout.session.completed", made)
    return made


# One payment


def _payment(account, made, method):
    if made["amount_total"] == 0:
        return complete(account, made, "no_payment_required")
    data = account.secret(made)["given"].get("payment_intent_data", {})
    intent = account.get(made["payment_intent"]) if made["payment_intent"] else None
    if intent is None:
        intent = payment_intents.make(account, made["amount_total"], made["currency"], customer=made["customer"], **data)
        made["payment_intent"] = intent["id"]
    if intent["status"] == "requires_action":
        paying.authenticate(account, intent, passed=False)
    intent["amount"] = made["amount_total"]
    paying.attempt(account, intent, method)
    return made


@paying.listener
def _paid(account, intent, outcome):
    """The session of a payment whose fate is known."""
    made = next((s for s in account.all(checkout.TABLE) if s["payment_intent"] == intent["id"]), None)
    if made is None:
        return
    if made["status"] == "open" and outcome in ("succeeded", "processing"):
        if outcome == "succeeded":
            _invoice(account, made, intent)
        complete(account, made, "paid" if outcome == "succeeded" else "unpaid")
    elif made["status"] == "complete" and made["payment_status"] == "unpaid":
        if outcome == "succeeded":
            made["payment_status"] = "paid"
            _invoice(account, made, intent)
        account.emit(f"checkout.session.async_payment_{outcome}", made)


def _invoice(account, made, intent):
    """invoice_creation: an invoice that says what was paid."""
    if made["invoice_creation"] and made["invoice_creation"]["enabled"]:
        from . import invoices
        made["invoice"] = invoices.of_payment(account, made, intent, account.secret(made)["lines"])["id"]


# A card to be saved


def _setup(account, made, method):
    data = account.secret(made)["given"].get("setup_intent_data", {})
    intent = account.get(made["setup_intent"]) if made["setup_intent"] else None
    if intent is None:
        intent = setup_intents.make(account, customer=made["customer"], **data)
        made["setup_intent"] = intent["id"]
    setup_intents.attempt(account, intent, method)
    return made


@setup_intents.listener
def _saved(account, intent):
    made = next((s for s in account.all(checkout.TABLE) if s["setup_intent"] == intent["id"] and s["mode"] == "setup"), None)
    if made and made["status"] == "open":
        complete(account, made, "no_payment_required")


# A plan


def _subscription(account, made, method):
    from . import subscriptions
    return subscriptions.from_session(account, made, method)


def authenticate(account, made, passed=True):
    """The buyer comes back from the bank's page."""
    intent = account.get(made["payment_intent"] or made["setup_intent"] or "")
    if intent is None:
        raise refused("Nobody is asked to authenticate on this Checkout Session.")
    if intent["object"] == "setup_intent":
        setup_intents.authenticate(account, intent, passed)
    else:
        paying.authenticate(account, intent, passed)
    return made
