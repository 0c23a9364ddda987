"""Worlds (a cluster, servers, the stand-in, prices), one for each file, since they cost a second or two."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from tests.harness.cluster import Cluster  # noqa: E402
from tests.harness.process import ROOT  # noqa: E402
from tests.harness.server import World  # noqa: E402
from tests.stripe.fake import FakeStripe  # noqa: E402

# What takes longest begins first where files run beside each other: no process is left alone with one at the end.
LONGEST = ("top_ups", "rights", "contract", "sequences", "checkout", "journal", "payment_own_stories", "restore", "webhooks_apart",
           "top_up_restore", "payment_stories", "webhooks", "recordings", "payment_kills")
FIXTURES = ROOT.parent / "shared" / "fixtures" / "providers"


def pytest_collection_modifyitems(items):
    turn = {f"test_{name}": n for n, name in enumerate(LONGEST)}
    items.sort(key=lambda item: turn.get(item.path.stem, len(LONGEST)))


@pytest.fixture(scope="module")
def cluster():
    c = Cluster(settings=["fsync=off"])
    yield c
    c.remove()


@pytest.fixture(scope="module")
def stripe():
    with FakeStripe() as fake:
        yield fake
        fake.no_bugs()


@pytest.fixture(scope="module")
def world(cluster, stripe):
    options = ["--replay", str(FIXTURES / "openai")] if FIXTURES.is_dir() else []
    w = World(cluster, stand_in_options=options, stripe=stripe, TOLLGATE_FIRST_BYTE_MS="3000", TOLLGATE_BETWEEN_CHUNKS_MS="2000", TOLLGATE_UPSTREAM_TOTAL_MS="30000")
    yield w
    w.quiet()
    w.audit()
    w.stop()


@pytest.fixture(scope="module")
def pair():
    """Two instances on one database."""
    c = Cluster(settings=["fsync=off"])
    w = World(c, instances=2)
    yield w
    w.quiet()
    w.audit()
    w.stop()
    c.remove()
