"""A customer's report of a month by day and model: 10 keys, 4 models. The calls are filled in; their sums are made by the server
that answers, as they always are, which is waited for and timed."""
import decimal
import statistics
import time

from ..filling import fill, settle
from ..rows import Row

CHARGE = decimal.Decimal("0.0000078")  # as fill.sql charges each
MODELS, SIZES = 4, {"quick": 10_000, "usual": 100_000, "scan_max": 10_000_000}


def _report(g, customer):
    began = time.monotonic()
    answer = g.world.admin.get(f"/api/v1/reports/usage?customer={customer}&group_by=day,model", timeout=120)
    return answer, (time.monotonic() - began) * 1000


def _summed_up(g, began):
    """Seconds until the server's own writer of sums has added all calls but the last few."""
    while g.cluster.sql("SELECT EXISTS (SELECT FROM writers w LEFT JOIN rollup_cursors c ON c.writer_id = w.id WHERE w.seq - coalesce(c.seq, 0) > 256)")[0][0]:
        assert time.monotonic() - began < 900, "the sums are not made"
        time.sleep(0.2)
    return time.monotonic() - began


def _oldest_customer(g):
    page = g.world.admin.get("/api/v1/customers?limit=100").json
    assert not page["has_more"]
    return page["data"][-1]["id"]


def _row(calls, value, detail, numbers):
    return Row("report", f"milliseconds of a customer's report of a month by day and model, {calls:,} calls", value, "<= 50", detail, numbers)


def measure(g):
    for i in range(MODELS):
        g.world.price(f"bench-model-{i}", g.world.PRICES["gpt-4o-mini"])
    calls = SIZES["quick" if g.options.quick else "scan_max" if g.options.scan_max else "usual"]
    fill(g.cluster, calls, 1, 1)
    took = _summed_up(g, time.monotonic())
    settle(g.cluster)
    customer, times = _oldest_customer(g), []
    for _ in range(9):
        answer, ms = _report(g, customer)
        if answer.status != 200:
            return [_row(calls, ms, f"refused after {ms:,.0f} ms: {answer.status} {answer.code}", {"calls": calls})]
        times.append(ms)
    charged = sum(decimal.Decimal(row["charge"]) for row in answer.json["rows"])
    assert charged == calls * CHARGE, f"the report says {charged}"
    return [_row(calls, statistics.median(times), f"to reach at 10,000,000 calls; equal to the ledger to the last unit; {took:.0f} s until they were summed up", {"calls": calls, "ms": times, "summing_s": took})]
