"""SetupIntents: a card is saved for payments without the customer, and its bank has been asked."""
from .. import params as p
from ..account import nulls
from ..errors import card_error, invalid, refused
from ..lists import created, page
from ..routes import route
from . import cards, customers, payment_methods

TABLE = "setup_intents"
LISTENERS = []  # functions of (account, intent), called when one has succeeded
OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")


def listener(function):
    LISTENERS.append(function)
    return function


def make(account, customer=None, usage="off_session", **given):
    made = account.new("seti_", "setup_intent", **nulls(
        "allowed_payment_method_types application automatic_payment_methods cancellation_reason customer_account description "
        "excluded_payment_method_types flow_directions last_setup_error latest_attempt managed_payments mandate next_action on_behalf_of "
        "payment_method payment_method_configuration_details single_use_mandate"), customer=customer, metadata=p.merged({}, given.get("metadata", {})),
        payment_method_options={}, payment_method_types=["card"], status="requires_payment_method", usage=usage)
    made["client_secret"] = f"{made['id']}_secret_{account.ids.text(25)}"
    made["description"] = given.get("description")
    account.put(TABLE, made, return_url=given.get("return_url"))
    account.emit("setup_intent.created", made)
    return made


def attempt(account, intent, method, authenticated=False):
    """Saves the method. The intent, done or waiting for the customer; raises the 402 where the card is refused."""
    if intent["status"] not in OPEN:
        raise refused(f"This SetupIntent has a status of {intent['status']}.", "setup_intent_unexpected_state", setup_intent=intent)
    card = payment_methods.card_of(account, method)
    intent.update(payment_method=method["id"], payment_method_types=[card.kind], latest_attempt=account.ids.make("setatt_"))
    if card.auth and not authenticated:
        return _ask(account, intent)
    if not card.attaches:
        _refuse(account, intent, method, cards.decline(card.fails))
    account.secret(method)["set_up"] = True
    if intent["customer"]:
        payment_methods.attach(account, method, customers.named(account, intent["customer"]))
    intent.update(status="succeeded", last_setup_error=None, next_action=None)
    account.emit("setup_intent.succeeded", intent)
    for function in LISTENERS:
        function(account, intent)
    return intent


def _ask(account, intent):
    back = account.secret(intent).get("return_url")
    page = {"type": "redirect_to_url", "redirect_to_url": {"return_url": back, "url": f"{account.url}/authenticate/{intent['id']}"}}
    intent.update(status="requires_action", next_action=page if back else {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}})
    account.emit("setup_intent.requires_action", intent)
    return intent


def _refuse(account, intent, method, decline):
    error = card_error(decline, payment_method=method)
    intent.update(status="requires_payment_method", payment_method=None, next_action=None, last_setup_error=dict(error.error))
    account.emit("setup_intent.setup_failed", intent)
    error.error["setup_intent"] = intent
    raise error


def authenticate(account, intent, passed=True):
    """The customer came back from the bank."""
    if intent["status"] != "requires_action":
        raise refused(f"This SetupIntent has a status of {intent['status']}: nobody is asked.", "setup_intent_unexpected_state")
    method = account.get(intent["payment_method"])
    if passed:
        return attempt(account, intent, method, authenticated=True)
    intent.update(status="requires_payment_method", payment_method=None, next_action=None, last_setup_error={
        "code": "setup_intent_authentication_failure", "message": "The customer did not pass the bank's authentication.", "payment_method": method,
        "type": "invalid_request_error"})
    account.emit("setup_intent.setup_failed", intent)
    return intent


CONFIRM = {"payment_method": p.text(), "return_url": p.url, "mandate_data": p.anything, "use_stripe_sdk": p.boolean, "payment_method_options": p.anything}


@route("POST", "/v1/setup_intents", {**CONFIRM, "customer": p.text(), "usage": p.one_of("off_session", "on_session"), "confirm": p.boolean,
                                     "metadata": p.metadata, "description": p.text(), "automatic_payment_methods": p.anything,
                                     "allowed_payment_method_types": p.list_of(p.text()), "excluded_payment_method_types": p.list_of(p.text())})
def create(call):
    account, given = call.account, dict(call.params)
    if "customer" in given:
        customers.named(account, given["customer"])
    method = payment_methods.resolve(account, given.pop("payment_method")) if "payment_method" in given else None
    if given.get("confirm") and not method:
        raise invalid("You cannot confirm this SetupIntent because it is missing a payment method.", "payment_method")
    intent = make(account, **given)
    if method:
        intent.update(payment_method=method["id"], status="requires_confirmation")
    return attempt(account, intent, method) if given.get("confirm") else intent


@route("POST", "/v1/setup_intents/{id}/confirm", CONFIRM)
def confirm(call):
    account, intent = call.account, call.account.find(TABLE, call.id, "setup_intent", "intent")
    id = call.params.get("payment_method") or intent["payment_method"]
    if not id:
        raise refused("You cannot confirm this SetupIntent because it is missing a payment method.", "setup_intent_unexpected_state")
    if "return_url" in call.params:
        account.secret(intent)["return_url"] = call.params["return_url"]
    return attempt(account, intent, payment_methods.resolve(account, id))


@route("POST", "/v1/setup_intents/{id}/cancel", {"cancellation_reason": p.one_of("abandoned", "duplicate", "requested_by_customer")})
def cancel(call):
    intent = call.account.find(TABLE, call.id, "setup_intent", "intent")
    if intent["status"] not in OPEN:
        raise refused(f"You cannot cancel this SetupIntent because it has a status of {intent['status']}.", "setup_intent_unexpected_state")
    intent.update(status="canceled", cancellation_reason=call.params.get("cancellation_reason"), next_action=None)
    call.account.emit("setup_intent.canceled", intent)
    return intent


@route("GET", "/v1/setup_intents/{id}", {"client_secret": p.text()})
def retrieve(call):
    return call.account.find(TABLE, call.id, "setup_intent", "intent")


@route("GET", "/v1/setup_intents", {**p.PAGE, "customer": p.text(), "payment_method": p.text(), "created": p.CREATED})
def listed(call):
    where = {k: call.params[k] for k in ("customer", "payment_method") if k in call.params}
    return page(created(call.account.all(TABLE, **where), call.params.get("created")), call.params, "/v1/setup_intents", call.account.tables.get(TABLE))
