"""Faults on request: a rule says which calls it meets, how often or how likely, and what then happens, before the work or after
it. Chances are drawn from the seed, one draw a request and rule, so that one order of requests meets one order of faults.

kinds: timeout (no answer, the connection stays until the caller leaves or `seconds` are over), reset (the connection is torn
down), status (409, 429, 500, 503 as Stripe would word it) and slow (`seconds` later, all is well)."""
import fnmatch
import itertools
import random
import threading

from .errors import StripeError, key_in_use

KINDS = ("timeout", "reset", "status", "slow")
FIELDS = {"kind": None, "when": "before", "method": "*", "path": "*", "times": None, "skip": 0, "probability": 1.0, "status": 500,
          "should_retry": None, "reason": None, "code": None, "kept": None, "seconds": 60.0}


class Rule:
    def __init__(self, id, given):
        unknown = set(given) - set(FIELDS)
        if unknown or given.get("kind") not in KINDS or given.get("when", "before") not in ("before", "after"):
            raise ValueError(f"a fault has the fields {', '.join(FIELDS)}; kind is one of {', '.join(KINDS)}, when is before or after: {given}")
        self.id, self.met = id, 0
        self.given = {**FIELDS, **given}
        self.__dict__.update(self.given)

    @property
    def name(self):
        return f"{self.kind}{'-' + str(self.status) if self.kind == 'status' else ''}-{self.when}"

    def meets(self, method, path):
        return fnmatch.fnmatchcase(method, self.method) and fnmatch.fnmatchcase(path, self.path)

    def error(self):
        """The answer of a `status` fault. A 500 belongs to its key unless `kept` says otherwise; 409 and 429 never do."""
        headers = {} if self.should_retry is None else {"Stripe-Should-Retry": "true" if self.should_retry else "false"}
        if self.status == 409:
            error = key_in_use()
        elif self.status == 429 and self.reason:
            error = StripeError(429, "invalid_request_error", "Too many requests.", code=self.code or "rate_limit",
                                headers={"Stripe-Rate-Limited-Reason": self.reason})
        elif self.status == 429:
            error = StripeError(429, "invalid_request_error", "This object is being changed by another request.", code=self.code or "lock_timeout")
        else:
            error = StripeError(self.status, "api_error", "Something went wrong at the stand-in, as it was told to.", code=self.code,
                                kept=self.status >= 500 if self.kept is None else self.kept)
        error.headers.update(headers)
        return error

    def shown(self):
        return {"id": self.id, "name": self.name, "met": self.met, **self.given}


class Faults:
    def __init__(self, seed):
        self._rules, self._lock, self._count = [], threading.Lock(), itertools.count(1)
        self._random = random.Random(f"{seed}/faults")

    def add(self, **given):
        with self._lock:
            rule = Rule(next(self._count), given)
            self._rules.append(rule)
            return rule

    def clear(self):
        with self._lock:
            self._rules.clear()

    def shown(self):
        with self._lock:
            return [rule.shown() for rule in self._rules]

    def choose(self, method, path):
        """The first rule that strikes this call, or None."""
        with self._lock:
            for rule in self._rules:
                if not rule.meets(method, path) or (rule.times is not None and rule.met >= rule.times):
                    continue
                if rule.skip > 0:
                    rule.skip -= 1
                elif rule.probability >= 1 or self._random.random() < rule.probability:
                    rule.met += 1
                    return rule
            return None
