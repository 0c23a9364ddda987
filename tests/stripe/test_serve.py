"""The stand-in as a process of its own, and what control calls answer."""
import http.client
import os
import pathlib
import subprocess

import pytest

from tests.stripe.fake import FakeStripe, Remote
from tests.stripe.samples import session

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def served(receiver):
    command = [ROOT / "tests" / "stripe" / "serve", "--webhook-url", receiver.url, "--webhook-secret", "whsec_first", "--seed", "7"]
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, text=True, env={"PATH": os.environ["PATH"]})
    words = process.stdout.readline().split()
    yield words, process
    process.terminate()
    assert process.wait(20) == 0
    process.stdout.close()


def test_it_says_where_it_is_and_serves(served, receiver):
    words, _ = served
    assert words[:2] == ["listening", "on"] and words[3:6] == ["seed", "7", "key"]
    stripe = Remote(words[2], key=words[6])
    made = stripe.complete(session(stripe))
    assert made["payment_status"] == "paid" and made["url"] is None
    stripe.quiet()
    assert receiver.types()[-1] == "checkout.session.completed" and receiver.signed() == ["whsec_first"]


def test_a_seed_makes_the_same_ids():
    def ids(seed):
        with FakeStripe(seed=seed) as stripe:
            return session(stripe)["id"], stripe.post("/v1/customers")["id"]
    assert ids(1) == ids(1) != ids(2)
    assert ids(None) != ids(None)


def test_the_calls_are_listed(stripe):
    said = stripe.control("GET", "")
    assert "POST /_fake/sessions/{id}/complete" in " ".join(said["calls"]) and all(": " in c for c in said["calls"]) and said["seed"] == "test"


@pytest.mark.parametrize("method, path, body", [("GET", "/nothing", b""), ("POST", "/sessions/cs_x/complete", b'{"card": "gold"}'), ("POST", "/webhooks", b'{"colour": 1}'),
                                                ("POST", "/clock", b"{}"), ("POST", "/settings", b'{"x": 1}'), ("POST", "/endpoints", b'{"url": "http://x/"}'),
                                                ("POST", "/deliver", b'{"order": "any"}'), ("POST", "/disputes/du_x/close", b'{"status": "perhaps"}'), ("POST", "/clock", b"{")])
def test_what_makes_no_sense_is_400(stripe, method, path, body):
    assert stripe.request(method, "/_fake" + path, body if method == "POST" else None).status == 400


def test_what_is_there_can_be_looked_at(stripe, customer):
    assert stripe.control("GET", "/state") == {"customers": 1}
    assert stripe.objects("customers", email="buyer@example.com") == [customer] and stripe.objects("customers", email="x") == []
    assert stripe.control("GET", f"/objects/{customer['id']}") == customer
    assert stripe.get("/v1/account")["id"] == "acct_standin"
    assert {c["name"] for c in stripe.control("GET", "/cards")} >= {"visa", "declined", "bank_debit"}


def test_requests_are_remembered_until_they_are_forgotten(stripe, customer):
    stripe.ask("POST", "/v1/customers", {"emial": "x"}, key="k1")
    stripe.get(f"/v1/customers/{customer['id']}")
    assert [(r["method"], r["status"], r["executed"]) for r in stripe.requests()] == [("POST", 200, True), ("POST", 400, False), ("GET", 200, True)]
    refused, = stripe.requests(key="k1")
    assert refused["params"] == {"emial": "x"}
    assert len(stripe.requests(path="/v1/customers*")) == 3 and len(stripe.requests(method="GET")) == 1
    assert stripe.control("GET", "/idempotency") == {}
    stripe.control("DELETE", "/requests")
    assert stripe.requests() == []


def test_when_it_stops_it_is_gone():
    stripe = FakeStripe()
    connection = http.client.HTTPConnection("127.0.0.1", stripe.port, timeout=20)
    headers = {"Authorization": f"Bearer {stripe.key}"}
    connection.request("GET", "/v1/customers", headers=headers)
    assert connection.getresponse().read()
    kept = connection.sock
    stripe.stop()
    with pytest.raises(OSError):
        stripe.get("/v1/customers")
    assert kept.recv(1) == b""
    connection.close()


def test_a_bug_of_the_stand_in_is_not_a_finding(stripe):
    stripe.account.tables["customers"] = None
    assert stripe.ask("GET", "/v1/customers").status == 500
    with pytest.raises(AssertionError):
        stripe.no_bugs()
    stripe.account.bugs.clear()
