"""From exec to the first 200 of /readyz, on a migrated database."""
import statistics
import time

from tests.harness.server import Client

from ..nginx import answers
from ..rows import Row

STARTS = 7


def measure(g):
    times = []
    g.server.stop()
    for _ in range(STARTS):
        began = time.monotonic()
        g.server.start(wait=False)
        while not answers(g.server.port):
            time.sleep(0.001)
        while Client(g.server.port).get("/readyz", check=False).status != 200:
            time.sleep(0.001)
        times.append((time.monotonic() - began) * 1000)
        g.server.stop()
    g.server.start()
    return [Row("startup", "milliseconds from start to first answer, migrated database", statistics.median(times), "<= 100",
                f"{min(times):.0f} to {max(times):.0f} ms over {STARTS} starts", {"ms": times})]
