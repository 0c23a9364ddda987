"""What the buyer does on a Checkout Session's page: pays with a test card, authenticates, saves a card, or subscribes; and what
the session becomes when the payment's fate is known later."""
from ..errors import refused
from . import customers, invoices, payment_intents, payment_methods, paying, setup_intents, subscriptions

ADDRESS = {"city": "Lisbon", "country": "PT", "line1": "Rua das Flores 1", "line2": None, "postal_code": "1200-194", "state": None}


def pay(account, made, card, percent_off=0, email=None, name=None):
    """The buyer presses the button. The session, complete, or still open where the bank wants the buyer (authenticate). Raises
    the 402 of a card that is declined: the session stays open."""
    if made["status"] != "open":
        raise refused(f"This Checkout Session has a status of {made['status']}.")
    if percent_off and not made["discounts"]:
        _discount(made, percent_off)
    _buyer(account, made, email or made["customer_email"] or "buyer@example.com", name or "Jenny Buyer")
    method = payment_methods.make(account, card, email=made["customer_details"]["email"], name=made["customer_details"]["name"])
    return PAYING[made["mode"]](account, made, method)


def _discount(made, percent):
    """A promotion code: so much less, and so much less tax."""
    off, tax = made["amount_subtotal"] * percent // 100, made["total_details"]["amount_tax"]
    lower = tax * (100 - percent) // 100
    made.update(amount_total=made["amount_total"] - off - (tax - lower), discounts=[{"coupon": f"{percent}_OFF", "promotion_code": None}],
                total_details={**made["total_details"], "amount_discount": off, "amount_tax": lower})


def _buyer(account, made, email, name):
    """Who buys: the session's customer, or one made from what the page asked, where the session wants one."""
    if made["customer"] is None:
        made["customer_details"] = {"address": ADDRESS, "business_name": None, "email": email, "individual_name": None, "name": name, "phone": None,
                                    "tax_exempt": "none", "tax_ids": []}
        data = account.secret(made)["given"].get("payment_intent_data", {})
        if made["customer_creation"] == "always" or data.get("setup_future_usage"):
            made["customer"] = customers.make(account, email=email, name=name, address=ADDRESS)["id"]
        return
    customer, asked = account.get(made["customer"]), account.secret(made)["given"].get("customer_update", {})
    made["customer_details"]["email"] = customer["email"] or email
    if asked.get("address") == "auto" and not customer["address"]:
        made["customer_details"]["address"] = ADDRESS
        account.change(customer, "customer.updated", address=ADDRESS)


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
    return _charged(account, made, method, data)


def _charged(account, made, method, data):
    """One PaymentIntent for all attempts on the page."""
    intent = _intent(account, made) or payment_intents.make(account, made["amount_total"], made["currency"], customer=made["customer"], **data)
    _bind(account, made, intent)
    if made["mode"] == "payment":
        made["payment_intent"] = intent["id"]
    if intent["status"] == "requires_action":
        paying.authenticate(account, intent, passed=False)
    intent["amount"] = made["amount_total"]
    paying.attempt(account, intent, method)
    return made


def _intent(account, made):
    """What pays for the session, or saves its card, once the buyer has pressed the button."""
    return account.get(account.secret(made).get("intent") or "")


def _bind(account, made, intent):
    account.secret(made)["intent"], account.secret(intent)["session"] = intent["id"], made["id"]


@paying.listener
def _paid(account, intent, outcome):
    """The session of a payment whose fate is known."""
    made = account.get(account.secret(intent).get("session") or "")
    if made is None:
        return
    if made["status"] == "open" and outcome in ("succeeded", "processing"):
        _bought(account, made, intent)
        complete(account, made, "paid" if outcome == "succeeded" else "unpaid")
    elif made["status"] == "complete" and made["payment_status"] == "unpaid":
        if outcome == "succeeded":
            made["payment_status"] = "paid"
            _bought(account, made, intent)
        account.emit(f"checkout.session.async_payment_{outcome}", made)


def _bought(account, made, intent):
    """What comes with the payment: the subscription, or the invoice that says what was paid."""
    if made["mode"] == "subscription" and not made["subscription"]:
        subscriptions.begun(account, made, account.get(intent["payment_method"]), intent)
    elif intent["status"] == "succeeded" and made["invoice_creation"] and made["invoice_creation"]["enabled"]:
        made["invoice"] = invoices.of_payment(account, made, intent, account.secret(made)["lines"])["id"]


# A card to be saved, and a plan


def _setup(account, made, method):
    data = account.secret(made)["given"].get("setup_intent_data", {})
    return _saving(account, made, method, data)


def _saving(account, made, method, data):
    intent = _intent(account, made) or setup_intents.make(account, customer=made["customer"], **data)
    _bind(account, made, intent)
    if made["mode"] == "setup":
        made["setup_intent"] = intent["id"]
    setup_intents.attempt(account, intent, method)
    return made


def _subscription(account, made, method):
    """What costs nothing today saves the card; anything else is paid first, and the subscription begins with it."""
    if made["amount_total"] == 0:
        return _saving(account, made, method, {})
    return _charged(account, made, method, {"setup_future_usage": "off_session", "description": "Subscription creation"})


@setup_intents.listener
def _saved(account, intent):
    made = account.get(account.secret(intent).get("session") or "")
    if made and made["status"] == "open":
        if made["mode"] == "subscription":
            subscriptions.begun(account, made, account.get(intent["payment_method"]))
        complete(account, made, "no_payment_required")


def authenticate(account, made, passed=True):
    """The buyer comes back from the bank's page."""
    intent = _intent(account, made)
    if intent is None:
        raise refused("Nobody is asked to authenticate on this Checkout Session.")
    if intent["object"] == "setup_intent":
        setup_intents.authenticate(account, intent, passed)
    else:
        paying.authenticate(account, intent, passed)
    return made


PAYING = {"payment": _payment, "setup": _setup, "subscription": _subscription}
