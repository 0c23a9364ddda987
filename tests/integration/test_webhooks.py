"""Webhooks as their receivers meet them: what they are told, how it is signed, and what is done when they do not take it."""
import datetime
import json
import time

import pytest

from tests.harness.process import wait_for
from tests.harness.server import World
from tests.harness.sink import Sink

NIL = "00000000-0000-0000-0000-000000000000"
SHORT = {"TOLLGATE_WEBHOOK_ALLOW": "127.0.0.0/8", "TOLLGATE_WEBHOOK_SCHEDULE": "200ms,200ms,200ms,200ms", "TOLLGATE_WEBHOOK_TIMEOUT_MS": "1000"}


@pytest.fixture(scope="module")
def hooks(cluster):
    w = World(cluster, **SHORT)
    yield w
    w.quiet()
    w.audit()
    w.stop()


@pytest.fixture
def sinks(hooks):
    """Makes sinks; afterwards they are closed, and no endpoint is left."""
    made = []

    def make(*answer):
        made.append(Sink(*answer))
        return made[-1]
    yield make
    for endpoint in hooks.admin.get("/api/v1/webhook-endpoints?limit=100").json["data"]:
        hooks.admin.delete(f"/api/v1/webhook-endpoints/{endpoint['id']}")
    for sink in made:
        sink.close()


def endpoint(world, url, **more):
    made = world.admin.post("/api/v1/webhook-endpoints", {"url": url, **more})
    assert made.status == 201, made
    return made.json


def shown(world, e):
    return world.admin.get(f"/api/v1/webhook-endpoints/{e['id']}").json


def log(world, e, query=""):
    return world.admin.get(f"/api/v1/webhook-endpoints/{e['id']}/deliveries?limit=100{query}").json["data"]


def send_test(world, e):
    sent = world.admin.post(f"/api/v1/webhook-endpoints/{e['id']}/test", None)
    assert sent.status == 201, sent
    return sent.json["id"]


def delivery(world, e, event):
    return world.admin.get(f"/api/v1/webhook-endpoints/{e['id']}/deliveries/{event}").json


def ended(world, e, event):
    return wait_for(lambda: (d := delivery(world, e, event))["state"] != "waiting" and d, 20, f"the end of {event}")


def due_in(world, e):
    """Seconds until the only delivery that waits for this endpoint is tried again."""
    rows = wait_for(lambda: world.cluster.sql(
        "SELECT extract(epoch FROM q.due_at - now())::float FROM webhook_queue q JOIN webhook_endpoints w ON w.id = q.endpoint_id "
        "WHERE w.url = %s AND q.tries > 0", (e["url"],)), 20, "the first failure")
    assert len(rows) == 1
    return rows[0][0]


# ---- what is told

