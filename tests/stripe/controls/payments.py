"""What buyers and banks do, on request."""
from ..control import BadControl, call
from ..objects import cards, checkout, checkout_pay, paying, setup_intents


def card_named(name):
    found = cards.BY_NAME.get(name) or cards.BY_ID.get(name) or cards.BY_NUMBER.get(str(name).replace(" ", ""))
    if not found:
        raise BadControl(f"no test card is called {name}; there are {', '.join(cards.BY_NAME)}")
    return found


@call("GET", "/cards")
def list_cards(account, given):
    """The test cards: name, number, id, what they do."""
    return [{"name": c.name, "number": c.number, "id": c.id, "does": c.title} for c in cards.TABLE]


@call("POST", "/sessions/{id}/complete")
def complete(account, given, id):
    """A buyer pays on the page: {card ("visa"), percent_off, email, name, authenticate (true: passes the bank's question)}."""
    card = card_named(given.get("card", "visa"))
    with account.lock:
        account.clock.run_due()
        made = checkout.find(account, id)
        checkout_pay.pay(account, made, card, given.get("percent_off", 0), given.get("email"), given.get("name"))
        if made["status"] == "open" and given.get("authenticate", True):
            checkout_pay.authenticate(account, made)
        return made


@call("POST", "/sessions/{id}/expire")
def expire(account, given, id):
    """The session's time is over."""
    with account.lock:
        return checkout.expire_session(account, checkout.find(account, id))


@call("POST", "/payments/{id}/settle")
def settle(account, given, id):
    """A bank debit under way is decided: {outcome: "succeeded" or "failed"; absent: as its test account would have it}."""
    if given.get("outcome") not in (None, "succeeded", "failed"):
        raise BadControl("outcome is succeeded or failed")
    with account.lock:
        return paying.settle(account, account.find("payment_intents", id, "payment_intent"), given.get("outcome"))


@call("POST", "/payments/{id}/authenticate")
def authenticate(account, given, id):
    """The customer answers the bank's question for a PaymentIntent or SetupIntent: {passed (true)}."""
    with account.lock:
        if id.startswith("seti_"):
            return setup_intents.authenticate(account, account.find("setup_intents", id, "setup_intent"), given.get("passed", True))
        return paying.authenticate(account, account.find("payment_intents", id, "payment_intent"), given.get("passed", True))


@call("POST", "/payment_methods/{id}/update")
def automatically_updated(account, given, id):
    """The bank has issued a new card: {exp_month, exp_year, last4, fingerprint, brand, card: what it does from now on}."""
    with account.lock:
        method = account.find("payment_methods", id, "PaymentMethod")
        if "card" in given:
            account.secret(method)["card"] = card_named(given["card"])
        new = {k: given[k] for k in ("exp_month", "exp_year", "last4", "fingerprint", "brand") if k in given}
        account.change(method, "payment_method.automatically_updated", card={**method["card"], **new})
        return method
