"""Recorded answers of the real provider, where the folder of recordings stands beside the checkout: replayed by the stand-in,
whole and in two pieces split at byte offsets over the whole body; usage and charge must be exact. (At every single offset
the plugin alone is tried in tests/plugins/openai.) TOLLGATE_OFFSETS=all tries every offset here too."""
import concurrent.futures
import json
import os
from decimal import Decimal

import pytest

from tests.harness.process import ROOT

FIXTURES = ROOT.parent / "shared" / "fixtures" / "providers"

ENDPOINTS = {"chat_completions": "/v1/chat/completions", "embeddings": "/v1/embeddings"}
METERS = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "audio_input_tokens", "output_tokens", "reasoning_tokens", "audio_output_tokens")
# one whole credit-millionth a token, each meter another price, so that a token counted in the wrong place shows
RATES = [(meter, str(i + 1), str(i + 2)) for i, meter in enumerate(METERS)]


def recordings():
    found = []
    for endpoint in ENDPOINTS:
        for meta in sorted((FIXTURES / "openai" / endpoint).glob("*/meta.json")):
            found.append(f"{endpoint}/{meta.parent.name}")
    return found


def load(name):
    folder = FIXTURES / "openai" / name
    meta = json.loads((folder / "meta.json").read_text())
    request = json.loads((folder / "request.json").read_text()) if (folder / "request.json").exists() else {}
    return meta, request, (folder / meta["response_file"]).read_bytes()


def replay(world, key, name, request, suffix=""):
    model = f"replay:{name}{suffix}"
    body = {**request, "model": model}
    if name.startswith("chat"):
        body.setdefault("messages", [{"role": "user", "content": "hi"}])
    else:
        body.setdefault("input", "hi")
    return world.servers[0].client(key).post(ENDPOINTS[name.split("/")[0]], body, check=False)


def check(world, answer, meta, whole):
    assert answer.status == meta["status"]
    call = world.call(answer.headers["x-tollgate-call"])
    expected = {m: q for m, q in meta["expected_meters"].items() if q and m != "requests"}
    if meta["status"] >= 400:
        assert call["state"] == "released" and answer.body == whole
        return
    if meta.get("expected_extra", {}).get("usage_known") is False:
        assert call["estimated"]
        return
    assert call["usage"] == expected
    # A call is charged by the model that served it, where that has a price of its own.
    rates = {meter: charge for meter, charge, _ in world.PRICES.get(call["price"]["model"], RATES)}
    assert Decimal(call["charge"]) == sum(Decimal(q) * Decimal(rates[meter]) for meter, q in expected.items()) / 1000000
    if not meta["stream"]:
        assert answer.body == whole


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="no recordings beside this checkout")
@pytest.mark.parametrize("name", recordings())
def test_a_recorded_answer_is_metered_and_charged_exactly(world, name):
    meta, request, whole = load(name)
    _, key = world.customer("1000000")
    stride = 1 if os.environ.get("TOLLGATE_OFFSETS") == "all" else max(1, len(whole) // 40)
    suffixes = [""] + [f"@{offset}" for offset in range(1, len(whole), stride)]
    def run(suffix):
        answer = replay(world, key, name, request, suffix)
        check(world, answer, meta, whole)
    for suffix in suffixes:
        world.price(f"replay:{name}{suffix}", RATES)
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        list(threads.map(run, suffixes))
