"""PaymentIntents: create, confirm, change, cancel, read, list."""
from .. import params as p
from ..account import nulls
from ..errors import invalid, refused
from ..lists import created, page
from ..money import check_amount
from ..routes import route
from . import customers, paying, payment_methods

TABLE = "payment_intents"
OFF_SESSION = p.either(p.boolean, p.one_of("one_off", "recurring"))
CONFIRM = {"payment_method": p.text(), "off_session": OFF_SESSION, "return_url": p.url, "error_on_requires_action": p.boolean,
           "mandate": p.text(), "mandate_data": p.anything, "payment_method_options": p.anything, "receipt_email": p.clearable(p.text(512)),
           "setup_future_usage": p.clearable(p.one_of("off_session", "on_session")), "capture_method": p.either(p.one_of("automatic", "automatic_async"), p.undone),
           "use_stripe_sdk": p.boolean, "hooks": p.anything, "radar_options": p.anything, "shipping": p.anything,
           "allowed_payment_method_types": p.list_of(p.text()), "excluded_payment_method_types": p.list_of(p.text())}
CHANGE = {"customer": p.text(), "description": p.clearable(p.text(1000)), "metadata": p.metadata, "statement_descriptor": p.text(22),
          "statement_descriptor_suffix": p.text(22), "payment_details": p.anything, "transfer_group": p.text()}
CREATE = {**CONFIRM, **CHANGE, "amount!": p.integer(), "currency!": p.currency, "confirm": p.boolean,
          "automatic_payment_methods": p.hash_of(enabled_required=p.boolean, allow_redirects=p.one_of("always", "never")),
          "confirmation_method": p.one_of("automatic", "manual"), "amount_details": p.anything, "payment_method_configuration": p.text(),
          **dict.fromkeys(("application_fee_amount", "confirmation_token", "customer_account", "on_behalf_of", "payment_method_data", "transfer_data"), p.undone)}
WITH_CONFIRM = ("off_session", "error_on_requires_action", "mandate", "mandate_data", "return_url")
KEPT = ("customer", "description", "receipt_email", "setup_future_usage", "statement_descriptor", "statement_descriptor_suffix",
        "capture_method", "confirmation_method", "transfer_group")


def make(account, amount, currency, **given):
    """A new PaymentIntent, told as payment_intent.created."""
    made = account.new("pi_", "payment_intent", **nulls(
        "allowed_payment_method_types application application_fee_amount automatic_payment_methods canceled_at cancellation_reason customer "
        "customer_account description excluded_payment_method_types last_payment_error latest_charge managed_payments next_action on_behalf_of "
        "payment_method payment_method_configuration_details payment_record processing receipt_email review setup_future_usage shipping source "
        "statement_descriptor statement_descriptor_suffix transfer_data transfer_group"),
        amount=amount, amount_capturable=0, amount_details={"tip": {}}, amount_received=0, capture_method="automatic_async",
        confirmation_method="automatic", currency=currency, metadata=p.merged({}, given.get("metadata", {})), payment_method_options={},
        payment_method_types=["card"], status="requires_payment_method")
    made["client_secret"] = f"{made['id']}_secret_{account.ids.text(25)}"
    made.update({k: v for k, v in given.items() if k in KEPT})
    account.put(TABLE, made, return_url=given.get("return_url"))
    account.emit("payment_intent.created", made)
    return made


@route("POST", "/v1/payment_intents", CREATE)
def create(call):
    account, given = call.account, call.params
    check_amount(given["amount"], given["currency"])
    if not given.get("confirm"):
        for name in WITH_CONFIRM:
            if name in given and given[name] is not False:
                raise invalid(f"You cannot provide `{name}` when `confirm` is not `true`.", name)
    if "customer" in given:
        customers.named(account, given["customer"])
    method = _method(account, given, given.get("customer"))
    intent = make(account, **{k: v for k, v in given.items() if k != "payment_method"})
    if "automatic_payment_methods" in given:
        intent["automatic_payment_methods"] = {"allow_redirects": "always", **given["automatic_payment_methods"]}
    if method:
        intent.update(payment_method=method["id"], payment_method_types=[method["type"]], status="requires_confirmation")
    return _confirm(account, intent, method, given) if given.get("confirm") else intent


