"""The books report over HTTP and from a shell: it adds up, it is what the customers' balances come to, in JSON, CSV and tables.
(That each day is what the ledger kept, in credits and in money, is tested in tests/server/report/books.c.)"""
import csv
import io
import json
import re
from decimal import Decimal

import pytest

from conftest import Cluster, ROOT, World
from tests.harness.story import CREDIT, Story
from tests.stripe.fake import FakeStripe

FLOWS = ("granted", "returned", "consumed", "expired", "refunded", "frozen", "won", "lost", "incurred", "repaid")


def books(world, query=""):
    answer = world.admin.get(f"/api/v1/reports/books{query}")
    assert answer.status == 200, answer
    return answer.json


def adds_up(row, sums):
    s = {name: Decimal(value) for name, value in sums.items()}
    if row["class"] == "debt":
        return s["closing"] == s["opening"] + s["incurred"] - s["repaid"] - s["returned"] and s["closing"] >= 0
    return (s["closing"] == s["opening"] + s["granted"] + s["returned"] - s["consumed"] - s["expired"] - s["refunded"] - s["frozen"] + s["won"]
            and s["frozen_closing"] == s["frozen_opening"] + s["frozen"] - s["won"] - s["lost"])


@pytest.fixture(scope="module")
def traded(world):
    """Something of everything that can be done without a payment; two purchases are made paid ones."""
    a = world.admin
    customer, key = world.customer("10", credit_limit="100")
    client = world.servers[0].client(key)
    code = a.post("/api/v1/codes", {"amount": "5"}).json["code"]
    assert a.post("/api/v1/codes/redeem", {"code": code, "customer": customer}).status == 201
    calls = [client.chat().headers["x-tollgate-call"] for _ in range(3)]
    assert a.post(f"/api/v1/calls/{calls[0]}/void", {"reason": "test"}).status == 200
    for _ in range(2):
        assert client.chat(model="per-request", max_tokens=9).status == 200  # more than there is: owed
    assert a.post("/api/v1/grants", {"customer": customer, "amount": "1", "source": "adjustment"}).status == 201
    other, _ = world.customer("7")
    world.cluster.sql("UPDATE grant_rows SET paid = 1000, currency = 'eur' WHERE granted = 10000000000 AND source = 1")
    world.cluster.sql("UPDATE grant_rows SET paid = 1500, currency = 'jpy' WHERE granted = 7000000000")
    for _ in range(3):  # together more than one customer can have
        assert a.post("/api/v1/grants", {"customer": world.customer("0")[0], "amount": "9223372036.854775807"}).status == 201
    world.quiet()
    return customer


def test_the_books_add_up_and_come_to_the_customers_balances(world, traded):
    b = books(world)
    assert b["from"][-3:] == b["until"][-3:] == "-01" and b["from"] < b["until"] and max(row["day"] for row in b["rows"]) == b["as_of"][:10] and b["time_zone"] == "UTC"
    for row in b["rows"] + b["totals"]:
        assert adds_up(row, row["credits"]) and (row["money"] is None) == (row["class"] != "paid")
        assert row["money"] is None or adds_up(row, row["money"])
    closing = sum(Decimal(row["credits"]["closing"]) * (-1 if row["class"] == "debt" else 1) for row in b["totals"])
    balances, = world.cluster.sql("SELECT sum(balance::numeric) FROM customers")[0]
    assert closing == Decimal(balances) / 10 ** 9 > Decimal("27670116110")
    by_class = {(row["class"], row["currency"]): row for row in b["totals"]}
    assert {name for name, _ in by_class} == {"paid", "unpaid", "promotional", "debt"}
    assert by_class["paid", "eur"]["money"]["granted"] % 1000 == 0 and by_class["paid", "jpy"]["money"]["granted"] == 1500
    assert Decimal(by_class["promotional", None]["credits"]["consumed"]) == 5
    assert Decimal(by_class["debt", None]["credits"]["repaid"]) >= 1
    for row in b["totals"]:
        days = [day["credits"] for day in b["rows"] if (day["class"], day["currency"]) == (row["class"], row["currency"])]
        assert all(sum(Decimal(day[flow]) for day in days) == Decimal(row["credits"][flow]) for flow in FLOWS)


def test_csv_says_what_json_says(world, traded):
    rows = books(world)["rows"]
    for answer in (world.admin.get("/api/v1/reports/books?format=csv"), world.admin.get("/api/v1/reports/books", headers={"Accept": "text/csv"})):
        assert answer.headers["content-type"].startswith("text/csv")
        lines = list(csv.DictReader(io.StringIO(answer.body.decode())))
        assert len(lines) == len(rows)
        for line, row in zip(lines, rows):
            assert (line["day"], line["class"], line["currency"]) == (row["day"], row["class"], row["currency"] or "")
            assert all(line[name] == value for name, value in row["credits"].items())
            assert all(line[f"money_{name}"] == ("" if row["money"] is None else str(row["money"][name])) for name in row["credits"])


