"""A transaction pooler before the database: DATABASE_URL may lead through it, DATABASE_DIRECT_URL leads past it."""
import concurrent.futures
import tempfile

import pytest

from tests.harness.cluster import Cluster
from tests.harness.pooler import Pooler
from tests.harness.server import World

SESSIONS = 2  # fewer than the server has job threads


@pytest.fixture(scope="module")
def pooled():
    cluster = Cluster(settings=["fsync=off"])
    folder = tempfile.mkdtemp(prefix="tg-pooler-", dir="/tmp")
    pooler = Pooler(folder, f"host={cluster.folder}", SESSIONS)
    world = World(cluster, instances=2, DATABASE_URL=pooler.url(), DATABASE_DIRECT_URL=cluster.url())
    yield world
    world.quiet()
    world.audit()
    world.stop()
    pooler.stop()
    cluster.remove()


def test_calls_and_the_api_work_through_it(pooled):
    (customer, key), (other, _) = pooled.customer("10"), pooled.customer("10")

    def one(number):
        server = pooled.servers[number % 2]
        assert server.client(key).chat(text=f"number {number}", stream=number % 3 == 0).status == 200
        assert server.client(pooled.admin_key).get(f"/api/v1/balance?customer={customer}").status == 200
        made = server.client(pooled.admin_key).post("/api/v1/keys", {"customer": other}, headers={"Idempotency-Key": f"k{number}"})
        assert made.status == 201
        return made.json["id"]

    with concurrent.futures.ThreadPoolExecutor(12) as threads:
        keys = list(threads.map(one, range(120)))
    assert len(set(keys)) == 120
    assert len(pooled.calls(customer)) == 120


def test_the_servers_sessions_behind_it_keep_no_setting_of_a_client(pooled):
    """A bound that one client sets for itself would be the next one's too."""
    rows = pooled.cluster.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tollgate'")
    assert rows[0][0] > 0
    import psycopg2
    connection = psycopg2.connect(pooled.servers[0].environment["DATABASE_URL"])
    connection.autocommit = True
    with connection.cursor() as cursor:
        for _ in range(4 * SESSIONS):
            cursor.execute("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')")
            assert cursor.fetchone() == ("0", "0")
    connection.close()
