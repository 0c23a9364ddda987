"""What is told, to whom, how it is signed, and what a bad day does to it."""
import json
import threading
import time

import pytest

from tests.harness.process import wait_for
from tests.stripe.conftest import SECRETS
from tests.stripe.fake import FakeStripe
from tests.stripe.receiver import Receiver
from tests.stripe.samples import last, paid, session, types
from tests.stripe.signing import header, signature


def seed_run(seed, **settings):
    """What came, in order, of twenty events held and flushed or sent under these settings."""
    receiver = Receiver(*SECRETS)
    with FakeStripe(seed=seed, webhook_url=receiver.url, webhook_secrets=SECRETS[:1]) as stripe:
        flush = settings.pop("flush", None)
        stripe.webhooks(**settings)
        for number in range(20):
            stripe.post("/v1/customers", {"name": str(number)})
        if flush:
            stripe.deliver(**flush)
        stripe.quiet()
        listed = [e["data"]["object"]["name"] for e in stripe.get("/v1/events", {"delivery_success": False, "limit": 100})["data"]]
    receiver.stop()
    return [e["data"]["object"]["name"] for e in receiver.events], listed


# The signature


def test_the_documented_vector():
    assert signature("whsec_test_secret", 1700000000, b'{"id":"evt_1","object":"event"}') == "0c8670ed117751cc551a20e35839447075c42800ea3cf3e8a2fbda99cd1e6edd"


def test_a_header_names_its_time_and_each_secret():
    text = header(["a", "b"], b"x", at=5)
    assert text.split(",")[:3] == ["t=5", f"v1={signature('a', 5, b'x')}", f"v1={signature('b', 5, b'x')}"] and text.split(",")[3].startswith("v0=")
    assert "v0" not in header(["a"], b"x", livemode=True)


def test_each_post_is_signed_over_its_bytes_now(told):
    stripe, receiver = told
    stripe.advance(10 * 86400)  # the stand-in's time; receivers look at their own
    stripe.post("/v1/customers", {"name": "Zoë"})
    stripe.quiet()
    assert receiver.signed() == [SECRETS[0]]
    headers, body = receiver.posts[0]
    assert abs(int(headers["Stripe-Signature"].split(",")[0][2:]) - time.time()) < 60
    assert headers["Content-Type"].startswith("application/json") and "Zoë".encode() in body


def test_while_a_secret_is_rolled_both_sign(told):
    stripe, receiver = told
    stripe.control("POST", "/endpoints/given/secrets", secrets=SECRETS)
    stripe.post("/v1/customers")
    stripe.quiet()
    assert receiver.signed() == list(SECRETS)


# The envelope


def test_an_event(told):
    stripe, receiver = told
    made = stripe.post("/v1/customers", {"email": "a@example.com"}, key="cust:1")
    stripe.quiet()
    event = receiver.events[0]
    assert (event["object"], event["type"], event["api_version"], event["livemode"], event["pending_webhooks"]) == (
        "event", "customer.created", "2026-10-28.endive", False, 1)
    assert event["data"] == {"object": made} and event["request"]["idempotency_key"] == "cust:1" and event["request"]["id"].startswith("req_")
    assert event["id"].startswith("evt_") and isinstance(event["created"], int)


def test_an_event_keeps_what_was_then(stripe, customer):
    stripe.post(f"/v1/customers/{customer['id']}", {"email": "b@example.com", "metadata": {"a": "1"}})
    created, updated = stripe.events()
    assert created["data"]["object"]["email"] == "buyer@example.com" and "previous_attributes" not in created["data"]
    assert updated["data"]["object"]["email"] == "b@example.com"
    assert updated["data"]["previous_attributes"] == {"email": "buyer@example.com", "metadata": {"a": None}}


def test_a_call_that_changes_nothing_tells_nothing(stripe, customer):
    stripe.post(f"/v1/customers/{customer['id']}", {"email": "buyer@example.com"})
    assert types(stripe) == ["customer.created"]


# Endpoints


