"""PostgreSQL that dies, is restarted, runs out of space, changes its shape, or stands behind a pooler."""
import os
import signal
import time

import psycopg2

from tests.harness.cluster import Cluster
from tests.harness.pooler import Pooler
from tests.harness.process import wait_for
from tests.harness.server import Client

from .database import Volume
from .registry import fault


def service_returns(rig, seconds=30):
    """Both servers are ready again."""
    for instance in rig.world.instances:
        client = Client(instance.port)
        wait_for(lambda c=client: ready(c), seconds, f"{instance.name} being ready again", step=0.05)


def ready(client):
    try:
        return client.get("/readyz", timeout=5, check=False).status == 200
    except (OSError, ValueError):
        return False


@fault("F3", "kill -9 of a backend", "all sessions end; they come back", weight=2)
def kill_backend(rig, rng, alone):
    database = rig.world.database
    sessions = database.sessions()
    if not sessions:
        return
    before = database.log_text().count("was terminated by signal 9")
    os.kill(rng.choice(sessions), signal.SIGKILL)
    wait_for(lambda: database.log_text().count("was terminated by signal 9") > before, 20, "PostgreSQL noticing")
    rig.bite("backend killed")
    database.wait_recovered()
    service_returns(rig)


@fault("F4", "sessions terminated, PostgreSQL restarted", "nothing but 503; recovery", weight=2)
def restart_database(rig, rng, alone):
    database = rig.world.database
    how = rng.choice(("terminate one", "terminate all", "fast", "immediate"))
    if how.startswith("terminate"):
        sessions = database.sessions("state <> 'idle'" if rng.random() < 0.5 else "true") or database.sessions()
        for pid in sessions if how == "terminate all" else sessions[:1]:
            if database.sql("SELECT pg_terminate_backend(%s)", pid)[0][0]:
                rig.bite(how)
    else:
        database.restart(how)
        rig.bite(how)
    service_returns(rig)


def no_space(database):
    return database.log_text().count("No space left on device")


@fault("F5", "data volume full", "503 on what writes, reads go on, recovery", company=False, root=True)
def data_full(rig, rng, alone):
    database, client = rig.world.database, Client(rig.world.instances[0].port, rig.world.admin_key)
    before = no_space(database)
    database.volume.fill()
    try:
        time.sleep(rng.uniform(1.0, 2.5))
        answer = client.get(f"/api/v1/balance?customer={rig.world.role('rich')[0].id}", check=False)
        if answer.status != 200:
            rig.world.violation("F5", f"reading a balance with a full volume: {answer}")
    finally:
        database.volume.give_back()
    rig.bite("writes refused for want of space", no_space(database) - before)
    service_returns(rig)


@fault("F6", "log volume full", "PANIC, PostgreSQL stays down; with space it is back with all it had said", company=False, root=True)
def log_full(rig, rng, alone):
    database = rig.world.database
    volume = Volume(os.path.join(database.folder, rig.name("wal")), 512, database.user)
    before = database.log_text().count("PANIC")
    database.stop("fast")
    database.wal_onto(volume.path)
    database.start()
    service_returns(rig)
    time.sleep(rng.uniform(0.3, 0.8))
    volume.fill()
    until = time.monotonic() + 30
    while database.up() and time.monotonic() < until:
        write_log(database)
        time.sleep(0.05)
    if not database.up():
        try:  # a restart does not help while there is no space
            Cluster.start(database)
            rig.world.violation("F6", "PostgreSQL started on a full log volume: the fault did not bite")
        except AssertionError:
            pass
    rig.bite("PANIC", database.log_text().count("PANIC") - before)
    volume.give_back()
    if not database.up():
        database.start()
    service_returns(rig)
    time.sleep(0.3)
    database.stop("fast")
    database.wal_home()
    volume.unmount()
    database.start()
    service_returns(rig)


def write_log(database):
    """Uses up what is left of the log's volume."""
    try:
        database.sql("SELECT pg_logical_emit_message(true, 'rig', repeat('x', 4000000)), pg_switch_wal()")
    except psycopg2.Error:
        pass


SHAPES = (
    ("ALTER TABLE customers ADD COLUMN rig integer NOT NULL DEFAULT 7", "ALTER TABLE customers DROP COLUMN rig"),
    ("ALTER TABLE holds ADD COLUMN rig text", "ALTER TABLE holds DROP COLUMN rig"),
    ("ALTER TABLE grant_rows ADD COLUMN rig bigint DEFAULT 0", "ALTER TABLE grant_rows DROP COLUMN rig"),
    ("CREATE INDEX CONCURRENTLY rig ON transfers (at)", "DROP INDEX CONCURRENTLY rig"),
    ("CREATE TABLE rig (id integer)", "DROP TABLE rig"),
)


@fault("F32", "the schema changes under load", "no statement is broken by it for longer than a retry")
def schema(rig, rng, alone):
    database = rig.world.database
    there, back = rng.choice(SHAPES)
    for text in (there, back):
        if change(database, text):
            rig.bite(text.split(" rig")[0])
        time.sleep(rng.uniform(0.1, 0.4))
    text = rig.world.tool("migrate", code=None)
    if "error" in text:
        rig.world.violation("F32", "migrate during load: " + text)
    service_returns(rig)


def change(database, text):
    """As one does it on a table in use: with a short lock timeout, again and again. What was done as the connection broke is done."""
    broke = False
    for _ in range(60):
        connection = database.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '500ms'")
                cursor.execute(text)
            return True
        except (psycopg2.errors.LockNotAvailable, psycopg2.OperationalError) as e:
            broke = broke or not isinstance(e, psycopg2.errors.LockNotAvailable)
            time.sleep(0.05)
        except psycopg2.ProgrammingError:  # it is there already, or gone already
            if broke:
                return True
            raise
        finally:
            connection.close()
    return False


# ---- a pooler in the path

@fault("F31", "PgBouncer in the path", "DATABASE_URL through transaction pooling, DATABASE_DIRECT_URL past it", company=False)
def pooler(rig, rng, alone):
    world, instance = rig.world, rig.instance(rng)
    bouncer = Pooler(world.folder, f"host=127.0.0.1 port={world.database.port}", rng.choice((2, 4)))
    environment = dict(instance.environment)
    try:
        instance.environment["DATABASE_URL"] = bouncer.url()
        instance.environment["DATABASE_DIRECT_URL"] = world.database.tcp_url(instance.link.port)
        instance.restart()
        told = rig.driver.burst(rig.name("pool"), role="rich", count=40, threads=8, server=world.instances.index(instance), kind="pooled")
        client = Client(instance.port, world.admin_key)
        for _ in range(5):
            answer = client.get(f"/api/v1/balance?customer={world.role('rich')[0].id}", check=False)
            if answer.status != 200:
                world.violation("F31", f"reading a balance through the pooler: {answer}")
        if set(told) != {"200"}:
            world.violation("F31", f"calls with PgBouncer in the path: {told}")
        rig.bite("calls by way of the pooler", told.get("200", 0))
    finally:
        instance.environment = environment
        if instance.alive():
            instance.restart()
        else:
            instance.start()
        bouncer.stop()
