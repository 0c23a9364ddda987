"""Invoices over the API."""
from .. import params as p
from ..errors import missing, refused
from ..lists import created, page
from ..routes import route
from . import customers, invoice_items, invoices, payment_methods

TABLE = invoices.TABLE
CREATE = {"customer!": p.text(), "collection_method": p.one_of("charge_automatically", "send_invoice"), "auto_advance": p.boolean, "currency": p.currency,
          "description": p.clearable(p.text()), "metadata": p.metadata, "automatic_tax": p.hash_of(enabled_required=p.boolean, liability=p.anything),
          "default_payment_method": p.text(), "pending_invoice_items_behavior": p.one_of("exclude", "include"), "days_until_due": p.integer(0),
          "due_date": p.integer(0), "footer": p.text(), "statement_descriptor": p.text(22), "custom_fields": p.anything, "payment_settings": p.anything,
          "subscription": p.text(), "rendering": p.anything, "issuer": p.anything}


@route("POST", "/v1/invoices", CREATE)
def create(call):
    account, given = call.account, call.params
    customer = customers.named(account, given["customer"])
    method = payment_methods.resolve(account, given["default_payment_method"], "default_payment_method") if "default_payment_method" in given else None
    if given.get("collection_method") == "send_invoice" and not {"days_until_due", "due_date"} & set(given):
        raise missing("days_until_due")
    waiting = invoice_items.pending(account, customer) if given.get("pending_invoice_items_behavior") == "include" else []
    currency = given.get("currency") or (waiting[0]["currency"] if waiting else customer["currency"] or "usd")
    more = {k: given[k] for k in ("collection_method", "auto_advance", "description", "metadata") if k in given}

    def lines(made):
        return [invoice_items.take(account, made, i) for i in waiting if i["currency"] == currency]
    made = invoices.open_draft(account, customer, currency, "manual", lines, taxed=given.get("automatic_tax", {}).get("enabled", False),
                               **{"auto_advance": False, **more})
    made["default_payment_method"] = method and method["id"]
    made["due_date"] = given.get("due_date") or ("days_until_due" in given and account.now() + given["days_until_due"] * 86400) or None
    if made["auto_advance"]:
        invoices.later(account, made)
    return made


def _found(call):
    return call.account.find(TABLE, call.id, "invoice", "invoice")


@route("GET", "/v1/invoices/{id}")
def retrieve(call):
    return _found(call)


@route("POST", "/v1/invoices/{id}", {"metadata": p.metadata, "description": p.clearable(p.text()), "auto_advance": p.boolean, "default_payment_method": p.text()})
def update(call):
    made, new = _found(call), dict(call.params)
    new.pop("expand", None)
    if made["status"] != "draft" and set(new) - {"metadata", "default_payment_method", "auto_advance"}:
        raise refused("Finalized invoices can't be updated in this way.", "invoice_not_editable")
    if "metadata" in new:
        new["metadata"] = p.merged(made["metadata"], new["metadata"])
    call.account.change(made, "invoice.updated", **new)
    return made


@route("DELETE", "/v1/invoices/{id}")
def delete(call):
    made = _found(call)
    if made["status"] != "draft" or made["parent"]:
        raise refused("You can only delete draft invoices that are not of a subscription.", "invoice_not_editable")
    call.account.remove(TABLE, call.id)
    call.account.events.add("invoice.deleted", made)
    return {"id": call.id, "object": "invoice", "deleted": True}


@route("POST", "/v1/invoices/{id}/finalize", {"auto_advance": p.boolean})
def finalize(call):
    made = invoices.finalize(call.account, _found(call))
    if call.params.get("auto_advance", True) and made["collection_method"] == "charge_automatically":
        invoices.collect(call.account, made)
    return made


@route("POST", "/v1/invoices/{id}/pay", {"payment_method": p.text(), "off_session": p.boolean, "paid_out_of_band": p.boolean, "forgive": p.boolean,
                                         "mandate": p.clearable(p.text())})
def pay(call):
    account, made, given = call.account, _found(call), call.params
    method = payment_methods.resolve(account, given["payment_method"]) if "payment_method" in given else None
    if made["status"] == "draft":
        invoices.finalize(account, made)
    if made["status"] != "open":
        raise refused(f"Invoice is already {made['status']}.", "invoice_not_editable")
    if given.get("paid_out_of_band"):
        return invoices.out_of_band(account, made)
    return invoices.collect(account, made, method, given.get("off_session", True), raises=True)


@route("POST", "/v1/invoices/{id}/void")
def void(call):
    return invoices.void(call.account, _found(call))


@route("POST", "/v1/invoices/{id}/mark_uncollectible")
def uncollectible(call):
    return invoices.uncollectible(call.account, _found(call))


@route("GET", "/v1/invoices/{id}/lines", p.PAGE)
def lines(call):
    return page(list(reversed(_found(call)["lines"]["data"])), call.params, f"/v1/invoices/{call.id}/lines")


@route("GET", "/v1/invoices", {**p.PAGE, "customer": p.text(), "subscription": p.text(), "created": p.CREATED, "collection_method": p.text(),
                               "status": p.one_of("draft", "open", "paid", "uncollectible", "void")})
def listed(call):
    where = {k: call.params[k] for k in ("customer", "status", "collection_method") if k in call.params}
    found = [i for i in created(call.account.all(TABLE, **where), call.params.get("created")) if "subscription" not in call.params or (
        i["parent"] and i["parent"]["subscription_details"]["subscription"] == call.params["subscription"])]
    return page(found, call.params, "/v1/invoices", call.account.tables.get(TABLE))
