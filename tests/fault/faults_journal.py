"""The journal of settlements that the database could not take: its disk fails, and its files are found torn, flipped and copied."""
import errno
import glob
import json
import os
import shutil
import time

from tests.harness.process import wait_for

from .faults_database import service_returns
from .registry import fault

HEAD = 512


def folder(instance):
    return instance.environment["TOLLGATE_JOURNAL_DIR"]


def metric(instance, name):
    return instance.measure() and instance.sample.get(name, 0)


def streams(rig, instance):
    """Streams that go on for a second; what is returned is to be waited for."""
    asked = rig.driver.begin("burst", name=rig.name("through"), role="rich", scripts=["stand-in:slow-80"], count=12, threads=12, stream=True,
                             server=rig.world.instances.index(instance))
    time.sleep(0.4)
    return asked


def waiting(rig, instance, seconds=6):
    """Takes the database away from one server while streams run, until settlements wait in its journal; how many."""
    asked = streams(rig, instance)
    instance.link.down()
    until = time.monotonic() + seconds
    while metric(instance, "tollgate_journal_entries") == 0 and time.monotonic() < until:
        time.sleep(0.05)
    rig.driver.wait(asked)
    return metric(instance, "tollgate_journal_entries")


def look(rig, instance):
    """What `tollgate journal check` says of the folder."""
    text = rig.world.tool("journal", "check", "--dir", folder(instance), "--json", code=None)
    return json.loads(text.splitlines()[-1])


# ---- damage: each gives the metric that must have counted it, or None where there was nothing to damage

def written(path):
    """Up to where a file of the journal has anything in it."""
    with open(path, "rb") as f:
        return len(f.read().rstrip(b"\0"))


def flip(rng, paths):
    """A bit of what is written, anywhere but in the last record: there it may pass for one that was never finished."""
    path = max(paths, key=written)
    end = written(path)
    with open(path, "r+b") as f:
        at = rng.randrange(HEAD, max(HEAD + 1, (HEAD + end) // 2))
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 1 << rng.randrange(8)]))
    return "tollgate_journal_damaged_total"


def tear(rng, paths):
    """The last record half-written: what follows reads as zero."""
    path = max(paths, key=written)
    end = written(path)
    with open(path, "r+b") as f:
        f.seek(end - 1 - rng.randrange(min(40, end - HEAD - 70)))
        f.write(bytes(64))
    return "tollgate_journal_torn_total"


def copy(rng, paths):
    """Over one that has nothing in it."""
    path = max(paths, key=written)
    blank = [p for p in glob.glob(os.path.dirname(path) + "/*.journal") if written(p) == 0]
    if not blank:
        return None
    shutil.copy(path, rng.choice(blank))
    return "tollgate_journal_duplicates_total"


@fault("F33", "the journal is damaged while its server is down", "found by its checksums, told, and set aside; no other entry is lost", company=False)
def damage(rig, rng, alone):
    instance = rig.instance(rng)
    if waiting(rig, instance) == 0:
        instance.link.clear()
        return
    instance.kill()
    paths = [p for p in glob.glob(folder(instance) + "/*.journal") if written(p) > HEAD]
    how = rng.choice((flip, flip, tear, copy))
    rig.world.journals_damaged += 1
    counter = how(rng, paths)
    verdict = look(rig, instance)
    instance.link.clear()
    instance.start()
    found = metric(instance, counter) if counter else 1
    if found != 1:
        rig.world.violation("F33", f"{how.__name__}: {counter} is {found}; the check before the start said {verdict}")
    rig.bite(f"{how.__name__}: {verdict['verdict']}, {verdict['entries']} entries", 1)
    service_returns(rig)


@fault("F33", "a server is killed while settlements wait in its journal", "they are replayed, each once", company=False)
def killed_waiting(rig, rng, alone):
    instance = rig.instance(rng)
    if waiting(rig, instance) == 0:
        instance.link.clear()
        return
    rig.pause(rng, 0, 1)
    instance.kill()
    entries = look(rig, instance)["entries"]
    if rng.random() < 0.5:
        rig.pause(rng, 1, 3.5)  # the other one sweeps; the replay corrects that
    instance.link.clear()
    instance.start()
    rig.bite("entries replayed", entries)
    service_returns(rig)


@fault("F28", "the journal's disk fails", "no call is begun until it is opened anew; nothing is synced twice", company=False)
def disk(rig, rng, alone):
    world, instance = rig.world, rig.instance(rng)
    point, error = rng.choice((("FSYNC", errno.EIO), ("FSYNC", errno.ENOSPC), ("WRITE", errno.EIO), ("WRITE", errno.ENOSPC)))
    before = instance.page.failed(point)
    rig.world.journals_damaged += 1
    asked = streams(rig, instance)
    instance.page.fail(point, error, times=1 if point == "FSYNC" else 50)
    instance.link.down()
    until = time.monotonic() + 6
    while metric(instance, "tollgate_journal_ok") == 1 and time.monotonic() < until:
        time.sleep(0.05)
    instance.page.clear()
    instance.link.clear()
    rig.driver.wait(asked)
    broken = metric(instance, "tollgate_journal_ok") == 0
    if broken:
        rig.bite(f"{point.lower()} {errno.errorcode[error]}", instance.page.failed(point) - before)
        wait_for(lambda: metric(instance, "tollgate_database_up") == 1, 30, "the ledger being back")
        told = rig.driver.burst(rig.name("broken"), role="rich", count=6, threads=3, server=world.instances.index(instance))
        if set(told) != {"503"}:
            world.violation("F28", f"with a broken journal calls were answered {told}")
    instance.restart()
    service_returns(rig)