def test_an_endpoint_hears_what_it_asked_for(stripe, receiver):
    made = stripe.post("/v1/webhook_endpoints", {"url": receiver.url, "enabled_events": ["customer.created", "checkout.session.completed"],
                                                 "api_version": "2026-09-30.endive"})
    assert made["secret"].startswith("whsec_") and "secret" not in stripe.get(f"/v1/webhook_endpoints/{made['id']}")
    receiver.secrets = (made["secret"],)
    paid(stripe, customer=stripe.post("/v1/customers")["id"])
    stripe.quiet()
    assert receiver.types() == ["customer.created", "checkout.session.completed"] and receiver.signed() == [made["secret"]]
    assert receiver.events[0]["api_version"] == "2026-09-30.endive"
    stripe.post(f"/v1/webhook_endpoints/{made['id']}", {"disabled": True})
    stripe.post("/v1/customers")
    stripe.delete(f"/v1/webhook_endpoints/{made['id']}")
    stripe.post("/v1/customers")
    stripe.quiet()
    assert len(receiver.posts) == 2


def test_no_more_than_sixteen_endpoints(stripe):
    for _ in range(16):
        stripe.post("/v1/webhook_endpoints", {"url": "http://127.0.0.1:9/", "enabled_events": ["x"]})
    assert stripe.ask("POST", "/v1/webhook_endpoints", {"url": "http://127.0.0.1:9/", "enabled_events": ["x"]}).status == 400


def test_thin_events_say_where_to_look(stripe, receiver):
    headers = {"Authorization": f"Bearer {stripe.key}", "Content-Type": "application/json"}
    made = json.loads(stripe.request("POST", "/v2/core/event_destinations", json.dumps({
        "name": "thin", "type": "webhook_endpoint", "event_payload": "thin", "enabled_events": ["v1.customer.created"], "webhook_endpoint": {"url": receiver.url}}),
        headers).body)
    receiver.secrets = (made["webhook_endpoint"]["signing_secret"],)
    customer = stripe.post("/v1/customers", {}, key="k1")
    stripe.quiet()
    event = receiver.events[0]
    assert (event["object"], event["type"], event["snapshot_event"]) == ("v2.core.event", "v1.customer.created", stripe.events()[0]["id"])
    assert event["related_object"] == {"id": customer["id"], "type": "customer", "url": f"/v1/customers/{customer['id']}"}
    assert event["reason"]["request"]["idempotency_key"] == "k1" and event["created"].endswith("Z") and "data" not in event
    assert receiver.signed() and stripe.get(event["related_object"]["url"]) == customer
    assert stripe.get(f"/v2/core/events/{event['id']}") == event


# A bad day


def test_what_is_refused_is_tried_again(told):
    stripe, receiver = told
    receiver.answers = [500, 302, 429]
    stripe.post("/v1/customers")
    stripe.quiet()
    assert [e["id"] for e in receiver.events] == [stripe.events()[0]["id"]] * 4
    delivery, = stripe.control("GET", "/deliveries")
    assert delivery["state"] == "delivered" and [a["status"] for a in delivery["attempts"]] == [500, 302, 429, 200]


def test_at_some_point_it_is_given_up_and_stays_listed(told):
    stripe, receiver = told
    stripe.webhooks(retry_seconds=[0.05, 0.05])
    receiver.answers = [500] * 3
    stripe.post("/v1/customers")
    stripe.quiet()
    stripe.post("/v1/customers")
    stripe.quiet()
    failed, = stripe.get("/v1/events", {"delivery_success": False})["data"]
    assert failed["id"] == stripe.events()[0]["id"] and failed["pending_webhooks"] == 1
    stripe.control("POST", f"/events/{failed['id']}/deliver")
    assert stripe.get("/v1/events", {"delivery_success": False})["data"] == [] and receiver.events[-1]["id"] == failed["id"]


def test_a_receiver_that_is_away_is_a_failure(told):
    stripe, receiver = told
    stripe.webhooks(retry_seconds=[0.05])
    receiver.stop()
    stripe.post("/v1/customers")
    stripe.quiet()
    delivery, = stripe.control("GET", "/deliveries", state="failed")
    assert delivery["attempts"][0]["status"] is None and delivery["attempts"][0]["error"]


def test_what_is_held_goes_when_it_is_told_to(told):
    stripe, receiver = told
    stripe.webhooks(mode="hold")
    paid(stripe)
    stripe.quiet()
    assert receiver.posts == [] and len(stripe.get("/v1/events", {"delivery_success": False})["data"]) == len(stripe.events())
    stripe.deliver(types=["checkout.session.completed"])
    assert receiver.types() == ["checkout.session.completed"]
    stripe.deliver(order="reversed")
    assert receiver.types()[1:] == types(stripe)[-2::-1]
    paid(stripe)
    stripe.control("POST", "/release")
    stripe.quiet()
    assert len(receiver.posts) == len(stripe.events())


