"""Whether a call costs the same however many there are: the ledger's pairs a second over 100,000 customers, beside the plain
event, while the tables of both grow."""
import os
import time

from .. import load, partners
from ..filling import fill, settle
from ..rows import Row

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
SLOTS, ROUNDS = 256, 3


def _turn(g):
    plain = partners.plain(g.cluster, 32, max(1, g.options.seconds // 2))
    pairs = load.pairs(g.cluster, g.customers, slots=SLOTS, seconds=max(1, g.options.seconds // 2))
    return (pairs["per_second"] / plain["per_second"], pairs["database_us"], plain["database_us"])


def _ratio(g):
    """The median of a few short turns of both, after one that meets every page for the first time since the checkpoint."""
    _turn(g)
    return sorted(_turn(g) for _ in range(ROUNDS))[ROUNDS // 2]


def measure(g):
    sizes = SIZES[:2] if g.options.quick else SIZES if g.options.scan_max else SIZES[:3]
    there, seen = 0, {}
    for step, size in enumerate(sizes, 1):
        began = time.monotonic()
        fill(g.cluster, size - there, g.customers, step)
        partners.fill(g.cluster, size - there)
        settle(g.cluster)
        there = size
        print(f"  scan: {size:,} calls filled in {time.monotonic() - began:.0f} s", flush=True)
        seen[size] = _ratio(g)
    first, last = seen[sizes[0]][0], seen[sizes[-1]][0]
    text = ", ".join(f"{ratio:.2f} at {size:,} (PostgreSQL's CPU {pairs:.0f} us a pair against {plain:.0f} an event)" for size, (ratio, pairs, plain) in seen.items())
    free = os.statvfs(g.cluster.folder)
    return [Row("scan", f"the ledger's ratio to the plain event at {sizes[-1]:,} calls in the table against {sizes[0]:,}", last / first, ">= 0.8",
                f"{text}; {free.f_bavail * free.f_frsize / 2**30:.0f} GiB of disk left", {"ratios": {str(s): r for s, r in seen.items()}})]
