"""A client that leaves a running call is charged by its customer's policy, and what was generated and what was delivered are
both kept. A request that its client makes again is never charged twice."""
import itertools
import threading
from decimal import Decimal

import pytest

from tests.harness.process import wait_for

RATES = [("input_tokens", "1000000", "500000"), ("output_tokens", "1000000", "500000")]  # one credit for each token
PACED = "stand-in:slow-60"  # twelve words, 60 ms before each
HANGS = "stand-in:hang"
turns = itertools.count()


@pytest.fixture(scope="module", autouse=True)
def prices(world):
    for model in (PACED, HANGS, "stand-in:slow-1500", "stand-in:reset", "stand-in:cut"):
        world.price(model, RATES)


def text():
    """A request of its own: what makes a retry a retry is that it is the same."""
    return f"question number {next(turns)}"


def leave_after(world, words, **policy):
    """Streams, leaves after so many words, and tells how the call ended."""
    customer, key = world.customer("100000", **policy)
    stream = world.servers[0].client(key).stream(model=PACED, text=text())
    call = stream.call
    while stream.read_until(b"\n\n").count(b'"content":"') < words + 1:  # the first chunk has the role and no word
        more = stream.socket.recv(4096)
        assert more, stream.bytes[-300:]
        stream.bytes += more
    stream.abort()
    ended = world.call(call)
    assert Decimal(world.balance(customer)["balance"]) == 100000 - Decimal(ended["charge"])
    return ended


def amounts(call):
    abort = call["evidence"]["abort"]
    return abort, Decimal(abort["generated"]["charge"]), Decimal(abort["delivered"]["charge"])


def test_what_was_generated_is_charged_by_default(world):
    call = leave_after(world, 3)
    abort, generated, delivered = amounts(call)
    assert (call["state"], call["aborted"], call["partial"], call["estimated"]) == ("settled", True, True, True)
    assert (abort["charged"], abort["upstream"]) == ("generated", "cancel")
    assert Decimal(call["charge"]) == generated >= delivered > 0
    assert call["usage"]["output_tokens"] >= 3 and call["usage"]["input_tokens"] > 0


def test_or_what_was_delivered(world):
    call = leave_after(world, 3, abort_charge="delivered")
    abort, generated, delivered = amounts(call)
    assert abort["charged"] == "delivered" and Decimal(call["charge"]) == delivered <= generated
    assert 0 < abort["taken_bytes"] <= abort["written_bytes"]


def test_or_the_input_alone(world):
    call = leave_after(world, 3, abort_charge="input")
    _, generated, _ = amounts(call)
    assert set(call["usage"]) == {"input_tokens"} and 0 < Decimal(call["charge"]) < generated
    assert Decimal(call["cost"]) == generated / 2, "the operator's cost is of all that was generated"


def test_or_nothing_before_the_first_token(world):
    customer, key = world.customer("100000", abort_charge="first_token")
    stream = world.servers[0].client(key).stream(model=HANGS, text=text())
    wait_for(lambda: world.balance(customer)["held"] != "0", 10, "the hold")
    wait_for(lambda: any(line["model"] == HANGS for line in world.stand_in.log()), 10, "the provider to be asked")
    stream.abort()
    world.quiet()
    call = world.calls(customer)[0]
    assert (call["state"], call["charge"], call["aborted"]) == ("released", "0", True)
    after = leave_after(world, 3, abort_charge="first_token")
    assert Decimal(after["charge"]) == amounts(after)[1] > 0


def test_a_provider_that_is_drained_tells_the_usage_itself(world):
    call = leave_after(world, 2, abort_upstream="drain")
    abort, generated, delivered = amounts(call)
    assert abort["upstream"] == "drain" and not call["estimated"] and call["aborted"]
    assert call["usage"]["output_tokens"] == 12, "the whole answer was read"
    assert Decimal(call["charge"]) == generated > delivered


def test_drained_and_charged_by_what_was_delivered(world):
    call = leave_after(world, 2, abort_upstream="drain", abort_charge="delivered")
    _, generated, delivered = amounts(call)
    assert Decimal(call["charge"]) == delivered < generated
    assert 0 < call["usage"]["output_tokens"] < 12


def test_a_call_that_is_left_and_cannot_be_priced_waits_for_its_price_and_tells_no_figures(world):
    """What twelve words cost the operator is more than an amount can be: that shows when they have been counted, not before."""
    model = "stand-in:slow-50"
    dear = {"meter": "output_tokens", "per": 1, "charge": "1", "cost": "1000000000"}
    answer = world.admin.post("/api/v1/prices", {
        "provider": "openai", "model": model, "max_output_tokens": 4096, "max_input_tokens": 128000,
        "rates": [{"meter": "input_tokens", "per": 1, "charge": "1", "cost": "0.5"}, dear]})
    assert answer.status == 201, answer
    customer, key = world.customer("100000", abort_upstream="drain")
    stream = world.servers[0].client(key).stream(model=model, text=text())
    stream.read_until(b'"content":"')
    stream.abort()
    call = world.call(stream.call)
    assert (call["state"], call["charge"], call["aborted"]) == ("unrated", "0", True)
    assert call["usage"]["output_tokens"] == 12 and "abort" not in call["evidence"]
    assert world.balance(customer)["balance"] == "100000"


