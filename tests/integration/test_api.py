"""The management API: what each operation of api/openapi.yaml does. (Who may ask for it is in test_rights.py.)"""
import concurrent.futures
import csv
import datetime
import io
import re
import uuid
from decimal import Decimal

import pytest
import yaml

from tests.harness import schema
from tests.harness.process import wait_for

NOBODY = "cus_01h2xcejqtf2nbrexx3vqjhp41"  # well formed, and nobody's
RATES = [{"meter": "input_tokens", "charge": "0.15", "cost": "0.1"}, {"meter": "output_tokens", "charge": "0.6"}]


def when(text):
    return datetime.datetime.fromisoformat(text)


def ahead(seconds):
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def made(answer, status=201):
    assert answer.status == status, answer
    return answer.json


def refused(answer, status, code, param=None):
    assert (answer.status, answer.code) == (status, code), answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["request_id"] == answer.headers["x-request-id"]
    assert param is None or answer.json["error"]["param"] == param


# ---- customers

def test_a_customer_is_found_by_its_id_and_by_the_operators_own(world):
    a, own = world.admin, uuid.uuid4().hex
    customer = made(a.post("/api/v1/customers", {"external_id": own, "name": "Acme", "time_zone": "Europe/Berlin", "credit_limit": "1.5"}))
    assert (customer["external_id"], customer["time_zone"], customer["status"]) == (own, "Europe/Berlin", "active")
    assert customer["balance"] == {"balance": "0", "held": "0", "available": "1.5", "debt": "0", "credit_limit": "1.5"}
    assert made(a.get(f"/api/v1/customers/{customer['id']}"), 200) == made(a.get(f"/api/v1/customers/ext:{own}"), 200) == customer
    assert made(a.get(f"/api/v1/customers?external_id={own}"), 200)["data"] == [customer]


def test_ext_ids_stand_for_the_customer_wherever_one_is_named(world):
    a, own = world.admin, uuid.uuid4().hex
    customer = made(a.post("/api/v1/customers", {"external_id": own}))["id"]
    ext = f"ext:{own}"
    assert made(a.post("/api/v1/keys", {"customer": ext}))["customer"] == customer
    assert made(a.post("/api/v1/grants", {"customer": ext, "amount": "1"}))["customer"] == customer
    limit = made(a.post("/api/v1/limits", {"customer": ext, "measure": "spend", "period": "day", "amount": "1"}))
    assert made(a.patch(f"/api/v1/limits/{limit['id']}", {"customer": ext, "amount": "2"}), 200)["amount"] == "2"
    for path in ("keys", "grants", "limits"):
        assert [o["customer"] for o in made(a.get(f"/api/v1/{path}?customer={ext}"), 200)["data"]] == [customer]
    for path in ("balance", "reports/usage"):
        assert made(a.get(f"/api/v1/{path}?customer={ext}"), 200)["customer"] == customer


def test_two_customers_never_share_an_external_id(world):
    a, own = world.admin, uuid.uuid4().hex
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: a.post("/api/v1/customers", {"external_id": own}), range(8)))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 7
    other, _ = world.customer("0")
    refused(a.patch(f"/api/v1/customers/{other}", {"external_id": own}), 409, "conflict")


def test_what_is_refused_does_not_reach_the_databases_log(world):
    a, tags = world.admin, [uuid.uuid4().hex for _ in range(3)]
    customer, _ = world.customer("0", external_id=tags[0])
    other = made(a.post("/api/v1/customers", {}))["id"]
    refused(a.post("/api/v1/customers", {"external_id": tags[0]}), 409, "conflict", "external_id")
    refused(a.patch(f"/api/v1/customers/{other}", {"external_id": tags[0]}), 409, "conflict", "external_id")
    refused(a.post("/api/v1/customers", {"time_zone": f"Europe/{tags[1]}"}), 400, "invalid_request", "time_zone")
    for name in (tags[2], "z" + tags[2]):
        made(a.post("/api/v1/providers", {"name": name, "plugin": "openai", "enabled": False}))
    refused(a.post("/api/v1/providers", {"name": tags[2], "plugin": "openai"}), 409, "conflict", "name")
    refused(a.patch(f"/api/v1/providers/z{tags[2]}", {"name": tags[2]}), 409, "conflict", "name")
    assert made(a.patch(f"/api/v1/providers/{tags[2]}", {"name": tags[2]}), 200)["name"] == tags[2]
    with open(f"{world.cluster.folder}/log") as log:
        log = log.read()
    assert not [tag for tag in tags if tag in log]


