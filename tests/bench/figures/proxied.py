"""Proxied calls, closed loop: the best of a few numbers of connections for each side, in turn, so that both meet the same
machine. With it the processor time of one call by component."""
from .. import cpu, load
from ..gateway_ground import BODY
from ..rows import Row

CONNECTIONS = (32, 128, 256)


def _components(g):
    return {**{f"server {name}": us for name, us in cpu.threads_us(g.server.process.pid).items()},
            "PostgreSQL": cpu.family_us(g.cluster.process.pid), "upstream": cpu.family_us(g.nginx.process.pid)}


def _tollgate(g, connections, seconds):
    before = _components(g)
    r = load.wrk(g.server.port, g.key, connections, seconds, g.folder, BODY)
    r["cpu_us"] = {name: (us - before.get(name, 0)) / r["requests"] for name, us in _components(g).items()}
    return r


def best(g, seconds):
    """(tollgate's best, nginx's best)"""
    tollgate, nginx = [], []
    for connections in CONNECTIONS:
        nginx.append(load.wrk(g.nginx.proxy, g.key, connections, seconds, g.folder, BODY))
        tollgate.append(_tollgate(g, connections, seconds))
    return (max(side, key=lambda r: r["per_second"]) for side in (tollgate, nginx))


def measure(g):
    tollgate, nginx = best(g, g.options.seconds)
    g.closed_loop = {"tollgate": tollgate["per_second"], "nginx": nginx["per_second"]}
    ratio = tollgate["per_second"] / nginx["per_second"]
    shares = tollgate["cpu_us"]
    server = sum(us for name, us in shares.items() if name.startswith("server"))
    parts = ", ".join(f"{name} {us:.1f}" for name, us in sorted(shares.items(), key=lambda s: -s[1]) if us >= 0.5)
    return [Row("proxied", "proxied calls, hold + upstream + settle, against nginx proxy_pass", ratio, ">= 0.2",
                f"{tollgate['per_second']:,.0f}/s at {tollgate['connections']} connections against {nginx['per_second']:,.0f}/s at {nginx['connections']} (0.25 is the stretch)",
                {"tollgate": tollgate, "nginx": nginx}),
            Row("proxied", "microseconds of CPU a proxied call, server and PostgreSQL", server + shares["PostgreSQL"], "",
                f"server {server:.1f}: {parts}", {"cpu_us": shares})]
