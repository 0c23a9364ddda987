"""tests/fault/run: see README.md."""
import argparse
import json
import secrets
import signal
import sys

from . import report
from .rig import Rig, kill_all


def options(argv):
    p = argparse.ArgumentParser(prog="tests/fault/run", description="Breaks everything around and inside a running Tollgate, and holds the books against what was told.")
    p.add_argument("--minutes", type=float, default=2.0, help="how long (2)")
    p.add_argument("--rounds", type=int, help="so many faults instead")
    p.add_argument("--first", type=int, default=0, help="the number of the first round (0): a round's fault depends on the seed and its number alone")
    p.add_argument("--pace", type=float, default=1.0, help="a factor for the pauses before and inside faults (1); --only F1 --pace 0.2 kills and kills")
    p.add_argument("--seed", help="the same choice of faults, times and loads again; default: a new one, printed")
    p.add_argument("--only", help="faults by number or name, separated by commas: F1,F7")
    p.add_argument("--once", action="store_true", help="one fault of each number, once: a short round")
    p.add_argument("--threads", type=int, default=12, help="callers at once (12)")
    p.add_argument("--json", metavar="FILE", help="the report as JSON too")
    p.add_argument("--go-on", action="store_true", help="do not stop at the first thing that does not add up")
    p.add_argument("--keep", action="store_true", help="leave logs and database for a look")
    p.add_argument("--counts", action="store_true", help="end with a line 'N passed, M failed': a test for each fault and each invariant")
    chosen = p.parse_args(argv)
    chosen.seed = chosen.seed or secrets.token_hex(4)
    chosen.only = chosen.only.split(",") if chosen.only else None
    return chosen


def main():
    chosen = options(sys.argv[1:])
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(f"seed {chosen.seed}", flush=True)
    rig = Rig(chosen)
    try:
        rig.run()
    finally:
        kill_all(rig)
    result = report.make(rig)
    report.show(result, sys.stdout)
    if chosen.json:
        with open(chosen.json, "w") as f:
            json.dump(result, f, indent=1, default=str)
    if chosen.keep or result["failed"]:
        print(f"left in {rig.world.folder}")
    else:
        rig.world.remove()
    if chosen.counts:
        print(f"{result['passed']} passed, {len(result['failed'])} failed")
    return 1 if result["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
