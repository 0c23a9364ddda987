"""Billing portal sessions; their page is in pages/portal.py."""
from .. import params as p
from ..errors import missing
from ..routes import route
from . import customers, payment_methods, setup_intents, subscriptions

TABLE = "portal_sessions"


@route("POST", "/v1/billing_portal/sessions", {"customer": p.text(), "return_url": p.url, "configuration": p.text(), "flow_data": p.anything, "locale": p.text(10),
                                               "on_behalf_of": p.text()})
def create(call):
    account, given = call.account, call.params
    if "customer" not in given:
        raise missing("customer")
    customers.named(account, given["customer"])
    made = account.new("bps_", "billing_portal.session", configuration=given.get("configuration", "bpc_standin"), customer=given["customer"],
                       customer_account=None, flow=None, locale=given.get("locale"), on_behalf_of=None, return_url=given.get("return_url"))
    made["url"] = f"{account.url}/p/session/{made['id']}"
    return account.put(TABLE, made)


def replace_card(account, session, card):
    """The customer enters another card: it is saved and becomes the one for invoices and subscriptions. The old one stays until it is
    removed."""
    customer = account.get(session["customer"])
    method = payment_methods.make(account, card, email=customer["email"], name=customer["name"])
    intent = setup_intents.make(account, customer=customer["id"])
    setup_intents.attempt(account, intent, method, authenticated=True)
    customers.set_default(account, customer, method)
    for made in account.all(subscriptions.TABLE, customer=customer["id"]):
        if made["status"] in subscriptions.LIVE:
            account.change(made, "customer.subscription.updated", default_payment_method=method["id"])
    return method


def cancel(account, subscription):
    """The customer cancels: at the end of the period, or at once where the account is set up so."""
    if account.settings["portal_cancels_at_once"]:
        subscriptions.end(account, subscription)
    else:
        subscriptions.cancel_at(account, subscription, subscriptions.shape.ends(subscription), {"feedback": "too_expensive"})


def keep(account, subscription):
    """The customer has thought better of it."""
    subscriptions.cancel_at(account, subscription, None)
