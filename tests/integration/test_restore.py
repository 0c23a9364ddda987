"""What has to be kept together, and whether what was restored belongs together: a real dump and restore is found sound, serves,
and its books add up; each thing that does not fit is told."""
import glob
import json
import os
import shutil
import signal
import subprocess
import uuid

import pytest

from tests.harness.cluster import Cluster
from tests.harness.process import BINARY, wait_for
from tests.harness.server import Server, World

PACED = "stand-in:slow-300"


@pytest.fixture(scope="module")
def lost():
    """A world whose first instance died with a settlement in its journal; the journal's folder, kept as it was."""
    cluster = Cluster(settings=["fsync=on"])
    world = World(cluster, TOLLGATE_LEASE_MS="600000")  # nobody ends its calls
    world.price(PACED, world.PRICES["per-request"])
    customer, key = world.customer("1000")
    client = world.servers[0].client(key)
    wait_for(lambda: client.stream(model=PACED, text="a").read_until(b"[DONE]").count(b'"content"'), 20, "the price")
    assert client.chat().status == 200
    world.quiet()
    stream = client.stream(model=PACED, text="a b c", headers={"X-Tollgate-Receipt": "stream"})
    stream.read_until(b'"content":" ')
    cluster.stop("immediate")
    assert b"settlement=pending" in stream.read_until(b"data: [DONE]")
    world.servers[0].kill()
    stream.close()
    cluster.start()
    yield world
    world.stop()
    cluster.remove()


def doctor(world, database="tollgate", code=0, **env):
    """{name of a check: (status, detail)}"""
    settings = {**world.servers[0].environment, "DATABASE_URL": world.cluster.url(database), "PORT": "0", **env}
    done = subprocess.run([str(BINARY), "doctor", "--json"], env={"PATH": os.environ["PATH"], **settings}, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr
    return {check["name"]: (check["status"], check["detail"]) for check in json.loads(done.stdout)["checks"]}


@pytest.fixture
def copy(lost):
    """A dump of the database, restored beside it: its name."""
    name = "r" + uuid.uuid4().hex[:12]
    lost.cluster.sql(f"CREATE DATABASE {name}", database="postgres")
    tools = os.path.dirname(sorted(glob.glob("/usr/lib/postgresql/*/bin/pg_dump"))[-1])
    dump = subprocess.run([f"{tools}/pg_dump", "--no-owner", lost.cluster.url()], capture_output=True, check=True).stdout
    subprocess.run([f"{tools}/psql", "-q", "-v", "ON_ERROR_STOP=1", lost.cluster.url(name)], input=dump, check=True, stdout=subprocess.DEVNULL)
    return name


def test_what_belongs_together_is_named_and_found_to_fit(lost):
    found = doctor(lost)
    assert found["backup"][0] == "ok" and "the database tollgate" in found["backup"][1] and lost.servers[0].environment["TOLLGATE_JOURNAL_DIR"] in found["backup"][1]
    assert found["master key fits"] == ("ok", "this database was last used with it")
    assert found["journal fits"] == ("ok", "this database knows the calls of all 1 settlements in it")
    assert found["sequences"][0] == "ok"


def test_a_restored_dump_fits_serves_and_adds_up(lost, copy, tmp_path):
    assert all(status == "ok" for name, (status, _) in doctor(lost, copy).items() if name in ("master key fits", "journal fits", "sequences"))
    journal = tmp_path / "journal"
    shutil.copytree(lost.servers[0].environment["TOLLGATE_JOURNAL_DIR"], journal)
    server = Server(lost.cluster, str(tmp_path), lost.master_key, DATABASE_URL=lost.cluster.url(copy), TOLLGATE_JOURNAL_DIR=str(journal))
    try:
        wait_for(lambda: lost.cluster.sql("SELECT count(*) FROM holds", database=copy)[0][0] == 0, 30, "its journal's settlement")
        charged = lost.cluster.sql("SELECT charge FROM calls ORDER BY id DESC LIMIT 1", database=copy)[0][0]
        assert charged > 0
    finally:
        assert server.stop(signal.SIGTERM) == 0
    audit = subprocess.run([str(BINARY), "audit"], env={"PATH": os.environ["PATH"], "DATABASE_URL": lost.cluster.url(copy)}, capture_output=True, text=True)
    assert audit.returncode == 0 and audit.stdout.startswith("sound"), audit


def test_another_master_key_is_told(lost, copy):
    status, detail = doctor(lost, copy, code=1, TOLLGATE_MASTER_KEY="5f" * 32)["master key fits"]
    assert status == "fail" and "never used with it" in detail
    server = Server(lost.cluster, lost.folder, "5f" * 32, DATABASE_URL=lost.cluster.url(copy))  # somebody starts it all the same
    assert server.stop(signal.SIGTERM) == 0
    assert doctor(lost, copy)["master key fits"] == ("warn", "this database was used with it, and with another one since")


def test_a_journal_of_another_database_is_told(lost):
    name = "e" + uuid.uuid4().hex[:12]
    lost.cluster.sql(f"CREATE DATABASE {name}", database="postgres")
    assert doctor(lost, name)["journal fits"] == ("ok", "nothing to check yet")
    subprocess.run([str(BINARY), "migrate"], env={"PATH": os.environ["PATH"], "DATABASE_URL": lost.cluster.url(name)}, check=True, capture_output=True)
    found = doctor(lost, name, code=1)
    assert found["master key fits"] == ("ok", "no instance has used this database yet")
    assert found["journal fits"][0] == "fail" and "1 of 1 settlements in it are of customers that this database does not know" in found["journal fits"][1]
    assert doctor(lost, name, TOLLGATE_JOURNAL_DIR="/nonexistent/journal")["journal fits"] == ("ok", "there is none yet")


def test_a_database_from_before_the_journal_is_told(lost, copy):
    lost.cluster.sql("DELETE FROM holds", database=copy)
    status, detail = doctor(lost, copy)["journal fits"]
    assert status == "warn" and "1 of 1 settlements in it are of calls that this database does not know" in detail


@pytest.mark.parametrize("change, says", [
    ("UPDATE writers SET seq = 0", "1 writers"), ("DELETE FROM writers", "transfers"), ("UPDATE writers SET epoch = 0", "1 holds"),
    ("UPDATE customers SET id = 'f19f0000-0000-7000-8000-000000000000' WHERE id = (SELECT id FROM customers ORDER BY id DESC LIMIT 1)", "clock is behind")])
def test_tables_of_different_moments_are_told(lost, copy, change, says):
    lost.cluster.sql(change, database=copy)
    status, detail = doctor(lost, copy, code=1)["sequences"]
    assert status == "fail" and says in detail


