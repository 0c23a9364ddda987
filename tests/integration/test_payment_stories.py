"""Every story of payments ends with the same balance, in whatever order its events come, and however often."""
import json
import random

import pytest

from conftest import Cluster, ROOT, World
from tests.harness.story import CREDIT, Story
from tests.stripe.fake import FakeStripe

STORIES = ROOT.parent / "shared" / "fixtures" / "stripe"
SECRET = "whsec_story_0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def stripe():
    with FakeStripe() as fake:
        yield fake


@pytest.fixture(scope="module")
def world(cluster, stripe):
    w = World(cluster, STRIPE_SECRET_KEY=stripe.key, STRIPE_WEBHOOK_SECRET=SECRET, STRIPE_API_BASE=stripe.url)
    yield w
    w.audit()
    w.stop()


@pytest.fixture(scope="module")
def plan(world):
    """The plan of the recorded stories: by the price that their invoices name."""
    world.cluster.sql("INSERT INTO products (id, kind, name, currency, price, credits, period, stripe_price) VALUES "
                      "('00000000-0000-7000-8000-0000000000aa', 2, 'Pro', 'usd', 5000, %s, 1, 'price_1Fx0000000000000000PRO')", 5000 * CREDIT)
    return "00000000-0000-7000-8000-0000000000aa"


def recorded():
    if not STORIES.is_dir():
        return []
    return json.loads((STORIES / "scenarios.json").read_text())["scenarios"]


def bodies(scenario):
    return [json.loads((STORIES / d["file"]).read_text()) for d in scenario["deliveries"]]


def orders_of(count, seeds=4):
    """In order, reversed, and shuffled with some deliveries made twice."""
    yield "in order", list(range(count))
    yield "reversed", list(reversed(range(count)))
    for seed in range(seeds):
        chance = random.Random(seed)
        shuffled = list(range(count)) + [chance.randrange(count) for _ in range(min(3, count))]
        chance.shuffle(shuffled)
        yield f"seed {seed}", shuffled


@pytest.mark.parametrize("scenario", recorded(), ids=[s["name"] for s in recorded()])
def test_a_story_in_order_has_the_balance_it_says_after_each_delivery(world, plan, scenario):
    story = Story(world, bodies(scenario), SECRET, plan=plan)
    for i, delivery in enumerate(scenario["deliveries"]):
        story.deliver(i)
        story.quiet()
        assert story.balance == delivery["balance_after"], (delivery["file"], story.events())


@pytest.mark.parametrize("scenario", recorded(), ids=[s["name"] for s in recorded()])
def test_a_story_in_any_order_and_with_duplicates_ends_the_same(world, plan, scenario):
    told = []
    for name, order in orders_of(len(scenario["deliveries"])):
        story = Story(world, bodies(scenario), SECRET, plan=plan)
        for i in order:
            story.deliver(i)
        told.append((name, story))
    for name, story in told:
        story.quiet()
        assert story.balance == scenario["final_balance"], (name, story.events())
