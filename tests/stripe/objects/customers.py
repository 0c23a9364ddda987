"""Customers: create, read, change, delete, list."""
from .. import params as p
from ..account import nulls
from ..errors import no_such
from ..lists import created, page
from ..routes import route
from . import payment_methods

TABLE = "customers"
INVOICE_SETTINGS = p.hash_of(default_payment_method=p.clearable(p.text()), custom_fields=p.anything, footer=p.clearable(p.text()), rendering_options=p.anything)
FIELDS = {
    "email": p.clearable(p.text(512)), "name": p.clearable(p.text(256)), "phone": p.clearable(p.text(20)), "description": p.clearable(p.text()),
    "metadata": p.metadata, "address": p.clearable(p.ADDRESS), "shipping": p.anything, "invoice_settings": INVOICE_SETTINGS,
    "preferred_locales": p.list_of(p.text()), "tax_exempt": p.clearable(p.one_of("none", "exempt", "reverse")), "balance": p.integer(),
    "invoice_prefix": p.text(12), "next_invoice_sequence": p.integer(1), "tax": p.anything, "validate": p.boolean,
}
KEPT = ("email", "name", "phone", "description", "preferred_locales", "balance", "invoice_prefix", "next_invoice_sequence")


def make(account, **given):
    """A new customer, told as customer.created."""
    made = account.new("cus_", "customer", **nulls("address currency default_source description discount email name phone shipping test_clock"),
                       balance=0, delinquent=False, invoice_prefix=account.ids.text(8).upper(), metadata={}, next_invoice_sequence=1,
                       preferred_locales=[], tax_exempt="none",
                       invoice_settings=nulls("custom_fields default_payment_method footer rendering_options"))
    made.update(_fields(made, given))
    account.put(TABLE, made)
    account.emit("customer.created", made)
    return made


def named(account, id, param="customer"):
    """The customer that a parameter names: 400 where there is none, or none any more."""
    found = account.find(TABLE, id, "customer", param, 400)
    if found.get("deleted"):
        raise no_such("customer", id, param, 400)
    return found


def set_default(account, customer, method):
    account.change(customer, "customer.updated", invoice_settings={**customer["invoice_settings"], "default_payment_method": method["id"]})


def _fields(customer, given):
    new = {k: v for k, v in given.items() if k in KEPT}
    if "metadata" in given:
        new["metadata"] = p.merged(customer["metadata"], given["metadata"])
    if "address" in given:
        new["address"] = given["address"] and {**nulls("city country line1 line2 postal_code state"), **given["address"]}
    if "tax_exempt" in given:
        new["tax_exempt"] = given["tax_exempt"] or "none"
    if "invoice_settings" in given:
        new["invoice_settings"] = {**customer["invoice_settings"], **given["invoice_settings"]}
    return new


@route("POST", "/v1/customers", {**FIELDS, "payment_method": p.text()})
def create(call):
    given = dict(call.params)
    method = payment_methods.resolve(call.account, given["payment_method"]) if "payment_method" in given else None
    made = make(call.account, **given)
    if method:
        payment_methods.attach(call.account, method, made)
    return made


@route("GET", "/v1/customers/{id}")
def retrieve(call):
    found = call.account.find(TABLE, call.id, "customer")
    return {"id": call.id, "object": "customer", "deleted": True} if found.get("deleted") else found


@route("POST", "/v1/customers/{id}", FIELDS)
def update(call):
    found = _there(call)
    default = call.params.get("invoice_settings", {}).get("default_payment_method")
    if default:
        payment_methods.resolve(call.account, default, "invoice_settings[default_payment_method]")
    call.account.change(found, "customer.updated", **_fields(found, call.params))
    return found


@route("DELETE", "/v1/customers/{id}")
def delete(call):
    from . import subscriptions
    found = _there(call)
    subscriptions.end_all(call.account, found)
    for method in call.account.all("payment_methods", customer=call.id):
        payment_methods.detach(call.account, method)
    call.account.emit("customer.deleted", found)
    found["deleted"] = True
    return {"id": call.id, "object": "customer", "deleted": True}


def _there(call):
    found = call.account.find(TABLE, call.id, "customer")
    if found.get("deleted"):
        raise no_such("customer", call.id, "id")
    return found


@route("GET", "/v1/customers", {**p.PAGE, "email": p.text(512), "created": p.CREATED, "test_clock": p.text()})
def listed(call):
    found = [c for c in created(call.account.all(TABLE), call.params.get("created"))
             if not c.get("deleted") and call.params.get("email") in (None, c["email"])]
    return page(found, call.params, "/v1/customers", call.account.tables.get(TABLE))
