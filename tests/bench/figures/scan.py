"""Whether a call costs the same however many there are: the ledger's pairs, and usage events through the API, over 100,000 customers
beside the plain event, while the tables of both grow."""
import os
import time

from .. import load, partners
from ..filling import fill, settle
from ..rows import Row

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
SLOTS, ROUNDS = 256, 3


def _pairs(g, seconds):
    r = load.pairs(g.cluster, g.customers, slots=SLOTS, seconds=seconds)
    return r["per_second"], r["database_us"]


def _events(g, seconds):
    r = g.steady(True, seconds, connections=SLOTS)
    return r["per_second"], r["us"]["PostgreSQL"]


def _turn(g, run):
    seconds = max(1, g.options.seconds // 2)
    plain = partners.plain(g.cluster, 32, seconds)
    per_second, database_us = run(g, seconds)
    return (per_second / plain["per_second"], database_us, plain["database_us"])


def _ratio(g, run):
    """The median of a few short turns of both, after one that meets every page for the first time since the checkpoint."""
    _turn(g, run)
    return sorted(_turn(g, run) for _ in range(ROUNDS))[ROUNDS // 2]


def _measure(g, figure, what, unit, run):
    sizes = SIZES[:2] if g.options.quick else SIZES if g.options.scan_max else SIZES[:3]
    there, seen = 0, {}
    for step, size in enumerate(sizes, 1):
        began = time.monotonic()
        fill(g.cluster, size - there, g.customers, step, reported=run is _events)
        partners.fill(g.cluster, size - there)
        settle(g.cluster)
        there = size
        print(f"  {figure}: {size:,} calls filled in {time.monotonic() - began:.0f} s", flush=True)
        seen[size] = _ratio(g, run)
    first, last = seen[sizes[0]][0], seen[sizes[-1]][0]
    text = ", ".join(f"{ratio:.2f} at {size:,} (PostgreSQL's CPU {ours:.0f} us {unit} against {plain:.0f})" for size, (ratio, ours, plain) in seen.items())
    free = os.statvfs(g.cluster.folder)
    return [Row(figure, f"{what} to the plain event at {sizes[-1]:,} calls in the table against {sizes[0]:,}", last / first, ">= 0.8",
                f"{text}; {free.f_bavail * free.f_frsize / 2**30:.0f} GiB of disk left", {"ratios": {str(s): r for s, r in seen.items()}})]


def measure(g):
    return _measure(g, "scan", "the ledger's ratio", "a pair", _pairs)


def measure_events(g):
    return _measure(g, "event-scan", "the ratio of usage events", "an event", _events)
