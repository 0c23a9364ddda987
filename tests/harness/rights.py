"""Reads tests/integration/rights.txt: who may do what."""
from .process import ROOT


def table():
    """{operation: {caller: class of answer}}"""
    lines = [line.split() for line in (ROOT / "tests/integration/rights.txt").read_text().splitlines() if line.strip() and not line.startswith("#")]
    callers, rows = lines[0][1:], lines[1:]
    assert all(len(row) == len(callers) + 1 for row in rows) and len({row[0] for row in rows}) == len(rows)
    return {row[0]: dict(zip(callers, row[1:])) for row in rows}
