"""Partitions: the service makes them, finds rows wherever they are, and drops what is old whole; books, reports and explanations stay
right."""
import random
import threading
import time
import uuid
from decimal import Decimal

import pytest

from conftest import Cluster, World
from tests.harness.process import wait_for
from tests.harness.server import Server
from tests.harness.typeid import parse_id, print_id

MONTH = "(date_trunc('month', now() AT TIME ZONE 'UTC') {:+d} * interval '1 month')"


def partitions(cluster, table):
    return {row[0] for row in cluster.sql("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", table)} - {f"{table}_default"}


def month_name(cluster, table, offset):
    return cluster.sql(f"SELECT %s || to_char({MONTH.format(offset)}, '_YYYYMM')", table)[0][0]


@pytest.fixture(scope="module")
def kept():
    c = Cluster(settings=["fsync=off"])
    w = World(c, TOLLGATE_KEEP_CALLS_DAYS="62", TOLLGATE_KEEP_EVIDENCE_DAYS="90")
    yield w
    w.quiet()
    w.audit()
    w.stop()
    c.remove()


def restart(world):
    world.servers[0].stop()
    world.servers[0].start()


def test_partitions_are_there_before_they_are_needed(kept):
    for table in ("calls", "call_evidence"):
        assert {month_name(kept.cluster, table, n) for n in (-1, 0, 1, 2)} <= partitions(kept.cluster, table)
    weeks = range(int(time.time() // 604800), int((time.time() + 2 * 86400) // 604800) + 1)
    assert {f"event_identities_{week}" for week in weeks} == partitions(kept.cluster, "event_identities")


def test_what_is_missing_is_made_again_unless_the_default_partition_has_rows_of_it(kept):
    _, key = kept.customer()
    call = kept.servers[0].client(key).chat().headers["x-tollgate-call"]
    kept.quiet()
    kept.servers[0].stop()
    gone, this = month_name(kept.cluster, "calls", 2), month_name(kept.cluster, "calls", 0)
    kept.cluster.sql(f"DROP TABLE {gone}")
    kept.cluster.sql(f"CREATE TABLE aside AS SELECT * FROM {this}")
    kept.cluster.sql(f"DROP TABLE {this}")
    kept.cluster.sql("INSERT INTO calls SELECT * FROM aside")
    kept.cluster.sql("DROP TABLE aside")
    kept.servers[0].start()
    assert gone in partitions(kept.cluster, "calls") and this not in partitions(kept.cluster, "calls")
    assert f"{this} is not made" in kept.servers[0].log()
    assert kept.servers[0].client(key).chat().status == 200
    assert kept.call(call)["state"] == "settled"
    kept.quiet()
    kept.audit()


def aged(world, call, months):
    """A call as if it had been made that long ago, in a partition of its own."""
    id_ = str(parse_id(call))
    for table in ("calls", "call_evidence"):
        name = month_name(world.cluster, table, -months)
        bounds = world.cluster.sql(f"SELECT lpad(to_hex((extract(epoch FROM {MONTH.format(-months)}) * 1000)::bigint), 12, '0') || repeat('0', 20), "
                                   f"lpad(to_hex((extract(epoch FROM {MONTH.format(1 - months)}) * 1000)::bigint), 12, '0') || repeat('0', 20)")[0]
        world.cluster.sql(f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF {table} FOR VALUES FROM ('{bounds[0]}') TO ('{bounds[1]}')")
    old = world.cluster.sql(f"SELECT (lpad(to_hex((extract(epoch FROM {MONTH.format(-months)}) * 1000)::bigint + 86400000), 12, '0') || substr(replace(%s, '-', ''), 13))::uuid::text", id_)[0][0]
    world.cluster.sql("UPDATE transfers t SET at = at - make_interval(months => %s) FROM calls c WHERE c.id = %s AND t.customer_id = c.customer_id AND t.writer_id = c.writer_id AND t.seq = c.seq", months, id_)
    world.cluster.sql("UPDATE calls SET id = %s WHERE id = %s", old, id_)
    world.cluster.sql("UPDATE call_evidence SET call_id = %s WHERE call_id = %s", old, id_)
    return print_id("call", uuid.UUID(old))


def test_an_old_month_goes_whole_and_nothing_else_changes(kept):
    customer, key = kept.customer()
    client = kept.servers[0].client(key)
    calls = [client.chat().headers["x-tollgate-call"] for _ in range(3)]
    kept.quiet()
    old = aged(kept, calls[0], 5)
    kept.tool("rollups", "rebuild")
    wait_for(lambda: kept.cluster.sql("SELECT bool_and(c.seq >= k.seq) FROM calls k JOIN rollup_cursors c ON c.writer_id = k.writer_id WHERE k.customer_id = %s", str(parse_id(customer)))[0][0], 60, "the sums")
    kept.tool("rollups", "rebuild")
    month = kept.cluster.sql(f"SELECT to_char({MONTH.format(-5)}, 'YYYY-MM-DD')")[0][0]
    report = f"/api/v1/reports/usage?customer={customer}&from={month}&group_by=model"
    before = kept.admin.get(report).json
    assert before["totals"]["calls"] == 3 and kept.call(old)["state"] == "settled"
    kept.audit()
    restart(kept)  # closes the month
    wait_for(lambda: kept.cluster.sql("SELECT closed > dropped FROM calls_kept")[0][0], 30, "the month being closed")
    answer = kept.admin.post(f"/api/v1/calls/{old}/void", {"reason": "too late"})
    assert answer.status == 409 and "no longer" in answer.json["error"]["message"]
    kept.audit()
    kept.cluster.sql("UPDATE calls_kept SET closed_at = closed_at - interval '1 minute'")
    name = month_name(kept.cluster, "calls", -5)
    wait_for(lambda: name not in partitions(kept.cluster, "calls"), 60, "the month being dropped")
    wait_for(lambda: kept.cluster.sql("SELECT closed = dropped FROM calls_kept")[0][0], 30, "its note")
    assert month_name(kept.cluster, "call_evidence", -5) not in partitions(kept.cluster, "call_evidence")
    kept.audit()
    assert kept.admin.get(f"/api/v1/calls/{old}").status == 404
    assert kept.admin.post(f"/api/v1/calls/{old}/void", {"reason": "too late"}).status == 404
    after = kept.admin.get(report).json
    assert after["rows"] == before["rows"] and after["totals"] == before["totals"]
    split = kept.admin.get(f"/api/v1/reports/usage?customer={customer}&from={month}T00:07:00Z")
    assert split.status == 400 and "quarter" in split.json["error"]["message"]
    kept.tool("rollups", "rebuild")
    assert kept.admin.get(report).json["totals"] == before["totals"]
    assert Decimal(before["totals"]["charge"]) == Decimal("10") - Decimal(kept.balance(customer)["balance"])
    assert kept.call(calls[1])["state"] == "settled"


class Reporter(threading.Thread):
    """Sends events of all the time in which they are taken, one by one and in batches; each answer says that all were recorded."""

    def __init__(self, world, customer, seed):
        super().__init__()
        self.client, self.customer, self.chance = world.admin, customer, random.Random(seed)
        self.over, self.sent, self.wrong = threading.Event(), 0, None

    def event(self):
        at = int(time.time()) - self.chance.choice((0, 0, 1, 12, 25, 34)) * 86400
        return {"id": uuid.uuid4().hex, "type": "gpt-4o-mini", "subject": self.customer, "time": at, "data": {"usage": {"input_tokens": 1}, "note": "x"}}

    def run(self):
        while not self.over.is_set() and not self.wrong:
            events = [self.event() for _ in range(self.chance.choice((1, 1, 20)))]
            answer = self.client.post("/api/v1/events", events)
            if answer.status != 200 or answer.json["accepted"] != len(events):
                self.wrong = answer
            self.sent += len(events)


def test_partitions_that_go_while_events_come_lose_none_and_fail_none(kept):
    """Another instance drops weeks of identities, months of evidence, of parts and of calls."""
    (customer, key), c = kept.customer("100"), kept.cluster
    call = kept.servers[0].client(key).chat().headers["x-tollgate-call"]
    kept.quiet()
    aged(kept, call, 4)
    of_calls = [month_name(c, table, -4) for table in ("calls", "call_evidence")]
    reporters = [Reporter(kept, customer, seed) for seed in range(4)]
    for reporter in reporters:
        reporter.start()
    for week in range(1000, 1003):
        c.sql(f"CREATE TABLE event_identities_{week} PARTITION OF event_identities FOR VALUES FROM ({week}) TO ({week + 1})")
        other = Server(c, kept.folder, kept.master_key, **kept.environment)
        wait_for(lambda: f"event_identities_{week}" not in partitions(c, "event_identities"), 60, "the old week being dropped")
        if week == 1000:
            wait_for(lambda: c.sql("SELECT closed > dropped FROM calls_kept")[0][0], 30, "the month being closed")
            c.sql("UPDATE calls_kept SET closed_at = closed_at - interval '1 minute'")
            wait_for(lambda: not set(of_calls) & (partitions(c, "calls") | partitions(c, "call_evidence")), 60, "the old month being dropped")
        assert other.stop() == 0
    for reporter in reporters:
        reporter.over.set()
        reporter.join()
        assert reporter.wrong is None, reporter.wrong
    sent = sum(reporter.sent for reporter in reporters)
    assert sent > 0 and c.sql("SELECT count(*) FROM event_identities WHERE customer_id = %s", str(parse_id(customer)))[0][0] == sent
    assert c.sql("SELECT count(*), count(DISTINCT id) FROM calls WHERE customer_id = %s AND revision = 0", str(parse_id(customer)))[0] == (sent, sent)
    kept.audit()
