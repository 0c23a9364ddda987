"""The client program: threads that call whatever happens, each thing written down and synced before it is done and after it is
answered. A process of its own, told by lines on stdin, answering by lines on stdout.

  {"do":"pause"}   no thread calls any more once this is answered      {"do":"resume"}
  {"do":"burst", ...}   many calls of one kind at once (Burst)          {"do":"counts"}   what was done so far
  {"do":"quit"}

  python3 -m tests.fault.load CONFIG
"""
import collections
import json
import random
import sys
import threading
import time

from . import caller, money
from .record import Record

# kind: weight
KINDS = {"plain": 26, "stream": 26, "idempotent": 12, "sdk": 8, "abort": 9, "drip": 3, "early": 2, "half": 4, "mute": 2, "slow": 5, "long": 3, "script": 3}
ROLES = {"rich": 10, "small": 4, "lowered": 2, "credit": 1, "debtor": 2, "expiring": 2, "limited": 2}
SCRIPTS = ("stand-in:no-usage", "stand-in:usage-twice", "stand-in:usage-first", "stand-in:truncate", "stand-in:cut", "stand-in:reset-mid",
           "stand-in:error-mid", "stand-in:error-429", "stand-in:error-500", "stand-in:garbage", "stand-in:bad-usage-4", "stand-in:long-300")


