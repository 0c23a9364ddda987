"""What the client knows, on disk before it acts on it: one JSON object a line, each synced before `write` returns. Lines of
several threads are synced together."""
import json
import os
import threading


class Record:
    def __init__(self, path):
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.lock = threading.Condition()
        self.waiting, self.written, self.synced, self.busy = [], 0, 0, False

    def write(self, **fields):
        line = json.dumps(fields, separators=(",", ":")).encode() + b"\n"
        with self.lock:
            self.waiting.append(line)
            self.written += 1
            mine = self.written
            while self.synced < mine:
                if self.busy:
                    self.lock.wait()
                    continue
                self.busy = True
                lines, self.waiting, upto = self.waiting, [], self.written
                self.lock.release()
                try:
                    os.write(self.fd, b"".join(lines))
                    os.fdatasync(self.fd)
                finally:
                    self.lock.acquire()
                    self.busy = False
                self.synced = upto
                self.lock.notify_all()


class Lines:
    """Reads what a log has gained since the last time; only whole lines."""

    def __init__(self, path):
        self.path, self.at = path, 0

    def new(self):
        if not os.path.exists(self.path):
            return
        with open(self.path, "rb") as f:
            f.seek(self.at)
            for line in f:
                if not line.endswith(b"\n"):
                    return
                self.at += len(line)
                yield json.loads(line)