def test_a_patch_changes_what_it_names_and_merges_metadata(world):
    a, (customer, _) = world.admin, world.customer("0", name="before", metadata={"a": "1", "b": "2"})
    path = f"/api/v1/customers/{customer}"
    changed = made(a.patch(path, {"metadata": {"a": None, "c": "3"}, "short_policy": "allow_debt", "short_debt": "2"}), 200)
    assert changed["metadata"] == {"b": "2", "c": "3"}
    assert (changed["name"], changed["short_policy"], changed["short_debt"]) == ("before", "allow_debt", "2")
    assert made(a.patch(path, {"status": "suspended"}), 200)["status"] == "suspended"
    assert made(a.patch(path, {"status": "active", "external_id": None}), 200)["external_id"] is None
    assert made(a.get(path), 200)["updated_at"] > changed["created_at"]


@pytest.mark.parametrize("query, param", [("limt=3", "limt"), ("limit=zero", "limit"), ("limit=0", "limit"), ("cursor=x", "cursor"),
                                          ("limit=1&limit=2", "limit")])
def test_query_parameters_that_are_not_known_are_refused_by_name(world, query, param):
    refused(world.admin.get(f"/api/v1/customers?{query}"), 400, "invalid_request", param)


def test_what_is_not_there_is_404_and_what_is_no_id_is_400(world):
    a, tail = world.admin, NOBODY[4:]
    customer, _ = world.customer("0")
    for path in (f"customers/{NOBODY}", "customers/ext:nobody", f"keys/key_{tail}", f"grants/grt_{tail}?customer={customer}",
                 f"limits/lim_{tail}?customer={customer}", f"providers/prv_{tail}", "providers/nobody", f"prices/prc_{tail}",
                 f"calls/call_{tail}", f"balance?customer={NOBODY}"):
        refused(a.get(f"/api/v1/{path}"), 404, "not_found")
    for path in ("customers/cus_nonsense", f"keys/{NOBODY}", "prices/x", "calls/x", "balance", f"balance?customer=key_{tail}", "calls", "providers/A%20b"):
        refused(a.get(f"/api/v1/{path}"), 400, "invalid_request")


@pytest.mark.parametrize("kind", ["keys", "grants", "limits", "calls", f"grants/grt_{NOBODY[4:]}", f"limits/lim_{NOBODY[4:]}", "reports/usage"])
def test_a_customer_that_is_not_there_is_404_by_either_name_and_one_that_cannot_be_400(world, kind):
    for nobody in (NOBODY, "ext:nobody"):
        refused(world.admin.get(f"/api/v1/{kind}?customer={nobody}"), 404, "not_found", "customer")
    for nonsense in ("", "ext:", "ext:" + "x" * 201, "ext:a%C2%85", "Acme"):
        refused(world.admin.get(f"/api/v1/{kind}?customer={nonsense}"), 400, "invalid_request", "customer")


@pytest.mark.parametrize("path, param", [("customers", "external_id"), ("prices", "model"), ("prices", "provider")])
def test_a_filter_that_nothing_can_fit_is_refused(world, path, param):
    for nonsense in ("", "x" * 201, "a%C2%85"):
        refused(world.admin.get(f"/api/v1/{path}?{param}={nonsense}"), 400, "invalid_request", param)


# ---- keys

def test_a_revoked_key_stays_listed_and_opens_nothing(world):
    a, (customer, _) = world.admin, world.customer("0")
    key = made(a.post("/api/v1/keys", {"customer": customer, "name": "server"}))
    own = world.servers[0].client(key["secret"])
    made(own.get("/api/v1/balance"), 200)
    revoked = made(a.delete(f"/api/v1/keys/{key['id']}"), 200)
    assert revoked["revoked_at"] and made(a.delete(f"/api/v1/keys/{key['id']}"), 200) == revoked
    wait_for(lambda: own.get("/api/v1/balance").status == 401, 2.5, "reading being closed")
    assert revoked in made(a.get(f"/api/v1/keys?customer={customer}"), 200)["data"]


