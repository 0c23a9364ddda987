"""Cards and bank accounts. Stripe's test ids (pm_card_visa) stand for a new PaymentMethod wherever they are used."""
from .. import params as p
from ..account import nulls
from ..errors import card_error, invalid, no_such, refused
from ..lists import page
from ..routes import route
from . import cards

TABLE = "payment_methods"


def make(account, card, set_up=False, **details):
    """A PaymentMethod that behaves as a test card does. set_up: its bank has been asked and payments without the customer may come."""
    made = account.new("pm_", "payment_method", allow_redisplay="unspecified", billing_details=_billing(details), customer=None,
                       customer_account=None, metadata={}, type=card.kind)
    fingerprint = details.get("fingerprint") or f"{card.name:x<16}"[:16].replace("_", "0")
    made[card.kind] = _bank(card, fingerprint) if card.bank else _card(card, fingerprint, account.now())
    return account.put(TABLE, made, card=card, set_up=set_up, used=False)


def _billing(details):
    return {"address": nulls("city country line1 line2 postal_code state"), "email": details.get("email"), "name": details.get("name"),
            "phone": None, "tax_id": None}


def _card(card, fingerprint, now):
    import time
    return {"brand": card.brand, "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"}, "country": "US",
            "display_brand": card.brand, "exp_month": 12, "exp_year": time.gmtime(now).tm_year + 3, "fingerprint": fingerprint, "funding": "credit",
            "generated_from": None, "last4": card.last4, "networks": {"available": [card.brand], "preferred": None},
            "regulated_status": "unregulated", "three_d_secure_usage": {"supported": True}, "wallet": None}


def _bank(card, fingerprint):
    return {"account_holder_type": "individual", "account_type": "checking", "bank_name": "STAND-IN BANK", "financial_connections_account": None,
            "fingerprint": fingerprint, "last4": card.last4, "networks": {"preferred": "ach", "supported": ["ach"]}, "routing_number": "110000000",
            "status_details": {}}


def resolve(account, id, param="payment_method"):
    """The PaymentMethod that a parameter names; a test id makes one. 400 where there is none."""
    if id in cards.BY_ID:
        return make(account, cards.BY_ID[id])
    return account.find(TABLE, id, "PaymentMethod", param, 400)


def card_of(account, method):
    return account.secret(method)["card"]


def attach(account, method, customer):
    """Saves it with the customer; 402 for cards whose bank refuses that."""
    card = card_of(account, method)
    if method["customer"] == customer["id"]:
        return method
    if method["customer"]:
        raise refused("The payment method you provided has already been attached to a customer.", "payment_method_already_attached")
    if not card.attaches:
        raise card_error(cards.decline(card.fails), payment_method=method)
    if account.secret(method).get("detached"):
        raise refused("This PaymentMethod was detached from its customer and may not be used again.", "payment_method_unexpected_state")
    method["customer"] = customer["id"]
    account.emit("payment_method.attached", method)
    return method


def detach(account, method):
    was, method["customer"] = method["customer"], None
    account.secret(method)["detached"] = True
    account.emit("payment_method.detached", method, {"customer": was})
    for customer in account.all("customers"):
        if customer["invoice_settings"]["default_payment_method"] == method["id"]:
            account.change(customer, "customer.updated", invoice_settings={**customer["invoice_settings"], "default_payment_method": None})
    return method


CARD = p.hash_of(number=p.text(), token=p.text(), exp_month=p.integer(1, 12), exp_year=p.integer(2000, 2100), cvc=p.text(4))


@route("POST", "/v1/payment_methods", {"type!": p.one_of("card"), "card": CARD, "metadata": p.metadata, "billing_details": p.anything})
def create(call):
    given = call.params.get("card", {})
    number = given.get("number") or {"tok_visa": "4242424242424242", "tok_mastercard": "5555555555554444"}.get(given.get("token"))
    card = cards.BY_NUMBER.get((number or "").replace(" ", ""))
    if card is None or card.bank:
        raise invalid("The card number is not one of the test cards that the stand-in knows.", "card[number]", "invalid_number")
    made = make(call.account, card)
    made["metadata"] = p.merged({}, call.params.get("metadata", {}))
    return made


@route("GET", "/v1/payment_methods/{id}")
def retrieve(call):
    return call.account.find(TABLE, call.id, "PaymentMethod", "payment_method")


@route("POST", "/v1/payment_methods/{id}", {"metadata": p.metadata, "allow_redisplay": p.one_of("always", "limited", "unspecified"),
                                             "card": p.hash_of(exp_month=p.integer(1, 12), exp_year=p.integer(2000, 2100)), "billing_details": p.anything})
def update(call):
    method = call.account.find(TABLE, call.id, "PaymentMethod", "payment_method")
    new = {k: v for k, v in call.params.items() if k == "allow_redisplay"}
    if "metadata" in call.params:
        new["metadata"] = p.merged(method["metadata"], call.params["metadata"])
    if "card" in call.params:
        new["card"] = {**method["card"], **call.params["card"]}
    call.account.change(method, "payment_method.updated" if method["customer"] else None, **new)
    return method


@route("POST", "/v1/payment_methods/{id}/attach", {"customer!": p.text()})
def attach_call(call):
    from . import customers
    customer = customers.named(call.account, call.params["customer"])
    return attach(call.account, resolve(call.account, call.id), customer)


@route("POST", "/v1/payment_methods/{id}/detach")
def detach_call(call):
    method = call.account.find(TABLE, call.id, "PaymentMethod", "payment_method")
    if not method["customer"]:
        raise refused("The payment method you provided is not attached to a customer so detachment is impossible.")
    return detach(call.account, method)


LIST = {**p.PAGE, "customer": p.text(), "type": p.text()}


def _listed(call, customer, url):
    found = [m for m in call.account.all(TABLE) if m["customer"] == customer and call.params.get("type") in (None, m["type"])] if customer else []
    return page(found, call.params, url, call.account.tables.get(TABLE))


@route("GET", "/v1/payment_methods", LIST)
def listed(call):
    return _listed(call, call.params.get("customer"), "/v1/payment_methods")


@route("GET", "/v1/customers/{id}/payment_methods", {**p.PAGE, "type": p.text()})
def of_customer(call):
    call.account.find("customers", call.id, "customer")
    return _listed(call, call.id, f"/v1/customers/{call.id}/payment_methods")


@route("GET", "/v1/customers/{customer}/payment_methods/{id}")
def one_of_customer(call):
    method = call.account.tables.get(TABLE, {}).get(call.id)
    if not method or method["customer"] != call.named["customer"]:
        raise no_such("PaymentMethod", call.id, "payment_method")
    return method
