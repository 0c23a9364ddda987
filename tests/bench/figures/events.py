"""Usage events through the API, durable when they are answered: one HTTP request each, in batches, and what one waits for, beside the
plain event and the bare array statement."""
import statistics

from .. import partners
from ..event_ground import cpu_text
from ..rows import Row

CONNECTIONS = (64, 256, 1024)
BATCH, BATCH_CONNECTIONS = 1000, (2, 4, 8)
WAITING = (1, 16, 256)


def _recorded(g):
    return g.cluster.sql("SELECT count(*) FROM calls WHERE flags & 128 <> 0")[0][0]


def _counted(g, run):
    """What the ledger has of it is what was answered: not one more, not one less."""
    before = _recorded(g)
    results = run()
    assert _recorded(g) - before == sum(r["units"] + r["led_by"] for r in results)
    return results


def _best(results):
    return max(results, key=lambda r: r["per_second"])


def _single(g, many, where, reach):
    customers, part = g.customers if many else 1, max(1, g.options.seconds // 2)
    plain, ours = [], []

    def turns():
        for connections in CONNECTIONS:
            ours.append(g.steady(many, g.options.seconds, connections=connections))
            plain.append(partners.plain_best(g.cluster, max(1, g.options.seconds // len(partners.CLIENTS)), customers))
        return ours

    _counted(g, turns)
    array = partners.array_best(g.cluster, part, customers)
    mine, theirs = _best(ours), _best(plain)
    return Row("events", f"usage events a second, one HTTP request each, durable when answered, {where}, against the plain event", mine["per_second"] / theirs["per_second"], reach,
               f"{mine['per_second']:,.0f}/s on {mine['connections']} connections (p50 / p99 {mine['whole']['p50'] / 1e6:.1f} / {mine['whole']['p99'] / 1e6:.1f} ms; {cpu_text(mine)}) "
               f"against {theirs['per_second']:,.0f}/s with {theirs['clients']} clients (PostgreSQL {theirs['database_us']:.0f} us an event); "
               f"{mine['per_second'] / array['rows_per_second']:.2f} of the bare array statement's {array['rows_per_second']:,.0f} rows/s",
               {"events": mine, "all": ours, "plain": theirs, "array": array})


def measure(g):
    return [_single(g, True, f"over {g.customers:,} customers", ">= 3"), _single(g, False, "on one customer", ">= 15")]


def _batches(g, many, where):
    customers, ours, array = g.customers if many else 1, [], []

    def turns():
        for connections in BATCH_CONNECTIONS:
            ours.append(g.steady(many, g.options.seconds, connections=connections, batch=BATCH))
            array.append(partners.array_best(g.cluster, max(1, g.options.seconds // 4), customers))
        return ours

    _counted(g, turns)
    mine, theirs = _best(ours), max(array, key=lambda r: r["rows_per_second"])
    plain = partners.plain_best(g.cluster, max(1, g.options.seconds // len(partners.CLIENTS)), customers)
    return Row("batches", f"usage events in batches of {BATCH:,}, {where}, against the bare array statement", mine["per_second"] / theirs["rows_per_second"], ">= 0.6",
               f"{mine['per_second']:,.0f} events/s on {mine['connections']} connections ({cpu_text(mine)}) against {theirs['rows_per_second']:,.0f} rows/s with {theirs['clients']} clients "
               f"(PostgreSQL {theirs['database_us'] / partners.ARRAY:.1f} us a row); {mine['per_second'] / plain['per_second']:.1f} x the plain event's {plain['per_second']:,.0f}/s",
               {"batches": mine, "all": ours, "array": theirs, "plain": plain})


def measure_batches(g):
    return [_batches(g, True, f"over {g.customers:,} customers"), _batches(g, False, "on one customer")]


def _middle(turns, name):
    return statistics.median(t[name] for t in turns)


def _wait(g, clients):
    """In short turns, so that a change of the machine's mood meets both; of the turns the one in the middle."""
    ours, plain, part = [], [], max(2, g.options.seconds // 3)
    for _ in range(3):
        r = g.run(True, connections=clients, seconds=part)["whole"]
        g.summed_up()
        ours.append({"p50": r["p50"] / 1000, "p99": r["p99"] / 1000})
        plain.append(partners.plain_latency(g.cluster, clients, part))
    p50, p99, plain50, plain99 = (_middle(side, name) for side in (ours, plain) for name in ("p50", "p99"))
    return Row("wait", f"milliseconds of a single event at concurrency {clients}, p50", p50 / 1000, "",
               f"p50 / p99: {p50 / 1000:.2f} / {p99 / 1000:.2f} against the plain event's {plain50 / 1000:.2f} / {plain99 / 1000:.2f} at as many clients: {p50 / plain50:.2f} x and {p99 / plain99:.2f} x",
               {"events": ours, "plain": plain})


def measure_wait(g):
    return [_wait(g, clients) for clients in WAITING]
