"""Many clients over few customers, who insist: what is not answered is asked again with the same identity or Idempotency-Key, of either
instance, until it is. So at the end nothing is in doubt, and what each customer has can be reckoned from the answers alone. Meanwhile
sessions of the database are terminated, and the books are read in consistent snapshots."""
import collections
import http.client
import random
import re
import threading
import time
import uuid

from .model.amounts import nano, told
from .model.real import Line
from .typeid import parse_id, print_id

PATIENCE_S = 60  # for one request, however often it is repeated
WAIT_S = 0.02
LOOKS = 50  # for a session that is at work
SESSIONS = "SELECT pid, state FROM pg_stat_activity WHERE datname = 'tollgate' AND backend_type = 'client backend' AND pid NOT IN (pg_backend_pid(), %s)"

# What must be so at any instant, of the customers that are here; each line is a sum of nanocredits, and 0.
ALWAYS = {
    "what was given is what is left and what it became":
        "SELECT sum(abs(granted - left_over - consumed - expired - refunded - frozen)) FROM grants WHERE customer_id = ANY(%(them)s)",
    "a balance is what the grants have left, less debt":
        "SELECT sum(abs(balance + debt - (SELECT coalesce(sum(left_over), 0) FROM grants g WHERE g.customer_id = c.id))) FROM customers c WHERE id = ANY(%(them)s)",
    "a balance is what its transfers add up to":
        "SELECT sum(abs(balance - (SELECT coalesce(sum(CASE kind WHEN 1 THEN -amount WHEN 2 THEN amount WHEN 5 THEN amount ELSE 0 END), 0) FROM transfers t "
        "WHERE t.customer_id = c.id))) FROM customers c WHERE id = ANY(%(them)s)",
    "what is held is what the holds hold":
        "SELECT sum(abs(held - (SELECT coalesce(sum(amount), 0) FROM holds h WHERE h.customer_id = c.id))) FROM customers c WHERE id = ANY(%(them)s)",
    "what a batch consumed and gave back is what its calls cost":
        "SELECT sum(abs(coalesce(t.moved, 0) - coalesce(k.charge, 0))) FROM (SELECT customer_id, writer_id, seq, sum(CASE kind WHEN 1 THEN amount ELSE -amount END) AS moved "
        "FROM transfers WHERE customer_id = ANY(%(them)s) AND kind IN (1, 5) GROUP BY 1, 2, 3) t FULL JOIN (SELECT customer_id, writer_id, seq, sum(charge) AS charge "
        "FROM calls WHERE customer_id = ANY(%(them)s) GROUP BY 1, 2, 3) k USING (customer_id, writer_id, seq)",
    "nobody who is refused what credits do not cover is below zero":
        "SELECT sum(greatest(0, held - balance)) FROM customers WHERE id = ANY(%(strict)s)",
}


class Account:
    """What its clients were told of one customer."""

    def __init__(self, id, strict):
        self.id, self.strict, self.lock = id, strict, threading.Lock()
        self.given, self.charges, self.voided = {}, {}, set()  # grants and calls by their ids: nanocredits

    def told(self, things, id, amount):
        """The same thing may be told by several, and is the same."""
        with self.lock:
            assert things.setdefault(id, amount) == amount, f"{id} was {things[id]} and is {amount}"

    @property
    def balance(self):
        return sum(self.given.values()) - sum(amount for id, amount in self.charges.items() if id not in self.voided)


