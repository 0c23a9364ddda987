"""Subscriptions over the API: create, read, change, cancel, list."""
from .. import params as p
from ..clock import DAY
from ..errors import StripeError, invalid
from ..lists import created, page
from ..routes import route
from . import customers, invoices, payment_methods, proration, subscription_shape, subscriptions

TABLE = subscriptions.TABLE
DETAILS = p.hash_of(comment=p.clearable(p.text()), feedback=p.clearable(p.text()), feedback_option=p.anything)
ITEM = p.hash_of(id=p.text(), price=p.text(), quantity=p.integer(0), metadata=p.metadata, deleted=p.boolean)
PRORATION = p.one_of("always_invoice", "create_prorations", "none")
COMMON = {"metadata": p.metadata, "default_payment_method": p.text(), "description": p.clearable(p.text(500)), "off_session": p.boolean,
          "payment_behavior": p.one_of("allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete"),
          "proration_behavior": PRORATION, "payment_settings": p.anything, "collection_method": p.one_of("charge_automatically"),
          "cancel_at_period_end": p.boolean, "cancel_at": p.clearable(p.integer(0)), "trial_settings": p.anything,
          "automatic_tax": p.hash_of(enabled_required=p.boolean, liability=p.anything)}


@route("POST", "/v1/subscriptions", {**COMMON, "customer!": p.text(), "items!": p.list_of(ITEM, 20), "trial_period_days": p.integer(0, 730),
                                     "trial_end": p.integer(0), "billing_mode": p.anything, "add_invoice_items": p.anything})
def create(call):
    account, given = call.account, call.params
    customer = customers.named(account, given["customer"])
    prices = [(_price(account, item, index), item.get("quantity", 1)) for index, item in enumerate(given["items"])]
    default = given.get("default_payment_method") or customer["invoice_settings"]["default_payment_method"]
    method = payment_methods.resolve(account, default, "default_payment_method") if default else None
    behavior = given.get("payment_behavior", "allow_incomplete")
    days = given.get("trial_period_days")
    trial_end = given.get("trial_end") or (account.now() + days * DAY if days else None)
    if method is None and not trial_end and behavior != "default_incomplete":
        raise invalid("This customer has no attached payment source or default payment method.", "customer", "resource_missing")
    made = subscriptions.start(account, customer, prices, method if "default_payment_method" in given else None, trial_end=trial_end,
                               metadata=given.get("metadata", {}), description=given.get("description"),
                               taxed=given.get("automatic_tax", {}).get("enabled", False))
    if behavior != "default_incomplete":
        try:
            invoices.collect(account, account.get(made["latest_invoice"]), method, raises=True)
        except StripeError:
            if behavior == "error_if_incomplete":
                subscriptions.end(account, made, reason="payment_failed")
                raise
    _change_end(account, made, given)
    return made


def _price(account, item, index):
    at = f"items[{index}][price]"
    if "price" not in item:
        raise invalid(f"Missing required param: {at}.", at, "parameter_missing")
    price = account.find("prices", item["price"], "price", at, 400)
    if not price["recurring"]:
        raise invalid("The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`.", at)
    return price


def _found(call):
    return call.account.find(TABLE, call.id, "subscription")


@route("GET", "/v1/subscriptions/{id}")
def retrieve(call):
    return _found(call)


@route("POST", "/v1/subscriptions/{id}", {**COMMON, "items": p.list_of(ITEM, 20), "cancellation_details": DETAILS, "pause_collection": p.clearable(p.anything),
                                          "trial_end": p.either(p.one_of("now"), p.integer(0)), "proration_date": p.integer(0)})
def update(call):
    account, made, given = call.account, _found(call), call.params
    if made["status"] in ("canceled", "incomplete_expired"):
        raise invalid("A canceled subscription can only update its cancellation_details and metadata.")
    new = {k: given[k] for k in ("description", "pause_collection") if k in given}
    if "metadata" in given:
        new["metadata"] = p.merged(made["metadata"], given["metadata"])
    if "default_payment_method" in given:
        new["default_payment_method"] = payment_methods.resolve(account, given["default_payment_method"], "default_payment_method")["id"]
    account.change(made, "customer.subscription.updated", **new)
    _change_end(account, made, given)
    for index, item in enumerate(given.get("items", ())):
        _change_item(account, made, item, index, given.get("proration_behavior", "create_prorations"))
    if given.get("trial_end") == "now" and made["status"] == "trialing":
        _end_trial(account, made)
    return made


def _change_end(account, made, given):
    if "cancel_at" in given:
        subscriptions.cancel_at(account, made, given["cancel_at"], given.get("cancellation_details"))
    elif given.get("cancel_at_period_end"):
        subscriptions.cancel_at(account, made, subscription_shape.ends(made), given.get("cancellation_details"))
    elif given.get("cancel_at_period_end") is False and made["cancel_at"]:
        subscriptions.cancel_at(account, made, None)


def _change_item(account, made, item, index, behavior):
    items = made["items"]["data"]
    one = next((i for i in items if i["id"] == item.get("id")), None)
    if one is None:
        raise invalid("The stand-in changes items that are there: name one by its id.", f"items[{index}][id]", "resource_missing" if "id" in item else None)
    price = _price(account, item, index) if "price" in item else one["price"]
    quantity = item.get("quantity", one["quantity"])
    if (price["id"], quantity) != (one["price"]["id"], one["quantity"]):
        proration.change(account, made, one, price, quantity, behavior)


def _end_trial(account, made):
    for one in made["items"]["data"]:
        one["current_period_end"] = account.now()
    made["billing_cycle_anchor"] = made["trial_end"] = account.now()
    subscriptions.renew(account, made)


@route("DELETE", "/v1/subscriptions/{id}", {"invoice_now": p.boolean, "prorate": p.boolean, "cancellation_details": DETAILS})
def cancel(call):
    return subscriptions.end(call.account, _found(call), details=call.params.get("cancellation_details"))


@route("GET", "/v1/subscriptions", {**p.PAGE, "customer": p.text(), "price": p.text(), "created": p.CREATED, "status": p.text()})
def listed(call):
    status = call.params.get("status")
    found = [s for s in created(call.account.all(TABLE), call.params.get("created"))
             if call.params.get("customer") in (None, s["customer"])
             and (status == "all" or (s["status"] != "canceled" if status is None else s["status"] == status or (status == "ended" and s["ended_at"])))
             and ("price" not in call.params or any(i["price"]["id"] == call.params["price"] for i in s["items"]["data"]))]
    return page(found, call.params, "/v1/subscriptions", call.account.tables.get(TABLE))


@route("GET", "/v1/subscription_items", {**p.PAGE, "subscription!": p.text()})
def items(call):
    made = call.account.find(TABLE, call.params["subscription"], "subscription", "subscription")
    return page(list(reversed(made["items"]["data"])), call.params, "/v1/subscription_items")
