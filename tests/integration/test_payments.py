"""Payments, subscriptions and top-ups as the API tells them."""
import threading

import psycopg2
import pytest

from tests.harness.process import wait_for
from tests.harness.subject import Subject
from tests.harness.typeid import parse_id


@pytest.fixture
def paid(world):
    """A payment that somebody has to look at, which the ledger knows of."""
    s = Subject(world)
    s["pay"]
    wait_for(lambda: not shown(world, s)["pending"], 20, "the ledger being told")
    return s


def shown(world, s):
    answer = world.admin.get(f"/api/v1/payments/{s['pay']}?customer={s['cus']}")
    assert answer.status == 200, answer
    return answer.json


def test_whoever_looks_at_a_payment_keeps_its_customer_from_nobody(world, paid):
    """The ledger is told of a payment under the payment's lock, and needs the customer's then."""
    connection = psycopg2.connect(world.cluster.url())
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT FROM payments WHERE id = %s FOR UPDATE", (str(parse_id(paid["pay"])),))
        answers = []
        looking = threading.Thread(target=lambda: answers.append(world.admin.post(f"/api/v1/payments/{paid['pay']}/seen?customer={paid['cus']}", None)))
        looking.start()
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE payments%%'"
        wait_for(lambda: world.cluster.sql(waiting)[0][0], 20, "the request waiting for the payment")
        cursor.execute("SELECT FROM customers WHERE id = %s FOR UPDATE NOWAIT", (str(parse_id(paid["cus"])),))
        connection.rollback()
        looking.join()
        assert answers[0].status == 200 and answers[0].json["problem"] is None
    finally:
        connection.close()
