"""The operator's side of the load: grants, some of them short-lived; keys made, used, revoked and tried again; customers suspended;
calls undone. Each written down like the calls (load.py), each with an Idempotency-Key, repeated until it is answered."""
import datetime
import json
import time

from . import caller

# role: the least and the most of a grant, in millionths of a credit
GRANTS = {"small": (50, 900), "lowered": (30, 600), "credit": (20, 300), "debtor": (20, 700), "expiring": (100, 900)}


class Money:
    def __init__(self, load):
        self.load, self.record, self.admin = load, load.record, load.config["admin"]

    def steps(self):
        return {"grants": self.grant, "keys": self.key_life, "voids": self.void, "suspends": self.suspend}

    def ask(self, rng, method, path, body, key, seconds=25):
        """Until there is an answer that is neither lost nor a 5xx, from whichever server; the last reply."""
        until = time.monotonic() + seconds
        raw = json.dumps(body).encode() if body is not None else None
        while True:
            port = rng.choice(self.load.servers)
            reply = caller.call(port, method, path, self.admin, raw, {"Idempotency-Key": key} if key else {}, rng=rng, timeout=15)
            if (not reply.lost and reply.status < 500) or time.monotonic() > until:
                return reply
            time.sleep(rng.uniform(0.05, 0.3))

    # ---- grants: the reason is the grant's name here, so that the rows can be told apart

    def grant(self, rng, name):
        role = rng.choice(list(GRANTS))
        customer = rng.choice(self.load.roles[role])
        amount = rng.randrange(*GRANTS[role])
        body = {"customer": customer["id"], "amount": f"0.{amount:06d}", "reason": name, "priority": rng.choice((50, 100)),
                "source": rng.choice(("purchase", "promotion"))}
        if role == "expiring" or rng.random() < 0.1:
            expires = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=rng.uniform(2, 9))
            body["expires_at"] = expires.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.record.write(e="grant", r=name, c=customer["id"], amount=amount * 1000)
        reply = self.ask(rng, "POST", "/api/v1/grants", body, name)
        self.record.write(e="granted", r=name, ok=reply.status in (200, 201) and reply.whole, st=reply.status, code=reply.code if reply.status >= 400 else None)
        time.sleep(rng.uniform(0.02, 0.25))

    # ---- keys

    def key_life(self, rng, name):
        customer = self.load.roles["keys"][0]
        made = self.ask(rng, "POST", "/api/v1/keys", {"customer": customer["id"], "name": name}, name)
        key = json.loads(made.body) if made.status == 201 else {}
        if "secret" in key:  # a replayed creation does not tell it again
            for i in range(3):
                self.load.attempt(f"{name}.u{i}", customer, rng.randrange(2), "fresh-key", self.load.body(rng, name, False), rng=rng, key=key["secret"])
            gone = self.ask(rng, "DELETE", f"/api/v1/keys/{key['id']}?customer={customer['id']}", None, None)
            if gone.status in (200, 204) and gone.whole:
                self.record.write(e="revoked", r=name, key=key["id"])
                for i in range(4):
                    self.load.attempt(f"{name}.x{i}", customer, i % 2, "revoked-key", self.load.body(rng, name, i > 1), rng=rng, key=key["secret"])
        time.sleep(rng.uniform(0.1, 0.5))

    def suspend(self, rng, name):
        customer = self.load.roles["keys"][0]
        path = f"/api/v1/customers/{customer['id']}"
        off = self.ask(rng, "PATCH", path, {"status": "suspended"}, None)
        if off.status == 200 and off.whole:
            for i in range(2):
                self.load.attempt(f"{name}.s{i}", customer, i, "suspended", self.load.body(rng, name, False), rng=rng)
        while True:  # nobody but this thread suspends it, and it may not stay so
            on = self.ask(rng, "PATCH", path, {"status": "active"}, None)
            if on.status == 200 and on.whole:
                break
        self.record.write(e="active", r=name)
        time.sleep(rng.uniform(1, 3))

    # ---- undone

    def void(self, rng, name):
        if self.load.settled:
            customer, call = self.load.settled.popleft()
            self.record.write(e="void", r=name, call=call)
            reply = self.ask(rng, "POST", f"/api/v1/calls/{call}/void", {"reason": name}, name)
            self.record.write(e="voided", r=name, call=call, ok=reply.status == 200 and reply.whole, st=reply.status,
                              code=reply.code if reply.status >= 400 else None, c=customer)
        time.sleep(rng.uniform(0.1, 0.6))
