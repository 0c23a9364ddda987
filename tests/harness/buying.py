"""Stories of buying, made with the stand-in for Stripe: what a buyer, a bank and we do there, and what has to stand in the end,
in whatever order Stripe tells of it, and however often."""
from .shop import Buyer

STORIES = {}


class End:
    """What stands when all was told: the balance, and what `check` asserts of the buyer, or says is so."""

    def __init__(self, balance, check=lambda b: True):
        self.balance, self._check = balance, check

    def stands(self, buyer):
        try:
            return self._check(buyer) in (True, None)
        except (AssertionError, TypeError):
            return False


def story(function):
    STORIES[function.__name__] = function
    return function


def begin(shop, name):
    """(the buyer with all that Stripe has to say, the story's end)"""
    buyer = Buyer(shop)
    with buyer:
        end = STORIES[name](buyer)
    return buyer, end if isinstance(end, End) else End(end)


def the(found):
    one, = found
    return one


# ---- purchases

@story
def a_card_pays(b):
    b.buy()
    return End(2000, lambda b: b.orders()[0]["state"] == "paid")


@story
def tax_comes_on_top_and_half_is_refunded(b):
    b.stripe.control("POST", "/settings", tax_percent=19)
    session = b.buy(automatic_tax=True)
    b.stripe.control("POST", "/settings", tax_percent=0)
    b.refund(session, 1190)

    def check(b):
        p = the(b.payments())
        assert (p["paid"], p["net"], p["refunded"]) == (2380, 2000, 1190)
    return End(1000, check)


@story
def a_quarter_off_and_half_of_that_is_refunded(b):
    session = b.buy(percent_off=25, allow_promotion_codes=True)
    b.refund(session, 750)

    def check(b):
        p = the(b.payments())
        assert (p["paid"], p["net"], p["credits"]) == (1500, 1500, "2000")
    return End(1000, check)


@story
def a_discount_takes_all(b):
    b.buy(percent_off=100, allow_promotion_codes=True)

    def check(b):
        assert the(b.payments())["kind"] == "nothing_to_pay" and the(b.grants())["source"] == "promotion"
    return End(2000, check)


@story
def a_pack_has_a_bonus_and_half_of_both_is_refunded(b):
    session = b.buy(product=b.shop.product(name="with a bonus", bonus="200"))
    b.refund(session, 1000)

    def check(b):
        assert sorted((g["amount"], g["left"], g["source"]) for g in b.grants()) == [("200", "100", "promotion"), ("2000", "1000", "purchase")]
    return End(1100, check)


@story
def three_packs_in_one_order(b):
    b.buy(quantity=3)
    return 6000


@story
def the_bank_pays_days_later(b):
    session = b.buy(card="bank_debit")
    b.stripe.settle(session["payment_intent"], "succeeded")
    return 2000


@story
def the_bank_does_not_pay_days_later(b):
    session = b.buy(card="bank_debit_fails")
    b.stripe.settle(session["payment_intent"], "failed")

    def check(b):
        assert the(b.orders())["state"] == "failed" and b.payments() == []
    return End(0, check)


@story
def a_card_is_declined_and_another_pays(b):
    order = b.order()
    b.stripe.request("POST", f"/_fake/sessions/{order['stripe_id']}/complete", b'{"card": "declined"}')
    b.stripe.complete(order["stripe_id"])
    return 2000


@story
def nobody_comes_and_the_page_closes(b):
    order = b.order()
    b.stripe.control("POST", f"/sessions/{order['stripe_id']}/expire")

    def check(b):
        assert the(b.orders())["state"] == "expired"
    return End(0, check)


@story
def a_card_is_saved(b):
    b.card("mastercard")

    def check(b):
        assert the(b.orders())["state"] == "paid" and b.billing()["card"]["brand"] == "mastercard"
    return End(0, check)


# ---- refunds

@story
def three_refunds_add_up(b):
    session = b.buy()
    for amount in (500, 700, 500):
        b.refund(session, amount)
    return 300


@story
def all_is_refunded(b):
    b.refund(b.buy(), 2000)
    return 0


@story
def a_refund_is_out_while_it_is_pending(b):
    b.refund(b.buy(card="refund_pending"), 500)
    return 1500


