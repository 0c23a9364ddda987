"""A campaign of many seeds, from the root of the repository: python3 -m tests.harness.model --seeds 200. A seed in which the binary and the
model disagree is printed, made short, and shown request by request; --first SEED has it again. TOLLGATE_BUILD names the build."""
import argparse
import sys
import time

from .real import Real
from .sequence import SHRINK_S, run, shown, steps_of


def options():
    of = argparse.ArgumentParser(prog="tests.harness.model", description=__doc__)
    of.add_argument("--seeds", type=int, default=1)
    of.add_argument("--first", type=int, default=1)
    of.add_argument("--steps", type=int, default=3000)
    of.add_argument("--instances", type=int, default=1)
    of.add_argument("--world", type=int, default=20, help="sequences on one database")
    of.add_argument("--shrink", type=float, default=SHRINK_S, help="seconds to make a failing sequence shorter")
    of.add_argument("--go-on", action="store_true", help="after a seed that disagrees")
    return of.parse_args()


def world(seeds, args):
    """How many of these disagreed."""
    real, bad = Real(args.instances), 0
    try:
        for seed in seeds:
            began = time.monotonic()
            found = run(real, seed, steps_of(seed, args.steps))
            print(f"seed {seed}: {'agreed' if found is None else 'FAILED'} ({time.monotonic() - began:.0f} s)", flush=True)
            if found:
                bad += 1
                print(shown(real, seed, args.steps, found, args.shrink), flush=True)
                if not args.go_on:
                    break
        real.world.audit()
    finally:
        real.close()
    return bad


def main():
    args, bad, done = options(), 0, 0
    for first in range(args.first, args.first + args.seeds, args.world):
        seeds = range(first, min(first + args.world, args.first + args.seeds))
        bad, done = bad + world(seeds, args), done + len(seeds)
        if bad and not args.go_on:
            break
    print(f"{done - bad} agreed, {bad} did not")
    sys.exit(bad > 0)


main()