class Load:
    def __init__(self, config):
        self.config, self.seed = config, config["seed"]
        self.record = Record(config["log"])
        self.servers = config["servers"]
        self.roles = collections.defaultdict(list)
        for customer in config["customers"]:
            self.roles[customer["role"]].append(customer)
        self.gate = threading.Condition()
        self.open, self.calling = False, 0
        self.counts = collections.Counter()
        self.count_lock = threading.Lock()
        self.settled = collections.deque(maxlen=2000)  # calls that may be voided

    # ---- one call, written down

    def count(self, *names):
        with self.count_lock:
            for name in names:
                self.counts[name] += 1

    def attempt(self, request, customer, server, kind, body, headers=None, manner="plain", rng=random, timeout=20.0, key=None, most=1 << 24):
        """request: this attempt's own id, which the ledger keeps; no two attempts share one."""
        headers = {"X-Request-Id": request, "X-Tollgate-Receipt": "stream", **(headers or {})}
        self.record.write(e="sent", r=request, t=round(time.time(), 2), c=customer["id"], k=kind, s=server, i=headers.get("Idempotency-Key"))
        started = time.monotonic()
        reply = caller.call(self.servers[server], "POST", "/v1/chat/completions", key or customer["key"], body, headers, manner, rng, timeout, most)
        charge, pending = reply.receipt()
        self.record.write(e="got", r=request, k=kind, st=reply.status, call=reply.call, charge=charge, pend=pending, done=reply.done(),
                          lost=reply.lost, code=reply.code if reply.status >= 400 else None, n=len(reply.body), ms=int((time.monotonic() - started) * 1000))
        self.count("calls", "acknowledged" if reply.done() else "left" if reply.lost == "left" else "lost" if reply.lost else "refused",
                   *(["503"] if reply.status == 503 else []))
        return reply

    def body(self, rng, name, stream, script=None, pad=0, **more):
        """No two bodies are the same, for a repetition is known by its body."""
        text = f"{name} " + ("w" * pad if pad else " ".join("w" * rng.randrange(1, 6) for _ in range(rng.randrange(1, 24))))
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], "max_tokens": rng.choice((20, 40, 200)), **more}
        if stream:
            body["stream"] = True
        if script:
            body["metadata"] = {"script": script}
        return json.dumps(body).encode()

    # ---- the threads

    def enter(self):
        with self.gate:
            while not self.open:
                self.gate.wait()
            self.calling += 1

    def leave(self):
        with self.gate:
            self.calling -= 1
            self.gate.notify_all()

    def pause(self):
        with self.gate:
            self.open = False
            while self.calling:
                self.gate.wait()

    def resume(self):
        with self.gate:
            self.open = True
            self.gate.notify_all()

    def worker(self, name, step):
        rng = random.Random(f"{self.seed}:{name}")
        number = 0
        while True:
            self.enter()
            try:
                step(rng, f"{name}-{number}")
            finally:
                self.leave()
            number += 1
            time.sleep(rng.uniform(0, 0.02))

    def customer(self, rng):
        role = rng.choices(list(ROLES), ROLES.values())[0]
        return rng.choice(self.roles[role])

    def step(self, rng, name):
        kind = rng.choices(list(KINDS), KINDS.values())[0]
        customer = rng.choice(self.roles["wild"]) if kind == "script" else self.customer(rng)
        server = rng.randrange(len(self.servers))
        if kind in ("idempotent", "sdk"):
            self.retrying(rng, name, customer, server, kind)
            return
        stream = kind == "stream" or (kind != "plain" and rng.random() < 0.7)
        script = rng.choice(SCRIPTS) if kind == "script" else "stand-in:long-3000" if kind in ("mute", "long") else None
        if kind == "slow":
            script = rng.choice(("stand-in:slow-40", "stand-in:slow-150", "stand-in:drip-1"))
        manner = kind if kind in ("abort", "drip", "early", "half", "mute") else "plain"
        body = self.body(rng, name, stream or kind in ("mute", "long"), script, **({"max_tokens": 3000} if kind in ("mute", "long") else {}))
        reply = self.attempt(f"{name}.0", customer, server, kind, body, manner=manner, rng=rng)
        if reply.done() and reply.call and customer["role"] == "rich":
            self.settled.append((customer["id"], reply.call))
        if reply.lost or reply.status == 503:
            time.sleep(0.03)

    def retrying(self, rng, name, customer, server, kind):
        """As the SDKs do it: after a loss or a 5xx once more, saying so. With an Idempotency-Key the repetition is refused where the
        first one had been taken; then, now and then, a duplicate on purpose, and one with another body."""
        body = self.body(rng, name, rng.random() < 0.4)
        headers = {"Idempotency-Key": name} if kind == "idempotent" else {}
        for retry in range(4):
            more = {**headers, "x-stainless-retry-count": str(retry)}
            reply = self.attempt(f"{name}.{retry}", customer, server, kind, body, more, rng=rng)
            if not reply.lost and reply.status < 500:
                break
            time.sleep(rng.uniform(0.05, 0.3))
            server = rng.randrange(len(self.servers))
        if kind == "idempotent" and reply.done() and rng.random() < 0.3:
            again = self.attempt(f"{name}.d", customer, server, "duplicate", body, headers, rng=rng)
            if again.status == 409 and again.call != reply.call:
                self.record.write(e="odd", r=f"{name}.d", why=f"the duplicate of {reply.call} was told {again.call}")
            other = self.body(rng, name, False, max_tokens=77)
            self.attempt(f"{name}.o", customer, server, "other-body", other, headers, rng=rng)

    def faithful(self, rng, name):
        """A caller that does not give up: every one of its operations has to succeed in the end, also through a rolling restart."""
        customer = rng.choice(self.roles["rich"])
        server, body = rng.randrange(len(self.servers)), self.body(rng, name, rng.random() < 0.4)
        until = time.monotonic() + 60
        tries = 0
        while True:
            reply = self.attempt(f"{name}.{tries}", customer, server, "faithful", body, rng=rng)
            tries += 1
            if reply.done() or time.monotonic() > until:
                break
            server = (server + 1) % len(self.servers)
            time.sleep(rng.uniform(0.02, 0.2))
        self.record.write(e="op", r=name, ok=reply.done(), tries=tries, st=reply.status, lost=reply.lost)
        self.count("faithful" if reply.done() else "faithful_failed")
        time.sleep(rng.uniform(0.02, 0.1))

    # ---- many at once

    def burst(self, ask):
        """`count` calls of one kind from `threads` threads: role, script(s), model, stream, manner, timeout, most, pad. Pausing waits for it."""
        customers = self.roles[ask.get("role", "wild")]
        scripts, statuses, left = ask.get("scripts") or [None], collections.Counter(), collections.deque(range(ask["count"]))

        def run(number):
            mine = random.Random(f"{self.seed}:{ask['name']}:{number}")
            while left:
                try:
                    at = left.popleft()
                except IndexError:
                    return
                stream = ask.get("stream", at % 2 == 1)
                more = {"model": ask["model"]} if "model" in ask else {}
                body = self.body(mine, f"{ask['name']}-{at}", stream, scripts[at % len(scripts)], ask.get("pad", 0), **more)
                server = ask["server"] if "server" in ask else mine.randrange(len(self.servers))
                reply = self.attempt(f"{ask['name']}-{at}.0", customers[at % len(customers)], server, ask.get("kind", "burst"), body,
                                     manner=ask.get("manner", "plain"), rng=mine, timeout=ask.get("timeout", 20.0), most=ask.get("most", 1 << 24))
                statuses[str(reply.status if not reply.lost else reply.lost)] += 1

        threads = [threading.Thread(target=run, args=(n,), daemon=True) for n in range(min(ask.get("threads", 8), ask["count"]))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return dict(statuses)

    def run(self):
        for n in range(self.config.get("threads", 12)):
            threading.Thread(target=self.worker, args=(f"w{n}", self.step), daemon=True).start()
        for n in range(2):
            threading.Thread(target=self.worker, args=(f"f{n}", self.faithful), daemon=True).start()
        treasury = money.Money(self)
        for name, step in treasury.steps().items():
            threading.Thread(target=self.worker, args=(name, step), daemon=True).start()
        say({"done": "start"})
        for line in sys.stdin:
            threading.Thread(target=self.obey, args=(json.loads(line),), daemon=True).start()

    def obey(self, ask):
        answer = {"done": ask["id"]}
        if ask["do"] == "pause":
            self.pause()
        elif ask["do"] == "resume":
            self.resume()
        elif ask["do"] == "burst":
            answer["statuses"] = self.burst(ask)
        elif ask["do"] == "counts":
            answer["counts"] = dict(self.counts)
        say(answer)


say_lock = threading.Lock()


def say(answer):
    with say_lock:
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    threading.stack_size(512 * 1024)
    with open(sys.argv[1]) as f:
        Load(json.load(f)).run()
