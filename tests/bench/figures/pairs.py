"""The ledger by itself: hold + settle through its writer without HTTP, over 100,000 customers and on one, beside the plain
event and the bare array statement."""
from .. import load, partners
from ..rows import Row

SLOTS = (64, 256, 1024)


def _best(g, customers, seconds):
    """(ledger's best, plain event's best), in turn."""
    pairs, plain = [], []
    for slots in SLOTS:
        pairs.append({**load.pairs(g.cluster, customers, slots=slots, seconds=seconds), "slots": slots})
        assert pairs[-1]["failed"] == 0
        plain.append(partners.plain_best(g.cluster, max(1, seconds // len(partners.CLIENTS)), customers))
    return (max(side, key=lambda r: r["per_second"]) for side in (pairs, plain))


def _row(g, customers, where):
    ours, plain = _best(g, customers, g.options.seconds)
    writer_us, batch = ours["cpu_us"] / ours["pairs"], ours["operations"] / ours["batches"]
    return Row("pairs", f"ledger's pairs (hold, settle) a second {where}, against the plain event", ours["per_second"] / plain["per_second"], "",
               f"{ours['per_second']:,.0f}/s with {ours['slots']} calls at a time ({batch:.0f} operations a batch, CPU a pair: writer {writer_us:.1f} us, "
               f"PostgreSQL {ours['database_us']:.0f}) against {plain['per_second']:,.0f}/s with {plain['clients']} clients (PostgreSQL {plain['database_us']:.0f} us an event)", {"ledger": ours, "plain": plain})


def measure(g):
    array = partners.array_best(g.cluster, max(1, g.options.seconds // 2))
    many, one = _row(g, g.customers, f"over {g.customers:,} customers"), _row(g, 1, "on one customer")
    for row in (many, one):
        row.detail += f"; the bare array statement {array['rows_per_second']:,.0f} rows/s"
        row.numbers["array"] = array
    return [many, one]
