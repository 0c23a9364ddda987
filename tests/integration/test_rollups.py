"""Usage reports are what the ledger says at every moment: while two instances take calls and undo some, while one of them is killed,
while the sums are made anew, and after they were tampered with."""
import random
import threading
import time
import uuid
from decimal import Decimal

import pytest

from tests.harness.process import wait_for
from tests.harness.typeid import parse_id

ZONES = ("UTC", "Asia/Kathmandu", "Australia/Lord_Howe")

PLAIN = """
SELECT coalesce(r.model, ''), coalesce(sum(c.charge), 0), count(*) FILTER (WHERE c.state = 2 AND NOT EXISTS (
         SELECT FROM calls x WHERE x.customer_id = c.customer_id AND x.id = c.id AND x.revision < c.revision AND x.state = 2)),
       coalesce(sum((c.usage ->> 'output_tokens')::bigint), 0)
FROM (SELECT *, first_value(price_id) OVER (PARTITION BY id ORDER BY revision DESC) AS last_price FROM calls WHERE customer_id = %s) c
LEFT JOIN prices r ON r.id = c.last_price GROUP BY 1 ORDER BY 1"""


def plain(world, customer):
    return [(model, int(charge), calls, int(tokens)) for model, charge, calls, tokens in world.cluster.sql(PLAIN, str(parse_id(customer)))]


def told(world, customer, server=0, query=""):
    """The rows by model; days add up to them."""
    client = world.servers[server].client(world.admin_key)
    rows = client.get(f"/api/v1/reports/usage?customer={customer}&group_by=model{query}").json["rows"]
    return sorted((r.get("model") or "", int(Decimal(r["charge"]) * 10**9), r["calls"], r["usage"].get("output_tokens", 0)) for r in rows)


class Load:
    """Calls of a few customers on both instances, each tenth undone."""

    def __init__(self, world, customers):
        self.world, self.customers, self.over = world, customers, threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(3)]

    def run(self, seed):
        chance = random.Random(seed)
        while not self.over.is_set():
            _, key = chance.choice(self.customers)
            try:
                answer = self.world.servers[chance.randrange(2)].client(key).chat(model=chance.choice(["gpt-4o-mini", "per-request"]), max_tokens=9, timeout=10, check=False)
                if answer.status == 200 and chance.random() < 0.1:
                    self.world.admin.post(f"/api/v1/calls/{answer.headers['x-tollgate-call']}/void", {"reason": "test"}, check=False)
            except OSError:
                time.sleep(0.1)  # the other instance is down
            time.sleep(chance.random() * 0.05)

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for t in self.threads:
            t.join()


def compare(world, customers):
    """How many of the reports were asked for while nothing moved, which have to be equal."""
    equal = 0
    for customer, _ in customers:
        before = plain(world, customer)
        report = told(world, customer)
        if plain(world, customer) == before:
            assert report == before
            equal += 1
    return equal


@pytest.fixture(scope="module")
def customers(pair):
    return [pair.customer("1000", time_zone=zone) for zone in ZONES]


def caught_up(world):
    return world.cluster.sql("SELECT NOT EXISTS (SELECT FROM writers w LEFT JOIN rollup_cursors c ON c.writer_id = w.id WHERE EXISTS ("
                             "SELECT FROM calls k WHERE k.writer_id = w.id AND k.seq > coalesce(c.seq, 0)))")[0][0]


def test_reports_are_the_ledger_under_load_a_kill_and_a_rebuild(pair, customers):
    world, equal = pair, 0
    with Load(world, customers):
        until = time.monotonic() + 24
        killed = rebuilt = False
        while time.monotonic() < until:
            equal += compare(world, customers)
            if not killed and time.monotonic() > until - 16:
                world.servers[1].kill()
                world.servers[1].start()
                killed = True
            if not rebuilt and time.monotonic() > until - 8:
                world.tool("rollups", "rebuild")
                rebuilt = True
    world.quiet()
    assert equal > 10
    assert compare(world, customers) == len(customers)
    wait_for(lambda: caught_up(world), 60, "the sums catching up")
    assert compare(world, customers) == len(customers)
    summed = world.cluster.sql("SELECT sum(charge), sum(cost) FROM usage_rollups WHERE width = 1")
    assert summed == world.cluster.sql("SELECT sum(charge), sum(cost) FROM calls")
    assert told(world, customers[0][0], server=1) == plain(world, customers[0][0])


