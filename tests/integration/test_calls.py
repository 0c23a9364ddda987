"""A prepaid, metered call from end to end: what it costs, what the caller is told, what the books say."""
import json
from decimal import Decimal

import pytest

from tests.harness.server import text_of


def charge_of(call, prices):
    """The charge from usage by the rule: exact fractions, rounded once, half to even, at nine digits."""
    total = sum(Decimal(call["usage"].get(meter, 0)) * Decimal(rate) / Decimal(1000000) for meter, rate, _ in prices)
    return total.quantize(Decimal("1e-9"), rounding="ROUND_HALF_EVEN")


def test_a_plain_call_is_charged_exactly_and_says_so(world):
    customer, key = world.customer("10")
    answer = world.servers[0].client(key).chat(text="one two three four")
    assert answer.status == 200
    assert answer.json["object"] == "chat.completion"
    call = world.call(answer.headers["x-tollgate-call"])
    assert call["state"] == "settled"
    assert call["usage"]["input_tokens"] == answer.json["usage"]["prompt_tokens"]
    assert call["usage"]["output_tokens"] == answer.json["usage"]["completion_tokens"]
    expected = charge_of(call, world.PRICES["gpt-4o-mini"])
    assert Decimal(call["charge"]) == expected > 0
    assert Decimal(answer.headers["x-credits-charged"]) == expected
    balance = world.balance(customer)
    assert Decimal(answer.headers["x-credits-remaining"]) == Decimal(balance["available"]) == Decimal("10") - expected
    assert balance["held"] == "0"


def test_a_stream_is_relayed_whole_and_charged_by_the_usage_it_did_not_ask_for(world):
    customer, key = world.customer("10")
    answer = world.servers[0].client(key).chat(stream=True, text="a b c d e f")
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/event-stream")
    assert answer.body.rstrip().endswith(b"data: [DONE]")
    assert text_of(answer.body)
    assert b'"usage":{' not in answer.body.replace(b" ", b""), "the usage event was injected and must be taken out again"
    call = world.call(answer.headers["x-tollgate-call"])
    assert call["state"] == "settled" and call["usage"]["output_tokens"] > 0
    assert Decimal("10") - Decimal(world.balance(customer)["available"]) == Decimal(call["charge"])


def test_a_stream_that_asks_for_usage_gets_it(world):
    _, key = world.customer("10")
    answer = world.servers[0].client(key).chat(stream=True, stream_options={"include_usage": True})
    usage = [json.loads(line[6:]) for line in answer.body.decode().split("\n") if line.startswith("data: {")][-1]["usage"]
    call = world.call(answer.headers["x-tollgate-call"])
    assert call["usage"]["input_tokens"] == usage["prompt_tokens"] and call["usage"]["output_tokens"] == usage["completion_tokens"]


def test_a_model_is_known_however_its_name_is_escaped(world):
    _, key = world.customer("10")
    body = b'{"model":"openai\\/gpt-4o\\u002dmini","messages":[{"role":"user","content":"hi"}]}'
    answer = world.servers[0].client(key).request("POST", "/v1/chat/completions", body)
    assert answer.status == 200 and answer.json["model"] == "gpt-4o-mini"


def test_a_receipt_stands_before_done_where_it_is_asked_for(world):
    _, key = world.customer("10")
    answer = world.servers[0].client(key).chat(stream=True, headers={"X-Tollgate-Receipt": "stream"})
    lines = [line for line in answer.body.decode().split("\n") if line]
    assert lines[-1] == "data: [DONE]"
    assert lines[-2].startswith(": tollgate call=" + answer.headers["x-tollgate-call"])
    assert f"charge={world.call(answer.headers['x-tollgate-call'])['charge']}" in lines[-2]


def test_embeddings_and_models(world):
    _, key = world.customer("10")
    client = world.servers[0].client(key)
    answer = client.post("/v1/embeddings", {"model": "text-embedding-3-small", "input": "some words here"})
    assert answer.status == 200 and answer.json["data"][0]["embedding"]
    call = world.call(answer.headers["x-tollgate-call"])
    assert call["usage"] == {"input_tokens": answer.json["usage"]["prompt_tokens"]}
    models = client.get("/v1/models").json
    assert {m["id"] for m in models["data"]} >= set(world.PRICES)
    assert client.get("/v1/models/gpt-4o-mini").json["id"] == "gpt-4o-mini"
    assert client.get("/v1/models/nope").status == 404


def test_a_call_is_explained_down_to_the_last_unit(world):
    customer, key = world.customer("0.00001")
    assert world.admin.post("/api/v1/grants", {"customer": customer, "amount": "5"}).status == 201
    answer = world.servers[0].client(key).chat(text="explain " * 30, max_tokens=40)
    call = world.call(answer.headers["x-tollgate-call"])
    assert sum(Decimal(line["amount"]) for line in call["lines"]) == Decimal(call["charge"])
    assert sum(Decimal(g["amount"]) for g in call["grants"]) == Decimal(call["charge"])
    assert call["price"]["id"].startswith("prc_")
    raw = call["raw_usage"] if isinstance(call["raw_usage"], dict) else json.loads(call["raw_usage"])
    assert raw["prompt_tokens"] == answer.json["usage"]["prompt_tokens"]


