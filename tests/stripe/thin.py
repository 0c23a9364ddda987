"""Thin notifications: that something happened to an object, and where to fetch it. One for each snapshot event, with an id of its
own that stays the same however often it is told."""
import datetime

# Where an object of each type is fetched; {} is its id.
PLACES = {
    "checkout.session": "/v1/checkout/sessions/{}", "payment_intent": "/v1/payment_intents/{}", "charge": "/v1/charges/{}",
    "refund": "/v1/refunds/{}", "dispute": "/v1/disputes/{}", "customer": "/v1/customers/{}", "invoice": "/v1/invoices/{}",
    "subscription": "/v1/subscriptions/{}", "setup_intent": "/v1/setup_intents/{}", "payment_method": "/v1/payment_methods/{}",
    "product": "/v1/products/{}", "price": "/v1/prices/{}", "invoice_payment": "/v1/invoice_payments/{}", "invoiceitem": "/v1/invoiceitems/{}",
    "radar.early_fraud_warning": "/v1/radar/early_fraud_warnings/{}", "billing.meter": "/v1/billing/meters/{}",
}


def iso(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def place(made):
    """The object's id, type and address."""
    path = PLACES.get(made["object"])
    return {"id": made["id"], "type": made["object"], "url": path.format(made["id"])} if path else None


def name(event):
    """The thin type of a snapshot event."""
    return event["type"] if event["object"] == "v2.core.event" else "v1." + event["type"]


def notification(account, event):
    """The notification that tells of this event. Events that exist only as thin ones are their own."""
    if event["object"] == "v2.core.event":
        return {k: v for k, v in event.items() if k != "data"}
    if ("thin", event["id"]) in account.seen:
        return account.seen["thin", event["id"]]
    made = {"id": account.ids.make("evt_test_"), "object": "v2.core.event", "type": name(event), "livemode": event["livemode"],
            "created": iso(event["created"]), "reason": _reason(event["request"]), "snapshot_event": event["id"],
            "related_object": place(event["data"]["object"])}
    account.seen["thin", event["id"]] = account.tables.setdefault("thin_events", {})[made["id"]] = made
    return made


def _reason(request):
    return {"type": "request", "request": dict(request)} if request["id"] else None
