"""Invoice items, which wait for an invoice; and invoice payments, which say by what an invoice was paid."""
from .. import params as p
from ..account import nulls
from ..errors import invalid, missing, no_such, refused
from ..lists import created, page
from ..routes import route
from . import customers, invoice_shape, invoices
from .products import PRICE_DATA, from_data

ITEMS, TABLE = "invoiceitems", invoices.TABLE


def pending(account, customer):
    """Those that no invoice has taken yet."""
    return [i for i in account.all(ITEMS, customer=customer["id"]) if i["invoice"] is None]


def take(account, made, item):
    """The line of a pending item, which is now this invoice's."""
    item["invoice"] = made["id"]
    price = item["pricing"] and account.get(item["pricing"]["price_details"]["price"])
    secret = account.secret(item)
    return invoice_shape.line(account, made, item["amount"], item["description"], price, item["quantity"], (item["period"]["start"], item["period"]["end"]),
                              item=secret.get("subscription_item"), subscription=secret.get("subscription"), invoice_item=item["id"],
                              proration=item["proration"], metadata=item["metadata"])


def make_item(account, customer, currency, amount, description, price=None, quantity=1, period=None, proration=False, metadata=None, **secrets):
    """An amount that waits for an invoice."""
    start, end = period or (account.now(), account.now())
    made = account.new("ii_", "invoiceitem", **nulls("customer_account invoice parent test_clock"), amount=amount, currency=currency, customer=customer["id"],
                       date=account.now(), description=description, discountable=not proration, discounts=[], metadata=dict(metadata or {}),
                       net_amount=amount, period={"start": start, "end": end}, proration=proration, quantity=quantity, quantity_decimal=str(quantity),
                       tax_rates=[], pricing=price and {"type": "price_details", "unit_amount_decimal": price["unit_amount_decimal"],
                                                        "price_details": {"price": price["id"], "product": price["product"]}})
    del made["created"]
    account.put(ITEMS, made, **secrets)
    account.emit("invoiceitem.created", made)
    return made


@route("POST", "/v1/invoiceitems", {"customer!": p.text(), "invoice": p.text(), "amount": p.integer(), "currency": p.currency, "description": p.clearable(p.text()),
                                    "metadata": p.metadata, "quantity": p.integer(0), "pricing": p.hash_of(price_required=p.text()), "price_data": PRICE_DATA,
                                    "period": p.hash_of(start_required=p.integer(), end_required=p.integer()), "tax_behavior": p.text(),
                                    "tax_code": p.text(), "discountable": p.boolean, "unit_amount_decimal": p.text(), "subscription": p.text()})
def create_item(call):
    account, given = call.account, call.params
    customer = customers.named(account, given["customer"])
    invoice = account.find(TABLE, given["invoice"], "invoice", "invoice", 400) if "invoice" in given else None
    if invoice and invoice["status"] != "draft":
        raise refused("The invoice is no longer a draft.", "invoice_not_editable", "invoice")
    price, amount, currency = _priced(account, given)
    period = (given["period"]["start"], given["period"]["end"]) if "period" in given else None
    made = make_item(account, customer, currency, amount, given.get("description"), price, given.get("quantity", 1), period,
                     metadata=p.merged({}, given.get("metadata", {})))
    if invoice:
        if invoice["currency"] != currency:
            raise refused("The invoice is in another currency.", param="currency")
        invoices.add(account, invoice, [take(account, invoice, made)])
    return made


def _priced(account, given):
    if "amount" in given:
        if "currency" not in given:
            raise missing("currency")
        return None, given["amount"], given["currency"]
    if "pricing" in given:
        price = account.find("prices", given["pricing"]["price"], "price", "pricing[price]", 400)
    elif "price_data" in given:
        price = from_data(account, given["price_data"], "price_data")
    else:
        raise invalid("One of `amount`, `pricing[price]` and `price_data` is needed.", "amount")
    return price, price["unit_amount"] * given.get("quantity", 1), price["currency"]


@route("GET", "/v1/invoiceitems/{id}")
def retrieve_item(call):
    return call.account.find(ITEMS, call.id, "invoiceitem", "invoiceitem")


@route("DELETE", "/v1/invoiceitems/{id}")
def delete_item(call):
    made = call.account.find(ITEMS, call.id, "invoiceitem", "invoiceitem")
    if made["invoice"]:
        raise refused("An item that is on an invoice is not deleted here.")
    call.account.remove(ITEMS, call.id)
    return {"id": call.id, "object": "invoiceitem", "deleted": True}


@route("GET", "/v1/invoiceitems", {**p.PAGE, "customer": p.text(), "invoice": p.text(), "pending": p.boolean})
def list_items(call):
    where = {k: call.params[k] for k in ("customer", "invoice") if k in call.params}
    found = [i for i in call.account.all(ITEMS, **where) if call.params.get("pending") in (None, i["invoice"] is None)]
    return page(found, call.params, "/v1/invoiceitems")


# Payments


@route("GET", "/v1/invoice_payments/{id}")
def retrieve_payment(call):
    found = call.account.tables.get("invoice_payments", {}).get(call.id)
    if not found:
        raise no_such("invoice_payment", call.id, "invoice_payment")
    return found


@route("GET", "/v1/invoice_payments", {**p.PAGE, "invoice": p.text(), "status": p.one_of("open", "paid", "canceled"), "created": p.CREATED,
                                       "payment": p.hash_of(type_required=p.one_of("payment_intent", "payment_record"), payment_intent=p.text())})
def list_payments(call):
    where = {k: call.params[k] for k in ("invoice", "status") if k in call.params}
    of = call.params.get("payment", {}).get("payment_intent")
    if "payment" in call.params and not of:
        raise missing("payment[payment_intent]")
    found = [i for i in created(call.account.all("invoice_payments", **where), call.params.get("created")) if not of or i["payment"]["payment_intent"] == of]
    return page(found, call.params, "/v1/invoice_payments", call.account.tables.get("invoice_payments"))
