"""Explicit holds through the API: a hold is taken, then settled for less, two HTTP requests and two commits a pair; over 100,000
customers and on one, by themselves and while the books are audited and a report is read."""
import os
import subprocess
import threading

from tests.harness.process import BINARY

from .. import partners
from ..event_ground import cpu_text
from ..rows import Row

CONNECTIONS = (64, 256)


class Walks:
    """An audit and a month's report by day and model, over and over."""

    def __init__(self, g):
        self.env = dict(g.server.environment, PATH=os.environ["PATH"], HOME=g.folder, TOLLGATE_URL=f"http://127.0.0.1:{g.server.port}", TOLLGATE_ADMIN_KEY=g.key)
        self.over, self.done = threading.Event(), {"audit": 0, "report": 0}
        self.threads = [threading.Thread(target=self._walk, args=("audit", ["audit", "--json"])),
                        threading.Thread(target=self._walk, args=("report", ["report", "usage", "--customer", g.one, "--group-by", "day,model", "--json"]))]

    def _walk(self, name, argv):
        while not self.over.is_set():
            done = subprocess.run([str(BINARY), *argv], env=self.env, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
            self.done[name] += 1

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for t in self.threads:
            t.join()


def _ended(g):
    return g.cluster.sql("SELECT count(*) FROM calls WHERE state = 2 AND flags = 0")[0][0]


def _pairs(g, many, connections):
    """What the ledger has of it is what was answered."""
    before = _ended(g)
    r = g.steady(many, g.options.seconds, connections=connections, pairs=True)
    assert _ended(g) - before == r["units"] + r["led_by"]
    return r


def _row(g, many, where):
    ours, plain = [], []
    for connections in CONNECTIONS:
        ours.append(_pairs(g, many, connections))
        plain.append(partners.plain_best(g.cluster, max(1, g.options.seconds // len(partners.CLIENTS)), g.customers if many else 1))
    best, theirs = (max(side, key=lambda r: r["per_second"]) for side in (ours, plain))
    with Walks(g) as walks:
        beside = _pairs(g, many, best["connections"])
    return Row("held", f"holds and their settlement a second through the API, {where}, against the plain event", best["per_second"] / theirs["per_second"], "",
               f"{best['per_second']:,.0f} pairs/s on {best['connections']} connections (p50 / p99 of a pair {best['whole']['p50'] / 1e6:.1f} / {best['whole']['p99'] / 1e6:.1f} ms; {cpu_text(best)}) "
               f"against {theirs['per_second']:,.0f}/s with {theirs['clients']} clients; {beside['per_second']:,.0f} pairs/s while {walks.done['audit']} audits and {walks.done['report']} reports ran",
               {"pairs": best, "plain": theirs, "beside": beside, "walks": walks.done})


def measure(g):
    return [_row(g, True, f"over {g.customers:,} customers"), _row(g, False, "on one customer")]
