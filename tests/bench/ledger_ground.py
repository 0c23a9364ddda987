"""Where the ledger is measured without HTTP: a cluster of its own, migrated, with the plain event's tables beside it."""
import subprocess

from tests.harness.cluster import Cluster
from tests.harness.process import BINARY

from . import load, partners

SETTINGS = ["fsync=on", "shared_buffers=256MB", "max_wal_size=2GB"]
CUSTOMERS = 100_000

MAKE_CUSTOMERS = """
INSERT INTO customers (id) SELECT (lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') ||
  '7' || substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid FROM generate_series(1, %s);
INSERT INTO customer_profiles (customer_id) SELECT id FROM customers ON CONFLICT DO NOTHING;
"""


class LedgerGround:
    def __init__(self, options):
        self.options = options
        self.cluster = Cluster(settings=SETTINGS)
        self.customers = CUSTOMERS
        self.tool("migrate")
        partners.make(self.cluster)
        self.cluster.sql(MAKE_CUSTOMERS, self.customers)
        funded = load.pairs(self.cluster, self.customers, slots=512, fund=1000)
        assert funded["failed"] == 0
        self.cluster.sql("VACUUM ANALYZE")

    def tool(self, *argv):
        done = subprocess.run([str(BINARY), *argv], env={"DATABASE_URL": self.cluster.url(), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def audit(self):
        """A figure counts only with sound books."""
        self.tool("audit", "--json")

    def close(self):
        self.cluster.remove()
