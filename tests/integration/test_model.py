"""The real binary against a small plain model (tests/harness/model): random sequences of grants, holds, extensions, settlements, parts,
releases, events, voids, expiries, changes of limits, policies and prices, and steps of the database's clock. Answers, balances and
grants agree after every step. More seeds, longer ones and two instances: python3 -m tests.harness.model --help."""
import pytest

from tests.harness.model.real import Real
from tests.harness.model.sequence import run, shown, steps_of

SEEDS = (3, 20261127)
STEPS = 1000


@pytest.fixture(scope="module")
def real():
    made = Real()
    yield made
    made.world.audit()
    made.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_binary_and_the_model_agree_at_every_step(real, seed):
    found = run(real, seed, steps_of(seed, STEPS))
    assert found is None, shown(real, seed, STEPS, found)
