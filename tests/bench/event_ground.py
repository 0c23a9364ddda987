"""Where usage events and holds are measured through the API: a cluster with the plain event's tables, one server, 100,000 customers
with credits, and an operator's key that reports for all of them."""
import os
import shutil
import tempfile


from tests.harness.cluster import Cluster
from tests.harness.process import wait_for
from tests.harness.server import World

from . import cpu, load, partners
from .ledger_ground import CUSTOMERS, MAKE_CUSTOMERS, SETTINGS

LEAD = 4  # seconds
LEASES = 40  # batches without a call that may wait for the sums
BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"


def public_id(prefix, uuid):
    """TypeID's text of a UUID."""
    number, text = int(uuid.replace("-", ""), 16), ""
    for _ in range(26):
        number, digit = divmod(number, 32)
        text = BASE32[digit] + text
    return f"{prefix}_{text}"


class EventGround:
    def __init__(self, options):
        self.options = options
        self.folder = tempfile.mkdtemp(prefix="tg-bench-", dir="/tmp")
        self.customers = CUSTOMERS
        self.cluster = Cluster(settings=[*SETTINGS, "max_connections=400"])
        self.world = World(self.cluster, TOLLGATE_LOG_LEVEL="warn", TOLLGATE_MAX_CONNECTIONS_PER_IP="8000")
        self.server = self.world.servers[0]
        self.key = self.world.admin_key
        self.one, _ = self.world.customer("1000000")
        partners.make(self.cluster)
        self.cluster.sql(MAKE_CUSTOMERS, self.customers)
        assert load.pairs(self.cluster, self.customers, slots=512, fund=1000)["failed"] == 0
        self.cluster.sql("VACUUM ANALYZE")
        self.everybody = self._names("all", [public_id("cus", row[0]) for row in self.cluster.sql("SELECT id::text FROM customers ORDER BY id LIMIT %s", self.customers)])
        self.somebody = self._names("one", [self.one])

    def _names(self, name, ids):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.writelines(i + "\n" for i in ids)
        return path

    def _spent(self):
        """Microseconds so far, by component."""
        return {"server": cpu.process_us(self.server.process.pid), "threads": cpu.threads_us(self.server.process.pid),
                "postgresql": cpu.family_us(self.cluster.process.pid) + cpu.ended_children_us(self.cluster.process.pid)}

    def steady(self, many, seconds, **how):
        """A run whose beginning is left out: usage is summed up some 100,000 calls at a time, and so as much waits when its time begins as
        when it ends. What is left is waited for: it is no load of whoever comes next."""
        lead = self.run(many, seconds=LEAD, **how)
        r = self.run(many, seconds=seconds, **how)
        self.summed_up()
        return {**r, "connections": how["connections"], "led_by": lead["units"]}

    def summed_up(self):
        wait_for(lambda: self.cluster.sql("SELECT coalesce(sum(w.seq - coalesce(c.seq, 0)), 0) FROM writers w LEFT JOIN rollup_cursors c ON c.writer_id = w.id")[0][0] < LEASES,
                 120, "the sums of usage")

    def run(self, many, **how):
        """events.c over everybody or on one customer; how: seconds or count, connections, batch or pairs. With CPU by component, a unit."""
        before = self._spent()
        r = load.events(self.server.port, self.key, self.everybody if many else self.somebody, **how)
        after = self._spent()
        r["us"] = {"server": (after["server"] - before["server"]) / r["units"], "PostgreSQL": (after["postgresql"] - before["postgresql"]) / r["units"],
                   "generator": r["cpu_us"] / r["units"]}
        r["threads"] = {name: used / r["units"] for name, used in (after["threads"] - before["threads"]).most_common(4)}
        return r

    def audit(self):
        """A figure counts only with sound books."""
        self.world.quiet(120)
        self.world.tool("audit", "--json")

    def close(self):
        self.world.stand_in.stop()
        for server in self.world.servers:
            if server.process.poll() is None:
                server.kill()
        self.cluster.remove()
        for folder in (self.folder, self.world.folder):
            shutil.rmtree(folder, ignore_errors=True)


def cpu_text(r):
    parts = ", ".join(f"{name} {us:.1f}" for name, us in r["us"].items())
    return f"{parts} us of CPU each; server's threads: " + ", ".join(f"{name} {us:.1f}" for name, us in r["threads"].items())
