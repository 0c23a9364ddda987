"""A world that sells through the stand-in for Stripe, which tells it nothing by itself: what Stripe has to say of a buyer is kept,
byte for byte, and told when a test wants it, to whom, in what order and how often."""
import random

from .process import wait_for
from .server import WEBHOOK_SECRET, World
from .story import CREDIT, sign
from .typeid import parse_id

NOWHERE = "http://127.0.0.1:9/"  # where the stand-in would send events if it did not hold them


class Shop(World):
    PRICES = {**World.PRICES, "by-hundreds": [("input_tokens", "0", "0"), ("output_tokens", "100000000", "0")]}

    def __init__(self, cluster, stripe, **more):
        super().__init__(cluster, stripe=stripe, **more)
        self._products, self.mirrored = {}, {}
        stripe.webhooks(mode="hold")
        stripe.listen(NOWHERE, WEBHOOK_SECRET, id="snapshots")
        stripe.listen(NOWHERE, WEBHOOK_SECRET, id="thin", payload="thin")

    def product(self, **over):
        """A product's id: 2000 credits for 20.00 USD where nothing else is said."""
        body = {"kind": "pack", "name": "2000 credits", "currency": "usd", "price": 2000, "credits": "2000", **over}
        key = tuple(sorted(body.items()))
        if key not in self._products:
            made = self.admin.post("/api/v1/products", body)
            assert made.status == 201, made
            self._products[key] = made.json["id"]
        return self._products[key]

    def post(self, path, body):
        answer = self.admin.post(f"/api/v1/{path}", body)
        assert answer.status < 300, answer
        return answer.json

    def metric(self, name, server=0):
        text = self.servers[server].client(self.admin_key).get("/metrics").body.decode()
        return sum(int(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith((name + " ", name + "{")))

    # ---- telling

    def deliver(self, body, server=0):
        answer = self.servers[server].client().request("POST", "/webhooks/stripe", body, headers={"Stripe-Signature": sign(body, WEBHOOK_SECRET)})
        assert answer.status == 200, answer

    def told(self, timeout=60):
        """Waits until all that was delivered is worked off, and the ledger has been told."""
        waiting = "SELECT (SELECT count(*) FROM stripe_events WHERE state = 1) + (SELECT count(*) FROM payments WHERE pending)"
        wait_for(lambda: self.cluster.sql(waiting)[0][0] == 0, timeout, "all events being worked off", step=0.05)

    def parked(self):
        """{event's id: reason} of what somebody has to look at."""
        return dict(self.cluster.sql("SELECT id, reason FROM stripe_events WHERE state = 4"))

    def check_payments(self):
        """Each payment has its grants, once, and of them is gone what its refunds and disputes say: reckoned here anew."""
        rows = self.cluster.sql("SELECT reference, customer_id, paid, credits, bonus, payment_intent FROM payments WHERE NOT pending")
        for reference, customer, paid, credits, bonus, intent in rows:
            for origin, granted in ((f"grant:{reference}", credits), (f"bonus:{reference}", bonus)):
                found = self.cluster.sql("SELECT granted, refunded, frozen FROM grants WHERE customer_id = %s AND origin = %s", str(customer), origin)
                wanted = [(granted, *gone(self.cluster, intent, granted, paid))] if granted else []
                assert found == wanted, (origin, found, wanted)
        assert self.cluster.sql("SELECT origin FROM grants WHERE origin <> '' GROUP BY customer_id, origin HAVING count(*) > 1") == []


def gone(cluster, intent, granted, paid):
    """(refunded, frozen) of a grant, by the facts that stand."""
    if not intent or not paid:
        return 0, 0
    refunds = cluster.sql("SELECT amount, back FROM refunds WHERE payment = %s", intent)
    charged = cluster.sql("SELECT coalesce(sum(refunded), 0)::bigint FROM charges WHERE payment = %s", intent)[0][0]
    disputes = cluster.sql("SELECT amount, lost FROM disputes WHERE payment = %s AND state = 2", intent)
    out = max(sum(a for a, back in refunds if not back), charged - sum(a for a, back in refunds if back))
    lost, open_ = sum(a for a, lost in disputes if lost), sum(a for a, lost in disputes if not lost)
    part = lambda minor: granted if minor >= paid else granted * minor // paid  # noqa: E731
    return part(out + lost), part(out + lost + open_) - part(out + lost)


class Buyer:
    """A customer, what it does at Stripe, and what Stripe has to say of that: `with buyer:` keeps what is done inside."""

    def __init__(self, shop, credits="0"):
        self.shop, self.stripe = shop, shop.stripe
        self.customer, self.secret = shop.customer(credits)
        self.uuid = str(parse_id(self.customer))
        self.bodies, self.thin = [], []

    def __enter__(self):
        self._since = len(self._deliveries)
        return self

    def __exit__(self, *_):
        for d in self._deliveries[self._since:]:
            if d.endpoint.id in ("snapshots", "thin"):
                (self.thin if d.endpoint.payload == "thin" else self.bodies).append(d.body)

    @property
    def _deliveries(self):
        return self.stripe.account.sender.deliveries

    # ---- what it does

    def order(self, product=None, **body):
        """An order with its page at Stripe."""
        named = {} if body.get("mode") == "setup" else {"product": product or self.shop.product()}
        return self.shop.post("checkout-sessions", {"customer": self.customer, "success_url": "https://example.com/paid", **named, **body})

    def buy(self, card="visa", product=None, percent_off=0, **body):
        """The Session, as it is once the buyer has been there."""
        order = self.order(product, **body)
        return self.stripe.complete(order["stripe_id"], card=card, **({"percent_off": percent_off} if percent_off else {}))

    def refund(self, session, amount):
        return self.stripe.post("/v1/refunds", {"payment_intent": session["payment_intent"], "amount": amount})

    def disputed(self, session, **how):
        return self.stripe.control("POST", "/disputes", payment_intent=session["payment_intent"], **how)

    def decide(self, dispute, status):
        return self.stripe.control("POST", f"/disputes/{dispute['id']}/close", status=status)

    def card(self, name="visa"):
        """Saves a card to be charged later."""
        return self.buy(card=name, mode="setup")

    # ---- what it is told

    def tell(self, order=None, servers=(0,), bodies=None):
        """Delivers what was kept: as it was made, or in this order of places in it."""
        bodies = self.bodies if bodies is None else bodies
        for n, i in enumerate(range(len(bodies)) if order is None else order):
            self.shop.deliver(bodies[i], servers[n % len(servers)])

    # ---- what it has

    @property
    def balance(self):
        """In whole credits, as the ledger has it."""
        nano = self.shop.cluster.sql("SELECT balance FROM customers WHERE id = %s", self.uuid)[0][0]
        assert nano % CREDIT == 0, nano
        return nano // CREDIT

    def _get(self, path):
        answer = self.shop.admin.get(f"/api/v1/{path}customer={self.customer}")
        assert answer.status == 200, answer
        return answer.json

    def payments(self):
        return [self._get(f"payments/{p['id']}?") for p in self._get("payments?")["data"]]

    def grants(self):
        return self._get("grants?")["data"]

    def orders(self, kind=None):
        return [o for o in self._get("orders?limit=100&")["data"] if kind in (None, o["kind"])]

    def billing(self):
        return self._get("billing?")

    def subscriptions(self):
        return self._get("subscriptions?")["data"]

    def spend(self, hundreds, server=0):
        """So many hundred credits, by a call each."""
        client = self.shop.servers[server].client(self.secret)
        for _ in range(hundreds):
            answer = client.chat(model="by-hundreds", max_tokens=1)
            assert answer.status == 200, answer


def shuffled(count, seed):
    """Places of `count` things in an order of this seed, a third of them twice."""
    chance = random.Random(seed)
    order = list(range(count)) + [chance.randrange(count) for _ in range(1 + count // 3)]
    chance.shuffle(order)
    return order
