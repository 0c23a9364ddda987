"""The network between the servers and PostgreSQL, and between the servers and the providers: cut, halved, silent, slow, in
slices; and cut exactly at a COMMIT."""
import time

from .faults_database import service_returns
from .registry import fault


def counted(link, *names):
    counts = link.count()
    return sum(counts[n] for n in names)


@fault("F7", "the network to PostgreSQL is cut", "503 until it is back", weight=2)
def cut(rig, rng, alone):
    link = rig.instance(rng).link
    how = rng.choice(("reset", "close", "half-up", "half-down", "down", "silent", "limit"))
    before = counted(link, "cut", "halved", "silenced", "limited", "refused")
    if how in ("reset", "close", "half-up", "half-down"):
        for _ in range(rng.randrange(1, 4)):
            link.cut(how)
            rig.pause(rng, 0.05, 0.4)
    elif how == "down":
        link.down()
        rig.pause(rng, 0.3, 3)
    elif how == "silent":
        link.toxic(rng.choice(("up", "down")), "silent")
        rig.pause(rng, 0.5, 4)
    else:
        link.toxic(rng.choice(("up", "down")), "limit", rng.randrange(20000, 200000))
        link.cut()
        rig.pause(rng, 0.5, 2)
    rig.bite(how, counted(link, "cut", "halved", "silenced", "limited", "refused") - before)
    link.clear()
    service_returns(rig, 60)


def at_commit(rig, rng, plan, counter, ms=0):
    links = rig.world.pg if rng.random() < 0.3 else [rig.instance(rng).link]
    before = [link.count(counter) for link in links]
    for link in links:
        link.commit(plan, rng.randrange(1, 6), ms)
    until = time.monotonic() + 4
    while time.monotonic() < until and any(link.count(counter) == was for link, was in zip(links, before)):
        time.sleep(0.05)
    rig.pause(rng, 0.2, 0.8)
    for link, was in zip(links, before):
        rig.bite(counter, link.count(counter) - was)
        link.clear()
    service_returns(rig, 60)


@fault("F7", "cut before a COMMIT is handed on", "the batch is run again", weight=2)
def before_commit(rig, rng, alone):
    at_commit(rig, rng, "before", "commit_before")


@fault("F7", "silence before a COMMIT is handed on", "PostgreSQL ends the session; the batch is run again")
def before_commit_silent(rig, rng, alone):
    at_commit(rig, rng, "before-silent", "commit_before")


@fault("F7", "cut after a COMMIT was handed on", "the writer's row tells that it landed; no batch twice", weight=3)
def after_commit(rig, rng, alone):
    committed = sum(link.count("commit_after_committed") for link in rig.world.pg)
    at_commit(rig, rng, "after", "commit_after")
    rig.bite("of those, PostgreSQL said COMMIT", sum(link.count("commit_after_committed") for link in rig.world.pg) - committed)


@fault("F7", "the answer to a COMMIT is late", "waited for; the lease may run out meanwhile")
def held_commit(rig, rng, alone):
    at_commit(rig, rng, "hold", "commit_held", rng.choice((300, 1000, 2500)))


@fault("F8", "PostgreSQL is slow", "bounded queues, 503 where it takes too long", companion=True)
def slow_database(rig, rng, alone):
    links = rig.world.pg if rng.random() < 0.5 else [rig.instance(rng).link]
    before = sum(link.count("delayed") for link in links)
    for link in links:
        link.toxic("down", "latency", rng.choice((50, 300, 2000)), rng.choice((0, 100)))
    rig.pause(rng, 1, 4)
    rig.bite("answers delayed", sum(link.count("delayed") for link in links) - before)
    for link in links:
        link.clear()


@fault("F10", "the network to a provider breaks", "deadlines; the hold is settled from what was seen, or released", weight=2)
def cut_provider(rig, rng, alone):
    link = rng.choice(rig.world.up)
    how = rng.choice(("reset", "close", "half-up", "half-down", "down", "silent", "limit"))
    names = ("cut", "halved", "silenced", "limited", "refused")
    before = counted(link, *names)
    if how in ("reset", "close", "half-up", "half-down"):
        for _ in range(8):
            link.cut(how)
            rig.pause(rng, 0.01, 0.1)
    elif how == "down":
        link.down()
        rig.pause(rng, 0.5, 1.5)
    elif how == "silent":
        link.toxic(rng.choice(("up", "down")), "silent")
        rig.pause(rng, 1, 3.5)
    else:
        link.cut("close")
        link.toxic("down", "limit", rng.randrange(1, 6000))
        rig.pause(rng, 0.5, 1.5)
    rig.bite(how, counted(link, *names) - before)
    link.clear()


@fault("F11", "the network to a provider is thin", "chunks come late and in pieces, and are counted the same", companion=True)
def thin_provider(rig, rng, alone):
    link = rng.choice(rig.world.up)
    how = rng.choice(("bandwidth", "slicer", "latency"))
    counter = {"bandwidth": "throttled", "slicer": "sliced", "latency": "delayed"}[how]
    before = link.count(counter)
    numbers = {"bandwidth": (rng.choice((2000, 20000)),), "slicer": (rng.choice((1, 7, 100)), 300), "latency": (200, 300)}[how]
    link.toxic("down", how, *numbers)
    rig.pause(rng, 0.8, 2.5)
    rig.bite(how, link.count(counter) - before)
    link.clear()
