"""Servers that are killed, frozen, stalled, restarted, or that have a wrong idea of the time."""
import signal
import subprocess
import time

from tests.harness.process import BUILD

from .instance import SETTINGS
from .registry import fault

LEASE = int(SETTINGS["TOLLGATE_LEASE_MS"]) / 1000


@fault("F1", "kill -9 of a server", "what was answered is there; restart at once", weight=3)
def kill_server(rig, rng, alone):
    instance = rig.instance(rng)
    rig.pause(rng, 0, 0.6)
    instance.kill()
    rig.bite("killed")
    if rng.random() < 0.3 * rig.options.pace:
        time.sleep(rng.uniform(0, 2 * LEASE))  # long enough for the other one to sweep
    instance.start()


@fault("F1", "kill -9 of both servers and the database", "as before, and PostgreSQL recovers", company=False)
def kill_everything(rig, rng, alone):
    world = rig.world
    rig.pause(rng, 0, 0.6)
    for instance in world.instances:
        instance.kill()
        rig.bite("server killed")
    world.database.stop("kill" if rng.random() < 0.5 else "immediate")
    rig.bite("database killed")
    world.database.start()
    for instance in world.instances:
        instance.start(wait=False)
    for instance in world.instances:
        instance.wait_ready()


@fault("F1", "kill -9 of a server, again and again", "restarts that are killed while they start", company=False)
def kill_starting(rig, rng, alone):
    instance = rig.instance(rng)
    for _ in range(rng.randrange(2, 5)):
        instance.kill()
        rig.bite("killed")
        instance.start(wait=False)
        rig.pause(rng, 0, 0.25)
    instance.kill()
    rig.bite("killed")
    instance.start()


def is_stopped(pid):
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rsplit(")", 1)[1].split()[0] in ("T", "t")


@fault("F2", "SIGSTOP and SIGCONT of a server", "its lease runs out, its calls are settled once", weight=2)
def freeze(rig, rng, alone):
    instance = rig.instance(rng)
    instance.send(signal.SIGSTOP)
    time.sleep(0.01)
    if is_stopped(instance.pid):
        rig.bite("stopped")
    time.sleep(rng.choice((0.2, 0.6, LEASE, 2.5 * LEASE)))
    instance.send(signal.SIGCONT)


@fault("F2", "SIGSTOP between the writer's two trips", "its session is ended, its batch is not written, or was", company=False)
def freeze_between(rig, rng, alone):
    """Stopped at the moment when a session stays idle in a transaction although nobody else lets it wait."""
    instance = rig.instance(rng)
    connection = rig.world.database.connect()
    try:
        with connection.cursor() as cursor:
            for _ in range(400):
                instance.send(signal.SIGSTOP)
                first = idle_in_transaction(cursor)
                time.sleep(0.02 if first else 0)
                if first and first & idle_in_transaction(cursor):
                    rig.bite("stopped between the trips")
                    time.sleep(rng.choice((0.5, 2 * LEASE)))
                    return
                instance.send(signal.SIGCONT)
                time.sleep(rng.random() * 0.006)
    finally:
        instance.send(signal.SIGCONT)
        connection.close()


def idle_in_transaction(cursor):
    cursor.execute("SELECT pid, xact_start FROM pg_stat_activity WHERE state = 'idle in transaction' AND application_name = 'tollgate'")
    return set(cursor.fetchall())


@fault("F20", "rolling restart under load", "no operation of a caller that retries fails; exit code 0", company=False)
def rolling(rig, rng, alone):
    time.sleep(0.3)
    rig.driver.ask("counts")
    for instance in rig.world.instances:
        code = instance.restart()
        if code == 0:
            rig.bite("restarted")
        else:
            rig.world.violation("F20", f"{instance.name} ended with {code} after SIGTERM: " + instance.log()[-1500:])
        rig.pause(rng, 0.2, 0.6)


STEPS = {"an hour ahead": 3600, "an hour back": -3600, "a day ahead": 86400, "a day back": -86400, "2038": 2147483648 - 1795000000,
         "a leap second": 1, "a second back": -1}


@fault("F23", "wall clock steps", "no key expires, no price changes, ids keep the database's time")
def clock(rig, rng, alone):
    instances = rig.world.instances if rng.random() < 0.3 else [rig.instance(rng)]
    before = [i.page.wall_reads for i in instances]
    name = rng.choice([*STEPS, "strobe"])
    for _ in range(20 if name == "strobe" else 1):
        for instance in instances:
            instance.page.wall(rng.choice(list(STEPS.values())) if name == "strobe" else STEPS[name])
        time.sleep(0.05 if name == "strobe" else rng.uniform(0.5, 1.5))
    for instance, reads in zip(instances, before):
        if instance.page.wall_reads > reads:
            rig.bite(name)
        instance.page.wall(0)
    time.sleep(0.3)


@fault("F29", "a thread is stopped", "other threads go on", root=True)
def stall(rig, rng, alone):
    """One thread, wherever it is at that moment: a lock may be in its hand."""
    instance = rig.instance(rng)
    threads = instance.threads()
    thread = threads[rng.randrange(len(threads))]
    with open(f"/proc/{instance.pid}/task/{thread}/comm") as f:
        name = f.read().strip()
    ms = rng.choice((200, 1000, 2500, 5000))
    done = subprocess.run([str(BUILD / "fault" / "fault_stall"), str(thread), str(ms)], capture_output=True, text=True, timeout=60)
    if done.stdout.startswith("stopped"):
        rig.bite(f"{name} stopped")
