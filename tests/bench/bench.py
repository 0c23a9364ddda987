"""The benchmark: proxied calls against nginx, added latency, memory, start-up. Everything runs on this machine, load generator
and database included, PostgreSQL with fsync and synchronous_commit on. Absolute times are noise; ratios within one run count."""
import argparse
import json
import os
import pathlib
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from tests.harness.cluster import Cluster, _bin  # noqa: E402
from tests.harness.process import BINARY, ROOT, start, stop, wait_for  # noqa: E402
from tests.harness.server import Client, World, free_port  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
ANSWER = json.dumps({"id": "chatcmpl-bench", "object": "chat.completion", "created": 1700000000, "model": "gpt-4o-mini", "choices": [
    {"index": 0, "message": {"role": "assistant", "content": "Fine, thank you. And how are you today?"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 12, "completion_tokens": 10, "total_tokens": 22}})
BODY = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "How are you today?"}], "max_tokens": 50})


class Nginx:
    """Two servers in one: an upstream that answers at once, and a proxy in front of it."""

    def __init__(self, folder):
        self.upstream, self.proxy = free_port(), free_port()
        conf = os.path.join(folder, "nginx.conf")
        with open(conf, "w") as f:
            f.write(f"""
daemon off; worker_processes 2; pid {folder}/nginx.pid; error_log {folder}/nginx.err error;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  keepalive_requests 1000000; keepalive_timeout 300s;
  upstream provider {{ server 127.0.0.1:{self.upstream}; keepalive 256; keepalive_requests 1000000; }}
  server {{ listen 127.0.0.1:{self.upstream} backlog=4096; location / {{ default_type application/json; return 200 '{ANSWER}'; }} }}
  server {{ listen 127.0.0.1:{self.proxy} backlog=4096; location / {{ proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }} }}
}}""")
        self.process = start(["nginx", "-c", conf, "-p", folder], log=os.path.join(folder, "nginx.log"))
        wait_for(lambda: _answers(self.proxy), 10, "nginx")

    def stop(self):
        stop(self.process)


def _answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def wrk(port, key, connections, seconds, folder):
    script = os.path.join(folder, "chat.lua")
    with open(script, "w") as f:
        f.write(f"wrk.method='POST'\nwrk.path='/v1/chat/completions'\nwrk.body=[==[{BODY}]==]\n"
                f"wrk.headers['Content-Type']='application/json'\nwrk.headers['Authorization']='Bearer {key}'\n"
                "done=function(s,l,r) io.write(string.format('\\nRESULT %d %d %d %d %d %d\\n', s.requests, s.duration, l:percentile(50), l:percentile(99), "
                "s.errors.status, s.errors.connect+s.errors.read+s.errors.write+s.errors.timeout)) end\n")
    out = subprocess.run(["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", script, f"http://127.0.0.1:{port}"],
                         capture_output=True, text=True, check=True).stdout
    requests, duration, p50, p99, bad, broken = map(int, re.search(r"RESULT (.*)", out).group(1).split())
    assert bad == 0 and broken == 0, out
    return {"per_second": requests / (duration / 1e6), "p50_us": p50, "p99_us": p99}


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cluster_cpu(pid):
    children = subprocess.run(["ps", "--ppid", str(pid), "-o", "pid="], capture_output=True, text=True).stdout.split()
    return sum(cpu_seconds(p) for p in children if os.path.exists(f"/proc/{p}"))


def proxied(world, nginx, key, seconds, rows):
    """Closed loop, the best of a few connection counts for each side, in turn so that both meet the same machine."""
    best = {"tollgate": None, "nginx": None}
    server = world.servers[0]
    for connections in (32, 128, 256):
        for name, port in (("nginx", nginx.proxy), ("tollgate", server.port)):
            before = cpu_seconds(server.process.pid), cluster_cpu(world.cluster.process.pid)
            r = wrk(port, key, connections, seconds, world.folder)
            if name == "tollgate":
                calls = r["per_second"] * seconds
                r["server_cpu_us"] = (cpu_seconds(server.process.pid) - before[0]) / calls * 1e6
                r["database_cpu_us"] = (cluster_cpu(world.cluster.process.pid) - before[1]) / calls * 1e6
            r["connections"] = connections
            if best[name] is None or r["per_second"] > best[name]["per_second"]:
                best[name] = r
    ratio = best["tollgate"]["per_second"] / best["nginx"]["per_second"]
    rows.append({"what": "proxied calls a second, hold + upstream + settle, against nginx proxy_pass", "value": ratio, "reach": ">= 0.2", "ok": ratio >= 0.2,
                 "detail": f"{best['tollgate']['per_second']:.0f}/s at {best['tollgate']['connections']} connections against {best['nginx']['per_second']:.0f}/s; "
                           f"CPU a call: server {best['tollgate']['server_cpu_us']:.0f} us, PostgreSQL {best['tollgate']['database_cpu_us']:.0f} us"})


