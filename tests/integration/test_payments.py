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


def test_a_payment_is_shown_with_what_is_said_against_it(world, paid):
    reference = f"pi_{parse_id(paid['pay']).hex}"
    world.cluster.sql("INSERT INTO refunds (id, payment, amount, currency, back, status) VALUES (%s, %s, 500, 'usd', true, 'failed')", f"re_{reference}", reference)
    world.cluster.sql("INSERT INTO disputes (id, payment, amount, currency, state, lost, open, status) VALUES (%s, %s, 700, 'usd', 2, false, true, 'needs_response')",
                      f"du_{reference}", reference)
    told = shown(world, paid)
    assert told["reference"] == reference and (told["paid"], told["net"], told["credits"], told["kind"], told["order"]) == (2000, 2000, "20", "purchase", None)
    refund, dispute = told["refunds"][0], told["disputes"][0]
    assert (refund["id"], refund["amount"], refund["came_back"], refund["status"]) == (f"re_{reference}", 500, True, "failed")
    assert (dispute["amount"], dispute["money"], dispute["open"], dispute["lost"]) == (700, "withdrawn", True, False)
    listed = world.admin.get(f"/api/v1/payments?customer={paid['cus']}").json["data"]
    assert listed == [{k: v for k, v in told.items() if k not in ("refunds", "disputes")}]


def test_problems_are_everybodys_and_in_pages_and_end_when_they_were_seen(world):
    made = [Subject(world) for _ in range(3)]
    ids = [s["pay"] for s in made]
    page = world.admin.get("/api/v1/payments/problems?limit=2").json
    assert [p["id"] for p in page["data"]] == [ids[2], ids[1]] and page["has_more"]
    assert world.admin.get(f"/api/v1/payments/problems?limit=1&cursor={page['next_cursor']}").json["data"][0]["id"] == ids[0]
    assert shown(world, made[1])["problem"] == "test"
    for _ in range(2):
        seen = world.admin.post(f"/api/v1/payments/{ids[1]}/seen?customer={made[1]['cus']}", None)
        assert seen.status == 200 and seen.json["problem"] is None
    assert ids[1] not in [p["id"] for p in world.admin.get("/api/v1/payments/problems?limit=100").json["data"]]
    assert shown(world, made[1])["problem"] is None and shown(world, made[0])["problem"] == "test"


def test_the_ledger_is_told_of_a_payment_once(world, paid):
    grants = world.admin.get(f"/api/v1/grants?customer={paid['cus']}").json["data"]
    assert [(g["amount"], g["left"], g["source"]) for g in grants] == [("20", "20", "purchase")]
    world.cluster.sql("UPDATE payments SET pending = true WHERE id = %s", str(parse_id(paid["pay"])))
    wait_for(lambda: not shown(world, paid)["pending"], 20, "the ledger being told again")
    assert world.admin.get(f"/api/v1/grants?customer={paid['cus']}").json["data"] == grants


# ---- top-ups

def agreed(s, **over):
    return {"customer": s["cus"], "product": s["prd"], "threshold": "5", "daily_count": 3, "monthly_cap": 20000, "return_url": "https://example.com/account",
            "consent_text": "terms of 2026-11", **over}


def test_a_top_up_is_kept_with_what_was_agreed_to(world):
    s = Subject(world)
    s["grt"], s["key"]
    for client, by in ((world.admin, None), (s.caller, s["key"])):
        made = client.post("/api/v1/top-ups", agreed(s, target="60", packs_at_once=2))
        assert made.status == 200, made
        told = made.json
        assert (told["threshold"], told["target"], told["packs_at_once"], told["state"], told["enabled"], told["failures"]) == ("5", "60", 2, "ready", True, 0)
        assert told["consent"]["text"] == "terms of 2026-11" and by in (None, told["consent"]["by"])
        assert told["consent"]["terms"] == {"threshold": "5", "product": s["prd"], "target": "60", "packs_at_once": 2, "daily_count": 3, "monthly_cap": 20000}
        assert client.get(f"/api/v1/top-ups?customer={s['cus']}").json == told
    # What is agreed to anew is another consent.
    before = told["consent"]["at"]
    again = s.caller.post("/api/v1/top-ups", agreed(s, threshold="7", consent_text="terms of 2026-12")).json
    assert again["consent"]["at"] > before and again["consent"]["terms"]["threshold"] == "7" and again["target"] is None


@pytest.mark.parametrize("over, blamed", [({"target": "5"}, "target"), ({"monthly_cap": 1999}, "monthly_cap"), ({"return_url": "https:///x"}, "return_url"),
                                          ({"return_url": "javascript://x"}, "return_url"), ({"threshold": "-1"}, "threshold"), ({"daily_count": 101}, "daily_count")])
def test_what_nobody_could_agree_to_is_refused_by_name(world, over, blamed):
    s = Subject(world)
    answer = world.admin.post("/api/v1/top-ups", agreed(s, **over))
    assert (answer.status, answer.json["error"]["param"]) == (400, blamed) and world.admin.get(f"/api/v1/top-ups?customer={s['cus']}").status == 404


def test_only_a_pack_that_is_sold_is_bought(world):
    s = Subject(world)
    plan = world.admin.post("/api/v1/products", {"kind": "plan", "name": "Pro", "currency": "usd", "price": 100, "credits": "1", "period": "month"}).json["id"]
    assert world.admin.post("/api/v1/top-ups", agreed(s, product=plan)).json["error"]["param"] == "product"
    assert world.admin.post(f"/api/v1/products/{s['prd']}/archive", None).status == 200
    assert world.admin.post("/api/v1/top-ups", agreed(s)).json["error"]["param"] == "product"


def test_a_top_up_that_was_taken_away_is_none(world):
    s = Subject(world)
    s["top"]
    for _ in range(2):
        gone = world.admin.delete(f"/api/v1/top-ups?customer={s['cus']}")
        assert gone.status == 200 and gone.json["deleted"]
    assert world.admin.get(f"/api/v1/top-ups?customer={s['cus']}").code == "not_found"
    assert world.admin.post(f"/api/v1/top-ups/release?customer={s['cus']}", None).code == "not_found"
