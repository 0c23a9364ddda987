"""A charged call's receipt: it says what the books say, it is what `/.well-known/jwks.json` checks, and nothing that differs from
it in one byte is. (RFC 8037's example and every way to misspell a line are in tests/server/receipt; that another library takes
a receipt for good is in tests/sdk.)"""
import base64
import concurrent.futures
import json
import re
import secrets
import subprocess
from decimal import Decimal

import pytest

from tests.harness import schema
from tests.harness.process import BINARY, wait_for
from tests.harness.server import Server

KEYS = "/.well-known/jwks.json"


def decoded(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def encoded(value):
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode().rstrip("=")


def receipt_of(client, call):
    """(the line, its header, its payload)"""
    answer = client.get(f"/api/v1/calls/{call}/receipt")
    assert answer.status == 200 and answer.headers["content-type"] == "application/jose", answer
    line = answer.body.decode()
    header, payload, _ = line.split(".")
    told = decoded(payload)
    wrong = schema.errors({"$ref": "#/components/schemas/Receipt"}, told)
    assert not wrong, wrong
    return line, decoded(header), told


def called(client, **more):
    answer = client.chat(**more)
    assert answer.status == 200, answer
    return answer.headers["x-tollgate-call"]


def verify(world, line, *argv, code=0, **env):
    """What `tollgate receipt verify` says of a line on its stdin."""
    done = subprocess.run([BINARY, "receipt", "verify", "-", "--json", *argv], input=line, capture_output=True, text=True, timeout=60,
                          env={"PATH": "/usr/bin:/bin", "TOLLGATE_URL": f"http://127.0.0.1:{world.servers[0].port}", **env})
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def sold(world):
    """A customer's client, and a call of it with its receipt."""
    customer, key = world.customer("10")
    client = world.servers[0].client(key)
    call = called(client)
    return customer, client, call, receipt_of(client, call)[0]


# ---- what it says

def test_a_receipt_says_what_the_books_say(world):
    customer, key = world.customer("10")
    client, left = world.servers[0].client(key), Decimal(10)
    for _ in range(3):
        call = called(client)
        (_, header, told), books = receipt_of(client, call), world.call(call)
        left -= Decimal(books["charge"])
        assert header == {"alg": "EdDSA", "kid": header["kid"], "typ": "tollgate-receipt"}
        assert {name: told[name] for name in ("customer", "key", "model", "provider", "charge", "state", "flags", "created_at")} == \
            {name: books[name] for name in ("customer", "key", "model", "provider", "charge", "state", "flags", "created_at")}
        assert (told["call"], told["customer"], told["price"]["id"]) == (call, customer, books["price"]["id"])
        assert [(line["meter"], line["quantity"], line["amount"]) for line in told["lines"]] == \
            [(line["meter"], line["quantity"], line["amount"]) for line in books["lines"]]
        assert told["adds_up"] and sum(Decimal(line["amount"]) for line in told["lines"]) == Decimal(told["charge"])
        assert Decimal(told["balance_after"]) == left and (told["revision"], told["corrections"]) == (0, [])
        assert told["created_at"] < told["settled_at"] < told["issued_at"]
    assert "cost" not in json.dumps(told) and receipt_of(world.admin, call)[2].keys() == told.keys()


def test_the_balances_after_make_one_chain_over_writers_and_batches(pair):
    """Each commit's balance, less what it moved, is the balance of exactly one other commit, or the nothing that was before."""
    customer, key = pair.customer("100")
    clients = [server.client(key) for server in pair.servers]
    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        calls = list(threads.map(lambda i: called(clients[i % 2]), range(60)))
        assert all(pair.admin.post(f"/api/v1/calls/{call}/void", {"reason": "test"}).status == 200 for call in threads.map(str, calls[:10]))
    pair.quiet()
    after, moved = zip(*pair.cluster.sql(
        "SELECT max(t.balance), sum(CASE kind WHEN 2 THEN amount WHEN 5 THEN amount WHEN 3 THEN 0 ELSE -amount END) FROM transfers t "
        "WHERE substring(uuid_send(customer_id) FROM 13 FOR 4) = (SELECT substring(uuid_send(customer_id) FROM 13 FOR 4) FROM calls ORDER BY id DESC LIMIT 1) "
        "GROUP BY writer_id, seq"))
    before = sorted(a - m for a, m in zip(after, moved))
    balance = int(Decimal(pair.balance(customer)["balance"]) * 10 ** 9)
    assert sorted([*before, balance]) == sorted([0, *after]) and len(after) > 2
    for call in calls:
        told = receipt_of(clients[0], call)[2]
        assert int(Decimal(told["balance_after"]) * 10 ** 9) in after


def test_a_voided_calls_receipt_says_so_and_the_older_one_stays_valid(world):
    customer, key = world.customer("10")
    client = world.servers[0].client(key)
    call = called(client)
    before, _, was = receipt_of(client, call)
    assert world.admin.post(f"/api/v1/calls/{call}/void", {"reason": "test"}).status == 200
    line, _, told = receipt_of(client, call)
    assert (told["state"], told["charge"], told["revision"], told["lines"], told["balance_after"]) == ("voided", "0", 1, [], "10")
    correction, = told["corrections"]
    assert (correction["revision"], correction["state"], correction["balance_after"]) == (1, "voided", "10")
    assert Decimal(correction["charge"]) == -Decimal(was["charge"])
    assert verify(world, line)["receipt"] == told and verify(world, before)["receipt"] == was


def test_only_what_was_charged_has_a_receipt(world):
    for model in ("stand-in:hang-head", "stand-in:garbage"):
        world.price(model, world.PRICES["gpt-4o-mini"])
    _, key = world.customer("10")
    client = world.servers[0].client(key)
    stream = client.stream(model="stand-in:hang-head")
    pending = wait_for(lambda: client.get("/api/v1/calls").json["data"], 10, "the call")[0]["id"]
    released = client.chat(model="stand-in:garbage", check=False).headers["x-tollgate-call"]
    world.call(released)
    for call, state in ((pending, "pending"), (released, "released")):
        refused = client.get(f"/api/v1/calls/{call}/receipt")
        assert (refused.status, refused.code, refused.json["error"]["param"]) == (409, "conflict", "id") and state in refused.json["detail"]
    stream.close()
    world.quiet()


# ---- whether it is good

def test_a_receipt_is_checked_with_the_published_keys_and_without_a_server(world, sold, tmp_path):
    customer, client, call, line = sold
    published = client.get(KEYS)
    assert published.status == 200 and published.headers["cache-control"] == "public, max-age=300"
    (tmp_path / "keys.json").write_bytes(published.body)
    told = verify(world, line)
    assert told["verdict"] == "valid" and told["receipt"]["call"] == call and told["kid"] in [k["kid"] for k in published.json["keys"]]
    for more in ([], ["--keys", f"http://127.0.0.1:{world.servers[0].port}{KEYS}"], ["--keys", f"http://127.0.0.1:{world.servers[0].port}"]):
        assert verify(world, line + "\r\n", *more) == told
    assert verify(world, line, "--keys", str(tmp_path / "keys.json"), TOLLGATE_URL="http://127.0.0.1:1") == told


def test_what_was_altered_is_refused_and_is_not_repeated(world, sold):
    line = sold[3]
    header, payload, signature = line.split(".")
    cheaper = encoded({**decoded(payload), "charge": "0"})
    told = verify(world, f"{header}.{cheaper}.{signature}", code=1)
    assert told["verdict"] == "invalid" and told["receipt"] is None
    other = receipt_of(sold[1], called(sold[1]))[0].split(".")
    for mixed in (f"{header}.{other[1]}.{signature}", f"{header}.{payload}.{other[2]}"):
        assert verify(world, mixed, code=1)["verdict"] == "invalid"
    # A byte anywhere, in turn: of no altered line it is said that it is valid.
    assert verify(world, f"{header}.{encoded(['receipt'])}.{signature}", code=1)["verdict"] == "invalid"
    verdicts = {verify(world, line[:at] + ("A" if line[at] != "A" else "B") + line[at + 1:], code=code)["verdict"]
                for at, code in ((3, 2), (len(header) + 40, 1), (len(line) - 40, 1))}
    assert verdicts == {"malformed", "invalid"}


def test_what_is_no_receipt_is_malformed_and_says_why(world, sold):
    header, payload, signature = sold[3].split(".")
    for text, says in (("", "three parts"), ("hello", "three parts"), (sold[3] + ".x", "three parts"), (f"{header}.{payload}.", "signature"),
                       (f"{encoded({'alg': 'none', 'kid': 'x', 'typ': 'tollgate-receipt'})}.{payload}.{signature}", "only EdDSA"),
                       (f"{encoded({'alg': 'HS256', 'kid': 'x', 'typ': 'tollgate-receipt'})}.{payload}.{signature}", "only EdDSA"),
                       (f"{encoded({**decoded(header), 'crit': ['b64'], 'b64': False})}.{payload}.{signature}", "crit"),
                       (f"{encoded({**decoded(header), 'typ': 'JWT'})}.{payload}.{signature}", "no receipt"),
                       (f"{encoded({'alg': 'EdDSA', 'typ': 'tollgate-receipt'})}.{payload}.{signature}", "no receipt")):
        told = verify(world, text, code=2)
        assert told["verdict"] == "malformed" and says in told["reason"], told
    assert subprocess.run([BINARY, "receipt", "verify", "/nonexistent"], capture_output=True).returncode == 2


def test_a_key_that_is_not_known_is_3_and_keys_that_cannot_be_had_6(world, sold, tmp_path):
    keys = sold[1].get(KEYS).json["keys"]
    for name, content, code in (("none", {"keys": []}, 3), ("other", {"keys": [{**keys[0], "kid": "other"}]}, 3), ("no-set", {"a": 1}, 2)):
        (tmp_path / name).write_text(json.dumps(content))
        assert verify(world, sold[3], "--keys", str(tmp_path / name), code=code)["verdict"] == {3: "unknown_key", 2: "malformed"}[code]
    # Under the right name the wrong key: the name alone says nothing.
    (tmp_path / "forged").write_text(json.dumps({"keys": [{**keys[0], "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}))
    assert verify(world, sold[3], "--keys", str(tmp_path / "forged"), code=1)["verdict"] == "invalid"
    assert verify(world, sold[3], "--keys", "http://127.0.0.1:1/keys", code=6)["verdict"] == "unchecked"


def test_the_command_gets_checks_and_prints_a_receipt(world, sold, tmp_path):
    customer, client, call, _ = sold
    (tmp_path / "receipt").write_text(world.tool("receipt", "get", call))
    shown = world.tool("receipt", "verify", str(tmp_path / "receipt"))
    books = world.call(call)
    assert shown.startswith("valid  signed by the key ") and re.search(rf"call +{call}\n", shown) and re.search(rf"charge +{books['charge']}\n", shown)
    for line in books["lines"]:
        assert re.search(rf"{line['meter']} +{line['quantity']} +{line['rate']} +{line['per']} +{line['amount']}\n", shown)
    assert world.tool("receipt", "get", "call_01h2xcejqtf2nbrexx3vqjhp41", code=3) == ""


# ---- the keys

def test_a_new_key_is_published_before_it_signs_and_old_receipts_stay_valid(world, sold):
    customer, client, call, line = sold
    def published(server):
        return [k["kid"] for k in server.client().get(KEYS).json["keys"]]
    before = published(world.servers[0])
    made = world.tool("receipt", "rotate", "--json", json_out=True)
    assert made["version"] == len(before) + 1 and made["kid"] not in before
    server = Server(world.cluster, world.folder, world.master_key)  # one that starts knows it at once
    try:
        assert published(server) == [*before, made["kid"]]
        assert receipt_of(server.client(client.key), call)[1]["kid"] == before[-1], "it does not sign yet"
        wait_for(lambda: published(world.servers[0]) == [*before, made["kid"]], 30, "the other instance knowing it")
        world.cluster.sql("UPDATE receipt_keys SET signs_from = now() WHERE kid = %s", made["kid"])
        server.stop()
        server.start()
        fresh, header, _ = receipt_of(server.client(client.key), call)
        assert header["kid"] == made["kid"]
        assert verify(world, fresh)["verdict"] == verify(world, line)["verdict"] == "valid"
    finally:
        server.stop()


def test_under_another_master_key_the_old_keys_stay_and_no_key_is_made_twice(world, sold):
    before = [k["kid"] for k in sold[1].get(KEYS).json["keys"]]
    other = secrets.token_hex(32)
    counts = []
    for master in (other, world.master_key, other):
        server = Server(world.cluster, world.folder, master)
        published = [k["kid"] for k in server.client().get(KEYS).json["keys"]]
        server.stop()
        counts.append(len(published))
        assert published[:len(before)] == before
    assert counts == [len(before) + 1] * 3
    assert verify(world, sold[3])["verdict"] == "valid"
