"""The things that a request may name, made when a request names them: a customer with a name of the operator's own, a key, a
grant, a limit, a provider, a price, a call that has ended, a product, an order, a payment, a top-up, an event of Stripe's, a webhook endpoint, an
event that it was told, a redeem code, a re-rate. `filled` puts them where a case holds their place."""
import uuid

from .process import wait_for
from .typeid import new_uuid, parse_id, print_id
from .values import OTHER_PLACES, PLACES


def _made(answer, status=201):
    assert answer.status == status, answer
    return answer.json


class Subject:
    def __init__(self, world, limit="spend", **customer):
        self.world, self.limit_measure, self.more = world, limit, customer
        self.have = {}

    def _post(self, path, body):
        return _made(self.world.admin.post(f"/api/v1/{path}", body))

    def _make_cus(self):
        name = uuid.uuid4().hex
        return self._post("customers", {"external_id": name, **self.more})["id"], f"ext:{name}"

    def _make_key(self):
        key = self._post("keys", {"customer": self["cus"]})
        self.have["secret"] = key["secret"]
        return key["id"], None

    def _make_grt(self):
        return self._post("grants", {"customer": self["cus"], "amount": "10"})["id"], None

    def _make_lim(self):
        rule = {"period": "day", "amount": "5"} if self.limit_measure == "spend" else {"period": "minute", "amount": 500}
        return self._post("limits", {"customer": self["cus"], "measure": self.limit_measure, **rule})["id"], None

    def _make_prv(self):
        name = "p" + uuid.uuid4().hex
        return self._post("providers", {"name": name, "plugin": "openai", "enabled": False, "secret": "sk-" + name})["id"], name

    def _make_prc(self):
        body = {"provider": self["prv"], "model": "m-" + uuid.uuid4().hex, "rates": [{"meter": "input_tokens", "charge": "1"}]}
        return self._post("prices", body)["id"], None

    def _make_call(self):
        self["grt"], self["key"]
        answer = self.caller.chat()
        assert answer.status == 200, answer
        return self.world.call(answer.headers["x-tollgate-call"])["id"], None

    def _make_prd(self):
        return self._post("products", {"kind": "pack", "name": uuid.uuid4().hex, "currency": "usd", "price": 2000, "credits": "20"})["id"], None

    def _make_ord(self):
        return self._post("checkout-sessions", {"customer": self["cus"], "product": self["prd"], "success_url": "https://example.com/paid"})["id"], None

    def _make_pay(self):
        """One that was read from an event of Stripe's, and that somebody has to look at; the ledger is told of it soon."""
        id = new_uuid()
        self.world.cluster.sql("INSERT INTO payments (reference, customer_id, id, kind, paid, net, currency, credits, payment_intent, problem) "
                               "VALUES (%s, %s, %s, 1, 2000, 2000, 'usd', 20000000000, %s, 'test')", f"pi_{id.hex}", str(parse_id(self["cus"])), str(id), f"pi_{id.hex}")
        return print_id("pay", id), None

    def _make_top(self):
        body = {"customer": self["cus"], "product": self["prd"], "threshold": "0", "daily_count": 1, "monthly_cap": 2000,
                "return_url": "https://example.com/account", "consent_text": "terms 1"}
        return _made(self.world.admin.post("/api/v1/top-ups", body), 200)["customer"], None

    def _make_sev(self):
        """One that was parked, as if it had named an order that there is not."""
        id = f"evt_{uuid.uuid4().hex}"
        self.world.cluster.sql("INSERT INTO stripe_events (id, type, livemode, created, body, state, reason) VALUES (%s, 'test.kind', false, 0, '{}', 4, 'test')", id)
        return id, None

    def _make_we(self):
        return self._post("webhook-endpoints", {"url": "https://localhost:8443/none", "events": []})["id"], None

    def _make_evt(self):
        """An event that was told to the endpoint: what it is asked for by in its log."""
        return self._post(f"webhook-endpoints/{self['we']}/test", None)["id"], None

    def leave(self):
        """Takes away what there may be only some of."""
        if "we" in self.have:
            self.world.admin.delete(f"/api/v1/webhook-endpoints/{self.have['we']}")

    def _make_mtr(self):
        """A meter: its name is its id."""
        return self._post("meters", {"name": f"m{uuid.uuid4().hex[:20]}", "aggregation": "max"})["name"], None

    def _make_hld(self):
        """One by a model's price, so that it can be settled either way, and of nothing yet."""
        self["grt"]
        return self._post("holds", {"customer": self["cus"], "model": "gpt-4o-mini", "usage": {"input_tokens": 0}})["id"], None

    def _make_cod(self):
        code = self._post("codes", {"amount": "1"})
        return code["id"], code["code"]

    def _make_rrt(self):
        """One that has been simulated, of a moment without calls."""
        made = self._post("rerates", {"from": "2020-01-01T00:00:00Z", "to": "2020-01-01T00:00:01Z", "customer": self["cus"], "reason": "test"})["id"]
        wait_for(lambda: self.world.admin.get(f"/api/v1/rerates/{made}").json["state"] == "simulated", 30, "the simulation")
        return made, None

    def __getitem__(self, prefix):
        """The thing's id."""
        if prefix not in self.have:
            self.have[prefix], self.have[f"{prefix}'s other name"] = getattr(self, f"_make_{prefix}")()
        return self.have[prefix]

    @property
    def caller(self):
        """A client with the customer's own key."""
        self["key"]
        return self.world.servers[0].client(self.have["secret"])

    def filled(self, text):
        """What a case sends, with the real names where places are held."""
        if isinstance(text, bytes):
            return self.filled(text.decode()).encode() if text.isascii() and len(text) < 10000 else text
        if text is None:
            return None
        for prefix, place in PLACES.items():
            if place in text:
                text = text.replace(place, self[prefix])
        for prefix, place in OTHER_PLACES.items():
            if place in text:
                self[prefix]
                text = text.replace(place, self.have[f"{prefix}'s other name"])
        return text
