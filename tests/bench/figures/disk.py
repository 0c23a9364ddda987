"""What a call takes on disk and in the write-ahead log: of 100,000 calls and more through the ledger; of a million usage events through
the API."""
from .. import load
from ..rows import Row

CALLS = 100_000
EVENTS = 1_000_000

SIZES = """
SELECT t.name, sum(pg_relation_size(c.oid)), sum(pg_indexes_size(c.oid)), sum(pg_total_relation_size(c.oid))
FROM unnest(ARRAY['calls', 'call_evidence', 'transfers', 'event_identities']) AS t (name)
CROSS JOIN LATERAL (SELECT relid AS oid FROM pg_partition_tree(t.name::regclass) WHERE isleaf UNION SELECT t.name::regclass WHERE t.name = 'transfers') c
GROUP BY 1
"""


def _sizes(cluster):
    return {name: {"heap": int(heap), "index": int(index), "all": int(whole)} for name, heap, index, whole in cluster.sql(SIZES)}


def _lsn(cluster):
    return cluster.sql("SELECT pg_current_wal_lsn()")[0][0]


def _measured(g, run):
    """run: makes calls and says how many."""
    before, lsn = _sizes(g.cluster), _lsn(g.cluster)
    calls = run()
    wal = int(g.cluster.sql("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), %s)", lsn)[0][0])
    after = _sizes(g.cluster)
    bytes_ = {name: {part: (after[name][part] - before[name][part]) / calls for part in after[name]} for name in after}
    return {"calls": calls, "wal": wal / calls, "bytes": bytes_}


def _row(figure, m, what):
    c, e, t, i = (m["bytes"][name] for name in ("calls", "call_evidence", "transfers", "event_identities"))
    identities = f" identities {i['all']:.0f} (heap {i['heap']:.0f}, index {i['index']:.0f})," if i["all"] else ""
    return Row(figure, f"bytes of a call's row with its index entries, {what}", c["all"], "<= 250",
               f"heap {c['heap']:.0f}, index {c['index']:.0f}; evidence {e['all']:.0f}, transfers {t['all']:.0f},{identities} write-ahead log {m['wal']:,.0f} a call, full page images included; "
               f"{m['calls']:,} calls", m)


def _pairs(g, customers):
    r = load.pairs(g.cluster, customers, count=CALLS)
    assert r["failed"] == 0
    return r["pairs"]


def measure(g):
    return [_row("disk", _measured(g, lambda: _pairs(g, g.customers)), f"over {g.customers:,} customers"), _row("disk", _measured(g, lambda: _pairs(g, 1)), "on one customer")]


def measure_events(g):
    count = EVENTS // 50 if g.options.quick else EVENTS
    return [_row("event-disk", _measured(g, lambda: g.run(many, connections=256, count=count)["units"]), f"of usage events {where}")
            for many, where in ((True, f"over {g.customers:,} customers"), (False, "on one customer"))]
