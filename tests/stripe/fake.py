"""The stand-in for a test: a server in this process, or a hand on one that runs elsewhere.

    with FakeStripe(webhook_url=…, webhook_secrets=["whsec_…"]) as stripe:
        stripe.url                                   # the API's base
        session = stripe.post("/v1/checkout/sessions", {...})
        stripe.control("POST", f"/sessions/{session['id']}/complete", card="visa")
        assert len(stripe.requests(method="POST", path="/v1/payment_intents", executed=True)) == 1
"""
import base64
import http.client
import json
import secrets as random_secrets
import urllib.parse

from . import forms
from .account import Account
from .sender import Endpoint
from .server import Server

KEY = "sk_test_standin"


class Refusal(AssertionError):
    """An answer that a test did not expect."""

    def __init__(self, answer):
        super().__init__(f"{answer.status}: {answer.json}")
        self.answer, self.status, self.error = answer, answer.status, answer.json.get("error", {})


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


class Remote:
    """A hand on a running stand-in: its API with a key, and its control calls."""

    def __init__(self, url, key=KEY):
        self.url, self.key = url.rstrip("/"), key
        self._at = urllib.parse.urlsplit(self.url)

    def request(self, method, path, body=None, headers=None, timeout=60):
        connection = http.client.HTTPConnection(self._at.hostname, self._at.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    # The API

    def ask(self, method, path, params=None, key=None, basic=False, **headers):
        """The answer, whatever it is. `key`: the idempotency key. Headers with _ for -."""
        token = base64.b64encode(f"{self.key}:".encode()).decode() if basic else self.key
        sent = {"Authorization": f"{'Basic' if basic else 'Bearer'} {token}", **{k.replace("_", "-"): v for k, v in headers.items()}}
        if key:
            sent["Idempotency-Key"] = key
        text = params if isinstance(params, str) else forms.encode(params or {})
        if method == "POST":
            return self.request("POST", path, text.encode(), {"Content-Type": "application/x-www-form-urlencoded", **sent})
        return self.request(method, path + (f"?{text}" if text else ""), None, sent)

    def post(self, path, params=None, **more):
        return self._good(self.ask("POST", path, params, **more))

    def get(self, path, params=None, **more):
        return self._good(self.ask("GET", path, params, **more))

    def delete(self, path, **more):
        return self._good(self.ask("DELETE", path, **more))

    @staticmethod
    def _good(answer):
        if answer.status != 200:
            raise Refusal(answer)
        return answer.json

    # The control calls

    def control(self, method, path, /, **given):
        """A call of /_fake (`GET /_fake` lists them); Refusal where it is not answered with 200."""
        if method in ("GET", "DELETE"):
            query = "?" + urllib.parse.urlencode(given) if given else ""
            return self._good(self.request(method, "/_fake" + path + query))
        return self._good(self.request(method, "/_fake" + path, json.dumps(given).encode()))

    def complete(self, session, card="visa", **more):
        """A buyer pays the session on its page."""
        return self.control("POST", f"/sessions/{_id(session)}/complete", card=card, **more)

    def settle(self, payment, outcome=None):
        return self.control("POST", f"/payments/{_id(payment)}/settle", **({"outcome": outcome} if outcome else {}))

    def fault(self, kind, /, **rule):
        return self.control("POST", "/faults", kind=kind, **rule)

    def clear_faults(self):
        self.control("DELETE", "/faults")

    def requests(self, **where):
        """The records of what was asked: method, path (with *), key, fault, executed."""
        if "executed" in where:
            where["executed"] = str(where["executed"]).lower()
        return self.control("GET", "/requests", **where)

    def objects(self, table, **where):
        return self.control("GET", f"/state/{table}", **where)

    def events(self, type=None):
        return self.control("GET", "/events", **({"type": type} if type else {}))

    def listen(self, url, *secrets, **more):
        """Tells events to an address from now on: {events, payload: "thin", api_version, id}."""
        return self.control("POST", "/endpoints", url=url, secrets=list(secrets), **more)["id"]

    def webhooks(self, **settings):
        return self.control("POST", "/webhooks", **settings)

    def deliver(self, **how):
        return self.control("POST", "/deliver", **how)

    def quiet(self, timeout=30):
        """Waits until no webhook is under way or to be retried."""
        assert self.control("POST", "/quiet", timeout=timeout)["quiet"], f"webhooks are still under way after {timeout} s"

    def advance(self, seconds):
        return self.control("POST", "/clock", advance=seconds)

    def no_bugs(self):
        bugs = self.control("GET", "/bugs")
        assert not bugs, bugs[0]


class FakeStripe(Remote):
    """The stand-in in this process, on a port of its own."""

    def __init__(self, port=0, webhook_url=None, webhook_secrets=(), seed=None, livemode=False, key=None, base_url=""):
        self.account = Account(seed if seed is not None else random_secrets.token_hex(4), livemode, base_url)
        self.server = Server(self.account, port)
        super().__init__(f"http://127.0.0.1:{self.server.server_port}", key or (KEY.replace("test", "live") if livemode else KEY))
        if webhook_url:
            self.account.sender.endpoints["given"] = Endpoint("given", webhook_url, webhook_secrets)
        self.account.sender.start()
        self.server.start()

    @property
    def port(self):
        return self.server.server_port

    def stop(self):
        self.server.stop()
        self.account.sender.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def _id(made):
    return made if isinstance(made, str) else made["id"]
