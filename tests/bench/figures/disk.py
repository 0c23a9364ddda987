"""What a call takes on disk and in the write-ahead log, over 100,000 calls and more through the ledger."""
from .. import load
from ..rows import Row

CALLS = 100_000

SIZES = """
SELECT t.name, sum(pg_relation_size(c.oid)), sum(pg_indexes_size(c.oid)), sum(pg_total_relation_size(c.oid))
FROM unnest(ARRAY['calls', 'call_evidence', 'transfers']) AS t (name)
CROSS JOIN LATERAL (SELECT relid AS oid FROM pg_partition_tree(t.name::regclass) WHERE isleaf UNION SELECT t.name::regclass WHERE t.name = 'transfers') c
GROUP BY 1
"""


def _sizes(cluster):
    return {name: {"heap": int(heap), "index": int(index), "all": int(whole)} for name, heap, index, whole in cluster.sql(SIZES)}


def _lsn(cluster):
    return cluster.sql("SELECT pg_current_wal_lsn()")[0][0]


def _measured(g, customers):
    before, lsn = _sizes(g.cluster), _lsn(g.cluster)
    r = load.pairs(g.cluster, customers, count=CALLS)
    assert r["failed"] == 0
    wal = int(g.cluster.sql("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), %s)", lsn)[0][0])
    after = _sizes(g.cluster)
    bytes_ = {name: {part: (after[name][part] - before[name][part]) / r["pairs"] for part in after[name]} for name in after}
    return {"customers": customers, "calls": r["pairs"], "wal": wal / r["pairs"], "bytes": bytes_}


def _row(m, where):
    c, e, t = (m["bytes"][name] for name in ("calls", "call_evidence", "transfers"))
    return Row("disk", f"bytes of a call's row with its index entries, {where}", c["all"], "<= 250",
               f"heap {c['heap']:.0f}, index {c['index']:.0f}; evidence {e['all']:.0f}, transfers {t['all']:.0f}, write-ahead log {m['wal']:,.0f} a call, full page images included", m)


def measure(g):
    return [_row(_measured(g, g.customers), f"over {g.customers:,} customers"), _row(_measured(g, 1), "on one customer")]