class Client:
    """One of many, on a thread of its own."""

    def __init__(self, bank, seed):
        self.bank, self.chance = bank, random.Random(seed)
        self.lines = [Line(server.port, bank.world.admin_key) for server in bank.world.servers]

    def ask(self, path, body, key=None):
        """The answer, of whichever instance, however long it takes."""
        until = time.monotonic() + PATIENCE_S
        while True:
            assert time.monotonic() < until, f"{path} is not answered"
            line = self.chance.choice(self.lines)
            try:
                answer = line.request("POST", path, body, {"Idempotency-Key": key} if key else None, check=False)
            except (OSError, http.client.HTTPException):
                line.close()
                answer = None
            if answer is not None and answer.status != 503:
                assert answer.status < 500, answer
                return answer
            self.bank.count["repeated"] += 1
            time.sleep(WAIT_S * self.chance.random())

    # ---- what it does

    def run(self, until):
        deeds = (self.give, self.event, self.event, self.batch, self.twin, self.hold, self.hold, self.void)
        while time.monotonic() < until and not self.bank.wrong:
            self.chance.choice(deeds)(self.chance.choice(self.bank.accounts))
            self.bank.count["deeds"] += 1
        for line in self.lines:
            line.close()

    def amount(self):
        return self.chance.randint(1, 2 * 10 ** 9)

    def give(self, account):
        amount = self.amount()
        answer = self.ask("/api/v1/grants", {"customer": account.id, "amount": told(amount), "priority": self.chance.choice((1, 100))}, uuid.uuid4().hex)
        assert answer.status == 201, answer
        account.told(account.given, answer.json["id"], amount)

    def sent(self, account, id=None):
        return {"id": id or uuid.uuid4().hex, "source": "/bank", "type": self.bank.model, "subject": account.id, "data": {"usage": {"images": self.chance.randint(1, 3)}}}

    def event(self, account):
        self.report(account, self.sent(account))

    def report(self, account, event):
        answer = self.ask("/api/v1/events", event)
        if answer.status == 402 and account.strict:
            self.bank.count["refused"] += 1
            return
        assert answer.status == 200, answer
        self.taken(account, event, answer.json)

    def taken(self, account, event, answer):
        charge = event["data"]["usage"]["images"] * self.bank.price
        if answer["state"] in ("settled", "unrated"):  # somebody may have undone it already; null: it cannot be read now
            assert answer["charge"] == told(charge), (event, answer)
        account.told(account.charges, answer["call"], charge)

    def twin(self, account):
        """The same event by two at once, as long as it is taken at all."""
        event, other = self.sent(account), Client(self.bank, self.chance.random())
        thread = self.bank.thread(lambda: other.report(account, event))
        self.report(account, event)
        thread.join()

    def batch(self, account):
        events = [self.sent(self.chance.choice(self.bank.accounts)) for _ in range(self.chance.randint(2, 20))]
        by_id = {a.id: a for a in self.bank.accounts}
        while events:
            answer = self.ask("/api/v1/events", events)
            assert answer.status == 200, answer
            again = []
            for event, one in zip(events, answer.json["data"], strict=True):
                if one["status"] != "rejected":
                    self.taken(by_id[event["subject"]], event, one)
                elif one["error"]["code"] in ("storage_unavailable", "overloaded"):
                    again.append(event)
                else:
                    assert one["error"]["code"] == "insufficient_credits" and by_id[event["subject"]].strict, one
            events = again

    def hold(self, account):
        """Taken, perhaps made larger, perhaps used in parts, ended."""
        held = self.amount()
        made = self.ask("/api/v1/holds", {"customer": account.id, "amount": told(held), "ttl_seconds": 600}, uuid.uuid4().hex)
        if made.status == 402:
            self.bank.count["refused"] += 1
            return
        assert made.status == 201, made
        id = made.json["id"]
        if self.chance.random() < 0.4 and self.ask(f"/api/v1/holds/{id}/extend", {"amount": told(held + 10 ** 8)}).status == 200:
            held += 10 ** 8
        while self.chance.random() < 0.4:
            part = self.chance.randint(0, held)
            used = self.ask(f"/api/v1/holds/{id}/settle", {"amount": told(part), "final": False}, uuid.uuid4().hex)
            assert used.status == 200, used
            for one in used.json["parts"]:
                if one["state"] != "voided":
                    account.told(account.charges, one["call"], nano(one["charge"]))
            held -= part
        self.end(account, id, self.chance.randint(0, held if account.strict else held + 10 ** 9))

    def end(self, account, id, charge):
        if self.chance.random() < 0.2:
            answer = self.ask(f"/api/v1/holds/{id}/release", None)
        else:
            answer = self.ask(f"/api/v1/holds/{id}/settle", {"amount": told(charge)})
            account.told(account.charges, id, charge)
        assert answer.status == 200, answer

    def void(self, account):
        with account.lock:
            calls = list(account.charges)
        if not calls:
            return
        id = self.chance.choice(calls)
        answer = self.ask(f"/api/v1/calls/{id}/void", {"reason": "the bank"})
        assert answer.status == 200 and answer.json["state"] == "voided", answer
        with account.lock:
            account.voided.add(id)


