"""Kill anything at any instant: the servers, the database, both; freeze a server between its two trips. After leases have run
out the audit finds nothing, every answered call is there, and the stand-in's log agrees with what was charged.

TOLLGATE_CRASH_ROUNDS says how many rounds; the default keeps the whole test run short."""
import os
import random
import signal
import threading
import time
from decimal import Decimal

import pytest

from tests.harness.cluster import Cluster
from tests.harness.process import wait_for
from tests.harness.server import World

ROUNDS = int(os.environ.get("TOLLGATE_CRASH_ROUNDS", "12"))
LEASE_MS = 1500


@pytest.fixture(scope="module")
def crash_world():
    cluster = Cluster(settings=["fsync=on", "synchronous_commit=on"])
    world = World(cluster, instances=2, TOLLGATE_LEASE_MS=str(LEASE_MS))
    yield world
    world.stop()
    cluster.remove()


class Load:
    """Callers that go on whatever happens, and remember what they were told."""

    def __init__(self, world, key, callers=8):
        self.world, self.key, self.acknowledged, self.told, self.stopping = world, key, [], 0, threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(i,), daemon=True) for i in range(callers)]
        for t in self.threads:
            t.start()

    def run(self, i):
        rng = random.Random(i)
        while not self.stopping.is_set():
            server = self.world.servers[rng.randrange(2)]
            try:
                answer = server.client(self.key).chat(text="w " * rng.randrange(1, 20), stream=rng.random() < 0.4, timeout=15)
                self.told += 1
                complete = answer.status == 200 and (b"[DONE]" in answer.body or answer.headers.get("x-credits-charged"))
                if complete and b'"error"' not in answer.body:
                    self.acknowledged.append((answer.headers["x-tollgate-call"], answer.headers.get("x-credits-charged")))
            except Exception:  # a killed server: nothing was acknowledged
                time.sleep(0.02)

    def stop(self):
        self.stopping.set()
        for t in self.threads:
            t.join(40)
            assert not t.is_alive()


def freeze(world, rng):
    server = rng.choice(world.servers)
    server.process.send_signal(signal.SIGSTOP)
    time.sleep(rng.choice([0.3, 1.0, LEASE_MS / 1000 * 2]))
    server.process.send_signal(signal.SIGCONT)


def freeze_between_trips(world, rng):
    """Stops a server at the moment when its writer's session is idle in a transaction: between the two trips."""
    server = rng.choice(world.servers)
    for _ in range(400):
        server.process.send_signal(signal.SIGSTOP)
        idle = world.cluster.sql("SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND query NOT LIKE '%%pg_stat_activity%%'")
        if idle[0][0]:
            time.sleep(LEASE_MS / 1000 * 2)
            server.process.send_signal(signal.SIGCONT)
            world.frozen_between = getattr(world, "frozen_between", 0) + 1
            return
        server.process.send_signal(signal.SIGCONT)
        time.sleep(rng.random() * 0.005)


def kill_server(world, rng):
    server = rng.choice(world.servers)
    server.kill()
    server.start()


def stop_database(world, rng):
    world.cluster.restart("immediate")


def kill_both(world, rng):
    for server in world.servers:
        server.kill()
    world.cluster.restart("immediate")
    for server in world.servers:
        server.start(wait=False)
    for server in world.servers:
        wait_for(server.ready, 60, "the server being ready again")


FAULTS = [kill_server, freeze, stop_database, freeze_between_trips, kill_both]


def test_after_many_crashes_nothing_is_lost_and_nothing_is_made_up(crash_world):
    world = crash_world
    customer, key = world.customer("1000")
    rng = random.Random(int(os.environ.get("TOLLGATE_SEED", "1")))
    load = Load(world, key)
    for round_number in range(ROUNDS):
        time.sleep(rng.uniform(0.3, 0.9))
        FAULTS[round_number % len(FAULTS)](world, rng)
    load.stop()
    world.quiet(60)
    assert len(load.acknowledged) > 20
    assert getattr(world, "frozen_between", 0) > 0, "no round caught a server between its trips"
    world.audit()
    calls = {c["id"]: c for c in world.calls(customer)}
    # What a caller was told is in the books, with that charge.
    for call, charged in load.acknowledged:
        assert calls[call]["state"] == "settled"
        if charged is not None:
            assert Decimal(calls[call]["charge"]) == Decimal(charged), call
    # The stand-in's own log: what it finished serving is charged; nothing is charged that it never saw, unless estimated.
    served = {}
    for line in world.stand_in.log():
        served[line["call"]] = line
    for call in calls.values():
        line = served.get(call["id"])
        if call["state"] == "settled" and not call["estimated"]:
            assert line is not None and line["state"] == "finished", call
            assert call["usage"].get("input_tokens") == line["prompt_tokens"] and call["usage"].get("output_tokens") == line["completion_tokens"]
        if line is not None and line["state"] == "finished":
            assert call["state"] == "settled", call
    for call in served:
        assert not call or call in calls, f"{call} was served without a hold"
    spent = sum(Decimal(c["charge"]) for c in calls.values())
    assert Decimal(world.balance(customer)["balance"]) == Decimal("1000") - spent


def test_storage_away_is_503_never_401_and_never_a_free_call(crash_world):
    world = crash_world
    customer, key = world.customer("10")
    client = world.servers[0].client(key)
    assert client.chat().status == 200
    world.quiet()
    before = len(world.stand_in.log())
    world.cluster.stop("immediate")
    try:
        for caller in (client, world.servers[1].client(key), world.servers[0].client("tlgsk_live_" + "0" * 62)):
            answer = caller.chat(timeout=30)
            assert answer.status in (503, 401) and (answer.status == 503 or caller.key.endswith("000"))
        assert world.servers[0].client().get("/healthz").status == 200
        assert world.servers[0].client().get("/readyz").status == 503
        assert world.admin.get(f"/api/v1/balance?customer={customer}").status == 503
    finally:
        world.cluster.start()
    assert len(world.stand_in.log()) == before
    wait_for(lambda: client.chat().status == 200, 20, "service after the database is back")
