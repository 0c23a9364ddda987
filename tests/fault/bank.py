"""Reads the books all the time, whatever happens to the servers: sums in one snapshot a few times a second, and `tollgate audit`
again and again. It has a way to the database of its own and is only silent while PostgreSQL itself is away."""
import json
import subprocess
import threading
import time

import psycopg2

# One statement, one snapshot: what was given equals what is left and what it became; what is held equals the holds; and who has
# passed the floor. Usage always settles, so a settlement above its hold (flag 16) and one found late (4) may pass it: whoever is
# below without a recent call of that kind has been let through.
SNAPSHOT = """
SELECT (SELECT coalesce(sum(granted - left_over - consumed - expired - refunded - frozen), 0) FROM grants),
       (SELECT coalesce(sum(balance + debt), 0) FROM customers) - (SELECT coalesce(sum(left_over), 0) FROM grants),
       (SELECT coalesce(sum(held), 0) FROM customers) - (SELECT coalesce(sum(amount), 0) FROM holds),
       (SELECT coalesce(sum(consumed), 0) FROM grants) + (SELECT coalesce(sum(debt), 0) FROM customers)
         - (SELECT coalesce(sum(granted), 0) FROM grants WHERE reason = 'returned after its debt was repaid')
         - (SELECT coalesce(sum(charge), 0) FROM calls WHERE %(deep)s),
       (SELECT array_agg(format('%%s: balance %%s, held %%s, credit limit %%s', id, balance, held, credit_limit)) FROM customers
        WHERE id = ANY (%(strict)s::uuid[]) AND balance - held < -credit_limit
          AND NOT EXISTS (SELECT FROM calls c WHERE c.customer_id = customers.id AND c.id > %(recent)s::uuid AND c.flags & 20 <> 0)),
       (SELECT count(*) FROM customers WHERE id = ANY (%(strict)s::uuid[]) AND balance - held < -credit_limit)
"""
RECENT_S = 60  # longer than anybody stays below: holds end, and credits are given all the time
RULES = ("grants: what was given is what is left and what it became", "balances and debts are what the grants have left",
         "held is what the holds hold", "what was consumed, and owed, is what the calls cost")


class Bank:
    def __init__(self, world):
        self.world, self.stopping = world, threading.Event()
        self.snapshots = self.audits = self.away = self.unfinished = self.below = 0
        self.strict = None
        self.threads = [threading.Thread(target=t, daemon=True) for t in (self._read, self._audit)]
        for t in self.threads:
            t.start()

    def look(self, cursor, deep=False):
        """One snapshot; deep: the calls are added up too."""
        recent = f"{int((time.time() - RECENT_S) * 1000):012x}"
        cursor.execute(SNAPSHOT, {"strict": self.strict, "deep": deep, "recent": f"{recent[:8]}-{recent[8:]}-7000-8000-000000000000"})
        row = cursor.fetchone()
        for rule, off in zip(RULES if deep else RULES[:3], row):
            if off != 0:
                self.world.violation("I1", f"{rule}: off by {off}")
        for text in row[4] or ():
            self.world.violation("I3", "below the floor: " + text)
        self.snapshots += 1
        self.below += row[5] > 0

    def _read(self):
        self.strict = [decode(c.id) for c in self.world.customers if c.strict]
        connection = None
        number = 0
        while not self.stopping.wait(0.15):
            try:
                if connection is None:
                    connection = psycopg2.connect(self.world.database.url(), connect_timeout=3)
                    connection.autocommit = True
                with connection.cursor() as cursor:
                    number += 1
                    self.look(cursor, deep=number % 20 == 0)
            except psycopg2.Error:
                self.away += 1
                connection = None

    def _audit(self):
        while not self.stopping.wait(1.0):
            began = time.monotonic()
            self.audit()
            self.stopping.wait(min(20, 2 * (time.monotonic() - began)))

    def audit(self, must=False):
        """`tollgate audit`. must: the database is there, so it has to finish."""
        try:
            text = self.world.tool("audit", "--json", code=None)
        except subprocess.TimeoutExpired:
            self.unfinished += 1
            return
        lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        for line in lines[:-1] if lines else ():
            if "rule" in line:
                self.world.violation("I2", f"audit: {line['rule']}: {line['customer']}: {line['row']}")
        verdict = lines[-1].get("verdict") if lines else None
        if verdict in ("sound", "broken"):
            self.audits += 1
        else:
            self.unfinished += 1
            if must:
                self.world.violation("I2", "the audit did not finish: " + text[-500:])

    def stop(self):
        self.stopping.set()
        for t in self.threads:
            t.join(120)


ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def decode(typeid):
    """The UUID of cus_… and its like: 26 characters of 5 bits, the first one short."""
    number = 0
    for c in typeid.split("_", 1)[1]:
        number = number * 32 + ALPHABET.index(c)
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def encode(prefix, uuid):
    number, out = int(uuid.replace("-", ""), 16), ""
    for _ in range(26):
        out = ALPHABET[number % 32] + out
        number //= 32
    return f"{prefix}_{out}"