@story
def a_pending_refund_arrives(b):
    refund = b.refund(b.buy(card="refund_pending"), 500)
    b.stripe.control("POST", f"/refunds/{refund['id']}/settle")
    return 1500


@story
def a_refund_fails(b):
    session = b.buy()
    first = b.refund(session, 500)
    b.refund(session, 700)
    b.stripe.control("POST", f"/refunds/{first['id']}/fail")

    def check(b):
        p = the(b.payments())
        assert p["problem"] == "a refund came back: the customer still expects money" and p["refunded"] == 700
        assert sorted(r["came_back"] for r in p["refunds"]) == [False, True]
    return End(1300, check)


@story
def somebody_refunds_in_the_dashboard(b):
    session = b.buy()
    b.stripe.control("POST", "/refunds", payment_intent=session["payment_intent"], amount=600)
    return 1400


# ---- disputes

def _dispute(b, amount=None, closes=(), session=None, **how):
    session = session or b.buy()
    made = b.disputed(session, **({"amount": amount} if amount else {}), **how)
    for status in closes:
        b.decide(made, status)
    return session


def frozen(b):
    """In the books: (what disputes hold, what is gone for good)."""
    row = b.shop.cluster.sql("SELECT sum(frozen)::bigint, sum(refunded)::bigint FROM grants WHERE customer_id = %s", b.uuid)[0]
    return tuple(n // 10**9 for n in row)


@story
def a_dispute_is_open(b):
    _dispute(b)

    def check(b):
        assert b.billing()["disputed"] and the(b.payments())["disputed"] and frozen(b) == (2000, 0)
    return End(0, check)


@story
def a_dispute_is_won(b):
    _dispute(b, closes=["won"])

    def check(b):
        assert not b.billing()["disputed"] and not the(b.payments())["disputed"] and frozen(b) == (0, 0)
    return End(2000, check)


@story
def a_dispute_is_lost(b):
    _dispute(b, closes=["lost"])

    def check(b):
        assert the(b.payments())["problem"] == "a dispute is lost" and frozen(b) == (0, 2000)
    return End(0, check)


@story
def a_lost_dispute_is_won_late(b):
    _dispute(b, closes=["lost", "won"])
    return End(2000, lambda b: frozen(b) == (0, 0))


@story
def a_part_is_disputed(b):
    _dispute(b, amount=800)
    return End(1200, lambda b: frozen(b) == (800, 0))


@story
def a_second_dispute_follows(b):
    session = _dispute(b, amount=700, closes=["lost"])
    _dispute(b, amount=900, session=session)
    return End(400, lambda b: frozen(b) == (900, 700))


@story
def more_is_disputed_than_was_paid(b):
    _dispute(b, amount=2500)

    def check(b):
        assert the(b.payments())["problem"] == "refunds and disputes claim more than was paid" and frozen(b) == (2000, 0)
    return End(0, check)


@story
def the_bank_only_asks(b):
    _dispute(b, inquiry=True)

    def check(b):
        assert b.billing()["disputed"] and not the(b.payments())["disputed"]
    return End(2000, check)


@story
def an_inquiry_ends_quietly(b):
    _dispute(b, inquiry=True, closes=["warning_closed"])
    return End(2000, lambda b: not b.billing()["disputed"])


@story
def an_inquiry_becomes_a_dispute(b):
    session = b.buy()
    made = b.disputed(session, inquiry=True)
    b.stripe.control("POST", f"/disputes/{made['id']}/escalate")
    return End(0, lambda b: frozen(b) == (2000, 0))


@story
def a_part_is_refunded_then_all_is_disputed(b):
    session = b.buy()
    b.refund(session, 500)
    _dispute(b, session=session, closes=["lost"])
    return End(0, lambda b: frozen(b) == (0, 2000))


@story
def a_card_warns_of_fraud(b):
    b.buy(card="fraud_warning")
    return End(2000, lambda b: "early fraud warning" in the(b.payments())["problem"])


# ---- plans

def plan(b, **over):
    return b.shop.product(**{"kind": "plan", "name": "Pro", "price": 5000, "credits": "5000", "period": "month", **over})


def subscribed(b, **over):
    """A subscription's id, begun on its page."""
    return b.buy(product=plan(b, **over), card=over.pop("card", "visa"))["subscription"]


@story
def a_plan_begins(b):
    subscribed(b)

    def check(b):
        s = the(b.subscriptions())
        assert s["status"] == "active" and s["product"] == plan(b) and s["current_period_end"] and the(b.grants())["expires_at"] == s["current_period_end"]
        assert the(b.payments())["kind"] == "plan" and the(b.orders())["state"] == "paid"
    return End(5000, check)


@story
def a_plan_goes_on(b):
    b.stripe.control("POST", f"/subscriptions/{subscribed(b)}/renew")
    return End(10000, lambda b: len(b.payments()) == 2)


@story
def a_renewal_fails(b):
    b.stripe.control("POST", f"/subscriptions/{subscribed(b)}/renew", card="insufficient_funds")

    def check(b):
        assert the(b.subscriptions())["status"] == "past_due" and b.billing()["past_due"]
    return End(5000, check)


@story
def a_renewal_fails_and_is_paid_then(b):
    subscription = subscribed(b)
    b.stripe.control("POST", f"/subscriptions/{subscription}/renew", card="insufficient_funds")
    invoice = b.stripe.get(f"/v1/subscriptions/{subscription}")["latest_invoice"]
    b.stripe.control("POST", f"/invoices/{invoice}/retry", card="visa")

    def check(b):
        assert the(b.subscriptions())["status"] == "active" and not b.billing()["past_due"]
    return End(10000, check)


@story
def a_plan_is_cancelled(b):
    b.stripe.control("POST", f"/subscriptions/{subscribed(b)}/cancel")
    return End(5000, lambda b: the(b.subscriptions())["status"] == "canceled")


@story
def a_plans_payment_is_refunded_in_part(b):
    subscription = b.stripe.get(f"/v1/subscriptions/{subscribed(b)}")
    paid = b.stripe.get("/v1/invoice_payments", {"invoice": subscription["latest_invoice"]})["data"][0]
    b.stripe.post("/v1/refunds", {"payment_intent": paid["payment"]["payment_intent"], "amount": 1000})
    return 4000


def mirrored(b, name, **over):
    """A plan that stands for a price made at Stripe: (its id, the price's)."""
    if name not in b.shop.mirrored:
        price = b.stripe.post("/v1/prices", {"currency": "usd", "unit_amount": 5000, "recurring": {"interval": "month"}, "product_data": {"name": name}})["id"]
        b.shop.mirrored[name] = plan(b, name=name, stripe_price=price, **over), price
    return b.shop.mirrored[name]


def _started(b, name, trial_days=None, **over):
    """A subscription that was begun at Stripe, not on a page of ours."""
    _, price = mirrored(b, name, **over)
    b.card()
    at_stripe = the([c for c in b.stripe.objects("customers") if c["metadata"].get("customer_id") == b.customer])
    method = b.stripe.get("/v1/payment_methods", {"customer": at_stripe["id"]})["data"][0]["id"]
    return b.stripe.post("/v1/subscriptions", {"customer": at_stripe["id"], "items": [{"price": price}], "default_payment_method": method,
                                               **({"trial_period_days": trial_days} if trial_days else {})})


@story
def a_plan_is_known_by_its_price(b):
    _started(b, "Mirrored")
    return 5000


@story
def a_trial_brings_nothing(b):
    _started(b, "No trial", trial_days=14)
    return End(0, lambda b: the(b.subscriptions())["status"] == "trialing")


@story
def a_trial_brings_what_its_plan_says(b):
    _started(b, "Trial", trial_days=14, trial_credits=True)
    return 5000


@story
def an_upgrade_is_prorated_and_brings_nothing(b):
    subscription = _started(b, "Small")
    item = subscription["items"]["data"][0]["id"]
    b.stripe.post(f"/v1/subscriptions/{subscription['id']}", {"items": [{"id": item, "quantity": 3}], "proration_behavior": "always_invoice"})
    return 5000


# ---- customers

@story
def a_customer_is_removed_at_stripe_and_keeps_its_credits(b):
    b.buy()
    at_stripe = b.stripe.get(f"/v1/checkout/sessions/{b.orders()[0]['stripe_id']}")["customer"]
    b.stripe.delete(f"/v1/customers/{at_stripe}")
    return 2000
