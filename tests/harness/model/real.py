"""The real binary, as the model check drives it: a world whose database has a clock that can be moved, requests over lasting
connections, and what stands in the books, read in one statement."""
import collections
import http.client
import json
import time
import uuid

from .. import contract, schema
from ..cluster import Cluster
from ..process import wait_for
from ..server import Answer, Client, World
from ..typeid import parse_id, print_id
from .clock import SECOND, Clock, moment, preloaded

SOURCES = {1: "purchase", 2: "promotion", 3: "subscription", 4: "adjustment"}
CHECKED = 12  # answers of one operation and status that are held against the contract; of the others one in twenty
IDLE_S = 10  # a connection that was let alone for so long is not used again

# One snapshot of one customer.
BOOKS = """
SELECT balance, held, debt,
  (SELECT coalesce(json_agg(json_build_array(id, source, priority, (extract(epoch FROM expires_at) * 1000000)::bigint, granted, left_over, consumed, expired)), '[]')
   FROM grants g WHERE g.customer_id = c.id),
  (SELECT coalesce(json_agg(json_build_array(call_id, amount, (extract(epoch FROM expires_at) * 1000000)::bigint)), '[]') FROM holds h WHERE h.customer_id = c.id)
FROM customers c WHERE id = %s
"""
# What the service has to do still, because time has passed.
DUE = """
SELECT EXISTS (SELECT FROM holds h WHERE h.customer_id = c.id AND h.expires_at <= clock_timestamp())
    OR (balance > held AND EXISTS (SELECT FROM grants g WHERE g.customer_id = c.id AND g.left_over > 0 AND g.expires_at <= clock_timestamp()))
FROM customers c WHERE id = %s
"""


class Line(Client):
    """One caller over one connection that lasts."""
    seen = collections.Counter()

    def __init__(self, port, key=None):
        super().__init__(port, key)
        self.connection, self.used = None, 0.0

    def request(self, method, path, body=None, headers=None, timeout=60, check=True):
        head = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json", **(headers or {})}
        if self.connection is None or time.monotonic() - self.used > IDLE_S:
            self.close()
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        self.connection.request(method, path, json.dumps(body) if body is not None else None, head)
        response = self.connection.getresponse()
        answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        self.used = time.monotonic()
        op = schema.operation(method, path.split("?")[0])
        self.seen[op, answer.status] += 1
        n = self.seen[op, answer.status]
        if check and (n <= CHECKED or n % 20 == 0):
            contract.check(method, path.split("?")[0], answer.status, answer.headers, answer.body)
        return answer

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


class Real:
    """A cluster and servers. One sequence after the other; each makes customers of its own."""

    def __init__(self, instances=1):
        def environment(folder):
            page, found = preloaded(folder)
            self.clock = Clock(page)
            return found
        self.cluster = Cluster(settings=["fsync=off"], preloaded=environment)
        try:
            self.world = World(self.cluster, instances=instances, TOLLGATE_LEASE_MS="1000", TOLLGATE_LOG_LEVEL="warn")
        except BaseException:
            self.cluster.remove()
            raise
        self.operators = [Line(server.port, self.world.admin_key) for server in self.world.servers]
        self.connection = self.cluster.connect()
        self.scrap = self.world.customer("0")[0]

    def close(self):
        self.connection.close()
        for line in self.operators:
            line.close()
        self.world.stop()
        self.cluster.remove()

    def row(self, sql, *args):
        with self.connection.cursor() as cursor:
            cursor.execute(sql, args)
            return cursor.fetchone()

    def step_clock(self, hour):
        """Moves the clock, and waits until every instance knows."""
        self.clock.to(hour)
        assert abs(self.row("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")[0] - self.clock.now()) < 5 * SECOND
        for line in self.operators:
            wait_for(lambda at=line: self._knows(at), 20, "an instance knowing the time")

    def _knows(self, line):
        made = line.post("/api/v1/grants", {"customer": self.scrap, "amount": "0.000000001"})
        assert made.status == 201, made
        return abs(moment(made.json["created_at"]) - self.clock.now()) < 5 * SECOND

    def done(self, customer):
        """Waits until what time has brought is done."""
        wait_for(lambda: not self.row(DUE, str(parse_id(customer)))[0], 20, "what is over being ended")

    def books(self, customer):
        """balance, held, debt; {grant's id: its members}; {open hold's id: (amount, expires_at)}"""
        balance, held, debt, grants, holds = self.row(BOOKS, str(parse_id(customer)))
        return (balance, held, debt,
                {print_id("grt", uuid_of(g[0])): (SOURCES[g[1]], *g[2:]) for g in grants},
                {print_id("call", uuid_of(h[0])): (h[1], h[2]) for h in holds})


def uuid_of(text):
    return uuid.UUID(text)
