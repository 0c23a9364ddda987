"""Billing credit grants, kept and given back: a mirror that no invoice draws on here."""
from .. import params as p
from ..errors import refused
from ..lists import page
from ..routes import route
from . import customers

TABLE = "credit_grants"
AMOUNT = p.hash_of(type_required=p.one_of("monetary"), monetary=p.hash_of(value_required=p.integer(1), currency_required=p.currency))
SCOPE = p.hash_of(scope_required=p.hash_of(price_type=p.one_of("metered"), prices=p.anything))


@route("POST", "/v1/billing/credit_grants", {"customer!": p.text(), "amount!": AMOUNT, "applicability_config!": SCOPE, "category": p.one_of("paid", "promotional"),
                                             "name": p.text(100), "metadata": p.metadata, "effective_at": p.integer(0), "expires_at": p.integer(0),
                                             "priority": p.integer(0, 100)})
def create(call):
    account, given = call.account, call.params
    customers.named(account, given["customer"])
    made = account.new("credgr_", "billing.credit_grant", amount=given["amount"], applicability_config=given["applicability_config"],
                       category=given.get("category", "paid"), customer=given["customer"], customer_account=None, effective_at=given.get("effective_at", account.now()),
                       expires_at=given.get("expires_at"), metadata=p.merged({}, given.get("metadata", {})), name=given.get("name"),
                       priority=given.get("priority", 50), test_clock=None, updated=account.now(), voided_at=None)
    return account.put(TABLE, made)


def _found(call):
    return call.account.find(TABLE, call.id, "credit grant")


@route("GET", "/v1/billing/credit_grants/{id}")
def retrieve(call):
    return _found(call)


@route("POST", "/v1/billing/credit_grants/{id}", {"metadata": p.metadata, "expires_at": p.clearable(p.integer(0))})
def update(call):
    made = _found(call)
    if "metadata" in call.params:
        made["metadata"] = p.merged(made["metadata"], call.params["metadata"])
    if "expires_at" in call.params:
        made["expires_at"] = call.params["expires_at"]
    return made


def _end(call, field):
    made = _found(call)
    if made["voided_at"] or (made["expires_at"] and made["expires_at"] <= call.account.now()):
        raise refused("This credit grant has ended.")
    made[field] = call.account.now()
    return made


@route("POST", "/v1/billing/credit_grants/{id}/void")
def void(call):
    return _end(call, "voided_at")


@route("POST", "/v1/billing/credit_grants/{id}/expire")
def expire(call):
    return _end(call, "expires_at")


@route("GET", "/v1/billing/credit_grants", {**p.PAGE, "customer": p.text()})
def listed(call):
    where = {"customer": call.params["customer"]} if "customer" in call.params else {}
    return page(call.account.all(TABLE, **where), call.params, "/v1/billing/credit_grants", call.account.tables.get(TABLE))
