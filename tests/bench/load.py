"""The load generators: wrk (closed loop), pace (open loop), pairs (the ledger without HTTP), pgbench."""
import json
import os
import re
import subprocess
import tempfile
import time

from tests.harness.cluster import _bin
from tests.harness.process import BUILD

from . import cpu

TOOLS = BUILD / "bench"


def _run(argv):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True)
    assert done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def _run_on(cluster, argv):
    """What it printed, and the microseconds of CPU of the backends that it left."""
    before = cpu.ended_children_us(cluster.process.pid)
    out = _run(argv)
    time.sleep(0.1)  # until they have ended
    return out, cpu.ended_children_us(cluster.process.pid) - before


def _body_file(folder, body):
    path = os.path.join(folder, f"body-{abs(hash(body))}")
    with open(path, "w") as f:
        f.write(body)
    return path


def wrk(port, key, connections, seconds, folder, body):
    """As many plain calls as come back. Asserts that all were answered with 200."""
    script = os.path.join(folder, "chat.lua")
    with open(script, "w") as f:
        f.write(f"wrk.method='POST'\nwrk.path='/v1/chat/completions'\nwrk.body=[==[{body}]==]\n"
                f"wrk.headers['Content-Type']='application/json'\nwrk.headers['Authorization']='Bearer {key}'\n"
                "done=function(s,l,r) io.write(string.format('\\nRESULT %d %d %d %d %d %d\\n', s.requests, s.duration, l:percentile(50), l:percentile(99), "
                "s.errors.status, s.errors.connect+s.errors.read+s.errors.write+s.errors.timeout)) end\n")
    out = _run(["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", script, f"http://127.0.0.1:{port}"])
    requests, duration, p50, p99, bad, broken = map(int, re.search(r"RESULT (.*)", out).group(1).split())
    assert bad == 0 and broken == 0, out
    return {"requests": requests, "per_second": requests / (duration / 1e6), "p50_us": p50, "p99_us": p99, "connections": connections}


def pace_argv(port, key, folder, body, *, rate, seconds, connections, count=0, stamps=False):
    argv = [TOOLS / "pace", "--port", port, "--key", key, "--body", _body_file(folder, body), "--rate", rate, "--seconds", seconds,
            "--connections", connections]
    return argv + (["--count", count] if count else []) + (["--stamps"] if stamps else [])


def pace(*where, **how):
    """`rate` requests a second whatever the answers do; durations from when each was due, in nanoseconds."""
    return pace_result(_run(pace_argv(*where, **how)))


def pace_result(out):
    return json.loads(out.strip().split("\n")[-1])


def pairs(cluster, customers, slots=256, **how):
    """hold + settle through the ledger's writer. how: seconds, count or fund."""
    argv = [TOOLS / "pairs", "--url", cluster.url(), "--customers", customers, "--slots", slots]
    for name, value in how.items():
        argv += [f"--{name}", value]
    out, database_us = _run_on(cluster, argv)
    r = json.loads(out)
    r["database_us"] = database_us / max(1, r["pairs"])
    r["per_second"] = r["pairs"] / (r["seconds_us"] / 1e6)
    return r


def events(port, key, customers, **how):
    """Usage events, batches of them or holds through the API, closed loop. how: seconds or count, connections, batch, pairs."""
    argv = [TOOLS / "events", "--port", port, "--key", key, "--customers", customers]
    for name, value in how.items():
        argv += [f"--{name}"] if value is True else [f"--{name}", value]
    r = json.loads(_run(argv))
    assert r["refused"] == 0, r
    r["per_second"] = r["units"] / (r["seconds_us"] / 1e6)
    return r


def pgbench(cluster, script, clients, seconds, **variables):
    """Transactions a second and their mean latency."""
    argv = [_bin("pgbench"), "-n", "-M", "prepared", "-f", script, "-c", clients, "-j", min(clients, 2), "-T", seconds]
    for name, value in variables.items():
        argv += ["-D", f"{name}={value}"]
    out, database_us = _run_on(cluster, [*argv, cluster.url()])
    done = int(re.search(r"transactions actually processed: (\d+)", out).group(1))
    per_second = re.search(r"tps = ([0-9.]+)", out)  # none where nothing was done in the time: a machine that others load
    return {"per_second": float(per_second.group(1)) if per_second else 0.0, "clients": clients, "database_us": database_us / max(1, done),
            "latency_us": float(re.search(r"latency average = ([0-9.]+) ms", out).group(1)) * 1000 if per_second else 0.0}


def pgbench_times(cluster, script, clients, seconds, **variables):
    """Microseconds of each transaction, sorted."""
    with tempfile.TemporaryDirectory(prefix="tg-bench-", dir="/tmp") as folder:
        argv = [_bin("pgbench"), "-n", "-M", "prepared", "-f", script, "-c", clients, "-j", min(clients, 2), "-T", seconds, "--log", "--log-prefix", os.path.join(folder, "log")]
        for name, value in variables.items():
            argv += ["-D", f"{name}={value}"]
        _run([*argv, cluster.url()])
        times = []
        for name in os.listdir(folder):
            with open(os.path.join(folder, name)) as f:
                times += [int(line.split()[2]) for line in f]
    return sorted(times)


def psql_file(cluster, path):
    _run([_bin("psql") or "psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", path, cluster.url()])
