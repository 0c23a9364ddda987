"""Webhooks where it matters how an installation stands: addresses that are not opened, several instances, instances that die."""
import collections
import json
import threading
import time

import pytest

from tests.harness.cluster import Cluster
from tests.harness.process import wait_for
from tests.harness.server import World
from tests.harness.sink import Sink

SHORT = {"TOLLGATE_WEBHOOK_SCHEDULE": "200ms,200ms,200ms,200ms,200ms,200ms,200ms,200ms,200ms", "TOLLGATE_WEBHOOK_TIMEOUT_MS": "1000"}


def endpoint(world, url, **more):
    made = world.admin.post("/api/v1/webhook-endpoints", {"url": url, **more})
    assert made.status == 201, made
    return made.json


def tell(world, count, **data):
    """Puts events into the outbox as a commit would that has much to tell; their ids."""
    return [row[0] for row in world.cluster.sql(
        "INSERT INTO outbox (id, customer_id, type, data) "
        "SELECT encode(set_byte(overlay(uuid_send(gen_random_uuid()) PLACING substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) "
        "FROM 1 FOR 6), 6, 112), 'hex')::uuid, gen_random_uuid(), 'usage.settled', json_build_object('n', n) FROM generate_series(1, %s) n RETURNING id::text", count)]


def numbers(sink):
    return collections.Counter(a.json["data"]["object"]["n"] for a in sink.got())


# ---- addresses

@pytest.fixture(scope="module")
def shut(cluster):
    w = World(cluster, TOLLGATE_WEBHOOK_SCHEDULE="100ms", TOLLGATE_WEBHOOK_TIMEOUT_MS="1000", STRIPE_SECRET_KEY="sk_test_nothing", STRIPE_WEBHOOK_SECRET="whsec_nothing")
    yield w
    w.stop()


def test_private_addresses_are_refused_also_behind_a_name(shut):
    """A name is judged by what it leads to, at every attempt."""
    sink = Sink()
    try:
        for url in (f"http://localhost:{sink.port}/", f"https://127.0.0.1:{sink.port}/", f"https://0x7f000001:{sink.port}/", f"https://[::ffff:127.0.0.1]:{sink.port}/"):
            assert shut.admin.post("/api/v1/webhook-endpoints", {"url": url}).status == 400, url
        e = endpoint(shut, f"https://localhost:{sink.port}/")
        event = shut.admin.post(f"/api/v1/webhook-endpoints/{e['id']}/test", None).json["id"]
        path = f"/api/v1/webhook-endpoints/{e['id']}/deliveries/{event}"
        d = wait_for(lambda: (x := shut.admin.get(path).json)["state"] == "failed" and x, 20, "the end")
        assert json.loads(d["body"])["livemode"] is False  # with a test key of Stripe's no real money moves
        assert [(a["result"], a["status"], a["reason"]) for a in d["attempts"]] == [("refused", None, "the address is not allowed")] * 2
        assert not sink.got()
        refused = [line for line in shut.admin.get("/metrics").body.decode().splitlines() if 'result="refused"' in line]
        assert int(refused[0].rsplit(" ", 1)[1]) == 2
    finally:
        sink.close()


def test_a_range_is_opened_and_no_other():
    c = Cluster(settings=["fsync=off"])
    w = World(c, TOLLGATE_WEBHOOK_ALLOW="127.0.0.2/32", TOLLGATE_WEBHOOK_SCHEDULE="100ms")
    sink = Sink()
    try:
        e = endpoint(w, f"http://localhost:{sink.port}/")
        event = w.admin.post(f"/api/v1/webhook-endpoints/{e['id']}/test", None).json["id"]
        d = wait_for(lambda: (x := w.admin.get(f"/api/v1/webhook-endpoints/{e['id']}/deliveries/{event}").json)["state"] == "failed" and x, 20, "the end")
        assert {a["result"] for a in d["attempts"]} == {"refused"} and not sink.got()
    finally:
        w.stop()
        sink.close()
        c.remove()


# ---- several instances

@pytest.fixture
def two():
    c = Cluster(settings=["fsync=off"])
    w = World(c, instances=2, TOLLGATE_WEBHOOK_ALLOW="127.0.0.0/8", **SHORT)
    yield w
    w.stop()
    c.remove()


def sent_by(server):
    text = server.client(server.admin_key).get("/metrics").body.decode()
    return next(int(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith('tollgate_webhook_attempts_total{result="delivered"}'))


def test_two_instances_share_the_work_and_tell_each_event_once(two):
    sink = Sink(lambda attempt: time.sleep(0.02) or 204)
    try:
        endpoint(two, sink.url, events=["usage.settled"])
        time.sleep(1.2)  # until the other has seen it too
        tell(two, 1500)
        wait_for(lambda: len(numbers(sink)) == 1500, 60, "all of them")
        assert set(numbers(sink).values()) == {1}
        for server in two.servers:
            server.admin_key = two.admin_key
        wait_for(lambda: sum(sent_by(s) for s in two.servers) >= 1500, 20, "both having counted")
        assert all(sent_by(s) > 50 for s in two.servers), [sent_by(s) for s in two.servers]
        wait_for(lambda: two.cluster.sql("SELECT count(*) FROM webhook_deliveries WHERE state = 2")[0][0] == 1500, 20, "all written")
    finally:
        sink.close()


def test_no_event_is_lost_where_instances_are_killed(two):
    """What one had in hand is the other's when its lease has run out; what is told twice has the same id."""
    sink = Sink(lambda attempt: time.sleep(0.05) or 204)
    stop = threading.Event()
    try:
        endpoint(two, sink.url, events=["usage.settled"])
        time.sleep(1.2)
        told = []

        def producer():
            while not stop.is_set():
                told.extend(tell(two, 100))
                time.sleep(0.1)
        thread = threading.Thread(target=producer)
        thread.start()
        for victim in (0, 1, 0, 1):
            already = len(sink.got())
            wait_for(lambda: len(sink.got()) > already + 150, 60, "some being under way")
            two.servers[victim].kill()
            two.servers[victim].start()
        stop.set()
        thread.join()
        wait_for(lambda: two.cluster.sql("SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM webhook_queue)")[0][0] == 0, 90, "all ended")
        counted = collections.Counter(a.id for a in sink.got())
        assert len(told) > 500 and len(counted) == len(told) == two.cluster.sql("SELECT count(*) FROM webhook_deliveries WHERE state = 2")[0][0]
        assert len({(a.id, a.body) for a in sink.got()}) == len(told)  # each time the same bytes
        assert max(counted.values()) <= 5
    finally:
        stop.set()
        sink.close()


def test_an_instance_that_ends_gives_back_what_it_has_not_begun(two):
    """And what it has begun within the time of an attempt; then the other one goes on at once, without waiting for a lease."""
    holding = threading.Event()
    sink = Sink(lambda attempt: 204 if holding.is_set() else (time.sleep(0.8), 204)[1])
    try:
        endpoint(two, sink.url, events=["usage.settled"])
        time.sleep(1.2)
        tell(two, 400)
        wait_for(lambda: len(sink.got()) > 8, 30, "some being under way")
        assert two.servers[0].stop() == 0
        holding.set()
        wait_for(lambda: two.cluster.sql("SELECT count(*) FROM webhook_queue")[0][0] == 0, 30, "all ended")
        assert set(numbers(sink)) == set(range(1, 401)) and max(numbers(sink).values()) == 1
    finally:
        sink.close()
        two.servers[0].start()