def latency(world, nginx, key, seconds, rows):
    """Concurrency 1: what the call takes beyond the upstream's own answer, beside the plain event's latency at one client."""
    connection = world.cluster.url()
    for sql in ("plain_schema.sql",):
        subprocess.run([_bin("psql") or "psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(HERE / sql), connection], check=True, capture_output=True)
    out = subprocess.run([_bin("pgbench"), "-n", "-M", "prepared", "-f", str(HERE / "plain.sql"), "-D", "customers=100000", "-c", "1", "-T", str(seconds), connection],
                         capture_output=True, text=True, check=True).stdout
    plain_us = float(re.search(r"latency average = ([0-9.]+) ms", out).group(1)) * 1000
    direct, through = wrk_single(nginx.upstream, key, seconds), wrk_single(world.servers[0].port, key, seconds)
    p50 = statistics.median(through) - statistics.median(direct)
    p99 = sorted(through)[int(len(through) * 0.99)] - statistics.median(direct)
    rows.append({"what": "added latency of a call at concurrency 1 (two commits), p50, against the plain event", "value": p50 / plain_us, "reach": "<= 3",
                 "ok": p50 / plain_us <= 3, "detail": f"{p50:.0f} us against {plain_us:.0f} us"})
    rows.append({"what": "its p99 against its p50", "value": p99 / p50, "reach": "<= 4", "ok": p99 / p50 <= 4, "detail": f"{p99:.0f} us against {p50:.0f} us"})


def wrk_single(port, key, seconds):
    """One connection, one request after the other; each one's microseconds."""
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


def memory(world, key, rows):
    """1,000 streams open at once, a chunk each second."""
    server, sockets = world.servers[0], []
    world.admin.patch("/api/v1/providers/" + world.provider["id"], {"base_url": world.stand_in.url})
    time.sleep(2.5)
    idle = server.rss_kib()
    body = json.dumps({"model": "stand-in:slow-1000", "messages": [{"role": "user", "content": "w " * 60}], "stream": True})
    request = (f"POST /v1/chat/completions HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
               f"Content-Length: {len(body)}\r\n\r\n{body}").encode()
    for _ in range(1000):
        s = socket.create_connection(("127.0.0.1", server.port))
        s.sendall(request)
        sockets.append(s)
    for s in sockets:
        s.settimeout(30)
        assert s.recv(4096).startswith(b"HTTP/1.1 200")
    time.sleep(5)
    mib = server.rss_kib() / 1024
    for s in sockets:
        s.close()
    rows.append({"what": "resident MiB of the server at 1,000 open streams", "value": mib, "reach": "<= 64", "ok": mib <= 64, "detail": f"{idle / 1024:.0f} MiB before"})


def start_up(world, rows):
    server = world.servers[0]
    server.stop()
    times = []
    for _ in range(7):
        began = time.monotonic()
        server.start(wait=False)
        while not _answers(server.port):
            time.sleep(0.001)
        while Client(server.port).get("/readyz", check=False).status != 200:
            time.sleep(0.001)
        times.append((time.monotonic() - began) * 1000)
        server.stop()
    ms = statistics.median(times)
    rows.append({"what": "milliseconds from start to first answer, migrated database", "value": ms, "reach": "<= 100", "ok": ms <= 100, "detail": f"{min(times):.0f} to {max(times):.0f} ms over {len(times)} starts"})


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--json")
    options.add_argument("--seconds", type=int, default=8)
    options = options.parse_args()
    cluster, folder, rows = Cluster(settings=["fsync=on", "shared_buffers=256MB", "max_wal_size=2GB"]), tempfile.mkdtemp(prefix="tg-bench-", dir="/tmp"), []
    os.chmod(folder, 0o755)
    nginx = Nginx(folder)
    world = World(cluster, TOLLGATE_LOG_LEVEL="warn", TOLLGATE_MAX_CONNECTIONS_PER_IP="4096")
    try:
        world.admin.patch("/api/v1/providers/" + world.provider["id"], {"base_url": f"http://127.0.0.1:{nginx.upstream}"})
        time.sleep(2.5)
        world.price("stand-in:slow-1000", world.PRICES["gpt-4o-mini"])
        _, key = world.customer("1000000")
        wrk(world.servers[0].port, key, 32, 2, world.folder)
        proxied(world, nginx, key, options.seconds, rows)
        latency(world, nginx, key, options.seconds, rows)
        memory(world, key, rows)
        world.quiet(60)
        world.audit()
        start_up(world, rows)
    finally:
        nginx.stop()
        for server in world.servers:
            if server.process.poll() is None:
                server.kill()
        world.stand_in.stop()
        cluster.remove()
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(world.folder, ignore_errors=True)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    print(f"commit {commit or 'unknown'}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, PostgreSQL and load on the same machine\n")
    for r in rows:
        print(f"{'ok  ' if r['ok'] else 'MISS'}  {r['value']:8.2f}  (to reach {r['reach']})  {r['what']}\n                {r['detail']}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"commit": commit, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
