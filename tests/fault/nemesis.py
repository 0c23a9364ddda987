"""Which fault comes when, and beside which other: a function of the seed and the round's number alone."""
import random

from .registry import companions, possible

BESIDE = 0.3  # of the rounds have a second fault


class Turns:
    """Turn after turn through a bag that has every fault in it, some more than once, each turn in another order. No end of its own."""
    rounds = None

    def __init__(self, seed, only):
        self.seed, self.only = seed, only
        self.bag = [f for f in possible() if not only or f.code in only or f.name in only for _ in range(1 if only else f.weight)]
        assert self.bag, f"no fault is called {only}"

    def choose(self, number):
        """The fault of that round, and the one beside it or None."""
        turn, at = divmod(number, len(self.bag))
        bag = list(self.bag)
        random.Random(f"{self.seed}:bag:{turn}").shuffle(bag)
        fault, rng = bag[at], random.Random(f"{self.seed}:beside-of:{number}")
        if self.only or not fault.company or rng.random() >= BESIDE:
            return fault, None
        return fault, rng.choice([f for f in companions() if f.name != fault.name])


class Once:
    """One fault of each number. Those that may run beside another do, as far as there are others."""

    def __init__(self, seed):
        rng = random.Random(f"{seed}:once")
        codes = {}
        for fault in possible():
            codes.setdefault(fault.code, []).append(fault)
        chosen = [rng.choice(of) for of in codes.values()]
        rng.shuffle(chosen)
        beside = [f for f in chosen if f.companion]
        first = [f for f in chosen if not f.companion]
        self.pairs = [(f, beside.pop() if f.company and beside else None) for f in first] + [(f, None) for f in beside]
        self.rounds = len(self.pairs)

    def choose(self, number):
        return self.pairs[number]
