"""Faults on request: before the work and after it, by count, by place and by chance."""
import http.client
import threading
import time

import pytest

from tests.stripe.fake import FakeStripe

CUSTOMER = {"email": "a@example.com"}


def lost(stripe, **more):
    """A call whose answer does not come."""
    with pytest.raises((OSError, http.client.HTTPException)):
        headers = {"Authorization": f"Bearer {stripe.key}", "Content-Type": "application/x-www-form-urlencoded", "Idempotency-Key": "k1"}
        stripe.request("POST", "/v1/customers", b"email=a%40example.com", headers, **more)


@pytest.mark.parametrize("when, made", [("before", 0), ("after", 1)])
def test_the_connection_is_torn_down(stripe, when, made):
    stripe.fault("reset", when=when, times=1)
    lost(stripe)
    assert len(stripe.objects("customers")) == made
    answer = stripe.ask("POST", "/v1/customers", CUSTOMER, key="k1")
    assert answer.status == 200 and ("idempotent-replayed" in answer.headers) == (made == 1)
    assert len(stripe.objects("customers")) == 1
    assert [r["fault"] for r in stripe.requests(key="k1")] == [f"reset-{when}", None]
    assert [r["executed"] for r in stripe.requests(key="k1")] == [made == 1, made == 0]


@pytest.mark.parametrize("when, made", [("before", 0), ("after", 1)])
def test_no_answer_comes(stripe, when, made):
    stripe.fault("timeout", when=when, times=1)
    lost(stripe, timeout=0.5)
    assert len(stripe.objects("customers")) == made
    assert stripe.ask("POST", "/v1/customers", CUSTOMER, key="k1").status == 200 and len(stripe.objects("customers")) == 1


def test_no_answer_ends_by_itself(stripe):
    stripe.fault("timeout", times=1, seconds=0.3)
    lost(stripe, timeout=30)


@pytest.mark.parametrize("rule, code, headers", [
    ({"status": 409}, "idempotency_key_in_use", {"stripe-should-retry": "true"}),
    ({"status": 429}, "lock_timeout", {}),
    ({"status": 429, "reason": "global-rate"}, "rate_limit", {"stripe-rate-limited-reason": "global-rate"}),
    ({"status": 500}, None, {}),
    ({"status": 500, "should_retry": True}, None, {"stripe-should-retry": "true"}),
    ({"status": 500, "should_retry": False}, None, {"stripe-should-retry": "false"}),
    ({"status": 503}, None, {}),
])
def test_a_status(stripe, rule, code, headers):
    stripe.fault("status", times=1, **rule)
    answer = stripe.ask("POST", "/v1/customers", CUSTOMER)
    assert answer.status == rule["status"] and answer.json["error"].get("code") == code
    assert {k: answer.headers[k] for k in headers} == headers
    assert ("stripe-rate-limited-reason" in answer.headers) == ("stripe-rate-limited-reason" in headers)
    assert stripe.objects("customers") == [] and answer.headers["request-id"].startswith("req_")
    assert stripe.ask("POST", "/v1/customers", CUSTOMER).status == 200


def test_a_500_after_the_work(stripe):
    stripe.fault("status", status=500, when="after", times=1)
    assert stripe.ask("POST", "/v1/customers", CUSTOMER, key="k1").status == 500
    assert stripe.ask("POST", "/v1/customers", CUSTOMER, key="k1").status == 500
    assert len(stripe.objects("customers")) == 1 and [e["type"] for e in stripe.events()] == ["customer.created"]


def test_slow_is_still_right(stripe):
    stripe.fault("slow", seconds=0.3, times=1)
    begun = time.monotonic()
    assert stripe.post("/v1/customers", CUSTOMER)["email"] == "a@example.com" and time.monotonic() - begun >= 0.3


def test_a_replay_can_be_lost_as_well(stripe):
    stripe.post("/v1/customers", CUSTOMER, key="k1")
    stripe.fault("reset", times=1)
    lost(stripe)
    assert stripe.ask("POST", "/v1/customers", CUSTOMER, key="k1").headers["idempotent-replayed"] == "true"


# Whom a rule strikes


def test_by_method_and_place(stripe):
    stripe.fault("status", method="POST", path="/v1/payment_intents*")
    assert stripe.ask("POST", "/v1/customers", CUSTOMER).status == 200
    assert stripe.ask("GET", "/v1/payment_intents").status == 200
    assert stripe.ask("POST", "/v1/payment_intents", {"amount": 2000, "currency": "usd"}).status == 500
    assert stripe.ask("POST", "/v1/payment_intents/pi_x/cancel").status == 500
    assert stripe.control("GET", "/faults")[0]["met"] == 2
    stripe.clear_faults()
    assert stripe.ask("POST", "/v1/payment_intents", {"amount": 2000, "currency": "usd"}).status == 200


def test_by_number(stripe):
    stripe.fault("status", skip=2, times=2)
    assert [stripe.ask("POST", "/v1/customers", CUSTOMER).status for _ in range(6)] == [200, 200, 500, 500, 200, 200]


def by_chance(seed):
    with FakeStripe(seed=seed) as stripe:
        stripe.fault("status", probability=0.4)
        return [stripe.ask("POST", "/v1/customers", CUSTOMER).status for _ in range(40)]


def test_by_chance_and_seed():
    once = by_chance("a")
    assert once == by_chance("a") != by_chance("b") and 5 < once.count(500) < 30


def test_a_401_comes_before_any_fault(stripe):
    stripe.fault("status")
    stripe.key = "sk_test_" + "-"
    assert stripe.ask("GET", "/v1/customers").status == 401


@pytest.mark.parametrize("rule", [{"kind": "mood"}, {"kind": "reset", "when": "never"}, {"kind": "reset", "colour": "red"}])
def test_a_rule_that_says_nothing_is_refused(stripe, rule):
    import json
    assert stripe.request("POST", "/_fake/faults", json.dumps(rule)).status == 400


def test_under_faults_one_key_is_one_payment():
    """Many callers, each with a key of its own, through every fault until an answer comes: as many payments as keys."""
    with FakeStripe(seed="storm") as stripe:
        for kind in ("reset", "status", "slow"):
            for when in ("before", "after"):
                rule = {"status": 500, "kept": False} if kind == "status" else {"seconds": 0.01} if kind == "slow" else {}
                if (kind, when) != ("status", "after"):
                    stripe.fault(kind, when=when, path="/v1/payment_intents", probability=0.15, **rule)

        def pay(number):
            for _ in range(200):
                try:
                    answer = stripe.ask("POST", "/v1/payment_intents", {"amount": 2000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True,
                                                                       "metadata": {"n": number}}, key=f"k{number}")
                except (OSError, http.client.HTTPException):
                    continue
                if answer.status == 200:
                    return
        threads = [threading.Thread(target=pay, args=(n,)) for n in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stripe.clear_faults()
        intents = stripe.objects("payment_intents")
        assert sorted(int(i["metadata"]["n"]) for i in intents) == list(range(12)) and {i["status"] for i in intents} == {"succeeded"}
        assert len(stripe.requests(method="POST", path="/v1/payment_intents", executed=True)) == 12
        stripe.no_bugs()
