"""Events whose COMMIT is in doubt: the connection to the database is cut just before it or just behind it, or its session ends in the
middle of it. Whatever became of it, each event is recorded once, and who asks again is told the same call."""
import collections
import concurrent.futures
import json
import os
import re
import signal
import tempfile
import uuid
from decimal import Decimal

import pytest

from conftest import Cluster, World
from tests.fault.proxy import Proxy
from tests.harness.port import free_port
from tests.harness.process import wait_for
from tests.harness.typeid import parse_id

USAGE = {"input_tokens": 900, "cached_input_tokens": 100, "output_tokens": 50}
COST = Decimal("0.0001725")  # by gpt-4o-mini's rates
LOST = 3  # COMMITs in doubt, for each kind
# A session within such a COMMIT for which another waits already.
WAITED_FOR = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND pid IN (SELECT unnest(pg_blocking_pids(pid)) FROM pg_stat_activity)"
# The ledger's COMMITs take as long as the table says.
SLOWLY = """
CREATE TABLE slowly (seconds float NOT NULL);
CREATE FUNCTION commit_slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(seconds) FROM slowly; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER commit_slowly AFTER UPDATE OF seq ON writers DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION commit_slowly();
"""


class Reached(Cluster):
    """By its socket, and by TCP for what goes by way of the proxy."""

    def __init__(self):
        self.port = free_port()
        super().__init__(settings=["fsync=off", "listen_addresses=127.0.0.1", f"port={self.port}"])

    def url(self, database="tollgate"):
        return super().url(database) + f"&port={self.port}"


@pytest.fixture(scope="module")
def doubted():
    """A world of which the first instance reaches the database by the proxy's link, and the other by itself; the link."""
    cluster, folder = Reached(), tempfile.mkdtemp(prefix="tg-doubt-", dir="/tmp")
    proxy = Proxy(folder)
    link = proxy.link("pg", cluster.port, pg=True)
    world = World(cluster, instances=2, DATABASE_URL=f"postgresql://tollgate@127.0.0.1:{link.port}/tollgate?sslmode=disable&gssencmode=disable")
    world.servers[1].stop()
    world.servers[1].environment["DATABASE_URL"] = cluster.url()
    world.servers[1].start()
    cluster.sql(SLOWLY)
    yield world, link
    world.quiet()
    world.audit()
    world.stop()
    proxy.stop()
    cluster.remove()


def event(customer):
    return {"id": uuid.uuid4().hex, "source": "/doubt", "type": "gpt-4o-mini", "subject": customer, "data": {"usage": USAGE}}


def send(world, body, server=0):
    kind = "application/x-ndjson" if isinstance(body, str) else "application/json"
    return world.servers[server].client(world.admin_key).request("POST", "/api/v1/events", body, headers={"Content-Type": kind})


class Told:
    """What senders were told of each event: one call, and that it is new at most once."""

    def __init__(self):
        self.calls, self.statuses = {}, collections.defaultdict(list)

    def note(self, answer):
        """Whether each event of it is on record."""
        assert answer.status in (200, 503), answer
        told = [] if answer.status == 503 else answer.json["data"] if answer.json["object"] == "event_batch" else [answer.json]
        for one in told:
            if one["status"] == "rejected":
                assert one["error"]["code"] in ("storage_unavailable", "overloaded"), one
                continue
            assert self.calls.setdefault(one["id"], one["call"]) == one["call"], one
            self.statuses[one["id"]].append(one["status"])
        return answer.status == 200 and all(one["status"] != "rejected" for one in told)

    def insist(self, world, body, server=0):
        wait_for(lambda: self.note(send(world, body, server)), 30, "the events being taken")


def in_doubt(world):
    text = world.servers[0].client(world.admin_key).get("/metrics").body.decode()
    return int(re.search(r"^tollgate_ledger_commits_unknown_total (\d+)$", text, re.M).group(1))


def forms(customer):
    """One event, an array, and lines that are taken in two pieces: (body, how many)."""
    return [(event(customer), 1), ([event(customer) for _ in range(20)], 20), ("\n".join(json.dumps(event(customer)) for _ in range(1200)), 1200)]


def stands_once(world, customer, told, count):
    calls = {call["id"] for call in world.calls(customer)}
    assert calls == set(told.calls.values()) and len(calls) == count
    assert all(statuses.count("accepted") <= 1 and statuses[-1] == "duplicate" for statuses in told.statuses.values())
    assert Decimal(world.balance(customer)["balance"]) == 1000 - count * COST
    assert world.cluster.sql("SELECT count(*) FROM event_identities WHERE customer_id = %s", str(parse_id(customer)))[0][0] == count


@pytest.mark.parametrize("plan", ["before", "after"])
def test_a_connection_that_is_cut_at_a_commit_loses_and_doubles_nothing(doubted, plan):
    world, link = doubted
    customer, _ = world.customer("1000")
    told, count, began = Told(), 0, in_doubt(world)
    while in_doubt(world) < began + LOST:
        assert count < 100000, "no COMMIT of the ledger's was met"
        for body, events in forms(customer):
            link.commit(plan, 1)
            if told.note(send(world, body)):  # nobody else has sent them
                assert {tuple(statuses) for statuses in told.statuses.values() if len(statuses) == 1} == {("accepted",)}
            link.clear()
            told.insist(world, body)
            told.insist(world, body, server=1)
            count += events
    stands_once(world, customer, told, count)


@pytest.mark.parametrize("how", ["terminated", "killed"])
def test_a_session_that_ends_within_a_commit_loses_and_doubles_nothing(doubted, how):
    """Of two instances that are asked the same at once, while the other waits for it."""
    world, _ = doubted
    customer, _ = world.customer("1000")
    told, count = Told(), 0
    with concurrent.futures.ThreadPoolExecutor(2) as senders:
        for body, events in forms(customer):
            world.cluster.sql("INSERT INTO slowly VALUES (3)")
            answers = [senders.submit(send, world, body, server) for server in (0, 1)]
            pid = wait_for(lambda: world.cluster.sql(WAITED_FOR), 20, "one instance waiting for the other's COMMIT")[0][0]
            world.cluster.sql("DELETE FROM slowly")
            if how == "killed":
                os.kill(pid, signal.SIGKILL)
                wait_for(world.cluster.answers, 30, "PostgreSQL answering")
            else:
                assert world.cluster.sql("SELECT pg_terminate_backend(%s)", pid)[0][0]
            for answer in answers:
                told.note(answer.result())
            told.insist(world, body)
            told.insist(world, body, server=1)
            count += events
    stands_once(world, customer, told, count)