def test_a_key_ends_when_it_expires(world):
    customer, _ = world.customer("0")
    refused(world.admin.post("/api/v1/keys", {"customer": customer, "expires_at": "2020-01-01T00:00:00Z"}), 400, "invalid_request", "expires_at")
    key = made(world.admin.post("/api/v1/keys", {"customer": customer, "expires_at": ahead(1.5)}))
    own = world.servers[0].client(key["secret"])
    assert own.get("/api/v1/balance").status == 200
    wait_for(lambda: own.get("/api/v1/balance").status == 401, 5, "the key expiring")


def test_an_operators_key_is_of_no_customer_and_may_do_everything_until_revoked(world):
    for neither_nor_both in ({}, {"operator": True, "customer": world.customer("0")[0]}):
        refused(world.admin.post("/api/v1/keys", neither_nor_both), 400, "invalid_request")
    key = made(world.admin.post("/api/v1/keys", {"operator": True, "name": "ops"}))
    assert key["secret"].startswith("tlgad_live_") and key["operator"] and key["customer"] is None
    other = world.servers[0].client(key["secret"])
    assert other.get("/api/v1/customers").status == 200
    assert world.admin.delete(f"/api/v1/keys/{key['id']}").status == 200
    refused(other.get("/api/v1/customers"), 401, "invalid_api_key")  # at once: an operator's key is not cached


# ---- grants and calls

def test_grants_burn_by_priority_then_expiry_then_age(world):
    customer, key = world.customer("0")
    kinds = {"oldest": {}, "younger": {}, "expiring": {"expires_at": ahead(3600)}, "first": {"priority": 1, "source": "promotion"}}
    ids = {name: made(world.admin.post("/api/v1/grants", {"customer": customer, "amount": "1", **more}))["id"] for name, more in kinds.items()}
    answer = world.servers[0].client(key).chat(model="per-request", max_tokens=3)
    call = world.call(answer.headers["x-tollgate-call"])
    assert call["grants"] == [{"grant": ids[name], "amount": "1"} for name in ("first", "expiring", "oldest")]
    assert made(world.admin.get(f"/api/v1/grants/{ids['first']}?customer={customer}"), 200)["consumed"] == "1"
    assert world.balance(customer)["balance"] == "1"


def test_what_is_left_of_a_grant_is_taken_back_when_it_expires(world):
    customer, key = world.customer("3")
    grant = made(world.admin.post("/api/v1/grants", {"customer": customer, "amount": "5", "expires_at": ahead(1.5)}))
    assert world.servers[0].client(key).chat(model="per-request", max_tokens=1).status == 200
    assert world.balance(customer)["available"] == "7"
    wait_for(lambda: world.balance(customer)["balance"] == "3", 15, "the expiry")
    after = made(world.admin.get(f"/api/v1/grants/{grant['id']}?customer={customer}"), 200)
    assert (after["left"], after["consumed"], after["expired"]) == ("0", "1", "4")


def test_a_voided_call_gives_its_charge_back_once(world):
    customer, key = world.customer("5")
    call = world.servers[0].client(key).chat(model="per-request", max_tokens=2).headers["x-tollgate-call"]
    assert world.call(call)["charge"] == "2"
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    voided = made(world.admin.post(f"/api/v1/calls/{call}/void", {"reason": "test call"}, headers=headers), 200)
    assert (voided["state"], voided["charge"], voided["corrections"][-1]["charge"]) == ("voided", "0", "-2")
    for again in (headers, {}):
        assert made(world.admin.post(f"/api/v1/calls/{call}/void", {"reason": "test call"}, headers=again), 200) == voided
    refused(world.admin.post(f"/api/v1/calls/{call}/void", {}), 400, "invalid_request", "reason")
    refused(world.admin.post(f"/api/v1/calls/{call}/void", {"reason": "x"}, headers={"Idempotency-Key": ""}), 400, "invalid_request", "Idempotency-Key")
    assert world.balance(customer)["balance"] == "5"


