"""The table of faults. Each is a function of (rig, rng, alone) that injects, waits and takes back, and tells the rig by rig.bite
what it did; alone: no other fault runs, so that more may be expected of the service."""

import os


class Fault:
    def __init__(self, code, name, run, expected, weight, company, companion, root):
        self.code, self.name, self.run, self.expected, self.weight = code, name, run, expected, weight
        self.company, self.companion, self.root = company, companion, root


FAULTS = []
# Of the catalogue's numbers, those that there is nothing of here to break.
ABSENT = {"F9": "writes that were never synced and are lost with the power: needs a file system that forgets",
          "F21": "payment events", "F22": "receivers of webhooks", "F30": "a lost notification: no rule rests on one"}


def fault(code, name, expected, weight=1, company=True, companion=False, root=False):
    """company: another fault may run beside it; companion: it may be that other one (it starts no process); root: only root can
    inject it (it mounts a volume, it stops a stranger's thread)."""
    def add(run):
        FAULTS.append(Fault(code, name, run, expected, weight, company, companion, root))
        return run
    return add


def possible():
    return [f for f in FAULTS if not f.root or os.geteuid() == 0]


def companions():
    return [f for f in possible() if f.companion]


from . import faults_clients, faults_database, faults_inside, faults_journal, faults_network, faults_process, faults_upstream  # noqa: E402,F401
