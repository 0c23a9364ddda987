"""Usage that has happened, reported as events: in whatever form it comes it is understood once, priced by the price of its time,
charged once, and explained like any call."""
import base64
import concurrent.futures
import datetime
import json
import re
import time
import uuid
from decimal import Decimal

import pytest

from tests.harness.cluster import Cluster
from tests.harness.process import wait_for
from tests.harness.server import World
from tests.harness.typeid import parse_id

CLOUDEVENT, BATCH, LINES = "application/cloudevents+json", "application/cloudevents-batch+json", "application/x-ndjson"
USAGE = {"input_tokens": 900, "cached_input_tokens": 100, "output_tokens": 50}
COST = "0.0001725"  # by gpt-4o-mini's rates a million: 900 * 0.15 + 100 * 0.075 + 50 * 0.6


def new_id():
    return uuid.uuid4().hex


def event(subject=None, **more):
    """A CloudEvent that nobody has sent before; members that are None are left out."""
    made = {"specversion": "1.0", "id": new_id(), "source": "/app", "type": "gpt-4o-mini", "subject": subject, "data": {"usage": USAGE}, **more}
    return {k: v for k, v in made.items() if v is not None}


def send(client, body, kind="application/json", headers=None, **more):
    return client.request("POST", "/api/v1/events", body, headers={"Content-Type": kind, **(headers or {})}, **more)


def taken(answer):
    assert answer.status == 200, answer
    return answer.json


def refused(answer, status, code, param=None):
    assert (answer.status, answer.code) == (status, code) and answer.json["error"]["param"] == param, answer
    return answer.json["error"]