def test_calls_are_listed_by_key_state_and_time(world):
    customer, first = world.customer("5")
    second = world.key(customer)
    own = world.servers[0].client(first)
    ids = [c.chat().headers["x-tollgate-call"] for c in (own, own, world.servers[0].client(second["secret"]))]
    calls = [world.call(i) for i in ids]
    at = f"/api/v1/calls?customer={customer}"

    def listed(query):
        return [c["id"] for c in made(world.admin.get(at + query), 200)["data"]]
    assert listed("") == ids[::-1] and listed("&state=settled") == ids[::-1] and listed("&state=voided") == []
    assert listed(f"&key={second['id']}") == ids[2:]
    assert listed(f"&created[gte]={calls[1]['created_at']}") == ids[:0:-1] and listed(f"&created[lt]={calls[1]['created_at']}") == ids[:1]
    assert made(own.get(f"/api/v1/calls/{ids[0]}"), 200)["adds_up"]
    for query in ("&state=done", "&created[gte]=yesterday", "&key=x"):
        refused(world.admin.get(at + query), 400, "invalid_request")


# ---- limits

def test_a_limit_tells_what_is_left_and_what_was_used_stays_used(world):
    a, (customer, key) = world.admin, world.customer("10")
    limit = made(a.post("/api/v1/limits", {"customer": customer, "measure": "spend", "period": "month", "amount": "5"}))
    assert (limit["left"], limit["used"], limit["held"], limit["refills_at"]) == ("5", "0", "0", None)
    world.servers[0].client(key).chat(model="per-request", max_tokens=2)
    world.quiet()
    path = f"/api/v1/limits/{limit['id']}"
    changed = made(a.patch(path, {"customer": customer, "amount": "7"}), 200)
    assert (changed["amount"], changed["used"], changed["left"]) == ("7", "2", "5") and changed["refills_at"]
    assert made(a.get(f"{path}?customer={customer}"), 200) == changed
    assert made(a.delete(f"{path}?customer={customer}"), 200) == {"id": limit["id"], "object": "limit", "deleted": True}
    refused(a.delete(f"{path}?customer={customer}"), 404, "not_found")


# ---- the catalogue

def test_a_providers_secret_is_never_shown(world):
    a, name, secret = world.admin, "p" + uuid.uuid4().hex[:8], "sk-" + uuid.uuid4().hex
    answers = [a.post("/api/v1/providers", {"name": name, "plugin": "openai", "secret": secret, "enabled": False, "models": {"a": "b"}}),
               a.get(f"/api/v1/providers/{name}"), a.get("/api/v1/providers"), a.patch(f"/api/v1/providers/{name}", {"priority": 5})]
    assert all(secret.encode() not in answer.body for answer in answers)
    assert answers[0].json["has_secret"] and answers[3].json["priority"] == 5 and answers[3].json["models"] == {"a": "b"}
    assert secret not in str(world.cluster.sql("SELECT p::text FROM providers p")) and secret not in world.servers[0].log()
    assert not made(a.patch(f"/api/v1/providers/{name}", {"secret": None}), 200)["has_secret"]
    refused(a.post("/api/v1/providers", {"name": name, "plugin": "openai"}), 409, "conflict")


def test_a_correction_of_a_price_may_begin_in_the_past(world):
    a, model = world.admin, "m-" + uuid.uuid4().hex[:8]
    body = {"provider": "openai", "model": model, "rates": RATES}
    first = made(a.post("/api/v1/prices", {**body, "valid_from": ahead(-3600)}))
    refused(a.post("/api/v1/prices", {**body, "valid_from": ahead(-1800), "correction": False}), 400, "invalid_request", "valid_from")
    put_right = made(a.post("/api/v1/prices", {**body, "valid_from": ahead(-1800), "correction": True}))
    assert made(a.get(f"/api/v1/prices/{first['id']}"), 200)["valid_until"] == put_right["valid_from"] and put_right["valid_until"] is None
    between = made(a.post("/api/v1/prices", {**body, "valid_from": ahead(-2700), "correction": True}))
    assert between["valid_until"] == put_right["valid_from"]
    refused(a.post("/api/v1/prices", {**body, "valid_from": between["valid_from"], "correction": True}), 409, "conflict", "valid_from")


