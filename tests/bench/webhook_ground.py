"""Where webhooks are measured: a cluster, one server, nginx as the endpoint that takes everything, and beside it one that does not
answer in time and one that is not there."""
import os
import shutil
import socket
import tempfile
import threading

from tests.harness.cluster import Cluster
from tests.harness.port import free_port
from tests.harness.process import start, stop, wait_for
from tests.harness.server import World

from .ledger_ground import SETTINGS
from .nginx import answers

CONF = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.err error; worker_rlimit_nofile 20000;
events {{ worker_connections 9000; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  keepalive_requests 1000000; keepalive_timeout 300s;
  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 204; }} }}
}}"""


class Taker:
    """Answers 204 to everything."""

    def __init__(self, folder):
        self.port = free_port()
        conf = os.path.join(folder, "taker.conf")
        with open(conf, "w") as f:
            f.write(CONF.format(folder=folder, port=self.port))
        self.process = start(["nginx", "-c", conf, "-p", folder], log=os.path.join(folder, "taker.log"))
        wait_for(lambda: answers(self.port), 10, "nginx")
        self.url = f"http://127.0.0.1:{self.port}/"

    def stop(self):
        stop(self.process)


class Slow:
    """Takes connections and requests, and answers nothing."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"
        self.held = []
        threading.Thread(target=self._hold, daemon=True).start()

    def _hold(self):
        try:
            while True:
                self.held.append(self.listener.accept()[0])
        except OSError:
            pass

    def stop(self):
        self.listener.close()
        for one in self.held:
            one.close()


class WebhookGround:
    def __init__(self, options):
        self.options = options
        self.folder = tempfile.mkdtemp(prefix="tg-bench-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.cluster = Cluster(settings=SETTINGS)
        self.world = World(self.cluster, TOLLGATE_LOG_LEVEL="warn", TOLLGATE_WEBHOOK_ALLOW="127.0.0.0/8")
        self.server = self.world.servers[0]
        self.taker, self.slow = Taker(self.folder), Slow()

    def endpoint(self, url, **more):
        made = self.world.admin.post("/api/v1/webhook-endpoints", {"url": url, "events": ["usage.settled"], **more})
        assert made.status == 201, made
        return made.json["id"]

    def delivered(self):
        text = self.world.admin.get("/metrics").body.decode()
        return next(int(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith('tollgate_webhook_deliveries_total{state="delivered"}'))

    def audit(self):
        self.world.audit()

    def close(self):
        self.taker.stop()
        self.slow.stop()
        self.world.stand_in.stop()
        for server in self.world.servers:
            server.kill()
        self.cluster.remove()
        for folder in (self.folder, self.world.folder):
            shutil.rmtree(folder, ignore_errors=True)