@pytest.mark.parametrize("query, param", [("from=2026-02-01&until=2026-02-01", "from"), ("from=2020-01-01&until=2026-01-01", "from"), ("from=yesterday", "from"),
                                          ("until=2026-01-01T00:00:00Z", "until"), ("until=2026-02-30", "until"), ("time_zone=Mars/Olympus", "time_zone"),
                                          ("format=xml", "format"), ("to=2026-01-01", "to")])
def test_what_cannot_be_asked_is_refused_by_name(world, query, param):
    answer = world.admin.get(f"/api/v1/reports/books?{query}")
    assert (answer.status, answer.code, answer.json["error"]["param"]) == (400, "invalid_request", param)


def test_the_command_prints_tables_that_stand_in_line(world, traded):
    shown = world.tool("report", "books")
    parts = dict(re.findall(r"^(Credits|Money|Owed)\n((?:  .*\n)+)", shown, re.M))
    assert set(parts) == {"Credits", "Money", "Owed"}
    for part in parts.values():
        lines = part.splitlines()
        assert len({len(line) for line in lines}) == 1, "the last column stands right"
    assert parts["Money"].splitlines()[0].split() == ["DAY", "CURRENCY", "OPENING", "SOLD", "REVENUE", "CLOSING"]
    assert re.search(r"total +jpy +0 +1500 +0 +1500\n", parts["Money"]) and re.search(r"total +eur +0\.00 +\d+\.\d\d ", parts["Money"])
    assert "REFUNDED" not in shown, "a column in which nothing moved is left out"
    assert world.tool("report", "books", "--json", json_out=True)["totals"] == books(world)["totals"]
    assert world.tool("report", "books", "--csv").splitlines()[0].startswith("day,class,currency,opening,granted")
    assert "nothing moved" in world.tool("report", "books", "--from", "2001-01-01", "--until", "2001-02-01")


# ---- payments

STORIES = ROOT.parent / "shared" / "fixtures" / "stripe"


@pytest.mark.skipif(not STORIES.is_dir(), reason="the recordings are not here")
def test_after_every_recorded_story_of_payments_the_books_say_what_was_paid_and_what_became_of_it():
    secret, cluster = "whsec_books_0123456789abcdef0123456789abcdef", Cluster(settings=["fsync=off"])
    with FakeStripe() as stripe:
        world = World(cluster, STRIPE_SECRET_KEY=stripe.key, STRIPE_WEBHOOK_SECRET=secret, STRIPE_API_BASE=stripe.url)
        plan = "00000000-0000-7000-8000-0000000000aa"
        cluster.sql("INSERT INTO products (id, kind, name, currency, price, credits, period, stripe_price) VALUES "
                    "(%s, 2, 'Pro', 'usd', 5000, %s, 1, 'price_1Fx0000000000000000PRO')", plan, 5000 * CREDIT)
        for scenario in json.loads((STORIES / "scenarios.json").read_text())["scenarios"]:
            story = Story(world, [json.loads((STORIES / d["file"]).read_text()) for d in scenario["deliveries"]], secret, plan=plan)
            for i in range(len(story.bodies)):
                story.deliver(i)
            story.quiet()
        totals = books(world)["totals"]
        kept = cluster.sql("SELECT currency, sum(paid)::bigint, sum(granted), sum(left_over), sum(consumed), sum(expired), sum(refunded), sum(frozen) "
                           "FROM grants WHERE paid IS NOT NULL GROUP BY 1 ORDER BY 1")
        paid = sorted((row for row in totals if row["class"] == "paid"), key=lambda row: row["currency"])
        assert len(kept) == len(paid) > 0
        for row, (currency, price, granted, left, consumed, expired, refunded, frozen) in zip(paid, kept):
            c, m = {k: Decimal(v) * CREDIT for k, v in row["credits"].items()}, row["money"]
            assert (row["currency"], m["granted"]) == (currency, price) and adds_up(row, row["credits"]) and adds_up(row, m)
            assert (c["granted"], c["closing"], c["consumed"], c["expired"], c["refunded"] + c["lost"], c["frozen_closing"]) == \
                (granted, left, consumed, expired, refunded, frozen)
            assert m["closing"] + m["consumed"] + m["expired"] + m["refunded"] + m["lost"] + m["frozen_closing"] == price
        closing = sum(Decimal(row["credits"]["closing"]) * (-1 if row["class"] == "debt" else 1) for row in totals)
        assert closing == Decimal(cluster.sql("SELECT sum(balance) FROM customers")[0][0]) / CREDIT
        world.audit()
        world.stop()
    cluster.remove()
