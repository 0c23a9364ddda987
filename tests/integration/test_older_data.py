"""What an older version has left behind: the tables as they were before there were events, explicit holds and sums of usage, before sums
of days, and before customers' rows said which grant burns, full of customers, calls, and holds of servers that were killed. Migrated and
started, all of it is reported, audited and changed like anything that came later."""
import io
import uuid
from decimal import Decimal

import pytest

from conftest import Cluster, ROOT, World
from test_rollups import caught_up, plain, told
from tests.harness.process import wait_for
from tests.harness.typeid import parse_id

OLDER = {7: "before events and sums", 13: "before sums of days", 15: "before what burns"}  # by an older version's last migration
PACED = "stand-in:slow-3000"  # twelve words, three seconds before each: whoever is killed has them running
RATES = [("input_tokens", "1000000", "10"), ("output_tokens", "1000000", "10")]
MADE = "CREATE TABLE schema_migrations (number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
COLUMNS = """
SELECT c.relname::text, string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND attnum > 0 AND NOT attisdropped GROUP BY 1"""
PARTITIONS = """
SELECT inhrelid::regclass::text, inhparent::regclass::text, pg_get_expr(relpartbound, inhrelid)
FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE c.relkind = 'r'"""


def take_away_what_came_later(cluster, last):
    """The database becomes what the older version's migrations make, up to the last, with the rows that it had tables and columns for."""
    if last < 15:
        cluster.sql("DELETE FROM usage_rollups WHERE width > 4")
    cluster.sql("ALTER DATABASE tollgate RENAME TO later", database="postgres")
    cluster.sql("CREATE DATABASE tollgate", database="postgres")
    connections = [cluster.connect("later"), cluster.connect()]
    later, older = (connection.cursor() for connection in connections)
    older.execute(MADE)
    for file in sorted((ROOT / "migrations").glob("*.sql"))[:last]:
        older.execute(file.read_text())
    older.execute(COLUMNS)
    tables = dict(older.fetchall())
    later.execute(PARTITIONS)
    for name, parent, bound in later.fetchall():
        if parent in tables and bound != "DEFAULT":
            older.execute(f"CREATE TABLE {name} PARTITION OF {parent} {bound}")
    older.execute(f"TRUNCATE {', '.join(tables)}")
    older.execute("SET session_replication_role = replica")  # rows come in any order
    for table, names in tables.items():
        rows = io.BytesIO()
        later.copy_expert(f"COPY (SELECT {names} FROM {table}) TO STDOUT", rows)
        rows.seek(0)
        older.copy_expert(f"COPY {table} ({names}) FROM STDIN", rows)
    older.execute("DELETE FROM schema_migrations WHERE number > %s", (last,))
    if "rollup_state" in tables and last < 15:
        older.execute("INSERT INTO rollup_state DEFAULT VALUES")
    for connection in connections:
        connection.close()


def days_behind(world):
    """Days of customers that have longer sums than quarters, which are not all there or not what their quarters add up to."""
    return world.cluster.sql("""
        SELECT customer_id, quarter / 96 FROM usage_dense JOIN usage_rollups USING (customer_id) GROUP BY customer_id, key_id, price_id, 2
        HAVING NOT sum(charge) FILTER (WHERE width = 1) = ALL (ARRAY[coalesce(sum(charge) FILTER (WHERE width = 4), 0),
          coalesce(sum(charge) FILTER (WHERE width = 24), 0), coalesce(sum(charge) FILTER (WHERE width = 96), 0)])
        UNION ALL SELECT customer_id, days_from FROM usage_dense WHERE days_from > 0""")


