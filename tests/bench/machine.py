"""Where figures come from: they say nothing without it."""
import datetime
import os
import platform
import re
import subprocess

from tests.harness.process import ROOT

SETTINGS = ("fsync", "synchronous_commit", "wal_sync_method", "shared_buffers", "max_wal_size", "full_page_writes", "wal_compression", "jit")


def _cpu():
    with open("/proc/cpuinfo") as f:
        found = re.search(r"model name\s*:\s*(.*)", f.read())
    return found.group(1).strip() if found else platform.machine()


def _memory_gib():
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def _git(*argv):
    return subprocess.run(["git", *argv], cwd=ROOT, capture_output=True, text=True).stdout.strip()


def facts(cluster):
    """Of this machine, this commit and that PostgreSQL."""
    return {
        "date": datetime.date.today().isoformat(),
        "commit": (_git("rev-parse", "--short", "HEAD") or "unknown") + ("+" if _git("status", "--porcelain", "-uno") else ""),
        "cores": os.cpu_count(), "cpu": _cpu(), "memory_gib": _memory_gib(), "kernel": platform.release(),
        "load_before": os.getloadavg()[0],
        "postgresql": cluster.sql("SHOW server_version")[0][0],
        "settings": {name: cluster.sql(f"SHOW {name}")[0][0] for name in SETTINGS},
    }


def text(f):
    settings = ", ".join(f"{k} {v}" for k, v in f["settings"].items())
    return (f"{f['date']}, commit {f['commit']}; {f['cores']} cores ({f['cpu']}), {f['memory_gib']} GiB, Linux {f['kernel']}, load before {f['load_before']:.2f}\n"
            f"PostgreSQL {f['postgresql']}: {settings}; load generators, upstreams, server and database on this one machine")
