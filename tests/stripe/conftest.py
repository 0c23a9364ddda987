"""A stand-in for each test, and a receiver that it tells its events to."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from tests.stripe.fake import FakeStripe  # noqa: E402
from tests.stripe.receiver import Receiver  # noqa: E402

SECRETS = ("whsec_first", "whsec_second")


@pytest.fixture
def receiver():
    made = Receiver(*SECRETS)
    yield made
    made.stop()


@pytest.fixture
def stripe():
    """Without an endpoint: events are kept and told to nobody."""
    with FakeStripe(seed="test") as made:
        yield made
        made.no_bugs()


@pytest.fixture
def told(receiver):
    """With one: (the stand-in, its receiver)."""
    with FakeStripe(seed="test", webhook_url=receiver.url, webhook_secrets=SECRETS[:1]) as made:
        yield made, receiver
        made.no_bugs()


@pytest.fixture
def customer(stripe):
    return stripe.post("/v1/customers", {"email": "buyer@example.com"})