@pytest.fixture(scope="module", params=OLDER, ids=OLDER.values())
def old(request):
    """A world that was the older version's until its servers were killed while calls ran: world, customers, their calls."""
    last = request.param
    cluster = Cluster(settings=["fsync=off"])
    world = World(cluster, instances=2, TOLLGATE_LEASE_MS="1500")
    world.price(PACED, RATES)
    customers = [world.customer("1000", time_zone=zone) for zone in ("UTC", "Asia/Kathmandu")]
    world.cluster.sql("INSERT INTO usage_dense (customer_id, from_quarter, days_from) SELECT id, 0, 0 FROM customers")  # hours are summed too
    for server in world.servers:  # the second one hears of the price a moment later
        wait_for(lambda server=server: PACED in [m["id"] for m in server.client(customers[0][1]).get("/v1/models").json["data"]], 30, "the price")
    for customer, key in customers:
        clients = [server.client(key) for server in world.servers]
        for n in range(12):
            assert clients[n % 2].chat(model=["gpt-4o-mini", "per-request"][n % 2], text=f"{n}", stream=n % 3 == 0, max_tokens=9).status == 200
        stream = clients[0].stream(model=PACED)
        stream.read_until(b'"content":"')
        stream.abort()
    world.quiet()
    calls = {customer: world.calls(customer) for customer, _ in customers}
    for customer, _ in customers:
        assert world.admin.post(f"/api/v1/calls/{calls[customer].pop()['id']}/void", {"reason": "test"}).status == 200
    streams = [server.client(key).stream(model=PACED, text="to the end") for server in world.servers for _, key in customers]
    for stream in streams:
        stream.read_until(b'"content":"')
    wait_for(lambda: caught_up(world), 60, "the sums")
    for server in world.servers:
        server.kill()
    take_away_what_came_later(cluster, last)
    assert cluster.sql("SELECT count(*) FROM holds")[0][0] == len(streams)
    cluster.sql("UPDATE writers SET lease_until = now() + interval '1 hour'")  # as if one of them lived
    told = world.tool("migrate", code=5)
    assert last == 15 or f"{last + 1:04d} " in told
    cluster.sql("UPDATE writers SET lease_until = now()")
    assert "0016 " in world.tool("migrate")
    for server in world.servers:
        server.start()
    yield world, customers, calls
    world.quiet()
    world.audit()
    world.stop()
    cluster.remove()


def test_holds_of_servers_that_are_no_more_are_swept(old):
    world, customers, _ = old
    wait_for(lambda: world.cluster.sql("SELECT count(*) FROM holds")[0][0] == 0, 30, "the old holds being swept")
    for customer, _ in customers:
        swept = [call for call in world.calls(customer) if call["swept"]]
        assert len(swept) == 2 and all(call["state"] == "settled" and call["estimated"] for call in swept)
        assert Decimal(world.balance(customer)["held"]) == 0
    world.audit()


def test_old_calls_are_summed_up_and_told_as_they_were(old):
    world, customers, calls = old
    wait_for(lambda: caught_up(world) and not days_behind(world), 60, "the sums of old calls")
    assert not world.cluster.sql("SELECT one FROM rollup_state FOR UPDATE SKIP LOCKED"), "an older version's writer has nothing to lock"
    assert world.cluster.sql("SELECT sum(charge), sum(cost) FROM usage_rollups WHERE width = 1") == world.cluster.sql("SELECT sum(charge), sum(cost) FROM calls")
    for customer, _ in customers:
        assert told(world, customer) == plain(world, customer)
        now = {call["id"]: call for call in world.calls(customer)}
        assert all(now[call["id"]] == call for call in calls[customer])
        assert all(world.admin.get(f"/api/v1/calls/{call['id']}").json["adds_up"] for call in calls[customer])


def test_old_calls_are_undone_and_priced_again_beside_new_usage(old):
    world, customers, calls = old
    for customer, key in customers:
        own, before = world.servers[1].client(key), Decimal(world.balance(customer)["balance"])
        event = {"id": uuid.uuid4().hex, "type": "gpt-4o-mini", "data": {"usage": {"input_tokens": 1000000}}}
        assert [own.post("/api/v1/events", event).json["status"] for _ in range(2)] == ["accepted", "duplicate"]
        hold = own.post("/api/v1/holds", {"amount": "3", "ttl_seconds": 600}).json["id"]
        assert own.post(f"/api/v1/holds/{hold}/settle", {"amount": "1", "final": False}).status == 200
        assert own.post(f"/api/v1/holds/{hold}/settle", {"amount": "1"}).status == 200
        gone = calls[customer][0]
        assert world.admin.post(f"/api/v1/calls/{gone['id']}/void", {"reason": "test"}).status == 200
        assert Decimal(world.balance(customer)["balance"]) == before - Decimal("2.15") + Decimal(gone["charge"])
    began = calls[customers[0][0]][-1]["created_at"]
    world.price("per-request", [("input_tokens", "0", "0"), ("output_tokens", "500000", "0")], valid_from=began, correction=True)
    job = world.admin.post("/api/v1/rerates", {"from": began, "model": "per-request", "reason": "test"})
    assert job.status == 201, job
    path = f"/api/v1/rerates/{job.json['id']}"
    wait_for(lambda: world.admin.get(path).json["state"] == "simulated", 60, "the simulation")
    assert world.admin.post(f"{path}/post", None).status == 200
    done = wait_for(lambda: (job := world.admin.get(path).json)["state"] == "posted" and job, 60, "the posting")
    assert done["posted_calls"] == done["calls"] > 0 and done["customers"] == 2 and done["skipped_calls"] == 0
    assert Decimal(done["charge_after"]) * 2 == Decimal(done["charge_before"])
    wait_for(lambda: caught_up(world), 60, "the sums")
    for customer, _ in customers:
        assert told(world, customer) == plain(world, customer)
    world.audit()
