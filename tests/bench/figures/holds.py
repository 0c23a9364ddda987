"""How much more is held than is charged, on a replay of mixed streams: lengths spread as products of small factors (so that
most are short and a few are long), several keys and models, output caps mostly far above what comes."""
import concurrent.futures
import decimal
import http.client
import json
import random
import statistics
import threading
import time

from tests.harness.server import StandIn

from ..rows import Row

CHUNK_MS, AT_A_TIME, SAMPLE_S = 4, 24, 0.05
NANO = 1_000_000_000


def _traffic(count):
    """(length in tokens, max_tokens or None, which key), the same in every run."""
    rng = random.Random(20)
    calls = []
    for _ in range(count):
        length = 10
        for _ in range(5):
            length = length * rng.choice((1, 1, 2, 2, 3, 5)) // rng.choice((1, 1, 1, 2))
        length = max(4, min(length, 1500))
        cap = rng.choice((4096, 4096, 4096, 4096, None, 2048, 2 * length))
        calls.append((length, cap, rng.randrange(4)))
    return calls


def _stream(port, key, length, cap):
    """(call's id, seconds it took)"""
    body = {"model": f"stand-in:long-{length}", "messages": [{"role": "user", "content": "word " * 40}], "stream": True}
    if cap:
        body["max_tokens"] = cap
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == 200 and b"[DONE]" in text, (answer.status, text[-300:])
        return answer.getheader("X-Tollgate-Call"), time.monotonic() - began
    finally:
        connection.close()


class HeldOverTime:
    """The integral of what all customers have held, in nanocredit-seconds."""

    def __init__(self, cluster):
        self.connection, self.sum, self.stop = cluster.connect(), 0, threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        with self.connection.cursor() as cursor:
            last = time.monotonic()
            while not self.stop.wait(SAMPLE_S):
                cursor.execute("SELECT coalesce(sum(held), 0) FROM customers")
                now = time.monotonic()
                self.sum += int(cursor.fetchone()[0]) * (now - last)
                last = now

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        self.connection.close()


def _nano(amount):
    """An amount as the API writes it, or as a number of nanocredits."""
    return amount if isinstance(amount, int) else int(decimal.Decimal(amount) * NANO)


def _of_call(g, call_id):
    """(peak of the hold, charge, extensions) from the call's own explanation."""
    call = g.world.call(call_id)
    admission = call["hold"]
    extended = [_nano(a) for a in admission.get("extended", [])]
    return max([_nano(admission["hold"]), *extended]), _nano(call["charge"]), len(extended)


def _replay(g, calls, keys):
    with HeldOverTime(g.cluster) as held, concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        streams = [pool.submit(_stream, g.server.port, keys[key], length, cap) for length, cap, key in calls]
        ended = [s.result() for s in streams]
    return ended, held.sum


def measure(g):
    calls = _traffic(60 if g.options.quick else 300)
    for length in sorted({length for length, _, _ in calls}):
        g.world.price(f"stand-in:long-{length}", g.world.PRICES["gpt-4o-mini"])
    keys = [g.world.customer("1000")[1] for _ in range(4)]
    stand_in = StandIn(g.folder, "--chunk-ms", str(CHUNK_MS))
    try:
        g.provide(stand_in.port)
        ended, held = _replay(g, calls, keys)
    finally:
        g.provide(g.nginx.upstream)
        stand_in.stop()
    told = [_of_call(g, call_id) for call_id, _ in ended]
    ratios = sorted(peak / charge for peak, charge, _ in told)
    least = sum(charge * seconds for (_, charge, _), (_, seconds) in zip(told, ended))
    overall = sum(peak for peak, _, _ in told) / sum(charge for _, charge, _ in told)
    extensions = statistics.mean(n for _, _, n in told)
    return [Row("holds", "over-reservation of streams: the most held, against the charge", overall, "",
                f"{len(told)} replayed streams of {min(c[0] for c in calls)} to {max(c[0] for c in calls)} tokens; of one call median {statistics.median(ratios):.1f}, "
                f"p90 {ratios[len(ratios) * 9 // 10]:.1f}; over time {held / least:.1f}; {extensions:.2f} extensions a call",
                {"ratios": ratios, "over_time": held / least, "extensions": extensions})]
