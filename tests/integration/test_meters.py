"""Meters that an operator defines: how their quantities come, which of them may have a price, and that nothing of what they are
changes."""
import uuid
from decimal import Decimal

import pytest

KINDS = ("sum", "max", "count", "last", "unique")


def define(world, kind, **more):
    name = f"m{uuid.uuid4().hex[:20]}"
    answer = world.admin.post("/api/v1/meters", {"name": name, "aggregation": kind, **more})
    assert answer.status == 201, answer
    return name


def report(world, customer, meter, model=None, **data):
    answer = world.admin.post("/api/v1/events", {"id": uuid.uuid4().hex, "type": meter, "subject": customer, "data": {**data, **({"model": model} if model else {})}})
    assert answer.status == 200, answer
    return answer.json


def provider(world):
    name = f"p{uuid.uuid4().hex[:20]}"
    assert world.admin.post("/api/v1/providers", {"name": name, "plugin": "none"}).status == 201
    return name


def price(world, of, meter, model=None, charge="1"):
    return world.admin.post("/api/v1/prices", {"provider": of, "model": model or meter, "rates": [{"meter": meter, "per": 1, "charge": charge}]})


def test_a_meter_is_defined_shown_described_and_removed(world):
    name = define(world, "sum", unit="page", description="scanned pages")
    shown = world.admin.get(f"/api/v1/meters/{name}").json
    assert (shown["unit"], shown["aggregation"], shown["description"]) == ("page", "sum", "scanned pages")
    assert world.admin.patch(f"/api/v1/meters/{name}", {"unit": "sheet"}).json == {**shown, "unit": "sheet"}
    assert name in [m["name"] for m in world.admin.get("/api/v1/meters").json["data"]]
    assert world.admin.delete(f"/api/v1/meters/{name}").json == {"name": name, "object": "meter", "deleted": True}
    assert world.admin.get(f"/api/v1/meters/{name}").status == world.admin.delete(f"/api/v1/meters/{name}").status == 404


def test_what_a_meter_is_never_changes(world):
    name = define(world, "sum")
    for change in ({"aggregation": "max"}, {"name": "other"}):
        assert world.admin.patch(f"/api/v1/meters/{name}", change).status == 400
    assert world.admin.post("/api/v1/meters", {"name": name, "aggregation": "max"}).code == "conflict"


@pytest.mark.parametrize("name, status", [("input_tokens", 409), ("gpu_seconds", 409), ("pages", 409), ("prompt_tokens", 400), ("total_tokens", 400), ("Pages", 400), ("a-b", 400), ("", 400)])
def test_names_that_stand_for_something_are_nobodys(world, name, status):
    assert world.admin.post("/api/v1/meters", {"name": name, "aggregation": "sum"}).status == status


def test_a_definition_may_be_sent_again(world):
    name, key = f"m{uuid.uuid4().hex[:20]}", {"Idempotency-Key": uuid.uuid4().hex}
    first, second = (world.admin.post("/api/v1/meters", {"name": name, "aggregation": "sum"}, headers=key) for _ in range(2))
    assert first.status == second.status == 201 and first.json == second.json and second.headers["idempotency-replayed"] == "true"


def test_an_event_is_counted_as_its_meter_says(world):
    customer, _ = world.customer("10")
    of = provider(world)
    meters = {kind: define(world, kind) for kind in KINDS}
    assert price(world, of, meters["sum"], charge="0.5").status == price(world, of, meters["count"], charge="0.25").status == 201
    assert report(world, customer, meters["sum"], value=3)["charge"] == "1.5"
    assert report(world, customer, meters["sum"], value="3")["charge"] == "1.5"
    assert report(world, customer, meters["count"])["charge"] == report(world, customer, meters["count"], value=9)["charge"] == "0.25"
    for kind, value in (("max", 7), ("last", 3), ("unique", "user-1"), ("unique", 17)):
        told = report(world, customer, meters[kind], value=value)
        call = world.call(told["call"])
        assert (told["state"], told["charge"], call["charge"], call["adds_up"]) == ("settled", "0", "0", True)
        if kind != "unique":
            assert call["usage"] == {meters[kind]: value}
    assert Decimal(world.balance(customer)["balance"]) == 10 - Decimal("3.5")


def test_unique_values_are_told_apart_and_not_kept(world):
    customer, _ = world.customer("10")
    meter = define(world, "unique")
    seen = [world.call(report(world, customer, meter, value=v)["call"])["usage"][meter] for v in ("anna@example.com", "ben@example.com", "anna@example.com", 17, "17")]
    assert seen[0] == seen[2] and seen[3] == seen[4] and len(set(seen)) == 3 and all(isinstance(s, int) and 0 <= s < 2 ** 63 for s in seen)
    assert world.cluster.sql("SELECT count(*) FROM calls WHERE usage::text LIKE '%%anna%%'")[0][0] == 0
    assert world.cluster.sql("SELECT count(*) FROM call_evidence WHERE evidence::text LIKE '%%anna%%'")[0][0] == 0


def test_what_is_no_sum_has_no_price(world):
    of = provider(world)
    for kind in ("max", "last", "unique"):
        answer = price(world, of, define(world, kind))
        assert (answer.status, answer.json["error"]["param"]) == (400, "rates.0.meter") and "reports alone" in answer.json["error"]["message"]
    answer = price(world, of, f"m{uuid.uuid4().hex[:20]}")
    assert answer.status == 400 and "gpu_seconds" in answer.json["error"]["message"]


def test_beside_a_priced_meter_the_others_cost_nothing(world):
    customer, _ = world.customer("10")
    of, counted, seats = provider(world), define(world, "sum"), define(world, "max")
    assert price(world, of, counted).status == 201
    told = report(world, customer, counted, usage={seats: 40}, value=2)
    call = world.call(told["call"])
    assert (told["charge"], call["usage"], call["adds_up"]) == ("2", {counted: 2, seats: 40}, True)


def test_a_meter_that_a_price_names_stays(world):
    of, name = provider(world), define(world, "sum")
    assert price(world, of, name).status == 201
    assert world.admin.delete(f"/api/v1/meters/{name}").code == "conflict"
    assert world.admin.get(f"/api/v1/meters/{name}").status == 200


def test_another_instance_knows_it_soon(pair):
    from tests.harness.process import wait_for
    customer, _ = pair.customer("10")
    name = define(pair, "sum")
    other = pair.servers[1].client(pair.admin_key)
    body = {"type": name, "subject": customer, "data": {"value": 1}}
    wait_for(lambda: other.post("/api/v1/events", {**body, "id": uuid.uuid4().hex}).status == 200, 10, "the meter at the other instance")


def test_meters_are_kept_by_the_command(world):
    name = f"m{uuid.uuid4().hex[:20]}"
    assert world.tool("meters", "create", "--name", name, "--aggregation", "unique", "--json", json_out=True)["name"] == name
    world.tool("meters", "update", name, "--unit", "user")
    assert any(line.split()[:3] == [name, "user", "unique"] for line in world.tool("meters", "list").splitlines())
    assert world.tool("meters", "show", name, "--json", json_out=True)["unit"] == "user"
    assert world.tool("meters", "delete", name, "--yes", "--json", json_out=True)["deleted"] is True