def test_the_first_price_holds_at_once_and_a_new_one_ends_the_one_before(world):
    a, model = world.admin, "m-" + uuid.uuid4().hex[:8]
    body = {"provider": "openai", "model": model, "rates": RATES, "max_output_tokens": 100}
    first = made(a.post("/api/v1/prices", body))
    assert when(first["valid_from"]) <= datetime.datetime.now(datetime.timezone.utc) and first["valid_until"] is None
    refused(a.post("/api/v1/prices", {**body, "valid_from": ahead(1)}), 400, "invalid_request", "valid_from")
    second = made(a.post("/api/v1/prices", {**body, "rates": [{**rate, "charge": "7"} for rate in RATES]}))
    assert when(second["valid_from"]) - when(second["created_at"]) > datetime.timedelta(seconds=1.99)
    assert made(a.get(f"/api/v1/prices/{first['id']}"), 200)["valid_until"] == second["valid_from"]
    at = f"/api/v1/prices?provider=openai&model={model}"

    def current():
        return [p["id"] for p in made(a.get(at + "&current=true"), 200)["data"]]
    assert current() == [first["id"]] and [p["id"] for p in made(a.get(at), 200)["data"]] == [second["id"], first["id"]]
    wait_for(lambda: current() == [second["id"]], 5, "the second price")
    _, key = world.customer("1")
    call = world.call(wait_for(lambda: world.servers[0].client(key).chat(model=model).headers.get("x-tollgate-call"), 5, "a call"))
    assert call["price"]["id"] == second["id"] and {line["rate"] for line in call["lines"]} == {"7"}


# ---- reports

def test_a_report_adds_up_to_the_balance_and_shows_costs_to_operators_only(world):
    customer, key = world.customer("10", time_zone="Asia/Tokyo")
    own = world.servers[0].client(key)
    assert [own.chat(model=m, max_tokens=2).status for m in ("per-request", "per-request", "gpt-4o-mini")] == [200] * 3
    world.quiet()
    report = made(world.admin.get(f"/api/v1/reports/usage?customer={customer}&group_by=day,model,key"), 200)
    spent = Decimal("10") - Decimal(world.balance(customer)["balance"])
    assert report["totals"]["calls"] == 3 and Decimal(report["totals"]["charge"]) == spent == sum(Decimal(r["charge"]) for r in report["rows"])
    assert {r["model"]: r["calls"] for r in report["rows"]} == {"per-request": 2, "gpt-4o-mini": 1} and "cost" in report["totals"]
    mine = made(own.get("/api/v1/reports/usage"), 200)
    assert mine["totals"]["charge"] == report["totals"]["charge"] and "cost" not in str(mine)
    for table in (own.get("/api/v1/reports/usage?group_by=model&format=csv"), own.get("/api/v1/reports/usage?group_by=model", headers={"Accept": "text/csv"})):
        rows = list(csv.DictReader(io.StringIO(table.body.decode())))
        assert table.status == 200 and sum(Decimal(row["charge"]) for row in rows if row["model"]) == spent
    for query in ("group_by=luck", "group_by=", "group_by=day,", "format=xml", "from=x", "from=2026-11-22&to=2026-11-21"):
        refused(own.get(f"/api/v1/reports/usage?{query}"), 400, "invalid_request")


