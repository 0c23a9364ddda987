"""A `tollgate serve`, the stand-in provider, and a client for both sides of the service."""
import http.client
import json
import os
import secrets
import signal
import socket
import struct
import tempfile
import time
import uuid

from . import contract
from .port import free_port
from .process import BINARY, BUILD, start, stop, wait_for


WEBHOOK_SECRET = "whsec_of_the_tests"


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json["error"]["code"]

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class Client:
    """One caller with one key. Every answer is held against the contract."""

    def __init__(self, port, key=None):
        self.port, self.key = port, key

    def request(self, method, path, body=None, headers=None, timeout=60, check=True):
        h = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if body is not None:
            h["Content-Type"] = "application/json"
        h.update(headers or {})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            try:
                connection.request(method, path, body.encode() if isinstance(body, str) else body, h)
            except (BrokenPipeError, ConnectionResetError):
                pass  # answered before all of it was read
            response = connection.getresponse()
            answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()
        if check:
            contract.check(method, path.split("?")[0], answer.status, answer.headers, answer.body)
        return answer

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, path, body, **more):
        return self.request("POST", path, body, **more)

    def patch(self, path, body, **more):
        return self.request("PATCH", path, body, **more)

    def delete(self, path, **more):
        return self.request("DELETE", path, **more)

    def chat(self, model="gpt-4o-mini", text="hello there", headers=None, timeout=60, check=True, **more):
        body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
        return self.post("/v1/chat/completions", body, headers=headers, timeout=timeout, check=check)

    def stream(self, model="gpt-4o-mini", text="hello there", headers=None, **more):
        return Stream(self, {"model": model, "messages": [{"role": "user", "content": text}], "stream": True, **more}, headers)