def test_a_plain_call_that_is_drained_is_charged_by_its_whole_usage(world):
    customer, key = world.customer("100000", abort_upstream="drain")
    client = world.servers[0].client(key)
    with pytest.raises(OSError):
        client.chat(model="stand-in:slow-1500", text=text(), timeout=0.5)
    world.quiet()
    call = world.calls(customer)[0]
    call = world.call(call["id"])
    assert call["usage"]["output_tokens"] == 12 and call["aborted"] and not call["estimated"]
    assert amounts(call)[2] < amounts(call)[1]


def test_a_provider_that_refuses_or_breaks_off_before_any_output_costs_nothing(world):
    customer, key = world.customer("100000")
    for model in ("stand-in:reset", HANGS):
        assert world.servers[0].client(key).chat(model=model, text=text(), stream=True).status in (502, 504)
    assert {(c["state"], c["charge"]) for c in world.calls(customer)} == {("released", "0")}
    assert world.balance(customer)["available"] == "100000"


# ---- the same request again

def retry(count):
    return {"x-stainless-retry-count": str(count)}


def test_a_retry_of_a_call_that_still_runs_is_not_made(world):
    customer, key = world.customer("100000")
    client, question = world.servers[0].client(key), text()
    stream = client.stream(model=PACED, text=question)
    call = stream.call
    again = client.chat(model=PACED, text=question, stream=True, headers=retry(1))
    assert again.status == 409 and again.code == "duplicate_call" and again.headers["x-should-retry"] == "false"
    assert again.json["error"]["details"]["call"] == call
    assert b"[DONE]" in stream.read_until(b"[DONE]")
    stream.close()
    assert len(world.calls(customer)) == 1


def test_a_retry_of_a_call_that_was_charged_and_lost_is_not_made(world):
    customer, key = world.customer("100000")
    client, question = world.servers[0].client(key), text()
    stream = client.stream(model=PACED, text=question)
    call = stream.call
    stream.read_until(b'"content":" ')
    stream.abort()
    world.call(call)
    again = client.chat(model=PACED, text=question, stream=True, headers=retry(1))
    assert again.status == 409 and again.json["error"]["details"]["call"] == call
    assert len(world.calls(customer)) == 1


def test_a_retry_of_a_call_that_came_to_nothing_is_made(world):
    customer, key = world.customer("100000")
    client, question = world.servers[0].client(key), text()
    assert client.chat(model="stand-in:reset", text=question).status == 502
    assert client.chat(model="stand-in:reset", text=question, headers=retry(1)).status == 502
    keyed = {"Idempotency-Key": question}
    assert client.chat(model="stand-in:reset", text=question, headers=keyed).status == 502
    assert client.chat(model="stand-in:reset", text=question, headers=keyed).status == 502, "a key whose call cost nothing is free again"
    assert [c["state"] for c in world.calls(customer)] == ["released"] * 4


def test_equal_requests_are_two_calls(world):
    customer, key = world.customer("100000")
    client, question = world.servers[0].client(key), text()
    answers = [client.chat(text=question, headers=headers) for headers in (None, retry(0), None)]
    again = client.chat(text=question, headers=retry(1))  # of something that was delivered: a call of its own
    assert [a.status for a in answers] == [200, 200, 200] and again.status == 200
    assert len(world.calls(customer)) == 4


def test_retries_on_two_instances_at_once_charge_once(pair):
    pair.price(PACED, RATES)
    customer, key = pair.customer("100000")
    for server in pair.servers:
        wait_for(lambda s=server: s.client(key).get(f"/v1/models/{PACED}").status == 200, 10, "the price on every instance")
    question, answers = text(), []
    first = pair.servers[0].client(key).stream(model=PACED, text=question)
    call = first.call

    def run(i):
        answers.append(pair.servers[i % 2].client(key).chat(model=PACED, text=question, stream=True, headers=retry(1 + i)))

    threads = [threading.Thread(target=run, args=(i,)) for i in range(12)]
    for t in threads:
        t.start()
    first.abort()
    for t in threads:
        t.join()
    pair.quiet()
    assert [a.status for a in answers] == [409] * 12
    assert {a.json["error"]["details"]["call"] for a in answers} == {call}
    assert len(pair.calls(customer)) == 1
