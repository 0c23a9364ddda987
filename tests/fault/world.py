"""What is under test, whole: PostgreSQL, the proxy, two stand-in providers, two servers, prices and customers of all kinds.

  client ──► s0, s1 ──► proxy: pg0, pg1 ──► PostgreSQL
                 └────► proxy: up0, up1 ──► stand-in providers
"""
import datetime
import json
import os
import secrets
import shutil
import subprocess
import tempfile

from tests.harness.process import BINARY, BUILD, wait_for
from tests.harness.server import Client, StandIn

from .database import Database
from .instance import Instance
from .proxy import Proxy

HERE = os.path.dirname(os.path.abspath(__file__))
RECORDINGS = os.path.join(HERE, "recordings")
SINS = ("none", "negative", "meter", "many", "huge", "totals", "begin", "bytes", "end", "need", "need-again", "bound", "build", "slow",
        "segv", "abort", "exit")
DEADLY = ("segv", "abort", "exit")

# role: the settings of each customer of it, what it has to start with, and whether its floor may never be passed.
ROLES = {
    "rich": (({}, {"abort_charge": "delivered"}, {"abort_upstream": "drain"}, {"abort_charge": "first_token"}), "1000000", True),
    "small": (({}, {}, {"abort_charge": "input"}), "0.003", True),
    "lowered": (({"short_policy": "lower_cap"},), "0.004", True),
    "credit": (({"credit_limit": "0.01"},), "0.002", True),
    "debtor": (({"short_policy": "allow_debt", "short_debt": "0.002"},), "0.001", False),
    "expiring": (({},), "0.002", True),
    "limited": (({},), "1000", True),
    "keys": (({},), "1000000", True),
    "wild": (({},), "1000000", False),
}


def in_hours(hours):
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours)
    return when.isoformat(timespec="seconds").replace("+00:00", "Z")


class Customer:
    def __init__(self, role, number, made, key, strict, credits):
        self.role, self.name, self.id, self.strict = role, f"{role}{number}", made["id"], strict
        self.credits = credits  # given first
        self.key, self.key_id = key["secret"], key["id"]

    def plain(self):
        return {"role": self.role, "name": self.name, "id": self.id, "key": self.key, "key_id": self.key_id}


