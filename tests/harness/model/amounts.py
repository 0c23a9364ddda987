"""Amounts as whole nanocredits, and as the API tells them."""
from decimal import Decimal

CREDIT = 10 ** 9
LARGEST = 2 ** 63 - 1


def nano(text):
    """"12.5" -> 12500000000"""
    n = Decimal(text) * CREDIT
    assert n == int(n), text
    return int(n)


def told(n):
    """12500000000 -> "12.5" """
    whole, part = divmod(abs(n), CREDIT)
    return ("-" if n < 0 else "") + str(whole) + (f".{part:09d}".rstrip("0") if part else "")
