"""Resident memory of the server while streams stand open, a chunk a second each; and whether it stays flat under load."""
import subprocess
import time

from .. import load
from ..gateway_ground import BODY, STREAM_BODY
from ..rows import Row

OPEN = (100, 1000, 5000)
CHUNK_US = 1_000_000


class OpenStreams:
    """`count` streams through the server, open until the end of the with block."""

    def __init__(self, g, count):
        argv = load.pace_argv(g.server.port, g.key, g.folder, STREAM_BODY, rate=500, seconds=3600, connections=count, count=count)
        self.process = subprocess.Popen([str(a) for a in argv], stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        first = self.process.stdout.readline()
        assert first == "open\n", first
        time.sleep(5)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        r = load.pace_result(self.process.communicate()[0])
        assert r["refused"] == 0 and r["broken"] == 0, r


def _fresh(g):
    g.server.stop()
    g.server.start()


def measure(g):
    g.stream_with(chunks=36_000, interval_us=CHUNK_US)
    g.provide(g.streams.port)
    counts = OPEN[:2] if g.options.quick else OPEN
    seen = {}
    for count in counts:
        _fresh(g)
        seen[0] = g.rss_mib()
        with OpenStreams(g, count):
            seen[count] = g.rss_mib()
        g.world.quiet(60)
    _fresh(g)
    g.provide(g.nginx.upstream)
    load.wrk(g.server.port, g.key, 256, g.options.seconds, g.folder, BODY)
    used = g.rss_mib()
    g.provide(g.streams.port)
    with OpenStreams(g, 1000):
        again = g.rss_mib()
    g.world.quiet(60)
    g.provide(g.nginx.upstream)
    each = (seen[1000] - seen[0]) * 1024 / 1000
    texts = ", ".join(f"{mib:.1f} at {count:,}" for count, mib in sorted(seen.items()))
    return [Row("memory", "resident MiB of the server at 1,000 open streams", seen[1000], "<= 64",
                f"{texts}: {each:.1f} KiB a stream. A stream takes two of its file descriptors; the hard limit of the process bounds them", {"mib": seen, "kib_a_stream": each}),
            Row("memory", "the same in a server that has served plain calls before", again, "<= 64", f"{used:.1f} MiB before", {"before": used})]


# ---- --soak MINUTES

def slope(samples):
    """MiB an hour, by least squares over (seconds, MiB)."""
    n = len(samples)
    mean_t, mean_m = sum(t for t, _ in samples) / n, sum(m for _, m in samples) / n
    spread = sum((t - mean_t) ** 2 for t, _ in samples)
    return 3600 * sum((t - mean_t) * (m - mean_m) for t, m in samples) / spread if spread else 0.0


def soak(g, minutes):
    """Plain calls and short streams for so long, at half of what would saturate the machine; a sample every five seconds."""
    g.stream_with(chunks=20, interval_us=100_000)
    g.provide(g.streams.port)
    argv = load.pace_argv(g.server.port, g.key, g.folder, STREAM_BODY, rate=200, seconds=int(minutes * 60), connections=1000)
    began, samples = time.monotonic(), []
    with subprocess.Popen([str(a) for a in argv], stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            time.sleep(5)
            samples.append((time.monotonic() - began, g.rss_mib()))
        r = load.pace_result(process.stdout.read())
    g.provide(g.nginx.upstream)
    later = [s for s in samples if s[0] > samples[-1][0] / 2]
    return [Row("soak", f"MiB an hour that resident memory grows by, over the second half of {minutes:g} minutes", slope(later), "",
                f"{r['answered']:,} streams of 2 s; {samples[0][1]:.1f} MiB after five seconds, {later[0][1]:.1f} half-way, {samples[-1][1]:.1f} at the end, "
                f"{max(m for _, m in samples):.1f} at most; {r['refused']} refused, {r['broken']} broken", {"samples": samples})]
