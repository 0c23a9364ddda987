"""How old a stream's chunk is when it comes, beyond what it is without anybody between: upstream stamps each one with the
time it sends it at, the machine has one clock. Through the server and through nginx in turn."""
from .. import load
from ..gateway_ground import STREAM_BODY
from ..rows import Row

STREAMS, INTERVAL_US, ROUNDS = 200, 50_000, 2


def _round(g, port, seconds):
    r = load.pace(port, g.key, g.folder, STREAM_BODY, rate=STREAMS, seconds=seconds + 10, connections=STREAMS, count=STREAMS, stamps=True)
    assert r["refused"] == 0 and r["broken"] == 0 and r["unanswered"] == 0, r
    return r["chunk"]


def _middle(rounds, part):
    """Of a few rounds the lowest: what disturbs a round only ever adds."""
    return min(r[part] for r in rounds) / 1000


def measure(g):
    seconds = g.options.seconds
    g.stream_with(chunks=seconds * 1_000_000 // INTERVAL_US, interval_us=INTERVAL_US)
    g.provide(g.streams.port)
    ways = {"direct": g.streams.port, "nginx": g.nginx.stream_proxy, "tollgate": g.server.port}
    seen = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, port in ways.items():
            seen[name].append(_round(g, port, seconds))
    added = {name: {p: _middle(seen[name], p) - _middle(seen["direct"], p) for p in ("p50", "p99", "p999")} for name in ("nginx", "tollgate")}
    g.provide(g.nginx.upstream)
    ratio = added["tollgate"]["p99"] / max(added["nginx"]["p99"], 1)
    text = {name: " / ".join(f"{us:,.0f}" for us in parts.values()) for name, parts in added.items()}
    return [Row("chunk", "delay added to a streamed chunk, p99, against what nginx adds", ratio, "<= 2",
                f"{STREAMS} streams of {1_000_000 // INTERVAL_US} chunks a second; added p50 / p99 / p99.9 in us: {text['tollgate']} against {text['nginx']} "
                f"(direct p99 {_middle(seen['direct'], 'p99'):,.0f})", {"rounds": seen, "added_us": added})]
