"""Processor time by component: the server's threads by name, and what PostgreSQL's processes took."""
import collections
import os
import subprocess

TICK_US = 1_000_000 / os.sysconf("SC_CLK_TCK")


def _ticks(path):
    try:
        with open(path) as f:
            fields = f.read().rsplit(")", 1)[1].split()
    except OSError:
        return 0  # it has ended
    return int(fields[11]) + int(fields[12])


def process_us(pid):
    return _ticks(f"/proc/{pid}/stat") * TICK_US


def threads_us(pid):
    """Microseconds so far by thread name; threads of one name add up."""
    sums = collections.Counter()
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/comm") as f:
                name = f.read().strip()
        except OSError:
            continue
        sums[name] += _ticks(f"/proc/{pid}/task/{task}/stat") * TICK_US
    return sums


def ended_children_us(pid):
    """Of the children of `pid` that have ended: PostgreSQL's backends are its postmaster's."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[13]) + int(fields[14])) * TICK_US


def children(pid):
    return [int(p) for p in subprocess.run(["ps", "--ppid", str(pid), "-o", "pid="], capture_output=True, text=True).stdout.split()]


def family_us(pid):
    """Of a process and its children: PostgreSQL, nginx."""
    return process_us(pid) + sum(process_us(p) for p in children(pid))
