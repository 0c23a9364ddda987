"""The price book: what a model's meters cost, by the version in force at a time. A total is rounded once, half to even."""
from fractions import Fraction

from .amounts import nano


class Version:
    def __init__(self, id, rates, begins):
        self.id, self.begins, self.ends = id, begins, None
        self.rates = {meter: Fraction(nano(charge), per) for meter, per, charge in rates}

    def costs(self, usage):
        """Nanocredits, or None where a meter has no rate."""
        used = {meter: n for meter, n in usage.items() if n}
        if any(meter not in self.rates for meter in used):
            return None
        return round(sum((n * self.rates[meter] for meter, n in used.items()), Fraction(0)))  # Python's round is half to even


class Book:
    def __init__(self):
        self.versions = {}

    def add(self, model, version):
        """A new version ends the one before it."""
        of = self.versions.setdefault(model, [])
        if of:
            of[-1].ends = version.begins
        of.append(version)

    def at(self, model, at):
        """The version in force, or None."""
        for v in self.versions.get(model, []):
            if v.begins <= at and (v.ends is None or at < v.ends):
                return v
        return None

    def rate(self, model, usage, at):
        """(version, nanocredits); (None or a version, None): it waits for a price. What was not used at all needs none."""
        version = self.at(model, at)
        if version is None:
            return None, None if any(usage.values()) else 0
        return version, version.costs(usage)