def test_a_report_finds_the_hour_that_clocks_repeat_over_midnight_and_counts_what_settled_late_once(world):
    customer, key = world.customer("10", time_zone="America/Havana")
    assert world.servers[0].client(key).chat(model="per-request", max_tokens=2).status == 200
    world.quiet()
    own = world.cluster.sql("SELECT customer_id FROM calls ORDER BY id DESC LIMIT 1")[0][0]
    # 2026-11-01T04:30Z is half past midnight in Havana for the first time that night; it expired, then settled late.
    call = (hex(1793507400000)[2:].zfill(12) + "70008").ljust(32, "0")
    try:
        for revision, state in ((0, 4), (1, 2), (2, 2)):
            world.cluster.sql(
                "INSERT INTO calls (customer_id, id, key_id, price_id, charge, cost, place, seq, writer_id, revision, state, usage)"
                " SELECT customer_id, %s::uuid, key_id, price_id, 0, 0, 0, 1, 77, %s, %s, '{\"requests\": 1}'"
                " FROM calls WHERE customer_id = %s ORDER BY id DESC LIMIT 1", call, revision, state, own)
        world.cluster.sql("INSERT INTO writers (id, epoch, seq, lease_until) VALUES (77, 1, 1, now()) ON CONFLICT DO NOTHING")  # whose calls these are
        bounds = "from=2026-11-01T04:30:00Z&to=2026-11-01T04:59:00Z"
        whole = made(world.admin.get(f"/api/v1/reports/usage?customer={customer}&{bounds}"), 200)
        daily = made(world.admin.get(f"/api/v1/reports/usage?customer={customer}&{bounds}&group_by=day"), 200)
        assert whole["totals"]["calls"] == daily["totals"]["calls"] == 1
        assert [row["day"] for row in daily["rows"]] == ["2026-10-31"]
    finally:
        world.cluster.sql("DELETE FROM calls WHERE id = %s::uuid", call)


# ---- pages

def walk(client, path, limit):
    found, cursor = [], ""
    while True:
        page = made(client.get(f"{path}limit={limit}{cursor}"), 200)
        found += page["data"]
        assert page["has_more"] == (page["next_cursor"] is not None) and len(page["data"]) <= limit
        if not page["has_more"]:
            return found
        cursor = f"&cursor={page['next_cursor']}"


@pytest.mark.parametrize("kind", ["customers", "keys", "grants", "limits", "providers", "prices", "calls"])
def test_pages_walk_everything_once_newest_first(world, kind):
    customer, key = world.customer("10")
    for i in range(5):
        make = {"customers": {}, "keys": {"customer": customer}, "grants": {"customer": customer, "amount": "1"},
                "limits": {"customer": customer, "measure": "spend", "period": "total", "amount": "50"},
                "providers": {"name": uuid.uuid4().hex, "plugin": "openai", "enabled": False},
                "prices": {"provider": "openai", "model": uuid.uuid4().hex, "rates": RATES}, "calls": None}[kind]
        made(world.admin.post(f"/api/v1/{kind}", make)) if make is not None else world.servers[0].client(key).chat()
    path = f"/api/v1/{kind}?" + (f"customer={customer}&" if kind in ("keys", "grants", "limits", "calls") else "")
    ids = [o["id"] for o in walk(world.admin, path, 2)]
    assert len(ids) >= 5 and len(set(ids)) == len(ids) and ids == sorted(ids, reverse=True)
    assert ids == [o["id"] for o in walk(world.admin, path, 100)] and made(world.admin.get(path + "limit=9999"), 200)["data"][0]["id"] == ids[0]


# ---- idempotency

def bodies(customer):
    """For each POST that makes something, a request and another."""
    return {"customers": ({"name": "a"}, {"name": "b"}), "keys": ({"customer": customer}, {"customer": customer, "name": "b"}),
            "grants": ({"customer": customer, "amount": "1"}, {"customer": customer, "amount": "2"}),
            "limits": ({"customer": customer, "measure": "spend", "period": "day", "amount": "1"},
                       {"customer": customer, "measure": "spend", "period": "day", "amount": "2"}),
            "providers": ({"name": uuid.uuid4().hex, "plugin": "openai", "enabled": False}, {"name": uuid.uuid4().hex, "plugin": "openai"}),
            "prices": ({"provider": "openai", "model": uuid.uuid4().hex, "rates": RATES}, {"provider": "openai", "model": "b", "rates": RATES})}


