"""The fault proxy's commands (proxy/proxy.h)."""
import os
import socket
import threading

from tests.harness.process import BUILD, start, stop, wait_for


class Proxy:
    def __init__(self, folder):
        self.path = os.path.join(folder, "proxy.sock")
        self.process = start([BUILD / "fault" / "fault_proxy", self.path], log=os.path.join(folder, "proxy.log"))
        self.socket = wait_for(self._connect, 20, "the proxy's socket")
        self.lines = self.socket.makefile("rb")
        self.lock = threading.Lock()  # faults run side by side

    def _connect(self):
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(self.path)
            return connection
        except OSError:
            connection.close()
            return None

    def ask(self, *words):
        with self.lock:
            self.socket.sendall((" ".join(str(w) for w in words) + "\n").encode())
            answer = self.lines.readline().decode().split()
        assert answer and answer[0] == "ok", f"the proxy refused {words}: {answer}"
        return answer[1:]

    def link(self, name, target, pg=False):
        return Link(self, name, int(self.ask("link", name, 0, target, *(["pg"] if pg else []))[0]))

    def stop(self):
        self.socket.close()
        stop(self.process)


class Link:
    """One way through the proxy: clients connect to `port`."""

    def __init__(self, proxy, name, port):
        self.proxy, self.name, self.port = proxy, name, port

    def count(self, what=None):
        counts = {k: int(v) for k, v in (pair.split("=") for pair in self.proxy.ask("count", self.name))}
        return counts[what] if what else counts

    def target(self, port):
        self.proxy.ask("target", self.name, port)

    def toxic(self, direction, kind, *numbers):
        self.proxy.ask("toxic", self.name, direction, kind, *numbers)

    def cut(self, how="reset"):
        self.proxy.ask("cut", self.name, how)

    def down(self):
        self.proxy.ask("down", self.name)

    def commit(self, plan, count=1, ms=0):
        self.proxy.ask("commit", self.name, plan, count, ms)

    def clear(self):
        self.proxy.ask("clear", self.name)
