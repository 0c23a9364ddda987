"""What happens to a PaymentIntent: it is tried with a PaymentMethod, succeeds, is declined, waits for the customer or for a bank,
and what follows a payment made with some of the test cards. The events of each step are told here."""
from ..clock import DAY
from ..errors import card_error, refused
from . import cards, charges, customers, payment_methods

BANK_DAYS = 4
OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")
LISTENERS = []  # functions of (account, intent, outcome): "succeeded", "failed" or "processing"; sessions and invoices listen


def listener(function):
    LISTENERS.append(function)
    return function


def _told(account, intent, outcome):
    for function in LISTENERS:
        function(account, intent, outcome)


def attempt(account, intent, method, off_session=False, authenticated=False, may_ask=True):
    """Tries to pay. Returns the intent when it is paid, under way or waits for the customer; raises the 402 otherwise.
    may_ask: the customer is there to authenticate (false off session)."""
    if intent["status"] not in OPEN:
        raise refused(f"You cannot confirm this PaymentIntent because it has a status of {intent['status']}.", "payment_intent_unexpected_state",
                      payment_intent=intent)
    card, hidden = payment_methods.card_of(account, method), account.secret(method)
    intent.update(payment_method=method["id"], payment_method_types=[card.kind], next_action=None)
    if card.asks(off_session, hidden["set_up"]) and not authenticated:
        if off_session or not may_ask:
            _decline(account, intent, method, card, cards.decline("authentication_required"))
        return _ask(account, intent, method)
    if card.fails:
        _decline(account, intent, method, card, cards.decline(card.fails))
    hidden["used"] = True
    charge = charges.make(account, intent, method, card)
    intent["latest_charge"] = charge["id"]
    _save(account, intent, method)
    if card.bank:
        return _process(account, intent, charge, card)
    return succeed(account, intent, charge)


def _ask(account, intent, method):
    """The bank wants the customer: with a return_url there is a page to go to, else Stripe's own script takes over."""
    back = account.secret(intent).get("return_url")
    page = {"type": "redirect_to_url", "redirect_to_url": {"return_url": back, "url": f"{account.url}/authenticate/{intent['id']}"}}
    intent["next_action"] = page if back else {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}
    intent["status"] = "requires_action"
    account.emit("payment_intent.requires_action", intent)
    return intent


def authenticate(account, intent, passed=True):
    """The customer came back from the bank."""
    if intent["status"] != "requires_action":
        raise refused(f"This PaymentIntent has a status of {intent['status']}: nobody is asked.", "payment_intent_unexpected_state")
    method = account.get(intent["payment_method"])
    if passed:
        return attempt(account, intent, method, authenticated=True)
    decline = {"code": "payment_intent_authentication_failure", "message": "The customer did not pass the bank's authentication."}
    return _failed(account, intent, {**decline, "payment_method": method, "type": "invalid_request_error"})


def _decline(account, intent, method, card, decline):
    """The 402, after the events that it makes."""
    charge = charges.make(account, intent, method, card)
    charges.fail(account, charge, decline, blocked=card.fails == "radar")
    intent["latest_charge"] = charge["id"]
    error = card_error(decline, charge=charge["id"], payment_method=method)
    _failed(account, intent, dict(error.error))
    error.error["payment_intent"] = intent
    raise error


def _failed(account, intent, last_error):
    intent.update(status="requires_payment_method", payment_method=None, next_action=None, last_payment_error=last_error)
    account.emit("payment_intent.payment_failed", intent)
    _told(account, intent, "failed")
    return intent


def _process(account, intent, charge, card):
    """A bank debit: accepted today, decided days later (settle)."""
    intent.update(status="processing", last_payment_error=None)
    charges.pend(account, charge)
    account.emit("payment_intent.processing", intent)
    _told(account, intent, "processing")
    account.clock.later(account.now() + BANK_DAYS * DAY, lambda: intent["status"] == "processing" and settle(account, intent))
    return intent


def settle(account, intent, outcome=None):
    """Decides a bank debit: "succeeded", "failed", or as its test account would have it."""
    if intent["status"] != "processing":
        raise refused(f"This PaymentIntent has a status of {intent['status']}: nothing is under way.", "payment_intent_unexpected_state")
    charge, method = account.get(intent["latest_charge"]), account.get(intent["payment_method"])
    card = payment_methods.card_of(account, method)
    if outcome is None:
        outcome = "succeeded" if card.bank == "succeeds" else "failed"
    if outcome == "succeeded":
        return succeed(account, intent, charge)
    code, message = cards.BANK_FAILURES.get(card.bank, cards.BANK_FAILURES["insufficient_funds"])
    decline = {"code": f"payment_method_{code}" if code == "account_closed" else code, "message": message}
    charges.fail(account, charge, decline)
    return _failed(account, intent, {**decline, "charge": charge["id"], "payment_method": method, "type": "invalid_request_error"})


def succeed(account, intent, charge):
    intent.update(status="succeeded", amount_received=intent["amount"], last_payment_error=None, next_action=None)
    charges.succeed(account, charge)
    account.emit("payment_intent.succeeded", intent)
    _told(account, intent, "succeeded")
    _aftermath(account, charge)
    return intent


def _save(account, intent, method):
    """setup_future_usage: the method stays with the customer, and its bank has been asked."""
    if intent["setup_future_usage"] and intent["customer"]:
        account.secret(method)["set_up"] = True
        payment_methods.attach(account, method, customers.named(account, intent["customer"]))


def _aftermath(account, charge):
    """What some test cards bring after they have paid."""
    from . import disputes
    after = account.secret(charge)["card"].after
    if after == "warning":
        disputes.warn(account, charge)
    elif after == "inquiry":
        disputes.open_dispute(account, charge, reason="general", inquiry=True)
    elif after == "several":
        first = charge["amount"] // 2
        disputes.open_dispute(account, charge, amount=first, reason="fraudulent")
        disputes.open_dispute(account, charge, amount=charge["amount"] - first, reason="fraudulent")
    elif after:
        disputes.open_dispute(account, charge, reason=after)


def cancel(account, intent, reason=None):
    if intent["status"] not in (*OPEN, "processing"):
        raise refused(f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}.", "payment_intent_unexpected_state",
                      payment_intent=intent)
    intent.update(status="canceled", canceled_at=account.now(), cancellation_reason=reason, next_action=None)
    account.emit("payment_intent.canceled", intent)
    return intent