@pytest.mark.parametrize("kind", list(bodies("")))
def test_the_same_idempotency_key_makes_one_thing_however_often_it_is_sent(world, kind):
    body, other = bodies(world.customer("0")[0])[kind]
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: world.admin.post(f"/api/v1/{kind}", body, headers=headers), range(8)))
    assert {a.status for a in answers} == {201} and len({a.json["id"] for a in answers}) == 1
    replays = [a for a in answers if a.headers.get("idempotency-replayed") == "true"]
    assert len(replays) == 7 and not any("secret" in a.json for a in replays)
    assert sum("secret" in a.json for a in answers) == (kind == "keys")
    refused(world.admin.post(f"/api/v1/{kind}", other, headers=headers), 422, "idempotency_key_reused")
    made(world.admin.post(f"/api/v1/{kind}", other, headers={"Idempotency-Key": uuid.uuid4().hex.ljust(255, "x")}))
    for nonsense in ("", "x" * 256, "é"):
        refused(world.admin.post(f"/api/v1/{kind}", other, headers={"Idempotency-Key": nonsense}), 400, "invalid_request", "Idempotency-Key")


# ---- what makes no sense

NONSENSE = [  # what is made, sound members, and for each refusal the members that are put over them
    ("customers", {}, [{"nmae": "x"}, {"name": 5}, {"name": "x" * 201}, {"credit_limit": 0.1}, {"credit_limit": "-1"}, {"credit_limit": "0.0000000001"},
                       {"time_zone": "Mars/Base"}, {"status": "active"}, {"short_policy": "pray"}, {"external_id": ""}]),
    ("grants", {"amount": "1"}, [{"amount": "0"}, {"amount": "-1"}, {"amount": 5}, {"priority": -1}, {"source": "gift"}, {"expires_at": "2001-01-01"}]),
    ("limits", {"measure": "spend", "period": "day", "amount": "1"}, [
        {"period": "minute"}, {"amount": 1}, {"amount": "-1"}, {"measure": "luck"}, {"measure": "requests"},
        {"measure": "requests", "period": "minute"}, {"measure": "requests", "amount": 1}]),
    ("providers", {"name": "x", "plugin": "openai"}, [{"name": "A/b"}, {"plugin": "nope"}, {"base_url": "ftp://x"}, {"models": {"a": 1}},
                                                      {"base_url": "https://é"}, {"base_url": "https:///x"}, {"base_url": "https://a@b"}, {"secret": "é"}]),
    ("prices", {"provider": "openai", "model": "m"}, [{"rates": rates} for rates in (
        [], {}, [1], [{"meter": "input_tokens"}], [{"meter": "nope", "charge": "1"}], RATES + RATES[:1],
        [{"meter": "input_tokens", "charge": "1", "per": 7}], [{"meter": "input_tokens", "charge": "-1"}])]),
]


@pytest.mark.parametrize("kind, sound, over", [(kind, sound, over) for kind, sound, overs in NONSENSE for over in overs])
def test_what_makes_no_sense_is_refused_and_the_member_named(world, kind, sound, over):
    named = {"customer": world.customer("0")[0]} if kind in ("grants", "limits") else {}
    answer = world.admin.post(f"/api/v1/{kind}", {**named, **sound, **over})
    refused(answer, 400, "invalid_request")
    assert re.split(r"[.\[]", answer.json["error"]["param"])[0] in set(over) | set(sound)


def test_lengths_are_counted_in_characters_whatever_their_bytes(world):
    a, wide = world.admin, "模" * 200
    customer = made(a.post("/api/v1/customers", {"name": wide, "external_id": wide, "metadata": {"é" * 40: "é" * 500}}))
    assert (customer["name"], customer["external_id"], customer["metadata"]) == (wide, wide, {"é" * 40: "é" * 500})
    for over in ({"name": wide + "x"}, {"external_id": wide + "x"}, {"metadata": {"é" * 41: ""}}, {"metadata": {"a": "é" * 501}}):
        refused(a.post("/api/v1/customers", over), 400, "invalid_request", next(iter(over)))
    made(a.post("/api/v1/grants", {"customer": customer["id"], "amount": "1", "reason": wide}))
    key = made(a.post("/api/v1/keys", {"customer": f"ext:{wide}", "name": wide}))["secret"]
    made(a.post("/api/v1/providers", {"name": "w" * 63, "plugin": "openai", "base_url": world.stand_in.url, "secret": "x",
                                       "models": {wide: "gpt-4o-mini"}}))
    refused(a.patch("/api/v1/providers/" + "w" * 63, {"models": {wide + "x": "y"}}), 400, "invalid_request", "models")
    made(a.post("/api/v1/prices", {"provider": "w" * 63, "model": wide, "rates": RATES}))
    for model in (wide, "w" * 63 + "/" + wide):
        assert world.servers[0].client(key).chat(model=model, max_tokens=5).status == 200


