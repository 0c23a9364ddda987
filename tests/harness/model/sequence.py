"""A sequence of random steps, from its seed. A step is a name and a number: what it does exactly is drawn from that number and from
the books as they stand when its turn comes, so that a sequence of which steps are left out is a sequence still."""
import random
import time

from . import do_credits, do_events, do_holds  # noqa: F401  the steps
from .steps import KINDS, Disagreement, Sequence

SHRINK_S = 60
TOLD = 16  # requests of the shortest sequence that are shown


def steps_of(seed, count):
    chance = random.Random(seed)
    names, weights = zip(*((name, weight) for name, (weight, _) in KINDS.items()))
    return [(i, name, chance.getrandbits(48)) for i, name in enumerate(chance.choices(names, weights, k=count))]


def run(real, seed, steps, trace=None):
    """The Disagreement that was found, or None."""
    sequence = Sequence(real, seed, trace)
    try:
        sequence.go(steps)
    except Disagreement as found:
        return found
    except AssertionError as found:  # what was waited for did not come true, or an answer is not of the contract
        return Disagreement(sequence.at, (sequence.step, "AssertionError"), f"{sequence.step}: {found}")
    return None


def shrink(real, seed, steps, found, seconds=SHRINK_S):
    """Fewer steps that disagree in the same thing: the last few, if those are enough; then without a half, a quarter, …"""
    until = time.monotonic() + seconds
    steps = [s for s in steps if s[0] <= found.at]
    few = 25
    while few < len(steps) and time.monotonic() < until:
        again = run(real, seed, steps[-few:])
        if again is not None and again.kind == found.kind:
            steps, found = [s for s in steps[-few:] if s[0] <= again.at], again
            break
        few *= 2
    size = len(steps) // 2
    while size:
        at = 0
        while at < len(steps) and time.monotonic() < until:
            fewer = steps[:at] + steps[at + size:]
            again = run(real, seed, fewer)
            if again is not None and again.kind == found.kind:
                steps, found = [s for s in fewer if s[0] <= again.at], again
            else:
                at += size
        size //= 2
    return steps, found


def shown(real, seed, count, found, seconds=SHRINK_S):
    """What to say of a disagreement: how to have it again, and the last requests of the shortest sequence that has it."""
    steps, _ = shrink(real, seed, steps_of(seed, count), found, seconds)
    lines = []
    again = run(real, seed, steps, lines.append)
    return "\n".join([f"seed {seed}: {found}", f"again: python3 -m tests.harness.model --first {seed} --steps {count}",
                      f"of its steps {[(i, name) for i, name, _ in steps]} are enough:", *lines[-TOLD:], str(again)])
