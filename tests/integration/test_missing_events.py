"""Events that never arrive are found: Stripe's own list is read now and then, and what orders wait for is asked after. The stand-in
tells nothing by itself here."""
import pytest

from tests.harness.buying import STORIES, begin
from tests.harness.cluster import Cluster
from tests.harness.process import wait_for
from tests.harness.shop import Buyer, Shop

PERIOD = {"STRIPE_EVENTS_SECONDS": "1"}


@pytest.fixture(scope="module")
def shop(stripe):
    c = Cluster(settings=["fsync=off"])
    s = Shop(c, stripe, **PERIOD)
    yield s
    s.told()
    s.check_payments()
    s.audit()
    s.stop()
    c.remove()


def found(shop, buyers):
    """The ids of all that Stripe has to say are here, and acted on."""
    ids = [e["id"] for e in shop.stripe.events()]
    wait_for(lambda: shop.cluster.sql("SELECT count(*) FROM stripe_events WHERE id = ANY (%s)", ids)[0][0] == len(ids), 60, "the events being found", step=0.1)
    shop.told()
    return buyers


def test_each_story_ends_as_it_does_where_nothing_arrives(shop):
    told = [(name, *begin(shop, name)) for name in STORIES]
    found(shop, told)
    for name, buyer, end in told:
        assert buyer.balance == end.balance, (name, shop.parked())
        assert end.stands(buyer), name
    assert shop.parked() == {}


def test_where_only_some_arrive_the_others_are_found(shop):
    told = [(name, *begin(shop, name)) for name in ("three_refunds_add_up", "a_refund_fails", "a_second_dispute_follows", "a_plan_goes_on")]
    for n, (_, buyer, _) in enumerate(told):
        buyer.tell([i for i in range(len(buyer.bodies)) if (i + n) % 3])
    found(shop, told)
    for name, buyer, end in told:
        assert buyer.balance == end.balance and end.stands(buyer), name


def test_what_happened_while_no_server_was_there_is_found_at_its_start(shop):
    """More than a page of it, and the reading interrupted in between."""
    with Buyer(shop) as buyer:
        order = buyer.order()
    server = shop.servers[0]
    assert server.stop() == 0
    with buyer:
        shop.stripe.complete(order["stripe_id"])
        for n in range(130):
            shop.stripe.post("/v1/customers", {"name": f"nobody {n}"})
    mark = shop.cluster.sql("SELECT read_to FROM stripe_reading")
    shop.stripe.fault("status", method="GET", path="/v1/events", status=403, skip=1, times=1)
    server.start()
    wait_for(lambda: "reconcile.failed" in server.log(), 30, "the reading being interrupted")
    assert shop.cluster.sql("SELECT read_to FROM stripe_reading") == mark, "it is read again from there"
    assert server.stop() == 0
    shop.stripe.clear_faults()
    server.start()
    wait_for(lambda: buyer.balance == 2000, 60, "the purchase")
    wait_for(lambda: shop.cluster.sql("SELECT read_to FROM stripe_reading") > mark, 30, "the mark moving")


def test_an_order_that_waits_is_asked_after_where_even_the_list_is_silent(shop):
    bought, expired, open_ = Buyer(shop), Buyer(shop), Buyer(shop)
    pages = [b.order()["stripe_id"] for b in (bought, expired, open_)]
    server, since = shop.servers[0], len(shop.stripe.events())
    assert server.stop() == 0
    shop.stripe.complete(pages[0])
    shop.stripe.control("POST", f"/sessions/{pages[1]}/expire")
    for event in shop.stripe.events()[since:]:  # as if the list reached no further back
        shop.stripe.account.events.made.pop(event["id"])
    shop.cluster.sql("UPDATE orders SET created_at = created_at - interval '11 minutes', updated_at = updated_at - interval '11 minutes' WHERE state = 1")
    server.start()
    wait_for(lambda: bought.balance == 2000, 60, "the purchase")
    wait_for(lambda: expired.orders()[0]["state"] == "expired", 30, "the end of the page")
    assert bought.orders()[0]["state"] == "paid" and open_.orders()[0]["state"] == "open"
