"""One key, one execution."""
import threading

import pytest

from tests.stripe.samples import off_session

CUSTOMER = {"email": "a@example.com"}


def test_the_first_answer_is_given_again(stripe):
    first = stripe.ask("POST", "/v1/customers", CUSTOMER, key="k1")
    again = stripe.ask("POST", "/v1/customers", CUSTOMER, key="k1")
    assert (again.status, again.body) == (200, first.body)
    assert again.headers["idempotent-replayed"] == "true" and again.headers["original-request"] == first.headers["request-id"]
    assert again.headers["idempotency-key"] == "k1" and "idempotent-replayed" not in first.headers
    assert len(stripe.objects("customers")) == 1
    assert [r["executed"] for r in stripe.requests(key="k1")] == [True, False]


def test_parameters_in_another_order_are_the_same(stripe):
    first = stripe.ask("POST", "/v1/customers", "email=a%40example.com&name=x", key="k1")
    assert stripe.ask("POST", "/v1/customers", "name=x&email=a@example.com", key="k1").body == first.body


@pytest.mark.parametrize("path, params", [("/v1/customers", {"email": "b@example.com"}), ("/v1/products", {"name": "x"})])
def test_another_request_under_the_key_is_refused(stripe, path, params):
    stripe.post("/v1/customers", CUSTOMER, key="k1")
    answer = stripe.ask("POST", path, params, key="k1")
    assert answer.status == 400 and answer.json["error"]["type"] == "idempotency_error"
    assert stripe.ask("POST", "/v1/customers", CUSTOMER, key="k1").headers["idempotent-replayed"] == "true"


def test_a_refused_card_is_given_again(stripe, customer):
    first = off_session(stripe, customer, "pm_card_visa_chargeDeclined", key="atu:1:1")
    again = off_session(stripe, customer, "pm_card_visa_chargeDeclined", key="atu:1:1")
    assert first.status == again.status == 402 and first.body == again.body
    assert again.headers["idempotent-replayed"] == "true" and len(stripe.objects("payment_intents")) == 1


def test_what_failed_before_any_work_is_not_kept(stripe):
    assert stripe.ask("POST", "/v1/customers", {"emial": "x"}, key="k1").status == 400
    answer = stripe.ask("POST", "/v1/customers", CUSTOMER, key="k1")
    assert answer.status == 200 and "idempotent-replayed" not in answer.headers


def test_what_things_did_not_allow_is_kept(stripe):
    params = {"mode": "setup", "currency": "usd", "success_url": "http://x/", "customer": "cus_none"}
    assert stripe.ask("POST", "/v1/checkout/sessions", params, key="k1").status == 400
    assert stripe.ask("POST", "/v1/checkout/sessions", params, key="k1").headers["idempotent-replayed"] == "true"


def test_while_the_first_runs_others_are_refused(stripe):
    stripe.fault("slow", seconds=1.5, times=1)
    answers = []
    first = threading.Thread(target=lambda: answers.append(stripe.ask("POST", "/v1/customers", CUSTOMER, key="k1")))
    first.start()
    while not stripe.requests(key="k1"):
        pass
    second = stripe.ask("POST", "/v1/customers", CUSTOMER, key="k1")
    first.join()
    assert second.status == 409 and second.json["error"]["code"] == "idempotency_key_in_use"
    assert second.headers["stripe-should-retry"] == "true"
    assert answers[0].status == 200
    assert stripe.ask("POST", "/v1/customers", CUSTOMER, key="k1").body == answers[0].body
    assert len(stripe.objects("customers")) == 1


def test_many_at_once_are_one(stripe):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(stripe.ask("POST", "/v1/customers", CUSTOMER, key="k1"))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stripe.objects("customers")) == 1 and {a.status for a in answers} <= {200, 409}
    assert len({a.json["id"] for a in answers if a.status == 200}) == 1


@pytest.mark.parametrize("fault, kept", [({"status": 500}, True), ({"status": 500, "kept": False}, False), ({"status": 503}, True), ({"status": 409}, False),
                                         ({"status": 429}, False), ({"status": 429, "reason": "global-rate"}, False)])
def test_of_faults_only_500s_are_kept(stripe, fault, kept):
    stripe.fault("status", times=1, **fault)
    assert stripe.ask("POST", "/v1/customers", CUSTOMER, key="k1").status == fault["status"]
    again = stripe.ask("POST", "/v1/customers", CUSTOMER, key="k1")
    assert ("idempotent-replayed" in again.headers) == kept
    assert again.status == (fault["status"] if kept else 200)


def test_a_key_lives_for_a_day(stripe):
    first = stripe.post("/v1/customers", CUSTOMER, key="k1")
    stripe.advance(86399)
    assert stripe.post("/v1/customers", CUSTOMER, key="k1")["id"] == first["id"]
    stripe.advance(2)
    assert stripe.post("/v1/customers", CUSTOMER, key="k1")["id"] != first["id"]


def test_a_key_has_255_characters_at_most(stripe):
    assert stripe.ask("POST", "/v1/customers", CUSTOMER, key="k" * 255).status == 200
    assert stripe.ask("POST", "/v1/customers", CUSTOMER, key="k" * 256).status == 400


def test_get_and_delete_know_no_keys(stripe, customer):
    where = f"/v1/customers/{customer['id']}"
    stripe.ask("GET", where, key="k1")
    stripe.post(where, {"name": "x"}, key="k1")
    assert stripe.get(where, key="k1")["name"] == "x"
