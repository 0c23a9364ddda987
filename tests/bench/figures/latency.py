"""What a call waits for beyond upstream's own answer: alone on one connection, beside the plain event at one client; and
open loop, at rates that leave the server some air, where a request's time counts from when it was due."""
import re
import socket
import statistics
import time

from .. import load, partners
from ..gateway_ground import BODY
from ..rows import Row

SHARES = (50, 80)  # per cent of the closed loop's best
CONNECTIONS = 256


def one_by_one(port, key, seconds):
    """One connection, one request after the other; each one's microseconds, the first tenth left out."""
    request = (f"POST /v1/chat/completions HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
               f"Content-Length: {len(BODY)}\r\n\r\n{BODY}").encode()
    times, until = [], time.monotonic() + seconds
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while time.monotonic() < until:
            began = time.perf_counter_ns()
            s.sendall(request)
            got = b""
            while b"\r\n\r\n" not in got:
                got += s.recv(65536)
            head, _, body = got.partition(b"\r\n\r\n")
            length = int(re.search(rb"(?i)content-length: (\d+)", head).group(1))
            while len(body) < length:
                body += s.recv(65536)
            times.append((time.perf_counter_ns() - began) / 1000)
            assert head.startswith(b"HTTP/1.1 200"), got[:300]
    return times[len(times) // 10:]


def _alone(g):
    """In short turns, so that a change of the machine's mood meets all three."""
    partners.make(g.cluster)
    plain, direct, through = [], [], []
    for _ in range(4):
        part = max(1, g.options.seconds // 4)
        plain.append(partners.plain(g.cluster, 1, part)["latency_us"])
        direct += one_by_one(g.nginx.upstream, g.key, part / 2)
        through += one_by_one(g.server.port, g.key, part)
    plain_us, base = statistics.median(plain), statistics.median(direct)
    p50, p99 = statistics.median(through) - base, sorted(through)[int(len(through) * 0.99)] - base
    numbers = {"plain_us": plain_us, "direct_us": base, "added_p50_us": p50, "added_p99_us": p99, "calls": len(through)}
    return [Row("latency", "added latency of a call alone (two commits), p50, against the plain event at one client", p50 / plain_us, "<= 3",
                f"{p50:,.0f} us against {plain_us:,.0f} us", numbers),
            Row("latency", "its p99 against its p50", p99 / p50, "<= 4", f"{p99:,.0f} us against {p50:,.0f} us")]


def _at(g, port, rate):
    r = load.pace(port, g.key, g.folder, BODY, rate=rate, seconds=g.options.seconds, connections=CONNECTIONS)
    assert r["refused"] == 0 and r["broken"] == 0, r
    return r


def _ms(r):
    return " / ".join(f"{r['whole'][p] / 1e6:.2f}" for p in ("p50", "p99", "p999"))


def _open_loop(g):
    rows = []
    for share in SHARES:
        rates = {name: max(1, int(best * share / 100)) for name, best in g.closed_loop.items()}
        ours, theirs = _at(g, g.server.port, rates["tollgate"]), _at(g, g.nginx.proxy, rates["nginx"])
        rows.append(Row("latency", f"milliseconds of a call at {share} % of the closed loop's best, open loop, p99", ours["whole"]["p99"] / 1e6, "",
                        f"p50 / p99 / p99.9: {_ms(ours)} at {rates['tollgate']:,}/s, {ours['unanswered']} unanswered\n"
                        f"nginx: {_ms(theirs)} at {rates['nginx']:,}/s",
                        {"tollgate": ours, "nginx": theirs, "rates": rates}))
    return rows


def measure(g):
    if not hasattr(g, "closed_loop"):
        from . import proxied
        tollgate, nginx = proxied.best(g, max(1, g.options.seconds // 2))
        g.closed_loop = {"tollgate": tollgate["per_second"], "nginx": nginx["per_second"]}
    return _alone(g) + _open_loop(g)
