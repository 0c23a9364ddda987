"""Stories of payments: bodies of Stripe's events, told anew for a customer of their own, so that one server can be told
the same story in any order, twice, and with its process killed in between, and each telling stands alone."""
import hashlib
import hmac
import json
import re
import time
import uuid

from .process import wait_for
from .typeid import new_uuid, parse_id, print_id

STRIPE_ID = re.compile(r"^(evt|pi|cs|ch|py|re|pyr|du|dp|in|il|sub|si|cus|pm|seti|inpay|txn|issfr|prv|src|mandate)_[A-Za-z0-9_]+$")
CREDIT = 10**9


def sign(body, secret, at=None):
    at = int(time.time()) if at is None else at
    mac = hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={mac}"


class Story:
    """One telling. `bodies`: events as dicts. Orders that they name are made as they must have been."""

    def __init__(self, world, bodies, secret, credits=2000, plan=None):
        self.world, self.secret, self.credits = world, secret, credits
        self.tag = uuid.uuid4().hex[:10]
        self.customer_id, _ = world.customer("0")
        self.customer = parse_id(self.customer_id)
        self.orders = {}
        self.plan = plan
        self.bodies = [json.dumps(self._told(b, ()), indent=2).encode() for b in bodies]
        for body in map(json.loads, self.bodies):
            self._order_of(body)

    # ---- telling it anew

    def _told(self, value, path):
        if isinstance(value, dict):
            return {("customer_id" if k == "account_id" else "order_id" if k == "topup_id" else k): self._told(v, (*path, k)) for k, v in value.items()}
        if isinstance(value, list):
            return [self._told(v, path) for v in value]
        if not isinstance(value, str):
            return value
        key = path[-1] if path else ""
        if key == "account_id" or (key == "client_reference_id" and value.startswith("org_")):
            return self.customer_id
        if key in ("order_id", "topup_id"):
            return self._order(value)
        return f"{value}{self.tag}" if STRIPE_ID.match(value) else value

    def _order(self, name):
        if name not in self.orders:
            self.orders[name] = {"uuid": new_uuid(), "made": False}
        return print_id("ord", self.orders[name]["uuid"])

    def _order_of(self, event):
        """The order that the event's object names, as it stood before Stripe was asked."""
        o = event["data"]["object"]
        named = (o.get("metadata") or {}).get("order_id")
        order = next((x for n, x in self.orders.items() if print_id("ord", x["uuid"]) == named), None)
        if o.get("customer") or o.get("object") == "customer":
            self._customer(o["id"] if o.get("object") == "customer" else o["customer"])
        if not order or order["made"]:
            return
        mode, kind = o.get("mode"), (o.get("metadata") or {}).get("kind")
        number = {"setup": 4, "subscription": 3}.get(mode, 2 if kind == "auto_topup" else 1)
        price = 0 if number == 4 else o.get("amount_subtotal") or o.get("amount") or 2000
        credits = 0 if number == 4 else self.credits * CREDIT
        self.world.cluster.sql(
            "INSERT INTO orders (customer_id, id, kind, currency, price, credits, livemode, product_id) VALUES (%s, %s, %s, %s, %s, %s, false, %s)",
            str(self.customer), str(order["uuid"]), number, o.get("currency") or "usd", price, credits, None if number == 4 else self.plan)
        order["made"] = True

    def _customer(self, stripe_id):
        if isinstance(stripe_id, dict):
            stripe_id = stripe_id["id"]
        self.world.cluster.sql("INSERT INTO stripe_objects (id, customer_id) VALUES (%s, %s) ON CONFLICT DO NOTHING", stripe_id, str(self.customer))
        self.world.cluster.sql("INSERT INTO billing (customer_id, stripe_customer) VALUES (%s, %s) ON CONFLICT DO NOTHING", str(self.customer), stripe_id)

    # ---- delivering

    def deliver(self, index, server=0):
        body = self.bodies[index]
        client = self.world.servers[server].client()
        answer = client.request("POST", "/webhooks/stripe", body, headers={"Stripe-Signature": sign(body, self.secret)})
        assert answer.status == 200, answer

    def quiet(self, timeout=60):
        """All that was delivered is worked off and told to the ledger."""
        ids = [json.loads(b)["id"] for b in self.bodies]

        def done():
            waiting = self.world.cluster.sql("SELECT count(*) FROM stripe_events WHERE id = ANY (%s) AND state = 1", ids)[0][0]
            return waiting == 0 and self.world.cluster.sql("SELECT count(*) FROM payments WHERE customer_id = %s AND pending", str(self.customer))[0][0] == 0
        try:
            wait_for(done, timeout, "the events being worked off")
        except AssertionError as e:
            raise AssertionError(f"{e}: {self.events()}\n" + self.world.servers[0].log()[-3000:]) from None

    @property
    def balance(self):
        """In whole credits, as the ledger has it."""
        nano = self.world.cluster.sql("SELECT balance FROM customers WHERE id = %s", str(self.customer))[0][0]
        assert nano % CREDIT == 0, nano
        return nano // CREDIT

    def events(self):
        ids = [json.loads(b)["id"] for b in self.bodies]
        return self.world.cluster.sql("SELECT type, state, reason, attempts, wants FROM stripe_events WHERE id = ANY (%s)", ids)
