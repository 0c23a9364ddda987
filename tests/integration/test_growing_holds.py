"""A stream's hold starts small and grows with it, one slice ahead; where no more can be held the stream ends cleanly."""
import itertools
import json
from decimal import Decimal

import pytest

from tests.harness.process import wait_for
from tests.harness.server import text_of

turns = itertools.count()
RATES = [("input_tokens", "0", "0"), ("output_tokens", "1000000", "600000")]  # one credit for a token of output


@pytest.fixture
def model(world):
    """A model of the test's own, so that no other test's calls say what is usual: model(words), or model(words, "slow")."""
    def make(number, script="long"):
        made.append(f"stand-in:{script}-{number + len(made) + next(turns)}")
        world.price(made[-1], RATES, max_output_tokens=100000)
        return made[-1]
    made = []
    return make


def admission(call):
    return call["hold"] if isinstance(call["hold"], dict) else json.loads(call["hold"])


def events(body):
    return [json.loads(line[6:]) for line in body.decode().split("\n") if line.startswith("data: {")]


def test_a_long_stream_starts_with_a_small_hold_that_doubles(world, model):
    customer, key = world.customer("100000")
    answer = world.servers[0].client(key).chat(model=model(3000), stream=True)
    assert answer.body.rstrip().endswith(b"data: [DONE]") and 3000 <= len(text_of(answer.body).split()) <= 3100
    call = world.call(answer.headers["x-tollgate-call"])
    hold = admission(call)
    steps = [Decimal(hold["hold"])] + [Decimal(a) for a in hold["extended"]]
    assert hold["bound"]["output_tokens"] == 100000 and steps[0] < 1000
    assert steps == sorted(steps) and 3000 <= steps[-1] < 100000
    assert len(steps) <= 8
    words = len(text_of(answer.body).split())
    assert (call["usage"]["output_tokens"], call["charge"], call["partial"]) == (words, str(words), False)
    assert world.balance(customer)["available"] == str(100000 - words)


def test_a_running_stream_holds_little_of_what_it_may_cost_at_most(world, model):
    customer, key = world.customer("200000")
    stream = world.servers[0].client(key).stream(model=model(40, "slow"))
    stream.read_until(b'"content":"')
    assert 0 < Decimal(world.balance(customer)["held"]) < 2000
    stream.read_until(b"[DONE]")
    stream.close()


def test_a_plain_call_cannot_be_stopped_and_is_held_at_its_bound(world, model):
    customer, key = world.customer("200000")
    call = world.call(world.servers[0].client(key).chat(model=model(40)).headers["x-tollgate-call"])
    assert Decimal(admission(call)["hold"]) == 100000 and "extended" not in admission(call)


def test_the_first_hold_follows_what_such_calls_usually_produce(world, model):
    _, key = world.customer("100000")
    client, usual, holds = world.servers[0].client(key), model(40), []
    for _ in range(24):
        call = world.call(client.chat(model=usual, stream=True).headers["x-tollgate-call"])
        holds.append(Decimal(admission(call)["hold"]))
    assert holds[0] > 200 and holds[-1] < 40 + 64 + 100, holds
    call = world.call(client.chat(model=usual, stream=True).headers["x-tollgate-call"])
    assert "extended" not in admission(call), "a usual call needs no extension"


def ended_early(answer, code):
    last = events(answer.body)[-1]
    assert answer.body.rstrip().endswith(b"data: [DONE]") and last["error"]["code"] == code, answer.body[-600:]
    return len(text_of(answer.body).split())


def test_a_stream_that_the_credits_do_not_cover_ends_with_the_last_of_them(world, model):
    customer, key = world.customer("700")
    answer = world.servers[0].client(key).chat(model=model(3000), stream=True)
    words = ended_early(answer, "insufficient_credits")
    call = world.call(answer.headers["x-tollgate-call"])
    balance = world.balance(customer)
    assert call["state"] == "settled" and call["partial"] and call["evidence"]["ending"] == "credits_exhausted"
    assert 650 < Decimal(call["charge"]) <= 700 and words > 300
    assert balance["debt"] == "0" and Decimal(balance["available"]) == 700 - Decimal(call["charge"])


def test_a_budget_ends_a_stream_like_credits_do(world, model):
    customer, key = world.customer("100000")
    assert world.admin.post("/api/v1/limits", {"customer": customer, "measure": "spend", "period": "day", "amount": "900"}).status == 201
    answer = world.servers[0].client(key).chat(model=model(3000), stream=True)
    ended_early(answer, "quota_exceeded")
    call = world.call(answer.headers["x-tollgate-call"])
    assert call["evidence"]["ending"] == "budget_exhausted" and 850 < Decimal(call["charge"]) <= 900
    limit = world.admin.get(f"/api/v1/limits?customer={customer}").json["data"][0]
    assert Decimal(limit["used"]) == Decimal(call["charge"]) and limit["held"] == "0"


def test_streams_that_compete_for_the_last_credits_never_overspend_them(world, model):
    import threading
    customer, key = world.customer("5000")
    short, answers = model(300), []

    def run():
        answers.append(world.servers[0].client(key).chat(model=short, stream=True))

    threads = [threading.Thread(target=run) for _ in range(40)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    world.quiet()
    balance = world.balance(customer)
    charged = sum(Decimal(c["charge"]) for c in world.calls(customer))
    assert {a.status for a in answers} <= {200, 402}
    assert charged <= 5000 and balance["debt"] == "0" and Decimal(balance["available"]) == 5000 - charged
    assert charged > 1000, "some of them pass"


def test_an_allowed_debt_lets_a_stream_go_on_below_zero_and_no_further(world, model):
    customer, key = world.customer("500", short_policy="allow_debt", short_debt="300")
    answer = world.servers[0].client(key).chat(model=model(3000), stream=True)
    ended_early(answer, "insufficient_credits")
    call = world.call(answer.headers["x-tollgate-call"])
    assert 750 < Decimal(call["charge"]) <= 800
    assert Decimal(world.balance(customer)["debt"]) == Decimal(call["charge"]) - 500


def test_extensions_are_counted(world, model):
    _, key = world.customer("100000")

    def count():
        text = world.admin.get("/metrics").body.decode()
        return int(next(line.split()[1] for line in text.split("\n") if line.startswith("tollgate_holds_extended_total ")))

    before = count()
    world.servers[0].client(key).chat(model=model(3000), stream=True)
    assert wait_for(lambda: count() > before, 5, "the count of extensions")
