"""Redeem codes: as often as they allow and once for each customer, whatever comes at the same time, over two instances, and also
where an instance dies between the claim and the credits. (How a text is read is in tests/server/code.)"""
import concurrent.futures
import datetime
import threading
from decimal import Decimal

import pytest

from tests.harness.process import wait_for

NOBODYS = "NOBODY-00000-00000-00000-00000"


def made(world, **more):
    answer = world.admin.post("/api/v1/codes", {"amount": "5", **more})
    assert answer.status == 201, answer
    return answer.json


def redeem(client, code, customer, **more):
    return client.post("/api/v1/codes/redeem", {"code": code, "customer": customer}, **more)


def ahead(seconds):
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def grants(world, customer):
    return world.admin.get(f"/api/v1/grants?customer={customer}").json["data"]


def refused(answer, status, code, says=""):
    assert (answer.status, answer.code) == (status, code) and says in answer.json["detail"], answer


# ---- one after the other

def test_a_customer_redeems_a_code_with_its_own_key_and_gets_promotional_credits(world):
    customer, key = world.customer("10")
    code = made(world, prefix="LAUNCH", name="spring", expires_after_days=30)
    own = world.servers[0].client(key)
    got = redeem(own, code["code"].lower().replace("-", " "), customer)
    assert got.status == 201 and (got.json["state"], got.json["amount"], got.json["code"]) == ("posted", "5", code["id"])
    grant = next(g for g in grants(world, customer) if g["id"] == got.json["grant"])
    assert (grant["source"], grant["priority"], grant["amount"], grant["left"]) == ("promotion", 50, "5", "5")
    days = datetime.datetime.fromisoformat(grant["expires_at"]) - datetime.datetime.fromisoformat(got.json["created_at"])
    assert days == datetime.timedelta(days=30) and grant["expires_at"] == got.json["expires_at"]
    assert world.balance(customer)["balance"] == "15"
    # They burn before what was paid.
    charge = Decimal(own.chat().headers["x-credits-charged"])
    left = {g["id"]: Decimal(g["left"]) for g in grants(world, customer)}
    assert left[grant["id"]] == 5 - charge and sum(left.values()) == 15 - charge


def test_redeeming_again_changes_nothing_and_says_what_was_given(world):
    customer, key = world.customer("0")
    code = made(world)
    first = redeem(world.admin, code["code"], customer, headers={"Idempotency-Key": "a"})
    again = redeem(world.servers[0].client(key), code["code"], customer, headers={"Idempotency-Key": "b"})
    assert (first.status, again.status, again.headers["idempotency-replayed"]) == (201, 200, "true") and again.json == first.json
    assert world.balance(customer)["balance"] == "5"
    shown = world.admin.get(f"/api/v1/codes/{code['id']}").json
    assert (shown["redeemed"], shown["max_redemptions"]) == (1, 1) and "code" not in shown
    assert world.admin.get(f"/api/v1/codes/{code['id']}/redemptions").json["data"] == [first.json]


def test_a_code_refuses_with_its_reason(world):
    customer, key = world.customer("0")
    other, _ = world.customer("0")
    used, ended, short = made(world), made(world), made(world, expires_at=ahead(1000))
    assert redeem(world.admin, used["code"], other).status == 201
    assert world.admin.patch(f"/api/v1/codes/{ended['id']}", {"enabled": False}).json["enabled"] is False
    refused(redeem(world.admin, used["code"], customer), 409, "conflict", "as often as it may be")
    refused(redeem(world.admin, ended["code"], customer), 409, "conflict", "not in use")
    world.cluster.sql("UPDATE codes SET expires_at = now() WHERE id = (SELECT id FROM codes ORDER BY id DESC LIMIT 1)")
    refused(redeem(world.admin, short["code"], customer), 409, "conflict", "time has run out")
    refused(redeem(world.admin, NOBODYS, customer), 404, "not_found", "no such code")
    refused(redeem(world.servers[0].client(key), used["code"], other), 403, "forbidden")
    assert world.balance(customer)["balance"] == "0"
    assert world.admin.patch(f"/api/v1/codes/{ended['id']}", {"enabled": True}).status == 200
    assert redeem(world.admin, ended["code"], customer).status == 201