class Bank:
    """price: nanocredits of one image."""

    def __init__(self, world, customers=4, price=123456789):
        self.world, self.price, self.model = world, price, f"bank-{uuid.uuid4().hex[:8]}"
        self.count, self.wrong = collections.Counter(), []
        self.connection = world.cluster.connect()  # the reader's own: it is let alone
        self.accounts = [self._account(strict=n % 2 == 0) for n in range(customers)]
        provider = world.admin.post("/api/v1/providers", {"name": self.model, "plugin": "none"})
        price = {"provider": self.model, "model": self.model, "rates": [{"meter": "images", "per": 1, "charge": told(self.price)}]}
        assert provider.status == 201 and world.admin.post("/api/v1/prices", price).status == 201

    def _account(self, strict):
        made = self.world.admin.post("/api/v1/customers", {"event_policy": "refuse" if strict else "accept"})
        assert made.status == 201, made
        return Account(made.json["id"], strict)

    def known(self, server):
        body = {"customer": self.accounts[0].id, "model": self.model, "usage": {"images": 1}}
        return server.client(self.world.admin_key).post("/api/v1/check", body).status == 200

    def run(self, seconds, clients, seed):
        """Lets them all go, for so long; AssertionError with what was wrong first."""
        until = time.monotonic() + seconds
        threads = [self.thread(lambda n=n: Client(self, f"{seed} {n}").run(until)) for n in range(clients)]
        others = [self.thread(lambda: self._until(until, self.look)), self.thread(lambda: self._until(until, lambda: self.terminate(random.Random(time.monotonic_ns()))))]
        for thread in threads + others:
            thread.join()
        assert not self.wrong, self.wrong[0]

    def thread(self, work):
        def guarded():
            try:
                work()
            except Exception as found:  # told where they are waited for
                self.wrong.append(f"{type(found).__name__}: {found}")
        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        return thread

    def _until(self, until, work):
        while time.monotonic() < until and not self.wrong:
            work()
            time.sleep(0.05)

    # ---- what happens meanwhile

    def terminate(self, chance):
        """One session of the service's: mostly one that is at work, which is looked for a while."""
        connection = self.world.cluster.connect()
        with connection.cursor() as cursor:
            for _ in range(LOOKS if chance.random() < 0.8 else 1):
                cursor.execute(SESSIONS, (self.connection.info.backend_pid,))
                found = cursor.fetchall()
                busy = [pid for pid, state in found if state != "idle"]
                if busy:
                    break
            if found:
                cursor.execute("SELECT pg_terminate_backend(%s)", (chance.choice(busy or [pid for pid, _ in found]),))
                self.count["terminated"] += cursor.fetchone()[0]
        connection.close()

    def look(self):
        """Everything that is always so, in one snapshot."""
        them = [str(parse_id(a.id)) for a in self.accounts]
        strict = [str(parse_id(a.id)) for a in self.accounts if a.strict]
        with self.connection.cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            for rule, sql in ALWAYS.items():
                cursor.execute(sql.replace("(them)s)", "(them)s::uuid[])").replace("(strict)s)", "(strict)s::uuid[])"), {"them": them, "strict": strict})
                off = cursor.fetchone()[0] or 0
                assert off == 0, f"{rule}: off by {off} nanocredits"
            cursor.execute("COMMIT")
        self.count["snapshots"] += 1

    def resolved(self):
        """COMMITs whose answer was lost on the way, and that were found to have landed, or not."""
        found = [re.search(r"^tollgate_ledger_commits_unknown_total (\d+)$", s.client(self.world.admin_key).get("/metrics").body.decode(), re.M) for s in self.world.servers]
        return sum(int(one[1]) for one in found)

    # ---- the end

    def reckon(self):
        """All that was answered is there once, nothing else is, and it adds up."""
        self.look()
        for account in self.accounts:
            uid = str(parse_id(account.id))
            row = self.world.cluster.sql("SELECT balance, held FROM customers WHERE id = %s", uid)[0]
            assert row == (account.balance, 0), f"{account.id}: {row} in the books, ({account.balance}, 0) by what was answered"
            grants = self.world.cluster.sql("SELECT id, granted FROM grants WHERE customer_id = %s AND reason NOT LIKE 'returned %%'", uid)
            assert {print_id("grt", uuid.UUID(id)): n for id, n in grants} == account.given
            calls = self.world.cluster.sql("SELECT id, sum(charge)::bigint, max(charge), max(state) FROM calls WHERE customer_id = %s GROUP BY id", uid)
            calls = {print_id("call", uuid.UUID(c[0])): c[1:] for c in calls if c[3] != 3}  # a released hold is no charge
            assert {id: c[1] for id, c in calls.items()} == account.charges
            assert {id for id, c in calls.items() if c[2] == 6} == account.voided and all(calls[id][0] == 0 for id in account.voided)
