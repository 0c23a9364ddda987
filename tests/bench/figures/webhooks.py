"""What one instance delivers to an endpoint that takes everything, with one that is not there and one that never answers beside
it, each told the same. Events are put into the outbox in the arrays that the ledger's writer uses, so that some thousand always
wait."""
import subprocess
import threading
import time

import psycopg2

from tests.harness.port import free_port
from tests.harness.process import wait_for

from .. import cpu
from ..rows import Row

WAITING = 4000  # told and not yet taken: what keeps the sender fed
BATCH = 500

TELL = """
INSERT INTO outbox (id, customer_id, type, data)
SELECT encode(set_byte(overlay(uuid_send(gen_random_uuid()) PLACING substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
  FROM 1 FOR 6), 6, 112), 'hex')::uuid, ('01934f00-0000-7000-8000-' || lpad(to_hex(n %% 1000), 12, '0'))::uuid, 'usage.settled',
  ('{{"id":"call_01m7yrty3cf32tn6h6cwmkaj4s","object":"call","customer":"cus_01m7yrty2jez3azqad5gmkaj4s","model":"gpt-4o-mini","state":"settled",'
   '"charge":"0.00001206","usage":{{"input_tokens":19,"output_tokens":12}},"key":"key_01m7yrty3cf32tn6h6cwmkaj4s","n":' || n || '}}')::json
FROM generate_series(1, {batch}) n
""".format(batch=BATCH).replace("%%", "%")


class Teller:
    """Keeps events waiting, or tells `rate` a second."""

    def __init__(self, ground, rate=None):
        self.ground, self.rate, self.told, self.over = ground, rate, 0, threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        db, before = psycopg2.connect(self.ground.cluster.url()), self.ground.delivered()
        db.autocommit = True
        with db.cursor() as c:
            begun = time.monotonic()
            while not self.over.is_set():
                if self.rate:
                    due = int((time.monotonic() - begun) * self.rate) - self.told
                    if due > 0:
                        c.execute(TELL.replace(f"generate_series(1, {BATCH})", f"generate_series(1, {due})"))
                        self.told += due
                    time.sleep(0.02)
                    continue
                if self.told - (self.ground.delivered() - before) < WAITING:
                    c.execute(TELL)
                    self.told += BATCH
                else:
                    time.sleep(0.01)
        db.close()

    def stop(self):
        self.over.set()
        self.thread.join()


def _direct(g):
    """What the endpoint takes by itself."""
    script = g.folder + "/post.lua"
    with open(script, "w") as f:
        f.write("wrk.method='POST'\nwrk.body=string.rep('x', 700)\nwrk.headers['Content-Type']='application/json'\n")
    out = subprocess.run(["wrk", "-t1", "-c64", "-d2s", "-s", script, g.taker.url], capture_output=True, text=True).stdout
    return float(next(line for line in out.splitlines() if "Requests/sec" in line).split()[1])


def _rate(g, seconds):
    """Deliveries a second, and the processor's time of each by component."""
    teller = Teller(g)
    try:
        before = g.delivered()
        wait_for(lambda: g.delivered() - before > 2000, 60, "deliveries being under way")
        threads, database = cpu.threads_us(g.server.process.pid), cpu.family_us(g.cluster.process.pid)
        began, first = time.monotonic(), g.delivered()
        time.sleep(seconds)
        count, took = g.delivered() - first, time.monotonic() - began
        after = cpu.threads_us(g.server.process.pid)
        spent = {name: (after[name] - threads[name]) / count for name in after if after[name] > threads[name]}
        return {"per_second": count / took, "count": count, "server_us": spent, "database_us": (cpu.family_us(g.cluster.process.pid) - database) / count}
    finally:
        teller.stop()


LATENCY = """
SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY extract(epoch FROM (d.attempts -> 0 ->> 'at')::timestamptz - e.created_at) * 1000), count(*)
FROM webhook_deliveries d JOIN webhook_events e ON e.id = d.event_id WHERE d.endpoint_id::text = %s AND e.created_at >= %s
"""


def _drained(g, uuid):
    waiting = "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM webhook_queue WHERE endpoint_id::text = %s)"
    wait_for(lambda: g.cluster.sql(waiting, uuid)[0][0] == 0, 60, "the rest")


def _delay(g, uuid, rate, seconds):
    """Milliseconds from the fact's commit to the attempt, at a steady rate: (p50, p99, how many)."""
    _drained(g, uuid)
    since = g.cluster.sql("SELECT clock_timestamp()")[0][0]
    teller = Teller(g, rate)
    time.sleep(seconds)
    teller.stop()
    _drained(g, uuid)
    found = g.cluster.sql(LATENCY, uuid, since)[0]
    return [float(x) for x in found[0]] + [found[1]]


def measure(g):
    direct = _direct(g)
    g.endpoint(g.taker.url), g.endpoint(g.slow.url), g.endpoint(f"http://127.0.0.1:{free_port()}/")
    uuid = g.cluster.sql("SELECT id::text FROM webhook_endpoints WHERE url = %s", g.taker.url)[0][0]
    time.sleep(1)
    ours = _rate(g, g.options.seconds)
    rate = 500
    p50, p99, count = _delay(g, uuid, rate, g.options.seconds)
    spent = ", ".join(f"{name} {us:.0f}" for name, us in sorted(ours["server_us"].items(), key=lambda pair: -pair[1])[:3])
    others = g.cluster.sql("SELECT count(*) FROM webhook_queue")[0][0]
    return [Row("webhooks", "webhook deliveries a second of one instance, a dead and a silent endpoint beside the one that takes them", ours["per_second"], ">= 2000",
                f"{ours['count']:,} in {g.options.seconds} s; the endpoint alone takes {direct:,.0f}/s; microseconds of CPU each: server {sum(ours['server_us'].values()):.0f} ({spent}), "
                f"PostgreSQL {ours['database_us']:.0f}; {others:,} wait for the other two", {"ours": ours, "direct": direct}),
            Row("webhooks", f"milliseconds from a fact's commit to its first attempt, p50, at {rate} a second", p50, "", f"p99 {p99:.0f}, of {count:,}", {"p50": p50, "p99": p99})]
