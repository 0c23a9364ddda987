"""A database that was restored from a backup comes to know from Stripe what was bought since, before anything is bought again: a real
dump, a purchase, and the dump restored, under servers that start and under servers that go on."""
import glob
import os
import signal
import subprocess

import psycopg2
import pytest

from tests.harness.cluster import Cluster
from tests.harness.process import wait_for
from tests.harness.shop import Shop
from tests.harness.topped_up import Customer

TOOLS = os.path.dirname(sorted(glob.glob("/usr/lib/postgresql/*/bin/pg_dump"))[-1])


@pytest.fixture(scope="module")
def shop(stripe):
    c = Cluster(settings=["fsync=off"])
    s = Shop(c, stripe, instances=2)
    yield s
    s.quiet()
    s.told()
    s.check_payments()
    s.audit()
    s.stop()
    c.remove()


def dump(shop):
    return subprocess.run([f"{TOOLS}/pg_dump", "--no-owner", shop.cluster.url()], capture_output=True, check=True).stdout


def restore(shop, backup):
    shop.cluster.sql("DROP DATABASE tollgate WITH (FORCE)", database="postgres")
    shop.cluster.sql("CREATE DATABASE tollgate", database="postgres")
    subprocess.run([f"{TOOLS}/psql", "-q", "-v", "ON_ERROR_STOP=1", shop.cluster.url()], input=backup, check=True, stdout=subprocess.DEVNULL)


@pytest.fixture
def bought_since(shop):
    """(the customer, a backup from before its top-up was bought: it is due there at once)"""
    customer = Customer(shop)
    due = "UPDATE top_ups SET retry_at = %s WHERE customer_id = %s"
    shop.cluster.sql(due, "2999-01-01", customer.uuid)
    customer.cross()
    wait_for(lambda: shop.cluster.sql("SELECT top_up_due FROM customers WHERE id = %s", customer.uuid)[0][0], 30, "its being due")
    shop.quiet()
    backup = dump(shop).replace(b"2999-01-01 00:00:00+00", b"2000-01-01 00:00:00+00")
    shop.cluster.sql(due, None, customer.uuid)
    customer.bought()
    return customer, backup


def asked_since(shop, since):
    """(method, path) of what Stripe was asked since so many requests."""
    return [(r["method"], r["path"]) for r in shop.stripe.requests()[since:]]


def stop(shop):
    for server in shop.servers:
        assert server.stop() == 0


def start(shop):
    for server in shop.servers:
        server.start()


def found_again(customer):
    customer.bought()
    assert customer.balance == 505 and len(customer.attempts()) == len(customer.charges()) == 1
    assert customer.payments()[0]["kind"] == "top_up" and customer.orders("top_up")[0]["credits"] == "500"


def test_what_was_bought_since_the_backup_is_found_before_anything_is_bought(shop, bought_since):
    customer, backup = bought_since
    stop(shop)
    restore(shop, backup)
    assert customer.shop.cluster.sql("SELECT count(*) FROM orders WHERE customer_id = %s AND kind = 2", customer.uuid) == [(0,)]
    since = len(shop.stripe.requests())
    start(shop)
    found_again(customer)
    asked = asked_since(shop, since)
    assert asked[0] == ("GET", "/v1/events") and ("POST", "/v1/payment_intents") not in asked


def test_what_was_found_and_cannot_be_acted_on_yet_is_waited_for(shop, bought_since):
    """Somebody keeps the payment's row: its event is tried again and again."""
    customer, backup = bought_since
    intent = customer.charges()[0]["id"]
    stop(shop)
    restore(shop, backup)
    connection = psycopg2.connect(shop.cluster.url())
    try:
        connection.cursor().execute("INSERT INTO intents (id) VALUES (%s)", (intent,))
        since = len(shop.stripe.requests())
        start(shop)
        tried = "SELECT max(attempts) FROM stripe_events WHERE object_id = %s"
        wait_for(lambda: (shop.cluster.sql(tried, intent)[0][0] or 0) >= 2, 60, "the event being tried")
        looked = customer.now()["updated_at"]
        customer.until(lambda t: t["updated_at"] > looked, "another look at whether to buy")
        assert customer.now()["problem"] == "Stripe's events are being caught up with"
        assert ("POST", "/v1/payment_intents") not in asked_since(shop, since)
    finally:
        connection.rollback()
        connection.close()
    found_again(customer)


def test_a_database_that_is_restored_under_running_servers_is_caught_up_too(shop, bought_since):
    """They had read Stripe's list before the backup was made, and it is not due again for a long time."""
    customer, backup = bought_since
    since = len(shop.stripe.requests())
    for server in shop.servers:
        server.process.send_signal(signal.SIGSTOP)
    restore(shop, backup)
    for server in shop.servers:
        server.process.send_signal(signal.SIGCONT)
    found_again(customer)
    assert ("POST", "/v1/payment_intents") not in asked_since(shop, since)


def test_a_database_that_was_started_again_may_be_another(shop):
    """Nobody can tell: the list is read anew."""
    since = len(shop.stripe.requests())
    shop.cluster.restart()
    wait_for(lambda: asked_since(shop, since).count(("GET", "/v1/events")) == 2, 60, "both reading the list")
