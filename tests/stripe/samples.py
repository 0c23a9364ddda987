"""What most tests begin with."""
CREDITS = [{"quantity": 1, "price_data": {"currency": "usd", "unit_amount": 2000, "product_data": {"name": "20 USD of credits"}}}]


def session(stripe, **more):
    """A Checkout Session for 20.00 USD; mode and line items can be given."""
    given = {"mode": "payment", "success_url": "http://127.0.0.1:9/ok?session={CHECKOUT_SESSION_ID}", "line_items": CREDITS, **more}
    return stripe.post("/v1/checkout/sessions", {k: v for k, v in given.items() if v is not None})


def paid(stripe, card="visa", **more):
    """A payment of 20.00 USD that was made on the page: the PaymentIntent."""
    made = stripe.complete(session(stripe, **more), card)
    return stripe.get(f"/v1/payment_intents/{made['payment_intent']}")


def off_session(stripe, customer, method, key=None, **more):
    """An automatic top-up: the answer, whatever it is."""
    return stripe.ask("POST", "/v1/payment_intents", {
        "amount": 2000, "currency": "usd", "customer": customer["id"], "payment_method": method if isinstance(method, str) else method["id"],
        "off_session": True, "confirm": True, "metadata": {"kind": "auto_topup"}, **more}, key=key)


def price(stripe, amount=5000, interval="month", **more):
    product = stripe.post("/v1/products", {"name": "Pro"})
    return stripe.post("/v1/prices", {"product": product["id"], "currency": "usd", "unit_amount": amount, "recurring": {"interval": interval}, **more})


def subscribed(stripe, customer, plan, card="visa", **data):
    """A subscription that began on the page: the subscription."""
    made = session(stripe, mode="subscription", customer=customer["id"], line_items=[{"price": plan["id"], "quantity": 1}],
                   **({"subscription_data": data} if data else {}))
    return stripe.get(f"/v1/subscriptions/{stripe.complete(made, card)['subscription']}")


def types(stripe, since=0):
    """The types of all events from a place in the list on."""
    return [e["type"] for e in stripe.events()[since:]]


def last(stripe, type):
    return stripe.events(type)[-1]