def _method(account, given, customer):
    """The PaymentMethod of the call, fit for the customer of the call; None where none is given."""
    if "payment_method" not in given:
        return None
    method = payment_methods.resolve(account, given["payment_method"])
    if method["customer"] and method["customer"] != customer:
        raise refused("The PaymentMethod belongs to another customer, or no customer was given: pay with the customer it is attached to.",
                      param="payment_method")
    if customer and not method["customer"] and (account.secret(method)["used"] or account.secret(method).get("detached")):
        raise refused("This PaymentMethod was used before without being attached to a customer, or was detached: it may not be used again.",
                      "payment_method_unexpected_state", "payment_method")
    return method


def _confirm(account, intent, method, given):
    if method is None:
        raise refused("You cannot confirm this PaymentIntent because it is missing a payment method.", "payment_intent_unexpected_state",
                      payment_intent=intent)
    off_session = given.get("off_session") not in (None, False)
    intent = paying.attempt(account, intent, method, off_session, may_ask=not given.get("error_on_requires_action"))
    return intent


@route("POST", "/v1/payment_intents/{id}/confirm", CONFIRM)
def confirm(call):
    intent = _of_no_session(call, "confirm")
    if "setup_future_usage" in call.params:
        intent["setup_future_usage"] = call.params["setup_future_usage"]
    if "return_url" in call.params:
        call.account.secret(intent)["return_url"] = call.params["return_url"]
    method = _method(call.account, call.params, intent["customer"])
    if method is None and intent["payment_method"]:
        method = call.account.get(intent["payment_method"])
    return _confirm(call.account, intent, method, call.params)


def _of_no_session(call, verb):
    """The intent of the path; those of Checkout Sessions and invoices belong to these."""
    intent = call.account.find(TABLE, call.id, "payment_intent", "intent")
    for owner, name in (("session", "Checkout"), ("invoice", "an invoice")):
        if call.account.secret(intent).get(owner):
            raise refused(f"You cannot {verb} this PaymentIntent because it was created by {name}.", "payment_intent_unexpected_state")
    return intent


@route("POST", "/v1/payment_intents/{id}/cancel", {"cancellation_reason": p.one_of("abandoned", "duplicate", "fraudulent", "requested_by_customer")})
def cancel(call):
    return paying.cancel(call.account, _of_no_session(call, "cancel"), call.params.get("cancellation_reason"))


@route("POST", "/v1/payment_intents/{id}", {**CHANGE, "amount": p.integer(), "currency": p.currency, "payment_method": p.text(),
                                            "receipt_email": p.clearable(p.text(512)), "setup_future_usage": p.clearable(p.one_of("off_session", "on_session"))})
def update(call):
    account, intent, given = call.account, call.account.find(TABLE, call.id, "payment_intent", "intent"), dict(call.params)
    if ("amount" in given or "currency" in given) and intent["status"] not in paying.OPEN:
        raise refused(f"You cannot change the amount of a PaymentIntent that has a status of {intent['status']}.", "payment_intent_unexpected_state")
    check_amount(given.get("amount", intent["amount"]), given.get("currency", intent["currency"]))
    method = _method(account, given, given.get("customer", intent["customer"]))
    if method:
        intent.update(payment_method=method["id"], payment_method_types=[method["type"]])
        if intent["status"] == "requires_payment_method":
            intent["status"] = "requires_confirmation"
    if "metadata" in given:
        intent["metadata"] = p.merged(intent["metadata"], given["metadata"])
    intent.update({k: given[k] for k in ("amount", "currency", *KEPT) if k in given})
    return intent


@route("GET", "/v1/payment_intents/{id}", {"client_secret": p.text()})
def retrieve(call):
    return call.account.find(TABLE, call.id, "payment_intent", "intent")


@route("GET", "/v1/payment_intents", {**p.PAGE, "customer": p.text(), "created": p.CREATED})
def listed(call):
    where = {"customer": call.params["customer"]} if "customer" in call.params else {}
    found = created(call.account.all(TABLE, **where), call.params.get("created"))
    return page(found, call.params, "/v1/payment_intents", call.account.tables.get(TABLE))