def ago(**how):
    return (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(**how)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def metric(world, name):
    return int(re.search(rf"^{re.escape(name)} (\d+)$", world.admin.get("/metrics").body.decode(), re.M).group(1))


@pytest.fixture(scope="module")
def gpu(world):
    """A provider that nobody speaks to, with prices of what runs elsewhere."""
    made = world.admin.post("/api/v1/providers", {"name": "machines", "plugin": "none"})
    assert made.status == 201, made
    prices = {"a100": [("gpu_seconds", 1, "0.001")], "h100": [("gpu_ms", 1000, "0.002")], "scan": [("documents", 1, "0.5"), ("pages", 1000, "10")],
              "thrifty": [("input_tokens", 1000000, "1")], "per-image": [("images", 1, "1")]}
    for model, rates in prices.items():
        answer = world.admin.post("/api/v1/prices", {"provider": "machines", "model": model, "rates": [{"meter": m, "per": per, "charge": c} for m, per, c in rates]})
        assert answer.status == 201, answer
    return made.json


# ---- the forms

def forms(subject):
    """Ways to say the same: {name: (body, content type, headers)}; the id differs."""
    ids = [new_id() for _ in range(8)]
    plain = {"source": "/app", "type": "gpt-4o-mini", "subject": subject, "data": {"usage": USAGE}}
    binary = {"ce-specversion": "1.0", "ce-id": ids[0], "ce-source": "/app", "ce-type": "gpt-4o-mini", "ce-subject": subject, "ce-extension1": "x"}
    encoded = base64.b64encode(json.dumps({"usage": USAGE}).encode()).decode()
    return {
        "binary": (json.dumps({"usage": USAGE}), "application/json", binary),
        "binary of another JSON": (json.dumps(USAGE), "application/vnd.app+json; charset=utf-8", {**binary, "ce-id": ids[1]}),
        "structured": (event(subject, id=ids[2], datacontenttype="application/json", time=ago(seconds=0), dataschema="https://example.com/s"), CLOUDEVENT, {}),
        "structured, with a charset": (event(subject, id=ids[3]), CLOUDEVENT + "; charset=UTF-8", {}),
        "in Base64": (event(subject, id=ids[4], data=None, data_base64=encoded), CLOUDEVENT, {}),
        "with extensions": (event(subject, id=ids[5], traceparent="00-0af7651916cd43dd8448eb211c80319c-b9c7c989f97918e1-01", other=7), CLOUDEVENT, {}),
        "plain": ({**plain, "id": ids[6]}, "application/json", {}),
        "plain, with null for nothing": ({**plain, "id": ids[7], "time": None, "specversion": None}, "application/json; charset=utf-8", {}),
    }


def test_every_form_of_an_event_is_the_same_event(world):
    customer, _ = world.customer("10")
    for name, (body, kind, headers) in forms(customer).items():
        answer = taken(send(world.admin, body, kind, headers))
        assert answer["status"] == "accepted" and answer["customer"] == customer and answer["source"] == "/app", name
        assert (answer["state"], answer["charge"]) == ("settled", COST), name
    assert Decimal(answer["balance"]) == Decimal(world.balance(customer)["balance"]) == 10 - 8 * Decimal(COST)


def test_one_event_in_two_forms_is_a_duplicate(world):
    customer, _ = world.customer("10")
    first = event(customer)
    call = taken(send(world.admin, first, CLOUDEVENT))["call"]
    headers = {f"ce-{name}": first[name] for name in ("specversion", "id", "source", "type", "subject")}
    again = taken(send(world.admin, json.dumps(first["data"]), headers=headers))
    assert (again["status"], again["call"], again["charge"]) == ("duplicate", call, COST)


def test_header_values_may_be_quoted_and_percent_encoded(world):
    customer, _ = world.customer("10")
    made = new_id()
    headers = {"ce-specversion": "1.0", "ce-id": f'"{made} \\"x\\""', "ce-source": "/Euro%20%E2%82%AC", "ce-type": "gpt-4o-mini", "ce-subject": customer}
    answer = taken(send(world.admin, json.dumps({"usage": USAGE}), headers=headers))
    assert (answer["id"], answer["source"]) == (f'{made} "x"', "/Euro €")
    refused(send(world.admin, json.dumps({"usage": USAGE}), headers={**headers, "ce-source": "/%E2%82"}), 400, "invalid_request", "source")
    refused(send(world.admin, json.dumps({"usage": USAGE}), headers={**headers, "ce-specversion": "0.3"}), 400, "invalid_request", "specversion")


def test_a_header_that_is_there_twice_is_refused(world):
    customer, _ = world.customer("10")
    headers = {"ce-specversion": "1.0", "ce-id": new_id(), "ce-source": "/app", "ce-type": "gpt-4o-mini", "ce-subject": customer, "ce-time": ago(seconds=0)}
    for name, value in headers.items():
        refused(send(world.admin, json.dumps({"usage": USAGE}), headers={**headers, name.upper(): value}), 400, "invalid_request", name[3:])
    assert taken(send(world.admin, json.dumps({"usage": USAGE}), headers={**headers, "CE-EXTENSION": "x", "ce-extension": "y"}))["status"] == "accepted"


def test_names_of_other_systems_are_understood(world):
    customer, _ = world.customer("10", external_id=(name := new_id()))
    for body in ({"transaction_id": new_id(), "code": "gpt-4o-mini", "external_customer_id": name, "timestamp": int(time.time()) + 1, "properties": USAGE},
                 {"identifier": new_id(), "event_name": "output_tokens", "timestamp": str(int(time.time()) + 1), "payload": {"stripe_customer_id": name, "value": "7", "model": "gpt-4o-mini"}},
                 {"idempotency_key": new_id(), "event_name": "chat", "external_customer_id": name, "customer_id": None, "timestamp": ago(seconds=0), "properties": {**USAGE, "product": "gpt-4o-mini"}},
                 {"transaction_id": new_id(), "event_type": "chat", "customer_id": customer, "properties": {"usage": USAGE, "model": "gpt-4o-mini"}}):
        answer = taken(send(world.admin, body))
        assert (answer["customer"], answer["source"], answer["state"]) == (customer, "api", "settled")


@pytest.mark.parametrize("kind, body", [
    ("application/cloudevents+xml", "<event/>"), ("application/cloudevents-batch+avro", "x"), ("text/plain", "x"), ("application/json; charset=utf-16", "{}"),
    ("application/x-www-form-urlencoded", "a=1"), ("application/cloudevents+json; charset=latin1", "{}")])
def test_what_is_no_json_is_not_taken(world, kind, body):
    refused(send(world.admin, body, kind), 415, "unsupported_media_type")


def test_data_of_a_binary_event_that_is_no_json_is_not_taken(world):
    refused(send(world.admin, "<a/>", "text/xml", {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/a", "ce-type": "images"}), 415, "unsupported_media_type")


# ---- once

def test_an_event_that_comes_again_is_charged_once_whatever_its_time(world):
    customer, _ = world.customer("10")
    first = event(customer)
    told = taken(send(world.admin, first))
    for more in ({}, {"time": ago(days=3)}, {"time": ago(minutes=1)}, {"specversion": None}):
        again = taken(send(world.admin, {k: v for k, v in {**first, **more}.items() if v is not None}))
        assert again["status"] == "duplicate" and {**again, "status": "accepted"} == told
    assert len(world.calls(customer)) == 1 and Decimal(world.balance(customer)["balance"]) == 10 - Decimal(COST)


def test_many_at_once_are_one(pair):
    customer, _ = pair.customer("10")
    made = event(customer)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda i: taken(send(pair.servers[i % 2].client(pair.admin_key), made)), range(64)))
    assert sorted(a["status"] for a in answers).count("accepted") == 1 and len({a["call"] for a in answers}) == 1
    assert Decimal(pair.balance(customer)["balance"]) == 10 - Decimal(COST)


def test_the_same_identity_with_other_content_is_a_conflict_with_both_seen(world):
    customer, _ = world.customer("10")
    first = event(customer)
    call = taken(send(world.admin, first))["call"]
    for more in ({"data": {"usage": {**USAGE, "output_tokens": 51}}}, {"data": {"usage": {"images": 1}}}, {"type": "other"}, {"data": {"model": "other", "usage": USAGE}}):
        told = refused(send(world.admin, {**first, **more}), 409, "event_conflict", "id")["details"]
        assert told["call"] == call and told["recorded"]["usage"] == USAGE and told["recorded"]["model"] == "gpt-4o-mini"
        assert told["received"]["usage"] == {**first, **more}["data"]["usage"] and told["received"]["type"] == {**first, **more}["type"]
    assert Decimal(world.balance(customer)["balance"]) == 10 - Decimal(COST)


def test_what_else_an_event_says_is_its_content_too(world):
    """Two pieces of work of equal size under one id are two: the second is not lost in silence."""
    customer, _ = world.customer("10")
    first = event(customer, data={"usage": USAGE, "user": "a", "job": {"id": 7, "part": 1}})
    call = taken(send(world.admin, first))["call"]
    again = taken(send(world.admin, {**first, "data": {"job": {"part": 1, "id": 7}, "user": "a", "usage": dict(reversed(USAGE.items()))}}))
    assert (again["status"], again["call"]) == ("duplicate", call)
    told = refused(send(world.admin, {**first, "data": {"usage": USAGE, "user": "b"}}), 409, "event_conflict", "id")["details"]
    assert told["recorded"]["data"] == {"user": "a", "job": {"id": 7, "part": 1}} and told["received"]["data"] == {"user": "b"}
    assert refused(send(world.admin, {**first, "data": {"usage": USAGE}}), 409, "event_conflict", "id")["details"]["received"]["data"] is None


def test_identities_are_a_customers_and_a_sources_own(world):
    one, _ = world.customer("10")
    other, _ = world.customer("10")
    made = event(one)
    for body in (made, {**made, "subject": other}, {**made, "source": "/other"}, {**made, "id": new_id()}):
        assert taken(send(world.admin, body))["status"] == "accepted"


# ---- whose it is

def test_an_operator_names_the_customer_by_its_id_or_its_own_name(world):
    customer, _ = world.customer("10", external_id=(name := f"cus_{new_id()}"))  # a name that looks like an id of ours
    for subject in (customer, name, f"ext:{name}", name):
        assert taken(send(world.admin, event(subject)))["customer"] == customer
    refused(send(world.admin, event()), 400, "invalid_request", "subject")
    refused(send(world.admin, event(new_id())), 404, "not_found", "subject")
    refused(send(world.admin, event("cus_01h455vb4pex5vsknk084sn02q")), 404, "not_found", "subject")
    refused(send(world.admin, event(data={"customer_id": "ext:nobody", "usage": USAGE})), 404, "not_found", "customer_id")
    refused(send(world.admin, event(customer, data={"customer": "another", "usage": USAGE})), 400, "invalid_request", "data.customer")


def test_a_customers_own_key_reports_for_that_customer_only(world):
    customer, key = world.customer("10", external_id=(name := new_id()))
    other, _ = world.customer("10", external_id=(others := new_id()))
    own = world.servers[0].client(key)
    for subject in (None, customer, name, f"ext:{name}"):
        answer = taken(send(own, event(subject)))
        assert answer["customer"] == customer
    assert world.call(answer["call"])["key"] is not None
    for subject in (other, others, f"ext:{others}", new_id(), "cus_01h455vb4pex5vsknk084sn02q"):
        refused(send(own, event(subject)), 403, "forbidden", "subject")
    assert world.balance(other)["balance"] == "10"


def test_a_name_that_moves_is_followed_within_two_seconds(world):
    first, _ = world.customer("10", external_id=(name := new_id()))
    second, _ = world.customer("10")
    assert taken(send(world.admin, event(name)))["customer"] == first
    assert world.admin.patch(f"/api/v1/customers/{first}", {"external_id": None}).status == 200
    assert world.admin.patch(f"/api/v1/customers/{second}", {"external_id": name}).status == 200
    moved = time.monotonic()
    wait_for(lambda: taken(send(world.admin, event(name)))["customer"] == second, 10, "the name's new customer")
    assert time.monotonic() - moved < 8


def test_a_suspended_customer_reports_nothing_and_an_operator_still_does(world):
    customer, key = world.customer("10")
    own = world.servers[0].client(key)
    taken(send(own, event()))
    assert world.admin.patch(f"/api/v1/customers/{customer}", {"status": "suspended"}).status == 200
    refused(send(own, event()), 403, "customer_suspended")
    assert taken(send(world.admin, event(customer)))["status"] == "accepted"


def test_a_customers_revoked_key_reports_nothing_more_on_any_instance(pair):
    customer, _ = pair.customer("10")
    for turn in range(4):
        key = pair.key(customer)
        clients = [server.client(key["secret"]) for server in pair.servers]
        assert [send(c, event()).status for c in clients] == [200, 200]  # known to both
        assert pair.servers[turn % 2].client(pair.admin_key).delete(f"/api/v1/keys/{key['id']}").status == 200
        assert [send(c, event()).status for c in clients] == [401, 401]


def test_an_operators_revoked_key_closes_within_two_seconds(pair):
    customer, _ = pair.customer("10")
    made = pair.admin.post("/api/v1/keys", {"operator": True}).json
    clients = [server.client(made["secret"]) for server in pair.servers]
    for _ in range(20):
        assert all(taken(send(c, event(customer)))["status"] == "accepted" for c in clients)
    assert pair.admin.delete(f"/api/v1/keys/{made['id']}").status == 200
    deadline = time.monotonic() + 2.5  # the bound, and half a second for the slow
    while any(send(c, event(customer)).status != 401 for c in clients):
        assert time.monotonic() < deadline, "a revoked key reports"
    assert all(send(c, event(customer)).status == 401 for c in clients)


def test_an_operators_key_stays_known_while_it_is_used(world):
    customer, _ = world.customer("10")
    until = time.monotonic() + 3
    while time.monotonic() < until:
        assert taken(send(world.admin, event(customer)))["status"] == "accepted"


# ---- what was used

@pytest.mark.parametrize("data, param, why", [
    ({"usage": {"audio_seconds": 1.5}}, "data.usage.audio_seconds", "audio_ms"), ({"usage": {"images": "1.0"}}, "data.usage.images", "finer unit"),
    ({"usage": {"images": -1}}, "data.usage.images", "below zero"), ({"usage": {"images": "many"}}, "data.usage.images", "whole number"),
    ({"usage": {"horses": 1}}, "data.usage.horses", "input_tokens"), ({"usage": {"prompt_tokens": 1}}, "data.usage.prompt_tokens", "cached_input_tokens"),
    ({"total_tokens": 3, "input_tokens": 1}, "data.total_tokens", "output_tokens"), ({"usage": []}, "data.usage", "object"), ({}, "data.usage", "missing"),
    ({"note": "x"}, "data.usage", "missing"), ({"value": 1}, "data.value", "type"), ({"usage": {"images": 2 ** 63}}, "", "64 bits"),
    ({"usage": {"images": 1}, "images": 1}, "data.usage.images", "twice"), ([1], "data", "object"), ("x", "data", "object")])
def test_what_cannot_be_counted_is_refused_with_what_would_be_right(world, data, param, why):
    customer, _ = world.customer("0")
    assert why in refused(send(world.admin, event(customer, data=data)), 400, "invalid_request", param or None)["message"]
    assert world.calls(customer) == []


def test_gpu_seconds_and_documents_are_priced_without_a_provider_that_is_called(world, gpu):
    customer, key = world.customer("10")
    for body, charge in ((event(customer, type="gpu_seconds", data={"value": 90, "model": "a100"}), "0.09"),
                         (event(customer, type="render", data={"product": "h100", "gpu_ms": 1500}), "0.003"),
                         (event(customer, type="scan", data={"usage": {"documents": 2, "pages": "31"}}), "1.31"),
                         (event(customer, type="machines/scan", data={"usage": {"documents": 1}}), "0.5"),
                         (event(customer, type="thrifty", data={"usage": {"cached_input_tokens": 1000}}), "0.001")):  # by its parent's rate
        answer = taken(send(world.admin, body))
        call = world.call(answer["call"])
        assert answer["charge"] == call["charge"] == charge and call["adds_up"] and call["flags"] == ["reported"] and call["provider"] == "machines"
    assert not {m["id"] for m in world.servers[0].client(key).get("/v1/models").json["data"]} & {"a100", "scan"}
    assert world.servers[0].client(key).chat(model="thrifty").code == "model_not_priced"


def test_a_provider_that_nobody_speaks_to_has_no_address(world):
    for more in ({"base_url": "https://x"}, {"secret": "s"}):
        answer = world.admin.post("/api/v1/providers", {"name": "p" + new_id(), "plugin": "none", **more})
        refused(answer, 400, "invalid_request", next(iter(more)))


def test_what_else_an_event_says_is_evidence_for_operators(world):
    customer, key = world.customer("10")
    told = taken(send(world.admin, event(customer, data={"usage": USAGE, "region": "eu", "job": {"id": 7}})))
    assert world.call(told["call"])["evidence"]["event"] == {"type": "gpt-4o-mini", "data": {"region": "eu", "job": {"id": 7}}}
    assert "evidence" not in world.servers[0].client(key).get(f"/api/v1/calls/{told['call']}").json
    plain = taken(send(world.admin, event(customer)))
    assert world.call(plain["call"]).get("evidence", {}) == {}
    assert world.cluster.sql("SELECT count(*) FROM call_evidence WHERE customer_id = %s", str(parse_id(customer)))[0][0] == 1


def test_an_event_is_explained_like_any_call(world):
    customer, _ = world.customer("10")
    at = ago(seconds=0)
    call = world.call(taken(send(world.admin, event(customer, time=at)))["call"])
    assert (call["state"], call["flags"], call["charge"], call["usage"], call["key"]) == ("settled", ["reported"], COST, USAGE, None)
    assert call["adds_up"] and sum(Decimal(line["amount"]) for line in call["lines"]) == Decimal(COST) == sum(Decimal(g["amount"]) for g in call["grants"])
    made, said = (datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (call["created_at"], at))
    assert -0.001 < (said - made).total_seconds() < 1  # the database's clock may be behind: then it is of that


# ---- when it was

def test_only_events_of_the_window_are_taken(world):
    customer, _ = world.customer("10")
    for at in (ago(days=34, hours=23), ago(minutes=-4), int(time.time()) - 60, str(int(time.time()) + 60)):
        assert taken(send(world.admin, event(customer, time=at)))["status"] == "accepted"
    for at in (ago(days=35, hours=1), ago(minutes=-6), int(time.time() * 1000), "1970-01-02", 1):
        refused(send(world.admin, event(customer, time=at)), 400, "invalid_request", "time")
    for at in (time.time() - 5, f"{time.time() - 5:.3f}"):
        call = taken(send(world.admin, event(customer, time=None, timestamp=at)))["call"]
        assert abs(datetime.datetime.fromisoformat(world.call(call)["created_at"]).timestamp() - float(at)) < 0.002
    for at in ("now", "", -5, "1.", True, "2026-13-01T00:00:00Z"):
        refused(send(world.admin, event(customer, time=at)), 400, "invalid_request", "time")


def test_what_is_ahead_is_taken_as_of_now(world):
    customer, _ = world.customer("10")
    calls = [taken(send(world.admin, event(customer, time=at)))["call"] for at in (ago(seconds=1), ago(minutes=-4), ago(minutes=-1))]
    made = [world.call(call)["created_at"] for call in calls]
    assert made == sorted(made) and made[-1] < ago(seconds=-1)


def test_a_later_limit_is_not_told_when_what_was_ahead_is_undone(world, gpu):
    customer, _ = world.customer("100")
    made = [event(customer, type="per-image", data={"images": n}, time=ago(minutes=-4)) for n in (3, 5)]
    first = taken(send(world.admin, made[0]))["call"]
    limit = world.admin.post("/api/v1/limits", {"customer": customer, "measure": "spend", "period": "total", "amount": "10"}).json["id"]
    taken(send(world.admin, made[1]))
    assert world.admin.post(f"/api/v1/calls/{first}/void", {"reason": "a test"}).status == 200
    used = world.cluster.sql("SELECT used FROM buckets WHERE limit_id = %s", str(parse_id(limit)))[0][0]
    assert used == 5 * 10 ** 9


def test_an_event_is_priced_by_the_price_of_its_time(world, gpu):
    customer, _ = world.customer("100")
    model = "m" + new_id()

    def price(charge, **more):
        answer = world.admin.post("/api/v1/prices", {"provider": "machines", "model": model, "rates": [{"meter": "images", "per": 1, "charge": charge}], **more})
        assert answer.status == 201, answer
        return answer.json
    first = price("1")
    second = price("2")
    boundary = second["valid_from"]
    wait_for(lambda: taken(send(world.admin, event(customer, type=model, data={"images": 1})))["charge"] == "2", 10, "the second price")
    late = taken(send(world.admin, event(customer, type=model, data={"images": 1}, time=first["valid_from"][:-4] + "999Z")))
    assert late["charge"] == "1"
    assert taken(send(world.admin, event(customer, type=model, data={"images": 1}, time=boundary)))["charge"] == "2"
    before = taken(send(world.admin, event(customer, type=model, data={"images": 1}, time=ago(days=1))))
    assert (before["state"], before["charge"]) == ("unrated", "0")


def test_what_has_no_price_is_recorded_and_alarming_and_never_zero(world, gpu):
    customer, _ = world.customer("10")
    before = metric(world, "tollgate_events_unrated_total")
    for body, evidence in ((event(customer, type="unheard-of", data={"images": 1}), {"model": "unheard-of", "event": {"type": "unheard-of"}}),
                           (event(customer, type="a100", data={"gpu_seconds": 1, "images": 1}), {"model": "a100", "unrated_meter": "images", "event": {"type": "a100"}})):
        told = taken(send(world.admin, body))
        assert (told["state"], told["charge"], told["balance"]) == ("unrated", "0", "10")
        rows = world.cluster.sql("SELECT e.evidence FROM call_evidence e ORDER BY e.call_id DESC LIMIT 20")
        assert evidence in [row[0] for row in rows]
        assert taken(send(world.admin, body))["state"] == "unrated"
    assert metric(world, "tollgate_events_unrated_total") == before + 2
    assert "event.unrated" in world.servers[0].log()


def test_nothing_used_costs_nothing_and_needs_no_price(world):
    customer, _ = world.customer("10")
    told = taken(send(world.admin, event(customer, type="unheard-of", data={"images": 0})))
    assert (told["state"], told["charge"]) == ("settled", "0")


def test_more_than_an_amount_can_be_is_refused(world, gpu):
    customer, _ = world.customer("10")
    refused(send(world.admin, event(customer, type="per-image", data={"images": 2 ** 62})), 400, "invalid_request", "data")


@pytest.fixture(scope="module")
def strict():
    cluster = Cluster(settings=["fsync=off"])
    world = World(cluster, TOLLGATE_EVENTS_UNPRICED="refuse", TOLLGATE_EVENTS_LATE_DAYS="60", TOLLGATE_EVENTS_BATCH_MAX="5")
    yield world
    world.audit()
    world.stop()
    cluster.remove()


def test_by_setting_what_has_no_price_is_refused(strict):
    customer, _ = strict.customer("10")
    refused(send(strict.admin, event(customer, type="unheard-of")), 404, "model_not_priced", "data.model")
    refused(send(strict.admin, event(customer, data={"images": 1})), 404, "model_not_priced", "data.usage")
    assert strict.calls(customer) == []


def test_the_window_and_the_size_of_a_batch_are_settings(strict):
    customer, _ = strict.customer("10")
    refused(send(strict.admin, event(customer, time=ago(days=60, hours=1))), 400, "invalid_request", "time")
    told = taken(send(strict.admin, [event(customer) for _ in range(5)]))
    assert told["accepted"] == 5
    refused(send(strict.admin, [event(customer) for _ in range(6)]), 413, "request_too_large")
    told = taken(send(strict.admin, "\n".join(json.dumps(event(customer)) for _ in range(23)), LINES))
    assert told["accepted"] == 23 and [one["index"] for one in told["data"]] == list(range(23))
    assert len(strict.calls(customer)) == 28


def test_an_event_is_known_for_as_long_as_it_may_come_late(strict):
    customer, _ = strict.customer("10")
    old = event(customer, time=ago(days=58), data={"usage": {"input_tokens": 0}})
    call = taken(send(strict.admin, old))["call"]
    week = int(time.time() // 604800)
    for of in (week - 8, week - 11):
        strict.cluster.sql(f"CREATE TABLE event_identities_{of} PARTITION OF event_identities FOR VALUES FROM ({of}) TO ({of + 1})")
    strict.cluster.sql("UPDATE event_identities SET week = week - 8 WHERE call_id = %s", str(parse_id(call)))
    strict.servers[0].stop()
    strict.servers[0].start()
    wait_for(lambda: strict.cluster.sql("SELECT to_regclass(%s) IS NULL", f"event_identities_{week - 11}")[0][0], 30, "what is too old going")
    again = taken(send(strict.admin, old))
    assert (again["status"], again["call"]) == ("duplicate", call)


# ---- where credits are short

def test_what_has_happened_is_taken_into_debt(world, gpu):
    customer, _ = world.customer("1.5")
    assert world.admin.get(f"/api/v1/customers/{customer}").json["event_policy"] == "accept"
    charges = [taken(send(world.admin, event(customer, type="per-image", data={"images": 1})))["balance"] for _ in range(2)]
    assert charges == ["0.5", "-0.5"]
    assert world.balance(customer)["debt"] == "0.5"
    assert world.admin.post("/api/v1/grants", {"customer": customer, "amount": "2"}).status == 201
    balance = world.balance(customer)
    assert (balance["balance"], balance["debt"]) == ("1.5", "0")


def test_by_its_customers_policy_it_is_refused(world, gpu):
    customer, _ = world.customer("1.5", event_policy="refuse", credit_limit="1")
    assert [taken(send(world.admin, event(customer, type="per-image", data={"images": 1})))["balance"] for _ in range(2)] == ["0.5", "-0.5"]
    body = event(customer, type="per-image", data={"images": 1})
    told = refused(send(world.admin, body), 402, "insufficient_credits")
    assert told["details"] == {"balance": "-0.5", "held": "0", "available": "0.5", "required": "1"}
    batch = taken(send(world.admin, [body, event(customer, type="unheard-of")]))
    assert [one["status"] for one in batch["data"]] == ["rejected", "accepted"] and batch["data"][0]["error"]["code"] == "insufficient_credits"
    assert len(world.calls(customer)) == 3
    assert world.admin.patch(f"/api/v1/customers/{customer}", {"event_policy": "accept"}).status == 200
    assert taken(send(world.admin, body))["status"] == "accepted"  # nothing of the refused one was kept


def test_a_budget_refuses_by_the_same_policy(world, gpu):
    customer, _ = world.customer("10", event_policy="refuse")
    assert world.admin.post("/api/v1/limits", {"customer": customer, "measure": "spend", "period": "total", "amount": "1.5"}).status == 201
    assert taken(send(world.admin, event(customer, type="per-image", data={"images": 1})))["status"] == "accepted"
    told = refused(send(world.admin, event(customer, type="per-image", data={"images": 1})), 429, "quota_exceeded")
    assert (told["details"]["period"], told["details"]["left"], told["details"]["required"]) == ("total", "0.5", "1")


# ---- batches

def test_one_bad_event_of_a_batch_spoils_no_other(world):
    customer, _ = world.customer("10", external_id=(name := new_id()))
    good, twice = event(customer), event(name)
    odd = [good, 5, "x", {}, None, [], event(), event(new_id()), twice, event(customer, data={"usage": {"images": 1.5}}), event(customer, time=ago(days=90)),
           twice, {**twice, "type": "other"}, event(f"ext:{name}"), event(customer, type="unheard-of")]
    text = json.dumps(odd)[:-1] + ', {"id":"1","id":"2"}, {"id":99999999999999999999}, {"id":"\\ud800"}, {"id":01}]'
    told = taken(send(world.admin, text))
    statuses = [one["status"] for one in told["data"]]
    assert [i for i, s in enumerate(statuses) if s == "accepted"] == [0, 8, 13, 14] and [i for i, s in enumerate(statuses) if s == "duplicate"] == [11]
    assert (told["accepted"], told["duplicates"], told["rejected"]) == (4, 1, 14) and [one["index"] for one in told["data"]] == list(range(19))
    assert told["data"][12]["error"]["code"] == "event_conflict" and told["data"][12]["error"]["details"]["recorded"]["usage"] == USAGE
    assert told["data"][7]["error"]["code"] == "not_found" and told["data"][9]["error"]["param"] == "data.usage.images"
    assert told["data"][11]["call"] == told["data"][8]["call"] and told["data"][11]["charge"] == COST
    again = taken(send(world.admin, text))
    assert (again["accepted"], again["duplicates"], again["rejected"]) == (0, 5, 14)


def test_an_array_that_is_malformed_is_refused_whole(world):
    customer, _ = world.customer("10")
    one = json.dumps(event(customer))
    for text in (f"[{one}", f"[{one},]", f"[{one}] x", f"[,{one}]", f"[{one} {one}"):
        refused(send(world.admin, text, BATCH), 400, "invalid_json")
    refused(send(world.admin, one, BATCH), 400, "invalid_json")
    assert world.calls(customer) == []


def test_a_thousand_events_in_one_request(world):
    customers = [world.customer("10")[0] for _ in range(5)]
    batch = [event(customers[i % 5]) for i in range(1000)]
    assert taken(send(world.admin, batch, BATCH))["accepted"] == 1000
    for customer in customers:
        assert Decimal(world.balance(customer)["balance"]) == 10 - 200 * Decimal(COST)
    refused(send(world.admin, [event(customers[0]) for _ in range(1001)], BATCH), 413, "request_too_large")


def test_lines_are_taken_in_pieces_of_any_number(world):
    customer, _ = world.customer("10", external_id=(name := new_id()))
    lines = [json.dumps(event([customer, name, f"ext:{name}"][i % 3])) for i in range(2500)]
    lines[1234] = "not json"
    told = taken(send(world.admin, "\n".join(lines[:100]) + "\n\n  \r\n" + "\r\n".join(lines[100:]) + "\n", LINES))
    assert (told["accepted"], told["rejected"]) == (2499, 1) and told["data"][1234]["status"] == "rejected"
    assert [one["index"] for one in told["data"]] == list(range(2500))
    assert Decimal(world.balance(customer)["balance"]) == 10 - 2499 * Decimal(COST)


def test_an_answer_that_grows_too_long_tells_the_rest_by_its_codes(world):
    """Short lines may be answered by long refusals: none of them is left out, and the service lives."""
    line = json.dumps({"id": "a", "type": "t", "data": {"usage": {"no_meter": 1}}})
    told = taken(send(world.admin, "\n".join([line] * 70000), LINES, timeout=300))
    assert (told["accepted"], told["rejected"], len(told["data"])) == (0, 70000, 70000)
    errors = [one["error"] for one in told["data"]]
    assert {e["code"] for e in errors} == {"invalid_request"}
    assert "input_tokens" in errors[0]["message"] and "fewer" in errors[-1]["message"]


def test_sizes_are_bounded_by_what_a_body_is_said_to_be(world):
    customer, _ = world.customer("10")
    big = event(customer, data={"usage": USAGE, "note": "x" * 70000})
    assert "65536" in refused(send(world.admin, big), 400, "invalid_request")["message"]
    told = taken(send(world.admin, [big, event(customer)]))
    assert [one["status"] for one in told["data"]] == ["rejected", "accepted"]
    near = event(customer, data={"usage": USAGE, "note": "x" * 60000})
    assert taken(send(world.admin, near))["status"] == "accepted"
    assert send(world.admin, b"[" + b" " * (4 * 1024 * 1024) + b"]", BATCH).status == 413
    assert send(world.admin, b" " * (5 * 1024 * 1024), LINES).json["accepted"] == 0
    assert send(world.admin, b"\n" * 100002, LINES).status == 413
    assert send(world.admin, b" " * (32 * 1024 * 1024 + 1), LINES).status == 413


def test_what_became_of_events_is_counted(world):
    names = [f'tollgate_events_total{{result="{word}"}}' for word in ("accepted", "duplicate", "rejected")]
    before = [metric(world, name) for name in names]
    customer, _ = world.customer("10")
    made = event(customer)
    for body in (made, made, event(customer, data={}), [event(customer), made, 5]):
        send(world.admin, body)
    assert [metric(world, name) - b for name, b in zip(names, before)] == [2, 2, 2]


# ---- when it cannot be

def test_while_the_database_is_away_nothing_is_taken_and_sent_again_it_is_charged_once():
    cluster = Cluster(settings=["fsync=on"])
    world = World(cluster)
    customer, key = world.customer("10")
    own = world.servers[0].client(key)
    assert taken(send(own, event()))["status"] == "accepted" and taken(send(world.admin, event(customer)))["status"] == "accepted"
    single, batch = event(customer), [event(customer) for _ in range(3)]
    cluster.stop("immediate")
    try:
        for client, body in ((own, single), (world.admin, single), (own, batch), (world.admin, batch)):
            answer = send(client, body, timeout=30)
            assert answer.status == 503 and answer.code in ("storage_unavailable", "overloaded") and answer.headers["x-should-retry"] == "true"
    finally:
        cluster.start()
    wait_for(lambda: send(own, single).status == 200, 20, "events after the database is back")
    wait_for(lambda: send(own, batch).status == 200, 20, "batches after the database is back")
    assert len(world.calls(customer)) == 6 and Decimal(world.balance(customer)["balance"]) == 10 - 6 * Decimal(COST)
    world.audit()
    world.stop()
    cluster.remove()


# ---- the command

def test_events_are_sent_and_imported_by_the_command(world, tmp_path):
    customer, _ = world.customer("10")
    made = new_id()
    argv = ("events", "send", "--customer", customer, "--id", made, "--type", "gpt-4o-mini", "--data", json.dumps({"usage": USAGE}), "--json")
    assert [world.tool(*argv, json_out=True)["status"] for _ in range(2)] == ["accepted", "duplicate"]
    file = tmp_path / "usage.jsonl"
    lines = [json.dumps(event(customer)) for _ in range(1100)]
    file.write_text("\n".join(lines[:5]) + "\n\n" + "\n".join(lines[5:]))
    assert world.tool("events", "import", str(file)) == "1100 accepted, 0 duplicates, 0 rejected\n"
    file.write_text("\n".join(lines[:3] + ["{", json.dumps(event(customer))]))
    assert world.tool("events", "import", str(file), "--json", json_out=True, code=1) == {"accepted": 1, "duplicates": 3, "rejected": 1}
    assert len(world.calls(customer)) == 1102
