"""A subscription's item changes in the middle of a period: what is left of the old price is given back, what is left of the
period is charged at the new one. Another length of period begins a new one today."""
from ..errors import invalid
from . import invoice_items, invoices, subscription_shape as shape, subscriptions


def change(account, made, one, price, quantity, behavior):
    """behavior: create_prorations (on the next invoice), always_invoice (today) or none."""
    if price["currency"] != made["currency"] or not price["recurring"]:
        raise invalid("The new price must be recurring and of the subscription's currency.", "items[0][price]")
    old, old_quantity, latest = one["price"], one["quantity"], made["latest_invoice"]
    before = {"items": {"data": [{"id": one["id"], "price": old, "quantity": old_quantity, "current_period_start": one["current_period_start"],
                                  "current_period_end": one["current_period_end"]}]}}
    restarts = (old["recurring"]["interval"], old["recurring"]["interval_count"]) != (price["recurring"]["interval"], price["recurring"]["interval_count"])
    customer, now = account.get(made["customer"]), account.now()
    if behavior != "none" and made["status"] != "trialing":
        _back(account, customer, made, one, old, old_quantity, now)
        if not restarts:
            _ahead(account, customer, made, one, price, quantity, now)
    shape.set_price(one, price)
    one["quantity"] = quantity
    invoice = None
    if restarts:
        made["billing_cycle_anchor"] = now
        one.update(current_period_start=now, current_period_end=shape.period_end(now, price["recurring"]))
        invoice = subscriptions.bill(account, customer, made, "subscription_update")
        subscriptions.expect_end(account, made)
    elif behavior == "always_invoice":
        invoice = _invoice(account, customer, made)
    if made["latest_invoice"] != latest:
        before["latest_invoice"] = latest
    account.emit("customer.subscription.updated", made, before)
    if invoice:
        invoices.collect(account, invoice)


def _share(one, amount, now):
    """The part of an amount that falls on what is left of the period: all of it where a test has renewed ahead of time."""
    start, end = one["current_period_start"], one["current_period_end"]
    return amount * (end - max(now, start)) // (end - start)


def _back(account, customer, made, one, price, quantity, now):
    name = account.get(price["product"])["name"]
    _item(account, customer, made, one, -_share(one, price["unit_amount"] * quantity, now), f"Unused time on {name}", price, quantity, now)


def _ahead(account, customer, made, one, price, quantity, now):
    name = account.get(price["product"])["name"]
    _item(account, customer, made, one, _share(one, price["unit_amount"] * quantity, now), f"Remaining time on {name}", price, quantity, now)


def _item(account, customer, made, one, amount, text, price, quantity, now):
    invoice_items.make_item(account, customer, made["currency"], amount, text, price, quantity, (now, one["current_period_end"]), True, made["metadata"],
                            subscription=made, subscription_item=one)


def _invoice(account, customer, made):
    """What waits for this subscription, today."""
    def lines(invoice):
        return [invoice_items.take(account, invoice, i) for i in invoice_items.pending(account, customer) if account.secret(i).get("subscription") is made]
    invoice = invoices.open_draft(account, customer, made["currency"], "subscription_update", lines, made, taxed=made["automatic_tax"]["enabled"])
    made["latest_invoice"] = invoice["id"]
    return invoices.finalize(account, invoice)