def test_days_add_up_in_every_zone(pair, customers):
    for customer, _ in customers:
        answer = pair.admin.get(f"/api/v1/reports/usage?customer={customer}&group_by=day,model,key").json
        assert sum(Decimal(r["charge"]) for r in answer["rows"]) == Decimal(answer["totals"]["charge"])
        assert int(Decimal(answer["totals"]["charge"]) * 10**9) == sum(row[1] for row in plain(pair, customer))


def test_sums_that_are_wrong_are_made_right(pair, customers):
    wait_for(lambda: caught_up(pair), 60, "the sums catching up")
    pair.cluster.sql("UPDATE usage_rollups SET charge = charge + 1, calls = calls + 1 WHERE customer_id = %s", str(parse_id(customers[0][0])))
    pair.cluster.sql("DELETE FROM usage_rollups WHERE customer_id = %s", str(parse_id(customers[1][0])))
    assert told(pair, customers[0][0]) != plain(pair, customers[0][0])
    made = pair.tool("rollups", "rebuild", "--json", json_out=True)
    assert made["calls"] == pair.cluster.sql("SELECT count(*) FROM calls")[0][0]
    assert compare(pair, customers) == len(customers)


def test_what_waited_for_a_price_is_under_its_model_once_it_has_one(pair):
    """While the sums have none of it, some of it, all of it, and made anew."""
    name, (customer, key) = "m-" + uuid.uuid4().hex[:8], pair.customer("10")
    client = pair.servers[0].client(key)

    def reported(times):
        for _ in range(times):
            assert client.post("/api/v1/events", {"id": uuid.uuid4().hex, "type": name, "data": {"usage": {"output_tokens": 10}}}).json["state"] == "unrated"
    reported(2)
    wait_for(lambda: caught_up(pair), 60, "the sums")
    reported(1)
    assert told(pair, customer) == [("", 0, 0, 30)]
    pair.price(name, [("output_tokens", "1", "1")])
    wait_for(lambda: all(c["state"] == "settled" for c in pair.calls(customer)), 30, "the price")
    rated = [(name, 30000, 3, 30)]
    assert told(pair, customer) == told(pair, customer, server=1) == plain(pair, customer) == rated
    wait_for(lambda: caught_up(pair), 60, "the sums")
    assert told(pair, customer) == rated
    rows = "SELECT u.* FROM usage_rollups u WHERE customer_id = %s ORDER BY 2, 3, 4, 5"
    summed = pair.cluster.sql(rows, str(parse_id(customer)))
    assert all(row[2] != "00000000-0000-0000-0000-000000000000" for row in summed), "nothing is left where it was"
    pair.tool("rollups", "rebuild")
    assert told(pair, customer) == rated and pair.cluster.sql(rows, str(parse_id(customer))) == summed


def test_quantities_beyond_counting_hold_up_nobodys_sums(pair):
    """A key reports what nobody can have used, more than once: sums stay at the end of 64 bits, in one piece and over several."""
    pair.price("free-of-charge", [("input_tokens", "0", "0")])
    customer, key = pair.customer("10")
    client, most = pair.servers[0].client(key), 2**63 - 1

    def report_it(model, times):
        for _ in range(times):
            event = {"id": uuid.uuid4().hex, "type": model, "data": {"usage": {"input_tokens": most}}}
            assert client.post("/api/v1/events", event).json["status"] == "accepted"

    def told_of(model):
        rows = client.get("/api/v1/reports/usage?group_by=model").json["rows"]
        return next(row for row in rows if row.get("model") == model)

    wait_for(lambda: client.post("/api/v1/events", {"id": uuid.uuid4().hex, "type": "free-of-charge", "data": {"input_tokens": 1}}).json["state"] == "settled", 20, "the price")
    for times in (2, 2, 1):
        report_it("free-of-charge", times)
        report_it("waits-for-a-price", times)
        assert told_of("free-of-charge")["usage"] == {"input_tokens": most}
        wait_for(lambda: caught_up(pair), 60, "the sums")
        assert told_of("free-of-charge")["usage"] == {"input_tokens": most}
    assert told_of("free-of-charge")["calls"] >= 6
    pair.tool("rollups", "rebuild")
    assert told_of("free-of-charge")["usage"] == {"input_tokens": most}
