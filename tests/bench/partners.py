"""What PostgreSQL does by itself on this machine: the plain event, one transaction a call, at its best number of clients;
and bare rows by arrays of 200, one statement each."""
import pathlib
import tempfile

from . import load

HERE = pathlib.Path(__file__).resolve().parent
CLIENTS = (1, 8, 16, 32, 64)
CUSTOMERS = 100_000
ARRAY = 200


def make(cluster):
    load.psql_file(cluster, HERE / "plain_schema.sql")


FILL = """
INSERT INTO plain_entries (customer_id, amount, request_id) SELECT 1 + n %% {c}, -10, gen_random_uuid() FROM generate_series(1, %s) n;
INSERT INTO plain_usage (customer_id, request_id, model, input_tokens, output_tokens, charge)
  SELECT 1 + n %% {c}, gen_random_uuid(), 'gpt-4o-mini', 100, 200, 10 FROM generate_series(1, %s) n
""".format(c=CUSTOMERS)


def fill(cluster, events):
    """The plain event's tables as they stand after so many more events."""
    for statement in FILL.split(";"):
        cluster.sql(statement, events)


def plain(cluster, clients, seconds, customers=CUSTOMERS):
    return load.pgbench(cluster, HERE / "plain.sql", clients, seconds, customers=customers)


def plain_latency(cluster, clients, seconds, customers=CUSTOMERS):
    """Microseconds of one, p50 and p99."""
    times = load.pgbench_times(cluster, HERE / "plain.sql", clients, seconds, customers=customers)
    return {"p50": times[len(times) // 2], "p99": times[len(times) * 99 // 100]}


def plain_best(cluster, seconds, customers=CUSTOMERS):
    """The best of some numbers of clients. On one customer they only wait for each other, but that is what such a system does."""
    return max((plain(cluster, n, seconds, customers) for n in CLIENTS), key=lambda r: r["per_second"])


def _array_script(customers):
    """An array parameter cannot be a pgbench variable: the values stand in the statement, which is prepared once; whose rows they are is drawn."""
    numbers = ",".join(str(i) for i in range(ARRAY))
    return (f"\\set first random(0, {customers - 1})\n"
            "INSERT INTO array_rows (customer_id, model, input_tokens, output_tokens, charge)\n"
            f"SELECT 1 + (:first + w.n * 7919) % {customers}, w.model, w.input_tokens, w.output_tokens, w.charge FROM unnest('{{{numbers}}}'::bigint[],\n"
            f"  array_fill('gpt-4o-mini'::text, ARRAY[{ARRAY}]), array_fill(100::bigint, ARRAY[{ARRAY}]), array_fill(200::bigint, ARRAY[{ARRAY}]),\n"
            f"  array_fill(10::bigint, ARRAY[{ARRAY}])) AS w (n, model, input_tokens, output_tokens, charge);\n")


def array_best(cluster, seconds, customers=CUSTOMERS):
    """Rows a second of the bare array statement, over so many customers. On one, ids are in order of time and so is the index."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as f:
        f.write(_array_script(customers))
        f.flush()
        best = max((load.pgbench(cluster, f.name, n, seconds) for n in (1, 2, 4)), key=lambda r: r["per_second"])
    return {**best, "rows_per_second": best["per_second"] * ARRAY}