def test_what_happens_to_a_key_is_told_to_whoever_listens(hooks, sinks):
    sink = sinks()
    e = endpoint(hooks, sink.url + "/hook")
    customer, _ = hooks.customer("0")
    made = hooks.admin.post("/api/v1/keys", {"customer": customer, "name": "server"}, headers={"Idempotency-Key": "once-" + customer})
    revoked = hooks.admin.delete(f"/api/v1/keys/{made.json['id']}")
    wait_for(lambda: len(sink.got()) == 3, 20, "three events")
    told = {a.json["data"]["object"]["id"] + a.json["type"]: a for a in sink.got()}
    created, gone = told[made.json["id"] + "key.created"], told[made.json["id"] + "key.revoked"]
    assert all(a.signed_by(e["secret"]) and a.path == "/hook" and "stripe-signature" not in a.headers for a in sink.got())
    assert created.headers["content-type"] == "application/json" and created.headers["user-agent"].startswith("Tollgate/")
    event = created.json
    assert event["id"] == created.id and event["object"] == "event" and event["api_version"] == "2026-09-30.endive"
    assert event["customer"] == customer and event["livemode"] is True
    assert event["request"] == {"id": made.headers["x-request-id"], "idempotency_key": "once-" + customer}
    assert event["data"] == {"object": {k: v for k, v in made.json.items() if k != "secret"}}
    assert gone.json["data"]["object"] == revoked.json and gone.json["request"]["idempotency_key"] is None
    assert created.body == json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()
    stamp = datetime.datetime.strptime(event["timestamp"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc)
    assert int(stamp.timestamp()) == event["created"]
    assert sorted(a.json["sequence"] for a in sink.got()) == [1, 2, 3]


def test_a_key_that_was_revoked_already_is_told_of_once(hooks, sinks):
    sink = sinks()
    endpoint(hooks, sink.url, events=["key.revoked"])
    customer, _ = hooks.customer("0")
    key = hooks.key(customer)["id"]
    for _ in range(3):
        assert hooks.admin.delete(f"/api/v1/keys/{key}").status == 200
    last = hooks.key(customer)["id"]
    hooks.admin.delete(f"/api/v1/keys/{last}")
    wait_for(lambda: any(a.json["data"]["object"]["id"] == last for a in sink.got()), 20, "the last event")
    assert sorted(a.json["data"]["object"]["id"] for a in sink.got()) == sorted([key, last])


def test_an_endpoint_is_told_what_it_takes_and_nothing_else(hooks, sinks):
    sink = sinks()
    one, all_, none = (endpoint(hooks, f"{sink.url}/{name}", events=events) for name, events in (("one", ["key.revoked"]), ("all", ["*"]), ("none", [])))
    customer, _ = hooks.customer("0")
    hooks.admin.delete(f"/api/v1/keys/{hooks.key(customer)['id']}")
    wait_for(lambda: len(sink.got("/all")) == 3 and len(sink.got("/one")) == 1, 20, "the events")
    assert not sink.got("/none") and log(hooks, none) == []
    assert sink.got("/one")[0].id in [a.id for a in sink.got("/all")]  # the same event, to both
    assert one["events"] == ["key.revoked"] and all_["events"] == ["*"] and none["events"] == []


def test_where_nobody_listens_nothing_is_kept(hooks, sinks):
    sink = sinks()
    e = endpoint(hooks, sink.url, events=["grant.created"])
    counted = "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM webhook_events) + (SELECT count(*) FROM webhook_queue)"
    before = hooks.cluster.sql(counted)[0][0]
    hooks.customer("0")  # told, and of no interest to anybody
    wait_for(lambda: hooks.cluster.sql("SELECT count(*) FROM outbox")[0][0] == 0, 20, "the outbox being empty")
    assert hooks.cluster.sql(counted)[0][0] == before
    hooks.admin.patch(f"/api/v1/webhook-endpoints/{e['id']}", {"enabled": False})
    written = "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'outbox'"
    count = hooks.cluster.sql(written)[0][0]
    hooks.customer("0")
    time.sleep(0.5)
    hooks.cluster.sql("SELECT pg_stat_force_next_flush()")
    assert hooks.cluster.sql(written)[0][0] == count  # not even written


def test_the_numbers_of_a_customers_events_have_no_gaps(hooks, sinks):
    sink = sinks()
    endpoint(hooks, sink.url)
    a, b = (hooks.customer("0")[0] for _ in range(2))
    for _ in range(20):
        hooks.key(a), hooks.key(b)
    wait_for(lambda: len(sink.got()) == 42, 20, "all events")
    for customer in (a, b):
        mine = sorted((e.json["sequence"], e.json["created"]) for e in sink.got() if e.json["customer"] == customer)
        assert [n for n, _ in mine] == list(range(1, 22)) and [at for _, at in mine] == sorted(at for _, at in mine)


def test_a_test_event_reaches_an_endpoint_that_takes_nothing(hooks, sinks):
    sink = sinks()
    e = endpoint(hooks, sink.url, events=[], description="mine")
    event = send_test(hooks, e)
    wait_for(lambda: sink.got(), 20, "the test event")
    got = sink.got()[0]
    assert got.id == event and got.json["type"] == "endpoint.test" and got.json["data"]["object"]["id"] == e["id"]
    d = ended(hooks, e, event)
    assert d["state"] == "delivered" and d["body"].encode() == got.body
    assert [a["result"] for a in d["attempts"]] == ["delivered"] and d["attempts"][0]["status"] == 204


# ---- signatures

def test_stripes_scheme_adds_a_stripe_signature_of_the_same_secret(hooks, sinks):
    sink = sinks()
    e = endpoint(hooks, sink.url, scheme="stripe", api_version="2025-01-01")
    send_test(hooks, e)
    got = wait_for(lambda: sink.got(), 20, "the event")[0]
    assert got.stripe_signed_by(e["secret"]) and got.signed_by(e["secret"]) and got.json["api_version"] == "2025-01-01"


def test_while_secrets_overlap_both_sign_and_afterwards_the_new_one_alone(hooks, sinks):
    sink = sinks()
    e = endpoint(hooks, sink.url, scheme="stripe")
    turned = hooks.admin.post(f"/api/v1/webhook-endpoints/{e['id']}/rotate-secret", {})
    assert turned.status == 200 and turned.json["secret"] != e["secret"] and turned.json["public_key"] == e["public_key"]
    left = datetime.datetime.fromisoformat(turned.json["old_secret_until"].replace("Z", "+00:00")) - datetime.datetime.now(datetime.timezone.utc)
    assert 86000 < left.total_seconds() < 86500
    assert "secret" not in shown(hooks, e)
    send_test(hooks, e)
    both = wait_for(lambda: sink.got(), 20, "the event")[0]
    for secret in (e["secret"], turned.json["secret"]):
        assert both.signed_by(secret) and both.stripe_signed_by(secret)
    assert len(both.signatures("v1")) == 2 and len(both.signatures("v1a")) == 1
    hooks.cluster.sql("UPDATE webhook_endpoints SET old_until = now() - interval '1 second'")
    hooks.cluster.sql("UPDATE outbox_wanted SET version = version + 1")
    send_test(hooks, e)
    one = wait_for(lambda: sink.got()[1:], 20, "the second event")[0]
    assert not one.signed_by(e["secret"]) and one.signed_by(turned.json["secret"]) and len(one.signatures("v1")) == 1
    assert shown(hooks, e)["old_secret_until"] is None


def test_without_overlap_the_old_secret_signs_nothing_more(hooks, sinks):
    sink = sinks()
    e = endpoint(hooks, sink.url)
    turned = hooks.admin.post(f"/api/v1/webhook-endpoints/{e['id']}/rotate-secret", {"overlap_hours": 0}).json
    send_test(hooks, e)
    got = wait_for(lambda: sink.got(), 20, "the event")[0]
    assert got.signed_by(turned["secret"]) and not got.signed_by(e["secret"]) and turned["old_secret_until"] is None


def test_secrets_are_shown_once_and_sealed_where_they_are_kept(hooks, sinks):
    key = {"Idempotency-Key": "we-" + str(time.time())}
    made = hooks.admin.post("/api/v1/webhook-endpoints", {"url": sinks().url}, headers=key).json
    again = hooks.admin.post("/api/v1/webhook-endpoints", {"url": made["url"]}, headers=key)
    assert again.status == 201 and again.headers["idempotency-replayed"] == "true" and again.json["id"] == made["id"] and "secret" not in again.json
    dump = repr(hooks.cluster.sql("SELECT w::text, encode(secret, 'escape') FROM webhook_endpoints w"))
    assert made["secret"] not in dump and made["secret"].removeprefix("whsec_") not in dump and made["secret"] not in hooks.servers[0].log()


# ---- what is not taken

def test_what_fails_is_tried_again_with_the_same_bytes_and_a_new_signature(hooks, sinks):
    sink = sinks(lambda attempt: 500 if len(sink.got()) < 3 else (200, {}, b"thanks"))
    e = endpoint(hooks, sink.url)
    hooks.admin.post("/api/v1/keys", {"operator": True})
    wait_for(lambda: len(sink.got()) == 3, 20, "three attempts")
    d = ended(hooks, e, sink.got()[0].id)
    assert d["state"] == "delivered" and [(a["result"], a["status"]) for a in d["attempts"]] == [("status", 500), ("status", 500), ("delivered", 200)]
    assert d["attempts"][0]["reason"] == "answered 500" and d["attempts"][2]["response"] == "thanks" and d["attempts"][2]["reason"] is None
    assert len({a.id for a in sink.got()}) == 1 and len({a.body for a in sink.got()}) == 1 and all(a.signed_by(e["secret"]) for a in sink.got())
    assert sink.got()[1].at - sink.got()[0].at > 0.15  # by the schedule
    assert d["ended_at"] and d["next_attempt_at"] is None and shown(hooks, e)["failing_since"] is None


def test_at_the_schedules_end_it_has_failed_and_can_be_sent_again(hooks, sinks):
    taking = []
    sink = sinks(lambda attempt: 204 if taking else 503)
    e = endpoint(hooks, sink.url)
    event = send_test(hooks, e)
    d = ended(hooks, e, event)
    assert d["state"] == "failed" and len(d["attempts"]) == 5 == len(sink.got())
    assert [x["id"] for x in log(hooks, e, "&state=failed")] == [event] and log(hooks, e, "&state=delivered") == log(hooks, e, "&state=waiting") == []
    assert shown(hooks, e)["failing_since"] and shown(hooks, e)["failures"] == 5
    taking.append(True)
    again = hooks.admin.post(f"/api/v1/webhook-endpoints/{e['id']}/deliveries/{event}/resend", None)
    assert again.status == 200 and again.json["id"] == event
    d = wait_for(lambda: (x := delivery(hooks, e, event))["state"] == "delivered" and x, 20, "the delivery")
    assert [a["result"] for a in d["attempts"]] == ["status"] * 5 + ["delivered"]
    assert len({a.body for a in sink.got()}) == 1 and sink.got()[-1].id == event
    assert shown(hooks, e)["failing_since"] is None and shown(hooks, e)["failures"] == 0


def test_what_was_delivered_can_be_sent_again_too(hooks, sinks):
    sink = sinks()
    e = endpoint(hooks, sink.url)
    event = send_test(hooks, e)
    assert ended(hooks, e, event)["state"] == "delivered"
    assert hooks.admin.post(f"/api/v1/webhook-endpoints/{e['id']}/deliveries/{event}/resend", None).status == 200
    wait_for(lambda: len(sink.got()) == 2, 20, "the second time")
    d = wait_for(lambda: (x := delivery(hooks, e, event))["state"] == "delivered" and len(x["attempts"]) == 2 and x, 20, "both in the log")
    assert {a.id for a in sink.got()} == {event} == {d["id"]}


def test_failures_since_a_time_are_sent_again_or_all_of_it(hooks, sinks):
    refusing = [True]
    sink = sinks(lambda attempt: 500 if refusing and attempt.json["data"]["object"]["operator"] else 204)
    e = endpoint(hooks, sink.url, events=["key.created"])
    first = time.time()
    customer, _ = hooks.customer("0")
    for _ in range(3):
        hooks.key(customer), hooks.admin.post("/api/v1/keys", {"operator": True})
    wait_for(lambda: sorted(d["state"] for d in log(hooks, e)) == ["delivered"] * 4 + ["failed"] * 3, 30, "four delivered and three failed")
    refusing.clear()
    since = lambda s: datetime.datetime.fromtimestamp(s, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    path = f"/api/v1/webhook-endpoints/{e['id']}/replay"
    assert hooks.admin.post(path, {"from": since(first - 60), "until": since(first - 30)}).json["count"] == 0
    before = len(sink.got())
    done = hooks.admin.post(path, {"from": since(first - 5)})
    assert done.status == 200 and done.json == {"object": "webhook_replay", "count": 3, "has_more": False, "next_from": None}
    wait_for(lambda: {d["state"] for d in log(hooks, e)} == {"delivered"}, 20, "all delivered")
    assert len(sink.got()) == before + 3
    assert hooks.admin.post(path, {"from": since(first - 5), "only": "all"}).json["count"] == 7
    wait_for(lambda: len(sink.got()) == before + 10, 20, "all of it again")
    wait_for(lambda: {d["state"] for d in log(hooks, e)} == {"delivered"}, 20, "all delivered")
    assert hooks.admin.post(path, {"from": since(first + 60), "until": since(first + 30)}).status == 400


@pytest.mark.parametrize("said, least, most", [
    ((503, {"Retry-After": "0"}, b""), 0, 0.25), ((503, {"Retry-After": "100000"}, b""), 0.2, 0.5), ((429, {}, b""), 55, 60.5),
    ((502, {}, b""), 55, 60.5), ((504, {"Retry-After": "90"}, b""), 85, 90.5), ((429, {"Retry-After": "100000"}, b""), 115, 120.5),
    ((429, {"Retry-After": "Fri, 31 Dec 2999 23:59:59 GMT"}, b""), 115, 120.5), ((500, {"Retry-After": "when I am back"}, b""), 0, 0.25), (None, 55, 60.5)],
    ids=["503 at once", "503 much later", "429", "502", "504 in 90 s", "429 much later", "429 until a date", "500 nonsense", "no answer in time"])
def test_when_it_is_tried_again_follows_from_the_answer(hooks, sinks, said, least, most):
    """The schedule's step here is 200 ms; what is asked for counts between once and twice of it, the busy have a minute."""
    sink = sinks(lambda attempt: said)
    e = endpoint(hooks, sink.url)
    event = send_test(hooks, e)
    d = wait_for(lambda: (x := delivery(hooks, e, event))["attempts"] and x, 20, "the first attempt")
    first = d["attempts"][0]
    assert first["result"] == ("timeout" if said is None else "status") and first["status"] == (said and said[0])
    at, due = (datetime.datetime.fromisoformat(t.replace("Z", "+00:00")) for t in (first["at"], d["next_attempt_at"] or first["at"]))
    if len(d["attempts"]) == 1 and d["state"] == "waiting":
        assert least <= (due - at).total_seconds() - (first["latency_ms"] / 1000 if said is None else 0) <= most + 2  # the machine may be slow
    if least > 1:
        assert len(sink.got()) == 1 and due_in(hooks, e) > least - 20


def test_410_disables_at_once_and_the_others_are_told(hooks, sinks):
    sink = sinks(lambda attempt: 410 if attempt.path == "/gone" else 204)
    gone, other = endpoint(hooks, sink.url + "/gone"), endpoint(hooks, sink.url + "/other", events=["endpoint.disabled"])
    event = send_test(hooks, gone)
    wait_for(lambda: not shown(hooks, gone)["enabled"], 20, "the endpoint being disabled")
    assert shown(hooks, gone)["disabled_reason"] == "gone" and shown(hooks, other)["enabled"]
    told = wait_for(lambda: sink.got("/other"), 20, "the others being told")[0].json
    assert told["type"] == "endpoint.disabled" and told["customer"] is None
    assert told["data"]["object"]["id"] == gone["id"] and told["data"]["object"]["disabled_reason"] == "gone"
    assert delivery(hooks, gone, event)["state"] == "failed" and len(sink.got("/gone")) == 1
    for path in ("test", f"deliveries/{event}/resend", "replay"):
        body = {"from": "2026-01-01"} if path == "replay" else None
        assert hooks.admin.post(f"/api/v1/webhook-endpoints/{gone['id']}/{path}", body).status == 409
    hooks.key(hooks.customer("0")[0])
    time.sleep(0.5)
    assert len(sink.got("/gone")) == 1  # what happens while it is disabled is not told to it


def test_nothing_but_failures_for_long_disables(hooks, sinks):
    """At least ten of them, and none of that where it worked once in between."""
    sink = sinks(lambda attempt: 500)
    e = endpoint(hooks, sink.url)
    hooks.cluster.sql("UPDATE webhook_endpoints SET failing_since = now() - interval '130 hours', failures = 5")
    event = send_test(hooks, e)
    assert ended(hooks, e, event)["state"] == "failed"
    assert shown(hooks, e)["disabled_reason"] == "failing" and shown(hooks, e)["failures"] == 10 and len(sink.got()) == 5
    back = hooks.admin.patch(f"/api/v1/webhook-endpoints/{e['id']}", {"enabled": True}).json
    assert back["enabled"] and back["failures"] == 0 and back["failing_since"] is None
    hooks.cluster.sql("UPDATE webhook_endpoints SET failing_since = now() - interval '110 hours', failures = 500")
    ended(hooks, e, send_test(hooks, e))
    assert shown(hooks, e)["enabled"]  # 120 hours are not over


def test_what_waits_for_a_disabled_endpoint_goes_on_when_it_is_enabled(hooks, sinks):
    answers = [503]
    sink = sinks(lambda attempt: answers[0])
    e = endpoint(hooks, sink.url)
    event = send_test(hooks, e)
    wait_for(lambda: sink.got(), 20, "the first attempt")
    off = hooks.admin.patch(f"/api/v1/webhook-endpoints/{e['id']}", {"enabled": False}).json
    assert off["disabled_reason"] == "operator"
    time.sleep(1.5)
    count = len(sink.got())
    assert count <= 3 and delivery(hooks, e, event)["state"] == "waiting"
    answers[0] = 204
    hooks.admin.patch(f"/api/v1/webhook-endpoints/{e['id']}", {"enabled": True})
    assert ended(hooks, e, event)["state"] == "delivered" and len(sink.got()) == count + 1


def test_redirects_are_refused(hooks, sinks):
    elsewhere = sinks()
    sink = sinks(lambda attempt: (307, {"Location": elsewhere.url}, b""))
    e = endpoint(hooks, sink.url)
    d = ended(hooks, e, send_test(hooks, e))
    assert d["state"] == "failed" and d["attempts"][0]["status"] == 307 and "redirects are not followed" in d["attempts"][0]["reason"]
    assert not elsewhere.got()


def test_of_an_answer_the_beginning_is_kept_and_the_rest_not_even_read(hooks, sinks):
    sink = sinks(lambda attempt: (200 if attempt.path == "/well" else 500, {}, b"\x00\xff" + "né".encode() * 1000000))
    well, ill = endpoint(hooks, sink.url + "/well"), endpoint(hooks, sink.url + "/ill")
    d, f = ended(hooks, well, send_test(hooks, well)), ended(hooks, ill, send_test(hooks, ill))
    assert d["state"] == "delivered" and f["state"] == "failed"
    for attempt in (d["attempts"][0], f["attempts"][0]):
        assert attempt["response"].startswith("?\ufffdnén") and 1300 < len(attempt["response"]) < 2048


def test_where_nobody_answers_it_is_unreached(hooks, sinks):
    sink = sinks()
    e = endpoint(hooks, sink.url)
    sink.close()
    d = ended(hooks, e, send_test(hooks, e))
    assert d["state"] == "failed" and {a["result"] for a in d["attempts"]} == {"unreached"} and d["attempts"][0]["status"] is None


# ---- Stripe's own

def test_what_stripe_sent_goes_on_byte_for_byte_under_a_signature_of_ours(hooks, sinks):
    sink = sinks()
    takes, other = endpoint(hooks, sink.url + "/takes", events=[], forward_stripe=True), endpoint(hooks, sink.url + "/other")
    body = b'{ "id": "evt_1Pgc",\n  "object": "event", "note": "caf\xc3\xa9 \\u00e9" }\n'
    hooks.cluster.sql("INSERT INTO stripe_events (id, type, livemode, created, body) VALUES ('evt_1Pgc', 'charge.refunded', false, 1, %s)", body)
    hooks.cluster.sql("INSERT INTO outbox (id, customer_id, type, data, stripe_event) SELECT '01934f00-0000-7000-8000-000000000009', %s, 'charge.refunded', '{}', 'evt_1Pgc' FROM outbox_wanted WHERE forwards", NIL)
    got = wait_for(lambda: sink.got("/takes"), 20, "the forwarded event")[0]
    assert got.body == body and got.id == "evt_1Pgc" and got.stripe_signed_by(takes["secret"]) and got.signed_by(takes["secret"])
    d = wait_for(lambda: [x for x in log(hooks, takes) if x["state"] == "delivered"], 20, "the log")[0]
    assert d["stripe_event"] == "evt_1Pgc" and d["type"] == "charge.refunded"
    assert delivery(hooks, takes, d["id"])["body"].encode() == body
    assert not sink.got("/other") and log(hooks, other) == []
    hooks.cluster.sql("DELETE FROM stripe_events")
    hooks.admin.post(f"/api/v1/webhook-endpoints/{takes['id']}/deliveries/{d['id']}/resend", None)
    d = wait_for(lambda: (x := delivery(hooks, takes, d["id"]))["state"] == "failed" and x, 20, "what is no longer there")
    assert d["body"] is None and "not kept" in d["attempts"][-1]["reason"] and shown(hooks, takes)["failures"] == 0


# ---- beside each other

def test_one_that_never_answers_and_one_that_is_not_there_delay_nobody(hooks, sinks):
    silent, dead = sinks(lambda attempt: None), sinks()
    fine = sinks()
    endpoint(hooks, silent.url), endpoint(hooks, dead.url), endpoint(hooks, fine.url)
    dead.close()
    customer, _ = hooks.customer("0")
    begun = time.monotonic()
    for _ in range(60):
        hooks.key(customer)
    asked = time.monotonic()
    wait_for(lambda: len(fine.got()) == 61, 30, "all of it")
    assert time.monotonic() - asked < (asked - begun) + 10  # in step with what happens, not with time-outs of a minute
    assert {a.json["sequence"] for a in fine.got()} == set(range(1, 62))


def test_the_metrics_count_attempts_and_deliveries(hooks, sinks):
    def count(line):
        text = hooks.admin.get("/metrics").body.decode()
        return next(int(one.rsplit(" ", 1)[1]) for one in text.splitlines() if one.startswith(line + " "))
    sink = sinks(lambda attempt: 204 if len(sink.got()) > 1 else 500)
    names = ['tollgate_webhook_attempts_total{result="status"}', 'tollgate_webhook_attempts_total{result="delivered"}', 'tollgate_webhook_deliveries_total{state="delivered"}']
    before = [count(name) for name in names]
    e = endpoint(hooks, sink.url)
    ended(hooks, e, send_test(hooks, e))
    assert [count(name) for name in names] == [n + 1 for n in before]
    assert count("tollgate_webhook_running") >= 0 and count("tollgate_webhook_queue_age_ms") >= 0


# ---- what is refused when it is named

@pytest.mark.parametrize("url", ["http://10.0.0.1/x", "https://10.0.0.1/x", "https://[::1]/x", "https://169.254.169.254/latest", "ftp://example.com/", "https://user@example.com/",
                                 "https://example.com/#part", "https://example.com:22/", "https://exa mple.com/", "https://example.com/é", "example.com/x", "https://2130706433:80/"])
def test_urls_that_no_endpoint_may_have(hooks, url):
    answer = hooks.admin.post("/api/v1/webhook-endpoints", {"url": url})
    assert answer.status == 400 and answer.json["error"]["param"] == "url", answer
