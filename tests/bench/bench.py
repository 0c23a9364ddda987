"""The benchmark: every figure as a ratio against a partner measured in the same run. See tests/bench/README.md."""
import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from tests.bench import machine, rows  # noqa: E402
from tests.bench.figures import chunk, disk, events, held, holds, latency, memory, pairs, proxied, report, scan, startup, webhooks  # noqa: E402
from tests.bench.event_ground import EventGround  # noqa: E402
from tests.bench.gateway_ground import GatewayGround  # noqa: E402
from tests.bench.ledger_ground import LedgerGround  # noqa: E402
from tests.bench.webhook_ground import WebhookGround  # noqa: E402

# In the order they are measured in; those of one ground follow each other and share it.
FIGURES = [
    ("proxied", GatewayGround, proxied.measure),
    ("latency", GatewayGround, latency.measure),
    ("chunk", GatewayGround, chunk.measure),
    ("holds", GatewayGround, holds.measure),
    ("memory", GatewayGround, memory.measure),
    ("startup", GatewayGround, startup.measure),
    ("report", GatewayGround, report.measure),
    ("pairs", LedgerGround, pairs.measure),
    ("disk", LedgerGround, disk.measure),
    ("scan", LedgerGround, scan.measure),
    ("events", EventGround, events.measure),
    ("batches", EventGround, events.measure_batches),
    ("wait", EventGround, events.measure_wait),
    ("held", EventGround, held.measure),
    ("event-disk", EventGround, disk.measure_events),
    ("event-scan", EventGround, scan.measure_events),
    ("webhooks", WebhookGround, webhooks.measure),
]
EXTRA = ("scan", "event-scan")  # only when asked for


def options_read():
    names = [name for name, _, _ in FIGURES]
    p = argparse.ArgumentParser(prog="tests/bench/run")
    p.add_argument("--quick", action="store_true", help="two seconds a measurement, small tables")
    p.add_argument("--seconds", type=int, help="of each measurement; 8")
    p.add_argument("--only", help="figures, separated by commas: " + ", ".join(names))
    p.add_argument("--scan", action="store_true", help="the ledger's cost while the tables grow to 1,000,000 calls, too")
    p.add_argument("--scan-max", action="store_true", help="to 10,000,000: some minutes and about 5 GB of disk")
    p.add_argument("--soak", type=float, metavar="MINUTES", help="only this: whether memory stays flat under load for so long")
    p.add_argument("--json", metavar="FILE", help="the numbers")
    p.add_argument("--markdown", metavar="FILE", help="the table of tests/bench/README.md")
    o = p.parse_args()
    o.seconds = o.seconds or (2 if o.quick else 8)
    o.names = o.only.split(",") if o.only else [n for n in names if n not in EXTRA or o.scan or o.scan_max]
    unknown = set(o.names) - set(names)
    if unknown:
        p.error("no such figure: " + ", ".join(sorted(unknown)))
    return o


def run_on(ground_of, figures, options, show):
    """The facts of the machine, once the ground stands."""
    ground = ground_of(options)
    try:
        facts = machine.facts(ground.cluster)
        for measure in figures:
            for row in measure(ground):
                show(row)
        ground.audit()
    finally:
        ground.close()
    return facts


def main():
    options, seen = options_read(), []

    def show(row):
        seen.append(row)
        print(row.text(), flush=True)

    if options.soak:
        facts = run_on(GatewayGround, [lambda g: memory.soak(g, options.soak)], options, show)
    else:
        for ground_of in dict.fromkeys(ground for name, ground, _ in FIGURES if name in options.names):
            facts = run_on(ground_of, [m for name, g, m in FIGURES if g is ground_of and name in options.names], options, show)
    print("\n" + machine.text(facts))
    missed = [r for r in seen if r.ok is False]
    print(f"{len(seen)} figures, {len(missed)} missed; the books were sound")
    if options.json:
        rows.write_json(options.json, facts, seen)
    if options.markdown:
        rows.write_markdown(options.markdown, seen)


if __name__ == "__main__":
    main()