def test_a_batch_is_made_at_once_and_shown_once(world):
    body, key = {"count": 1000, "amount": "0.5", "prefix": "GIFT", "name": "fair"}, {"Idempotency-Key": "batch-of-1000"}
    batch = world.admin.post("/api/v1/codes/batch", body, headers=key).json
    texts = [code["code"] for code in batch["data"]]
    assert batch["count"] == 1000 == len(set(texts)) and all(text.startswith("GIFT-") and text[-4:] == code["last4"] for text, code in zip(texts, batch["data"]))
    again = world.admin.post("/api/v1/codes/batch", body, headers=key)
    assert again.headers["idempotency-replayed"] == "true" and again.json == {**batch, "data": [{k: v for k, v in code.items() if k != "code"} for code in batch["data"]]}
    page = world.admin.get(f"/api/v1/codes?batch={batch['id']}&limit=100").json
    assert page["has_more"] and [c["id"] for c in page["data"]] == [c["id"] for c in reversed(batch["data"])][:100]
    customer, _ = world.customer("0")
    for at in (0, 500, 999):
        got = redeem(world.admin, texts[at], customer)
        assert got.status == 201 and got.json["code"] == batch["data"][at]["id"]
    assert world.balance(customer)["balance"] == "1.5"


def test_the_database_holds_nothing_that_can_be_redeemed(world):
    code = made(world)
    dump = repr(world.cluster.sql("SELECT c::text, r::text FROM codes c LEFT JOIN code_redemptions r ON r.code_id = c.id"))
    dump += repr(world.cluster.sql("SELECT i::text FROM idempotency i"))
    bare = code["code"].replace("-", "")
    assert code["id"] and bare not in dump and code["code"] not in dump and bare[:12] not in dump
    log = world.servers[0].log()
    assert code["code"] not in log and bare not in log


def test_whoever_guesses_waits_and_others_do_not(world):
    customer, key = world.customer("0")
    other, _ = world.customer("0")
    code, own = made(world, max_redemptions=2), world.servers[0].client(key)
    answers = [redeem(own, f"GUESS-0000{n}-00000-00000-00000", customer) for n in range(12)]
    assert [answer.status for answer in answers] == [404] * 10 + [429] * 2
    assert answers[-1].code == "rate_limit_exceeded" and 1 <= int(answers[-1].headers["retry-after"]) <= 6
    refused(redeem(own, code["code"], customer), 429, "rate_limit_exceeded")  # the right one, too
    assert redeem(world.admin, code["code"], other).status == 201
    wait_for(lambda: redeem(own, code["code"], customer).status == 201, 15, "the next try")


def test_the_command_makes_and_redeems_codes(world):
    customer, _ = world.customer("0", external_id="code-shell")
    shown = world.tool("codes", "batch", "--count", "3", "--amount", "2", "--prefix", "SHELL", "--max-redemptions", "5")
    lines = [line.split() for line in shown.splitlines()]
    assert lines[0] == ["CODE", "ID", "AMOUNT"] and len(lines) == 4 and all(line[0].startswith("SHELL-") for line in lines[1:])
    text, code = lines[1][0], lines[1][1]
    assert world.tool("codes", "redeem", "--customer", "ext:code-shell", "--code", text, "--json", json_out=True)["state"] == "posted"
    assert customer in world.tool("codes", "redemptions", code) and "1" in world.tool("codes", "show", code)
    assert "not in use any more" in world.tool("codes", "disable", code)
    world.tool("codes", "redeem", "--customer", world.customer("0")[0], "--code", text, code=5)
    assert "in use again" in world.tool("codes", "disable", code, "--undo")
    assert [line.split()[0] for line in world.tool("codes", "list", "--limit", "3").splitlines()[1:]] == [line[1] for line in reversed(lines[1:])]


# ---- at the same time