def test_a_voided_call_is_given_back(world):
    customer, key = world.customer("10")
    answer = world.servers[0].client(key).chat()
    call = world.call(answer.headers["x-tollgate-call"])
    voided = world.admin.post(f"/api/v1/calls/{call['id']}/void", {"reason": "goodwill"})
    assert voided.status == 200 and voided.json["state"] == "voided"
    assert world.balance(customer)["balance"] == "10"


def test_a_model_without_a_price_is_refused_and_says_how_to_add_one(world):
    _, key = world.customer("10")
    answer = world.servers[0].client(key).chat(model="unpriced-model")
    assert answer.status == 404 and answer.code == "model_not_priced"
    assert "unpriced-model" in answer.json["error"]["message"] and "prices" in answer.json["error"]["message"]


def test_upstream_errors_reach_the_client_unchanged_and_cost_nothing(world):
    customer, key = world.customer("10")
    for model, status in (("stand-in:error-400", 400), ("stand-in:error-429", 429), ("stand-in:error-500", 500)):
        world.price(model, world.PRICES["gpt-4o-mini"])
        answer = world.servers[0].client(key).chat(model=model)
        assert answer.status == status
        assert "error" in answer.json
    assert world.balance(customer)["available"] == "10"
    assert {c["state"] for c in world.calls(customer)} == {"released"}


def test_credits_that_do_not_cover_the_bound_are_refused_by_default(world):
    customer, key = world.customer("0.000001")
    answer = world.servers[0].client(key).chat(max_tokens=4000)
    assert answer.status == 402 and answer.code == "insufficient_credits"
    assert answer.headers["x-should-retry"] == "false"
    assert answer.json["error"]["details"]["available"] == "0.000001"
    assert world.balance(customer)["held"] == "0"


def test_or_the_cap_is_lowered_where_the_customer_is_so_set(world):
    _, key = world.customer("0.0005", short_policy="lower_cap")
    answer = world.servers[0].client(key).chat(max_tokens=4000)
    assert answer.status == 200
    assert 0 < int(answer.headers["x-tollgate-max-output"]) < 4000


def test_or_a_stated_debt_is_allowed(world):
    customer, key = world.customer("0.000001", short_policy="allow_debt", short_debt="1")
    answer = world.servers[0].client(key).chat(max_tokens=4000)
    assert answer.status == 200
    world.call(answer.headers["x-tollgate-call"])
    balance = world.balance(customer)
    assert Decimal(balance["debt"]) > 0 and Decimal(balance["balance"]) == -Decimal(balance["debt"])
    assert world.servers[0].client(key).chat(max_tokens=4000).status in (200, 402)
    world.quiet()
    assert world.admin.post("/api/v1/grants", {"customer": customer, "amount": "1"}).status == 201
    assert world.balance(customer)["debt"] == "0"


def test_an_idempotency_key_prevents_a_second_charge(world):
    customer, key = world.customer("10")
    client = world.servers[0].client(key)
    first = client.chat(headers={"Idempotency-Key": "order-1"})
    again = client.chat(headers={"Idempotency-Key": "order-1"})
    other = client.chat(text="something else", headers={"Idempotency-Key": "order-1"})
    assert (first.status, again.status, other.status) == (200, 409, 422)
    assert again.json["error"]["details"]["call"] == first.headers["x-tollgate-call"]
    assert len(world.calls(customer)) == 1


def test_a_request_that_names_somebody_elses_object_is_refused(world):
    customer, key = world.customer("10")
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-abc"}}]}]}
    answer = world.servers[0].client(key).post("/v1/chat/completions", body)
    assert answer.status == 403 and answer.code == "upstream_object_not_allowed"
    assert world.calls(customer) == []


def test_the_report_equals_the_ledger_to_the_last_unit(world):
    customer, key = world.customer("10")
    client = world.servers[0].client(key)
    for i in range(7):
        assert client.chat(text="word " * (i + 1), stream=i % 2 == 0).status == 200
    assert client.post("/v1/embeddings", {"model": "text-embedding-3-small", "input": "x y"}).status == 200
    world.quiet()
    report = world.admin.get(f"/api/v1/reports/usage?customer={customer}&group_by=day,model,key").json
    spent = Decimal("10") - Decimal(world.balance(customer)["balance"])
    assert sum(Decimal(r["charge"]) for r in report["rows"]) == Decimal(report["totals"]["charge"]) == spent
    assert sum(r["calls"] for r in report["rows"]) == 8
    assert {r["model"] for r in report["rows"]} == {"gpt-4o-mini", "text-embedding-3-small"}
    csv = world.admin.get(f"/api/v1/reports/usage?customer={customer}&group_by=model&format=csv")
    assert csv.headers["content-type"].startswith("text/csv") and csv.body.count(b"\n") >= 3
    own = client.get("/api/v1/reports/usage?group_by=model")
    assert own.status == 200 and Decimal(own.json["totals"]["charge"]) == spent