class Stream:
    """A streamed answer that is read as it comes, or not to its end."""

    def __init__(self, client, body, headers=None, path="/v1/chat/completions", timeout=60):
        text = json.dumps(body)
        lines = [f"POST {path} HTTP/1.1", "Host: t", f"Authorization: Bearer {client.key}", "Content-Type: application/json",
                 f"Content-Length: {len(text)}", *(f"{k}: {v}" for k, v in (headers or {}).items())]
        self.socket = socket.create_connection(("127.0.0.1", client.port), timeout=timeout)
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n" + text).encode())
        self.bytes, self.timeout = b"", timeout

    def read_until(self, text):
        """Reads until `text` has come, or the end. What has been read so far. A stream that is only kept alive is not waited for."""
        until = time.monotonic() + self.timeout
        while text not in self.bytes:
            assert time.monotonic() < until, f"{text!r} has not come within {self.timeout} s: {self.bytes[-300:]!r}"
            got = self.socket.recv(65536)
            if not got:
                break
            self.bytes += got
        return self.bytes

    @property
    def call(self):
        """The call's id, from the head."""
        head = self.read_until(b"\r\n\r\n").split(b"\r\n\r\n")[0].decode()
        return next(line.split(": ")[1] for line in head.split("\r\n") if line.lower().startswith("x-tollgate-call"))

    def abort(self):
        """Goes away at once, as a client that is killed or times out does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()


class StandIn:
    def __init__(self, folder, *options):
        self.log_path = os.path.join(folder, f"stand-in-{uuid.uuid4().hex[:8]}.log")
        port_file = self.log_path + ".port"
        self.process = start([BINARY, "stand-in", "--port", "0", "--port-file", port_file, "--log", self.log_path, *options],
                             log=self.log_path + ".err")
        self.port = int(wait_for(lambda: os.path.exists(port_file) and open(port_file).read().strip(), 20, "the stand-in's port"))
        self.url = f"http://127.0.0.1:{self.port}"

    def log(self):
        """The served calls, as the stand-in itself wrote them down."""
        if not os.path.exists(self.log_path):
            return []
        with open(self.log_path) as f:
            return [json.loads(line) for line in f if line.endswith("\n")]

    def stop(self):
        if self.process.poll() is None:
            stop(self.process, signal.SIGTERM, 10)


class Server:
    """One instance. `environment` overrides settings."""

    def __init__(self, cluster, folder, master_key, **environment):
        self.cluster, self.folder = cluster, folder
        self.port = free_port()
        self.log_path = os.path.join(folder, f"server-{self.port}.log")
        self.environment = {"DATABASE_URL": cluster.url(), "PORT": str(self.port), "TOLLGATE_HOST": "127.0.0.1",
                            "TOLLGATE_MASTER_KEY": master_key, "TOLLGATE_PLUGIN_DIR": str(BUILD / "plugins"),
                            "TOLLGATE_JOURNAL_DIR": os.path.join(folder, f"journal-{self.port}"), "TOLLGATE_LOG_FORMAT": "json", "TOLLGATE_LOG_LEVEL": "info", **environment}
        self.process = None
        self.start()

    def start(self, wait=True):
        self.process = start([BINARY, "serve"], env=self.environment, log=self.log_path)
        if wait:
            wait_for(self.ready, 60, "the server being ready")

    def ready(self):
        assert self.process.poll() is None, f"the server ended with {self.process.returncode}: " + self.log()[-2000:]
        try:
            return Client(self.port).get("/readyz", timeout=5).status == 200
        except OSError:
            return False

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def stop(self, how=signal.SIGTERM):
        return stop(self.process, how)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def client(self, key=None):
        return Client(self.port, key)

    def rss_kib(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))


class World:
    """A cluster, the stand-in, one or more servers, an operator's client, a provider and prices."""

    PRICES = {
        "gpt-4o-mini": [("input_tokens", "0.15", "0.1"), ("cached_input_tokens", "0.075", "0.05"), ("output_tokens", "0.6", "0.4")],
        "text-embedding-3-small": [("input_tokens", "0.02", "0.01")],
        # prices that come out in whole credits, for counting what passes: one credit for a request
        "per-request": [("input_tokens", "0", "0"), ("output_tokens", "1000000", "1000000")],
    }

    def __init__(self, cluster, instances=1, stand_in_options=(), stripe=None, **environment):
        """stripe: a FakeStripe that is sold through; it is the caller's to stop."""
        self.stripe = stripe
        if stripe:
            environment = {"STRIPE_SECRET_KEY": stripe.key, "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET, "STRIPE_API_BASE": stripe.url, **environment}
        self.folder = tempfile.mkdtemp(prefix="tg-world-", dir="/tmp")
        self.cluster = cluster
        self.master_key = secrets.token_hex(32)
        self.stand_in = StandIn(self.folder, *stand_in_options)
        self.environment = environment
        self.servers = [Server(cluster, self.folder, self.master_key, **environment)]
        self.servers += [Server(cluster, self.folder, self.master_key, **environment) for _ in range(instances - 1)]
        self.admin_key = self.tool("keys", "bootstrap", "--json", json_out=True)["secret"]
        self.provider = self.admin.post("/api/v1/providers", {
            "name": "openai", "plugin": "openai", "base_url": self.stand_in.url, "secret": "sk-upstream-secret",
            "settings": {"call_header": True}}).json
        for model, rates in self.PRICES.items():
            self.price(model, rates)
        self.settle_prices()

    def settle_prices(self):
        """Price changes reach every instance within two seconds; the first price of a model at once."""
        customer, key = self.customer("0.000001")
        for server in self.servers:
            wait_for(lambda s=server: any(m["id"] == list(self.PRICES)[-1] for m in s.client(key).get("/v1/models").json["data"]), 10, "the prices")

    def tool(self, *argv, json_out=False, server=0, code=0):
        """Runs `tollgate …` as a person would."""
        import subprocess
        env = dict(self.servers[server].environment if self.servers else {}, PATH=os.environ["PATH"], HOME=self.folder,
                   TOLLGATE_URL=f"http://127.0.0.1:{self.servers[server].port}", NO_COLOR="1")
        if hasattr(self, "admin_key"):
            env["TOLLGATE_ADMIN_KEY"] = self.admin_key
        done = subprocess.run([str(BINARY), *argv], env=env, capture_output=True, text=True, timeout=120)
        assert done.returncode == code, f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout) if json_out else done.stdout

    @property
    def admin(self):
        return self.servers[0].client(self.admin_key)

    def price(self, model, rates, **more):
        answer = self.admin.post("/api/v1/prices", {
            "provider": "openai", "model": model, "max_output_tokens": 4096, "max_input_tokens": 128000,
            "rates": [{"meter": m, "charge": charge, "cost": cost} for m, charge, cost in rates], **more})
        assert answer.status == 201, answer
        return answer.json

    def customer(self, credits="10", **more):
        """A new customer with credits and a key: (customer id, key's secret)."""
        made = self.admin.post("/api/v1/customers", {"name": "test", **more})
        assert made.status == 201, made
        customer = made.json["id"]
        if credits != "0":
            assert self.admin.post("/api/v1/grants", {"customer": customer, "amount": credits}).status == 201
        return customer, self.key(customer)["secret"]

    def key(self, customer):
        made = self.admin.post("/api/v1/keys", {"customer": customer})
        assert made.status == 201, made
        return made.json

    def balance(self, customer):
        answer = self.admin.get(f"/api/v1/balance?customer={customer}")
        assert answer.status == 200, answer
        return answer.json

    def call(self, call_id):
        """The explanation of an ended call; waits while it is pending."""
        def ended():
            answer = self.admin.get(f"/api/v1/calls/{call_id}")
            return with_flags(answer.json) if answer.status == 200 and answer.json["state"] != "pending" else None
        return wait_for(ended, 20, f"{call_id} ending")

    def calls(self, customer):
        found, cursor = [], ""
        while True:
            page = self.admin.get(f"/api/v1/calls?customer={customer}&limit=100{cursor}").json
            found += [with_flags(call) for call in page["data"]]
            if not page["has_more"]:
                return found
            cursor = "&cursor=" + page["next_cursor"]

    def quiet(self, timeout=30):
        """Waits until no call is pending. Explicit holds stay as long as they may."""
        wait_for(lambda: self.cluster.sql("SELECT count(*) FROM holds WHERE expires_at IS NULL")[0][0] == 0, timeout, "all calls ending")

    def audit(self):
        """The books, held against every invariant: AssertionError with the rows that break one."""
        return self.tool("audit", "--json")

    def stop(self):
        for server in self.servers:
            assert "ERROR: AddressSanitizer" not in server.log() and "runtime error: " not in server.log(), server.log()[-6000:]
            if server.process.poll() is None:
                server.process.send_signal(signal.SIGCONT)
                assert server.stop() == 0, server.log()[-3000:]
        self.stand_in.stop()
        import shutil
        shutil.rmtree(self.folder, ignore_errors=True)


def with_flags(call):
    """A call with its flags as booleans: call["estimated"]."""
    return {**call, **{flag: flag in call["flags"] for flag in ("estimated", "partial", "late", "swept", "aborted")}}


def text_of(sse):
    """The content of a stream's chunks."""
    out = ""
    for line in sse.decode().split("\n"):
        if line.startswith("data: {"):
            for choice in json.loads(line[6:]).get("choices", []):
                out += choice.get("delta", {}).get("content") or ""
    return out
