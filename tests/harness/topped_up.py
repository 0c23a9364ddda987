"""A customer that has agreed to have credits bought for it whenever they run low."""
from .process import wait_for
from .shop import Buyer

INTENTS = "/v1/payment_intents"


class Customer(Buyer):
    """One with 10 credits, a saved card, and a top-up of 500 credits for 20.00 USD at or below 5 credits."""

    def __init__(self, shop, card="visa", credits="10", **terms):
        super().__init__(shop, credits)
        self.pack = shop.product(name="500 credits", credits="500")
        if card:
            self.save(card)
        self.terms = {"customer": self.customer, "product": self.pack, "threshold": "5", "daily_count": 3, "monthly_cap": 10000,
                      "return_url": "https://example.com/account", "consent_text": "terms of 2026-11", **terms}
        self.agree()

    def save(self, card):
        with self:
            self.card(card)
        self.hear()

    def hear(self):
        self.tell()
        self.bodies.clear()
        self.shop.told()

    def agree(self, **over):
        return self.shop.post("top-ups", {**self.terms, **over})

    def now(self):
        answer = self.shop.admin.get(f"/api/v1/top-ups?customer={self.customer}")
        assert answer.status == 200, answer
        return answer.json

    def cross(self):
        """Falls to the mark, by calls."""
        client = self.shop.servers[0].client(self.secret)
        while self.balance > 5:
            assert client.chat(model="per-request", max_tokens=1).status == 200

    def at_stripe(self):
        return self.billing()["stripe_customer"]

    def charges(self):
        """PaymentIntents of top-ups that took money."""
        ours = {"customer_id": self.customer, "kind": "auto_topup"}
        return [i for i in self.stripe.objects("payment_intents") if i["status"] == "succeeded" and ours.items() <= i["metadata"].items()]

    def asked(self, **where):
        """What Stripe was asked to charge for it."""
        requests = self.stripe.requests(method="POST", path=INTENTS, **where)
        return [r for r in requests if r["params"].get("metadata", {}).get("customer_id") == self.customer]

    def left(self):
        """Nobody is asking Stripe for its order any more, and nothing is known of it."""
        order = wait_for(self.attempts, 60, "the order")[0]["id"]
        wait_for(lambda: any(f"{order}: nothing is known" in s.log() for s in self.shop.servers), 90, "it being left")

    def attempts(self):
        return self.orders("top_up")

    def past(self, hours=0, minutes=0, within=None):
        """So much time has passed since whatever it did. within: "day" or "month", and this one has begun before."""
        span = f"{hours} hours {minutes} minutes"
        self.shop.cluster.sql("UPDATE orders SET created_at = greatest(created_at - %s::interval, date_trunc(%s, created_at, 'UTC')), "
                              "updated_at = updated_at - %s::interval WHERE customer_id = %s", span, within, span, self.uuid)
        self.shop.cluster.sql("UPDATE top_ups SET retry_at = retry_at - %s::interval WHERE customer_id = %s", span, self.uuid)

    def until(self, condition, what, timeout=60):
        return wait_for(lambda: condition(self.now()), timeout, f"{what}: {self.now()} {self.attempts()}")

    def paid(self, times):
        """The ledger has the credits of so many top-ups, and the next turn is now: as long as it has not, one is under way."""
        wait_for(lambda: len([o for o in self.attempts() if o["state"] == "paid"]) == times, 90, f"{times} top-ups")
        wait_for(lambda: all(not p["pending"] for p in self.payments()), 60, "the ledger being told")
        self.shop.cluster.sql("UPDATE top_ups SET retry_at = NULL WHERE customer_id = %s", self.uuid)

    def bought(self, times=1):
        """The credits of so many top-ups are there, and nothing is due."""
        self.paid(times)
        wait_for(lambda: not self.shop.cluster.sql("SELECT top_up_due FROM customers WHERE id = %s", self.uuid)[0][0], 60, "nothing being due")
        assert len(self.charges()) == times and self.balance > 500 * times - 500

    def waits(self, reason):
        """Its turn came, and nothing was bought, for this reason."""
        self.until(lambda t: t["problem"] and reason in t["problem"], reason)
        assert self.charges() == []
