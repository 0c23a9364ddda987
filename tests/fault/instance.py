"""One server under test: its process, its way to the database through the proxy, its page (preload.py), and its metrics,
which go on counting over restarts."""
import os
import signal
import time

from tests.harness.port import free_port
from tests.harness.process import BINARY, BUILD, start, wait_for
from tests.harness.server import Client, Server

from .preload import Page

SANITIZED = "asan" in BUILD.name
SETTINGS = {"TOLLGATE_LEASE_MS": "1500", "TOLLGATE_FIRST_BYTE_MS": "3000", "TOLLGATE_BETWEEN_CHUNKS_MS": "2000",
            "TOLLGATE_UPSTREAM_TOTAL_MS": "8000", "TOLLGATE_DRAIN_MS": "12000", "TOLLGATE_METRICS": "open",
            "TOLLGATE_MAX_CONNECTIONS_PER_IP": "20000", "TOLLGATE_LOG_LEVEL": "info"}


class Instance(Server):
    def __init__(self, cluster, folder, master_key, name, link, plugins):
        self.name, self.link = name, link
        self.page = Page(os.path.join(folder, name + ".page"))
        self.base, self.sample, self.deaths, self.kills = {}, {}, [], 0
        self.expected_dead = False
        super().__init__(cluster, folder, master_key, **SETTINGS, DATABASE_URL=cluster.tcp_url(link.port),
                         TOLLGATE_PLUGIN_DIR=plugins, TOLLGATE_INSTANCE=name, **self._preload())

    def _preload(self):
        more = {"LD_PRELOAD": str(BUILD / "fault" / "fault_preload.so"), "FAULT_PAGE": self.page.path}
        if SANITIZED:
            more["ASAN_OPTIONS"] = "detect_leaks=0:abort_on_error=1:quarantine_size_mb=8:verify_asan_link_order=0"
        return more

    @property
    def pid(self):
        return self.process.pid

    def start(self, wait=True):
        self.expected_dead = False
        self.base, self.sample = self.total(), {}
        super().start(wait)

    def ready(self):
        if self.process.poll() == 1 and "the database cannot be reached" in self.log()[-1000:].rstrip().rsplit("\n", 1)[-1]:
            self.process = start([BINARY, "serve"], env=self.environment, log=self.log_path)  # as whatever watches over it would
        assert self.process.poll() is None, f"{self.name} ended with {self.process.returncode}: " + self.log()[-3000:]
        try:
            return Client(self.port).get("/readyz", timeout=5, check=False).status == 200
        except (OSError, ValueError):
            return False

    def wait_ready(self, timeout=60):
        wait_for(self.ready, timeout, f"{self.name} being ready")

    def alive(self):
        return self.process.poll() is None

    def kill(self):
        self.measure()
        self.expected_dead = True
        self.kills += 1
        super().kill()

    def send(self, number):
        self.process.send_signal(number)

    def restart(self, how=signal.SIGTERM):
        """In good order; the exit code."""
        self.measure()
        self.expected_dead = True
        code = self.stop(how)
        self.start()
        return code

    def revive(self, why):
        """Starts again what a fault has ended, and says so; nothing where it lives."""
        if self.alive():
            return False
        self.deaths.append((why, self.process.returncode))
        self.page.clear()
        self.start()
        return True

    def measure(self):
        """Reads /metrics: {name{labels}: value}. What a process had counted when it died is lost since its last reading."""
        try:
            text = Client(self.port).get("/metrics", timeout=3, check=False).body.decode()
        except (OSError, ValueError):
            return self.total()
        now = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                now[name] = int(value)
        self.sample = now
        return self.total()

    def total(self):
        """Counters over all lives of this instance so far."""
        return {k: self.base.get(k, 0) + self.sample.get(k, 0) for k in set(self.base) | set(self.sample)}

    def threads(self):
        return sorted(int(t) for t in os.listdir(f"/proc/{self.pid}/task"))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def rss_kib(self):
        return super().rss_kib() if self.alive() else 0