def at_once(count, run):
    """The answers of run(0) … run(count - 1), begun together."""
    gate = threading.Barrier(count)

    def one(i):
        gate.wait()
        return run(i)
    with concurrent.futures.ThreadPoolExecutor(count) as threads:
        return list(threads.map(one, range(count)))


def test_a_hundred_customers_redeem_a_code_for_ten_and_ten_do(pair):
    customers = [pair.customer("0")[0] for _ in range(100)]
    code = made(pair, max_redemptions=10)
    answers = at_once(100, lambda i: redeem(pair.servers[i % 2].client(pair.admin_key), code["code"], customers[i]))
    assert sorted(answer.status for answer in answers) == [201] * 10 + [409] * 90
    assert pair.admin.get(f"/api/v1/codes/{code['id']}").json["redeemed"] == 10
    given = [customer for customer in customers if grants(pair, customer)]
    assert sorted(given) == sorted(answer.json["customer"] for answer in answers if answer.status == 201)
    assert all(len(grants(pair, customer)) == 1 and pair.balance(customer)["balance"] == "5" for customer in given)


def test_a_customer_that_redeems_fifty_times_at_once_is_given_one(pair):
    customer, _ = pair.customer("0")
    code = made(pair, max_redemptions=1000)
    answers = at_once(50, lambda i: redeem(pair.servers[i % 2].client(pair.admin_key), code["code"], customer))
    assert sorted(answer.status for answer in answers) == [200] * 49 + [201]
    assert len({answer.json["grant"] for answer in answers}) == 1 == len(grants(pair, customer))
    assert pair.balance(customer)["balance"] == "5" and pair.admin.get(f"/api/v1/codes/{code['id']}").json["redeemed"] == 1


# ---- between the claim and the credits

@pytest.fixture
def stuck(pair):
    """A customer whose row somebody holds: what is claimed for it cannot be given."""
    customer, _ = pair.customer("0")
    holder = pair.cluster.connect()
    holder.autocommit = False
    holder.cursor().execute("SELECT 1 FROM customers WHERE substring(uuid_send(id) FROM 13 FOR 4) = (SELECT substring(uuid_send(customer_id) FROM 13 FOR 4) "
                            "FROM customer_profiles ORDER BY created_at DESC LIMIT 1) FOR UPDATE")
    yield customer, holder
    holder.close()


def claimed(pair):
    """Of the newest code: when the credits were given, for each claim."""
    return pair.cluster.sql("SELECT posted_at FROM code_redemptions WHERE code_id = (SELECT id FROM codes ORDER BY id DESC LIMIT 1)")


def test_a_claim_whose_credits_cannot_be_given_is_pending_and_is_finished(pair, stuck):
    customer, holder = stuck
    code = made(pair)
    got = redeem(pair.admin, code["code"], customer)
    assert (got.status, got.json["state"]) == (201, "pending") and pair.balance(customer)["balance"] == "0"
    holder.rollback()
    wait_for(lambda: redeem(pair.servers[1].client(pair.admin_key), code["code"], customer).json["state"] == "posted", 30, "the credits")
    assert pair.balance(customer)["balance"] == "5" and len(grants(pair, customer)) == 1


def test_an_instance_that_dies_between_claim_and_credits_leaves_nothing_undone(pair, stuck):
    customer, holder = stuck
    code, dying = made(pair), pair.servers[1]
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        lost = threads.submit(lambda: redeem(dying.client(pair.admin_key), code["code"], customer))
        wait_for(lambda: claimed(pair), 10, "the claim")
        dying.kill()
        assert lost.exception(20) is not None
    try:
        assert claimed(pair) == [(None,)] and pair.balance(customer)["balance"] == "0"
        holder.rollback()
        wait_for(lambda: claimed(pair)[0][0], 30, "the other instance finishing it")
        assert pair.balance(customer)["balance"] == "5" and len(grants(pair, customer)) == 1
        again = redeem(pair.admin, code["code"], customer)
        assert (again.status, again.json["state"]) == (200, "posted")
    finally:
        dying.start()
    pair.audit()