def test_what_went_can_go_again(told):
    stripe, receiver = told
    stripe.post("/v1/customers")
    stripe.quiet()
    stripe.deliver(states=["delivered"], copies=3)
    assert len(receiver.posts) == 4 and len({body for _, body in receiver.posts}) == 1


def test_many_copies_at_once(told):
    stripe, receiver = told
    stripe.webhooks(mode="hold")
    stripe.post("/v1/customers")
    receiver.held.clear()
    done = []
    sending = threading.Thread(target=lambda: done.extend(stripe.deliver(copies=20, together=20)))
    sending.start()
    wait_for(lambda: receiver.waiting == 20, 20, "all copies being there at once")
    receiver.held.set()
    sending.join()
    assert len(receiver.posts) == 20 and {d["state"] for d in done} == {"delivered"}


def test_a_seed_decides_the_order():
    made = [str(n) for n in range(20)]
    once, _ = seed_run("a", mode="hold", flush={"order": "shuffled"})
    again, _ = seed_run("a", mode="hold", flush={"order": "shuffled"})
    other, _ = seed_run("b", mode="hold", flush={"order": "shuffled"})
    assert once == again != other and sorted(once) == sorted(made) and once != made


def test_a_seed_decides_what_is_lost_and_what_comes_twice():
    came, listed = seed_run("a", drop=0.3, duplicate=0.4)
    assert (came, listed) == seed_run("a", drop=0.3, duplicate=0.4)
    assert 0 < len(listed) < 20 and not set(listed) & set(came) and set(listed) | set(came) == {str(n) for n in range(20)}
    assert len(came) > len(set(came))


def test_neighbours_change_places():
    came, listed = seed_run("a", shuffle=1.5)
    assert sorted(came, key=int) == [str(n) for n in range(20)] != came and listed == []


def test_a_delay_is_waited(told):
    stripe, receiver = told
    stripe.webhooks(delay=[0.4, 0.5])
    begun = time.monotonic()
    stripe.post("/v1/customers")
    stripe.quiet()
    assert receiver.posts and time.monotonic() - begun >= 0.4


# The list


def test_a_receiver_catches_up(stripe):
    for _ in range(3):
        paid(stripe)
    seen = last(stripe, "checkout.session.completed")
    ids = [e["id"] for e in stripe.events("checkout.session.completed")]
    paid(stripe), paid(stripe)
    asked = {"types": ["checkout.session.completed", "refund.created"], "ending_before": seen["id"], "limit": 100}
    newer = stripe.get("/v1/events", asked)["data"]
    assert [e["id"] for e in newer] == [e["id"] for e in stripe.events("checkout.session.completed")][:len(ids) - 1:-1] and len(newer) == 2
    first = stripe.get("/v1/events", {**asked, "limit": 1})
    assert first["data"] == newer[1:] and first["has_more"] is True


def test_the_list_can_begin_at_an_event_of_another_type(stripe):
    paid(stripe)
    seen = stripe.events()[-1]
    paid(stripe)
    newer = stripe.get("/v1/events", {"type": "payment_intent.succeeded", "ending_before": seen["id"]})["data"]
    assert [e["id"] for e in newer] == [last(stripe, "payment_intent.succeeded")["id"]]


@pytest.mark.parametrize("params", [{"types": [str(n) for n in range(21)]}, {"type": "a", "types": ["b"]}])
def test_what_the_list_refuses(stripe, params):
    assert stripe.ask("GET", "/v1/events", params).status == 400


def test_events_are_listed_for_thirty_days(stripe):
    made = stripe.post("/v1/customers")
    stripe.advance(31 * 86400)
    assert stripe.get("/v1/events")["data"] == [] and stripe.get(f"/v1/customers/{made['id']}") == made
    assert stripe.events()[0]["type"] == "customer.created"


def test_a_buyers_way_back_waits_until_it_was_told(told):
    stripe, receiver = told
    stripe.webhooks(delay=[0.5, 0.5])
    made = session(stripe)
    answer = stripe.request("POST", f"/c/pay/{made['id']}", "do=pay&card=visa", {"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status == 303 and "checkout.session.completed" in receiver.types()
