"""Where the gateway is measured: a cluster, one server with a provider, nginx as upstream and as partner, streams that stamp
their chunks."""
import json
import os
import shutil
import tempfile
import time

from tests.harness.cluster import Cluster
from tests.harness.port import free_port
from tests.harness.process import start, stop, wait_for
from tests.harness.server import World

from . import load
from .ledger_ground import SETTINGS
from .nginx import Nginx

MODEL = "gpt-4o-mini"
ANSWER = json.dumps({"id": "chatcmpl-bench", "object": "chat.completion", "created": 1700000000, "model": MODEL, "choices": [
    {"index": 0, "message": {"role": "assistant", "content": "Fine, thank you. And how are you today?"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 12, "completion_tokens": 10, "total_tokens": 22}})
BODY = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "How are you today?"}], "max_tokens": 50})
STREAM_BODY = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "How are you today?"}], "max_tokens": 4000, "stream": True})
PRICE_PAUSE = 2.5  # changes of providers and prices are in force everywhere after two seconds


class Streams:
    """upstream.c: streams of `chunks` chunks, one each `interval_us`."""

    def __init__(self, folder, chunks, interval_us):
        port_file = os.path.join(folder, f"upstream-{free_port()}.port")
        self.process = start([load.TOOLS / "upstream", "--port-file", port_file, "--chunks", chunks, "--interval-us", interval_us],
                             log=os.path.join(folder, "upstream.log"))
        self.port = int(wait_for(lambda: os.path.exists(port_file) and open(port_file).read(), 10, "the streaming upstream"))

    def stop(self):
        stop(self.process)


class GatewayGround:
    def __init__(self, options):
        self.options = options
        self.folder = tempfile.mkdtemp(prefix="tg-bench-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.cluster = Cluster(settings=SETTINGS)
        self.world = World(self.cluster, TOLLGATE_LOG_LEVEL="warn", TOLLGATE_MAX_CONNECTIONS_PER_IP="8000")
        self.server = self.world.servers[0]
        _, self.key = self.world.customer("1000000")
        self.streams = self.nginx = None
        self.stream_with(chunks=1, interval_us=1000)
        load.wrk(self.server.port, self.key, 32, 1, self.folder, BODY)

    def stream_with(self, chunks, interval_us):
        """A fresh streaming upstream with such streams, and nginx in front of it. Plain calls go to nginx's own upstream."""
        for old in (self.streams, self.nginx):
            if old:
                old.stop()
        self.streams = Streams(self.folder, chunks, interval_us)
        self.nginx = Nginx(self.folder, ANSWER, self.streams.port)
        self.provide(self.nginx.upstream)

    def provide(self, port):
        """The server's provider is at this port from now on."""
        self.world.admin.patch("/api/v1/providers/" + self.world.provider["id"], {"base_url": f"http://127.0.0.1:{port}"})
        time.sleep(PRICE_PAUSE)

    def rss_mib(self):
        return self.server.rss_kib() / 1024

    def audit(self):
        """A figure counts only with sound books."""
        self.world.quiet(60)
        self.world.audit()

    def close(self):
        for part in (self.streams, self.nginx, self.world.stand_in):
            if part:
                part.stop()
        for server in self.world.servers:
            if server.process.poll() is None:
                server.kill()
        self.cluster.remove()
        for folder in (self.folder, self.world.folder):
            shutil.rmtree(folder, ignore_errors=True)
