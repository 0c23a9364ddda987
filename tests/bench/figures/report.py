"""A customer's report of a month by day and model: 10 keys, 4 models; where its days are UTC's, which are summed up, and where they are
not. The calls are filled in; their sums are made by the server that answers, as they always are, which is waited for and timed."""
import decimal
import statistics
import time

from ..filling import fill, settle
from ..rows import Row

CHARGE = decimal.Decimal("0.0000078")  # as fill.sql charges each
MODELS, SIZES = 4, {"quick": 10_000, "usual": 100_000, "scan_max": 10_000_000}


def _report(g, customer):
    """From the first of UTC's month on, which is the one that calls are filled in for."""
    began = time.monotonic()
    answer = g.world.admin.get(f"/api/v1/reports/usage?customer={customer}&group_by=day,model&from={time.strftime('%Y-%m-01', time.gmtime())}", timeout=120)
    return answer, (time.monotonic() - began) * 1000


def _summed_up(g, began):
    """Seconds until the server's own writer of sums has added all calls but the last few, and hours and days go back to the first."""
    while g.cluster.sql("SELECT EXISTS (SELECT FROM writers w LEFT JOIN rollup_cursors c ON c.writer_id = w.id WHERE w.seq - coalesce(c.seq, 0) > 256)"
                        " OR EXISTS (SELECT FROM usage_dense WHERE from_quarter > 0 OR days_from > 0)")[0][0]:
        assert time.monotonic() - began < 900, "the sums are not made"
        time.sleep(0.2)
    return time.monotonic() - began


def _oldest_customer(g):
    page = g.world.admin.get("/api/v1/customers?limit=100").json
    assert not page["has_more"]
    return page["data"][-1]["id"]


def _row(calls, zone, value, detail, numbers):
    what = "milliseconds of a customer's report of a month by day and model" + ("" if zone == "UTC" else f", days of {zone}")
    return Row("report", f"{what}, {calls:,} calls", value, "<= 50", detail, {"calls": calls, "zone": zone, **numbers})


def _measure_in(g, zone, customer, calls, took):
    g.world.admin.patch(f"/api/v1/customers/{customer}", {"time_zone": zone})
    times = []
    for _ in range(15):
        answer, ms = _report(g, customer)
        if answer.status != 200:
            return _row(calls, zone, ms, f"refused after {ms:,.0f} ms: {answer.status} {answer.code}", {})
        times.append(ms)
    charged = sum(decimal.Decimal(row["charge"]) for row in answer.json["rows"])
    assert charged == calls * CHARGE, f"the report says {charged}"
    detail = f"to reach at 10,000,000 calls; equal to the ledger to the last unit; {took:.0f} s until they were summed up"
    return _row(calls, zone, statistics.median(times), detail, {"ms": times, "summing_s": took})


def measure(g):
    for i in range(MODELS):
        g.world.price(f"bench-model-{i}", g.world.PRICES["gpt-4o-mini"])
    calls = SIZES["quick" if g.options.quick else "scan_max" if g.options.scan_max else "usual"]
    fill(g.cluster, calls, 1, 1, prices=MODELS)
    took = _summed_up(g, time.monotonic())
    settle(g.cluster)
    customer = _oldest_customer(g)
    return [_measure_in(g, zone, customer, calls, took) for zone in ("UTC", "Europe/Berlin")]
