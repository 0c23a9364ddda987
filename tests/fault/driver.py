"""Starts the client program (load.py) and tells it what to do."""
import json
import os
import queue
import subprocess
import sys
import threading

from tests.harness.process import ROOT, _die_with_parent

from .record import Lines


class Driver:
    def __init__(self, world, threads):
        self.log_path = os.path.join(world.folder, "client.log")
        config = {"servers": [i.port for i in world.instances], "admin": world.admin_key, "seed": world.seed, "log": self.log_path,
                  "customers": [c.plain() for c in world.customers], "threads": threads}
        path = os.path.join(world.folder, "client.json")
        with open(path, "w") as f:
            json.dump(config, f)
        self.errors = os.path.join(world.folder, "client.err")
        self.process = subprocess.Popen([sys.executable, "-m", "tests.fault.load", path], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=open(self.errors, "ab"), preexec_fn=_die_with_parent, text=True)
        self.answers, self.lock, self.next = {"start": queue.Queue()}, threading.Lock(), 0
        threading.Thread(target=self._read, daemon=True).start()
        self.answers["start"].get(timeout=60)
        self.lines = Lines(self.log_path)

    def _read(self):
        for line in self.process.stdout:
            answer = json.loads(line)
            waiting = self.answers.get(answer["done"])
            if waiting:
                waiting.put(answer)

    def begin(self, do, **more):
        """Asks; wait(...) on what this returns gives the answer."""
        with self.lock:
            self.next += 1
            name = f"{do}{self.next}"
            self.answers[name] = queue.Queue()
            self.process.stdin.write(json.dumps({"do": do, "id": name, **more}) + "\n")
            self.process.stdin.flush()
        return name

    def wait(self, name, timeout=240):
        try:
            return self.answers[name].get(timeout=timeout)
        except queue.Empty:
            raise AssertionError(f"the client did not answer {name} within {timeout} s: " + open(self.errors).read()[-2000:]) from None
        finally:
            del self.answers[name]

    def ask(self, do, **more):
        return self.wait(self.begin(do, **more))

    def burst(self, name, **more):
        """Many calls of one kind; {status or how it was lost: how many}."""
        return self.ask("burst", name=name, **more)["statuses"]

    def counts(self):
        return self.ask("counts")["counts"]

    def stop(self):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()