class World:
    def __init__(self, seed):
        self.seed = seed
        self.folder = tempfile.mkdtemp(prefix="tg-fault-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.violations = []
        self.journals_damaged = 0  # until then, what was told to be pending may not be lost
        self.master_key = secrets.token_hex(32)
        self.database = Database()
        self.proxy = Proxy(self.folder)
        self.pg = [self.proxy.link(f"pg{i}", self.database.port, pg=True) for i in range(2)]
        options = ("--log-sync", "--replay", RECORDINGS)
        self.stand_ins = [StandIn(self.folder, *options) for _ in range(2)]
        self.up = [self.proxy.link(f"up{i}", s.port) for i, s in enumerate(self.stand_ins)]
        self.instances = []
        for i in range(2):
            self.instances.append(Instance(self.database, self.folder, self.master_key, f"s{i}", self.pg[i], self._plugins()))
        self.admin_key = json.loads(self.tool("keys", "bootstrap", "--json"))["secret"]
        self._catalogue()
        self.customers = [c for role in ROLES for c in self._customers(role)]
        self._limits()
        self._wait_prices()

    # ---- making

    def _plugins(self):
        folder = os.path.join(self.folder, "plugins")
        if not os.path.isdir(folder):
            os.mkdir(folder, 0o755)
            for source in (BUILD / "plugins" / "openai.so", BUILD / "fault" / "unsound.so"):
                shutil.copy(source, folder)
                os.chmod(os.path.join(folder, source.name), 0o755)
        return folder

    def _catalogue(self):
        rates = {"input_tokens": ("0.150000007", "0.1"), "cached_input_tokens": ("0.075000003", "0.05"), "output_tokens": ("0.600000011", "0.4")}
        dearer = {"input_tokens": ("0.170000001", "0.1"), "cached_input_tokens": ("0.08", "0.05"), "output_tokens": ("0.700000013", "0.4")}
        plain = {"input_tokens": ("1", "1"), "output_tokens": ("1", "1")}
        self._provider("first", "openai", self.up[0].port, 100)
        self._provider("second", "openai", self.up[1].port, 200)
        self._provider("unsound", "unsound", self.up[0].port, 300)
        self._price("first", "gpt-4o-mini", rates)
        self._price("second", "gpt-4o-mini", dearer)
        for sin in SINS:
            self._price("unsound", "unsound-" + sin, plain)

    def _provider(self, name, plugin, port, priority):
        self.post("/api/v1/providers", {"name": name, "plugin": plugin, "base_url": f"http://127.0.0.1:{port}", "priority": priority,
                                        "secret": "sk-upstream-secret", "settings": {"call_header": True}})

    def _price(self, provider, model, rates):
        self.post("/api/v1/prices", {"provider": provider, "model": model, "max_output_tokens": 4096, "max_input_tokens": 128000,
                                     "rates": [{"meter": m, "charge": c, "cost": k} for m, (c, k) in rates.items()]})

    def _customers(self, role):
        each, credits, strict = ROLES[role]
        for n, settings in enumerate(each):
            made = self.post("/api/v1/customers", {"name": role, **settings})
            expires = {"expires_at": in_hours(12)} if role == "rich" else {}  # who moves its clock by a day may not see it expired
            key = self.post("/api/v1/keys", {"customer": made["id"], **expires})
            customer = Customer(role, n, made, key, strict, credits)
            self.post("/api/v1/grants", {"customer": made["id"], "amount": credits, "reason": f"first {customer.name}"}, key=f"first-{made['id']}")
            yield customer

    def _limits(self):
        limited = self.role("limited")[0].id
        self.post("/api/v1/limits", {"customer": limited, "measure": "requests", "period": "minute", "amount": 600})
        self.post("/api/v1/limits", {"customer": limited, "measure": "spend", "period": "day", "amount": "0.2"})
        self.post("/api/v1/limits", {"customer": limited, "measure": "spend", "period": "total", "amount": "100"})

    def _wait_prices(self):
        key = self.customers[0].key
        for instance in self.instances:
            client = Client(instance.port, key)
            wait_for(lambda c=client: f"unsound-{SINS[-1]}" in c.get("/v1/models", check=False).body.decode(), 20, "the prices")

    # ---- asking

    def role(self, name):
        return [c for c in self.customers if c.role == name]

    def post(self, path, body, key=None):
        """As the operator, on the first server; AssertionError where it is refused."""
        headers = {"Idempotency-Key": key} if key else {}
        answer = Client(self.instances[0].port, self.admin_key).post(path, body, headers=headers, check=False)
        assert answer.status in (200, 201), (path, body, answer)
        return answer.json

    def tool(self, *argv, url=None, timeout=300, code=0):
        """Runs `tollgate …`; the database by its socket, so that no proxy is in the way."""
        env = {"PATH": os.environ["PATH"], "HOME": self.folder, "NO_COLOR": "1", "DATABASE_URL": url or self.database.url(),
               "TOLLGATE_MASTER_KEY": self.master_key, "TOLLGATE_URL": f"http://127.0.0.1:{self.instances[0].port}"}
        done = subprocess.run([str(BINARY), *argv], env=env, capture_output=True, text=True, timeout=timeout)
        assert code is None or done.returncode == code, f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def violation(self, invariant, text):
        self.violations.append((invariant, text))

    def clear(self):
        """Every fault that can be taken back is."""
        for link in (*self.pg, *self.up):
            link.clear()
        for instance in self.instances:
            instance.page.clear()

    # ---- the end

    def stop(self):
        codes = []
        for instance in self.instances:
            if instance.process is not None and instance.alive():
                instance.measure()
                codes.append(instance.stop())
        for stand_in in self.stand_ins:
            stand_in.stop()
        self.proxy.stop()
        self.database.remove()
        return codes

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)