# ---- HTTP and operations

def test_head_is_get_without_a_body(world):
    for path in ("/healthz", "/readyz", "/openapi.yaml", "/api/v1/customers", "/metrics"):
        answer = world.admin.request("HEAD", path)
        assert answer.status == 200 and answer.body == b"" and int(answer.headers["content-length"]) > 0


def methods(item):
    return {m.upper() for m in item if m in ("get", "post", "patch", "delete", "put")}


def fits(pattern, path):
    ours, theirs = pattern.split("/"), path.split("/")
    return len(ours) == len(theirs) and all(a == b or a.startswith("{") for a, b in zip(ours, theirs))


def test_a_wrong_method_is_405_with_those_allowed_and_an_unknown_path_404(world):
    for path, item in schema.SPEC["paths"].items():
        allowed = methods(item)
        also = set().union(*(methods(other) for pattern, other in schema.SPEC["paths"].items() if fits(pattern, path)))  # of a word that may be an id
        answer = world.admin.request("PUT", path.replace("{", "").replace("}", ""), b"{}", check=False)
        assert (answer.status, answer.code) == (405, "method_not_allowed"), path
        assert allowed <= set(answer.headers["allow"].split(", ")) <= also | {"HEAD", "OPTIONS"}, path
    for path in ("/api/v1/nothing", "/api/v2/customers", "/api/v1/customers/a/b"):
        refused(world.admin.get(path, check=False), 404, "not_found")


def test_operational_paths_know_no_parameters(world):
    for path in ("/healthz", "/readyz", "/openapi.yaml", "/metrics"):
        answer = world.admin.get(f"{path}?verbose=1")
        assert (answer.status, answer.code, answer.json["error"]["param"]) == (400, "invalid_request", "verbose"), path


def test_a_body_is_json_and_says_so(world):
    refused(world.admin.post("/api/v1/customers", b"{}", headers={"Content-Type": "text/plain"}), 415, "unsupported_media_type")
    for body in (b"", b"{", b"[]", b'{"name":"a","name":"b"}'):
        answer = world.admin.post("/api/v1/customers", body)
        assert answer.status == 400 and answer.code in ("invalid_json", "invalid_request"), body


def test_the_service_tells_how_it_is(world):
    anyone = world.servers[0].client()
    assert made(anyone.get("/healthz"), 200)["status"] == "ok" and set(made(anyone.get("/readyz"), 200)["checks"].values()) == {True}
    assert yaml.safe_load(anyone.get("/openapi.yaml").body) == schema.SPEC
    assert b"\n# TYPE tollgate_" in world.admin.get("/metrics").body


def test_without_its_database_it_is_alive_and_not_ready(world):
    anyone = world.servers[0].client()
    world.cluster.stop()
    try:
        # Its ledger is the first to notice, and reason enough; an idle connection to the database is looked at each second.
        wait_for(lambda: anyone.get("/readyz").status == 503, 10, "being unready")
        wait_for(lambda: anyone.get("/readyz").json["checks"]["database"] is False, 10, "knowing that it is the database")
        assert anyone.get("/healthz").status == 200 and anyone.get("/readyz").status == 503
        refused(world.admin.get("/api/v1/customers"), 503, "storage_unavailable")
    finally:
        world.cluster.start()
    wait_for(lambda: anyone.get("/readyz").status == world.admin.get("/api/v1/customers").status == 200, 30, "being ready again")
