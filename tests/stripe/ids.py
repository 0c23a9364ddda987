"""Ids of Stripe's shapes. A seed makes the same ids again; without one they differ between runs, as a database that outlives a
run of the stand-in needs."""
import random
import string

ALPHABET = string.ascii_letters + string.digits
# what follows the prefix: a fixed start and how much is drawn
SHAPES = {"cus_": ("", 14), "cs_test_": ("a1", 56), "cs_live_": ("a1", 56), "prod_": ("", 14), "sub_": ("1", 23), "req_": ("", 14),
          "whsec_": ("", 32), "evt_test_": ("65", 30), "mtr_test_": ("61", 30)}


class Ids:
    def __init__(self, seed):
        self._random = random.Random(f"{seed}/ids")

    def text(self, length):
        return "".join(self._random.choices(ALPHABET, k=length))

    def make(self, prefix):
        start, length = SHAPES.get(prefix, ("3", 23))
        return prefix + start + self.text(length)
