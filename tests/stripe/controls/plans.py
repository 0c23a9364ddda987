"""Subscriptions, invoices and meters, on request."""
from ..control import BadControl, call
from ..objects import invoices, meter_events, subscriptions
from .payments import card_named


@call("POST", "/subscriptions/{id}/renew")
def renew(account, given, id):
    """The period is over: {card: what the payment method does this time}."""
    card = card_named(given["card"]) if "card" in given else None
    with account.lock:
        return subscriptions.renew(account, account.find("subscriptions", id, "subscription"), card)


@call("POST", "/subscriptions/{id}/cancel")
def cancel(account, given, id):
    """It ends now."""
    with account.lock:
        return subscriptions.end(account, account.find("subscriptions", id, "subscription"))


@call("POST", "/subscriptions/{id}/give_up")
def give_up(account, given, id):
    """The retries of an unpaid invoice are over: {to: "canceled" or "unpaid"}."""
    if given.get("to", "canceled") not in ("canceled", "unpaid"):
        raise BadControl("to is canceled or unpaid")
    with account.lock:
        return subscriptions.give_up(account, account.find("subscriptions", id, "subscription"), given.get("to", "canceled"))


@call("POST", "/invoices/{id}/retry")
def retry(account, given, id):
    """An unpaid invoice is tried again: {card: what the payment method does this time}."""
    card = card_named(given["card"]) if "card" in given else None
    with account.lock:
        return subscriptions.retry(account, account.find("invoices", id, "invoice"), card)


@call("POST", "/invoices/{id}/void")
def void(account, given, id):
    """It is owed no more."""
    with account.lock:
        return invoices.void(account, account.find("invoices", id, "invoice"))


@call("GET", "/meters")
def meters(account, given):
    """What the meters have counted: {event_name: {customer: sum}}; ?start= &end= (unix seconds)."""
    start, end = int(given.get("start", 0)), int(given["end"]) if "end" in given else None
    with account.lock:
        customers = {e["payload"].get("stripe_customer_id") for e in account.all("meter_events")} - {None}
        return {m["event_name"]: {c: meter_events.total(account, m, c, start, end) for c in customers if meter_events.total(account, m, c, start, end) is not None}
                for m in account.all("meters")}
