"""What callers say stays where it belongs. A word of its own is planted in every place that takes one, in requests that are
sound and in requests that are not; afterwards it is looked for in the logs, the metrics, the answers of other requests and,
where it is a secret, a prompt or an answer, in the database."""
import concurrent.futures
import copy
import glob
import json
import os
import socket
import subprocess
from dataclasses import replace

import pytest

from tests.harness import canary, schema
from tests.harness.canary import Garden
from tests.harness.cases import Cases, runs
from tests.harness.cluster import Cluster
from tests.harness.server import World
from tests.harness.subject import Subject
from tests.stripe.fake import FakeStripe

SEED = 20261127
KEYED = [op for op in schema.OPERATIONS if not op.is_signed]
# By which members a word may come back in the answers of others: of the thing that it was given to, and of those that name it.
COMES_BACK = {
    "customer": ["external_id", "name", "time_zone", "metadata"], "key": ["name"], "grant": ["reason"], "report": ["time_zone"],
    "provider": ["name", "base_url", "settings", "models"], "price": ["model", "provider_name"], "model": ["id", "owned_by"],
    "product": ["name", "description", "stripe_price"], "order": ["problem"], "code": ["name"], "top_up": ["return_url", "consent"],
    "meter": ["name", "unit", "description"], "rerate": ["model", "reason"],
    "webhook_endpoint": ["url", "description"], "webhook_delivery": ["body"],  # of a test event: the endpoint
    "call": ["model", "provider", "hold", "price", "corrections"],  # a hold has the caller's own X-Request-Id, a correction its reason
}
NAMES_METERS = ("createPrice", "reportEvents")  # refused, they tell which meters there are
NEVER_BACK = ("secret", "prompt", "credential")
SAID = "Nothing here was thought by a model"  # by the stand-in, in every answer


# ---- planting

def kind_of(op, name):
    if name == "secret":
        return "secret"
    return "prompt" if "gateway" in op.tags and name in ("messages", "input", "user", "safety_identifier") else "plain"


def texts_in(value, path=()):
    """The paths of all texts in a body."""
    if isinstance(value, str):
        return [path]
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, part in parts for found in texts_in(part, (*path, key))]


def put(body, path, value):
    body = copy.deepcopy(body)
    at = body
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return body


FORMS = ("{}", "{}" + "x" * 20000, "{}\a", "{}\0", "{}é", "ext:{}", "Europe/{}", "https://{}@x", "https://{}.example", "key_{}", "12.{}")


def bodies(garden, op, cases):
    """(label, body): each text of a sound body replaced by a word, by too much of it, and by other things made of it."""
    for base in cases.values.bases(cases.body_schema):
        for path in texts_in(base.value):
            def word():
                return garden.word(f"{op.id} {path}", kind_of(op, path[0]))
            for form in FORMS:
                yield f"{path}", put(base.value, path, form.replace("{}", word()))
            for other in ([word()], {word(): word()}):
                yield f"{path}", put(base.value, path, other)
        word = garden.word(f"{op.id} surplus")
        yield "surplus", {**base.value, word: word}
        yield "metadata", {**base.value, "metadata": {garden.word(op.id): garden.word(op.id)}, "settings": {"organization": garden.word(op.id)}}
    whole = json.dumps({**base.value, "x": garden.word(op.id, kind_of(op, "messages"))}).encode()
    bare = garden.word(op.id).encode()
    for broken in (whole[:-1], whole + whole, whole[:-1] + b"\xff", whole.replace(b'"', b"'"), b'"' + bare + b'"', bare):
        yield "broken", broken


HEADERS = {**dict.fromkeys(("User-Agent", "X-Request-Id", "Idempotency-Key", "Accept", "Referer", "Origin", "traceparent", "tracestate", "X-Forwarded-For",
                            "X-Tollgate-Receipt", "Content-Type"), "plain"),
           **dict.fromkeys(("Cookie", "Authorization", "x-api-key"), "credential")}


def requests(garden, op):
    """Cases with words planted in them."""
    cases = Cases(op, SEED, runs(op)[0][1])
    base = next(cases.sound())
    if op.body:
        for label, body in bodies(garden, op, cases):
            yield replace(base, label=label, body=body)
    for name, kind in HEADERS.items():
        for value in ("{}", "Bearer {}", "{}" + "x" * 300, "{}; {}"):
            yield replace(base, label=name, headers={name: value.replace("{}", garden.word(f"{op.id} header {name}", kind))})
    for p in op.parameters:
        for form in ("{}", "ext:{}", "{}" + "x" * 300, "cus_{}", "1970-{}"):
            word = form.replace("{}", garden.word(f"{op.id} {p['name']}"))
            if p["in"] == "query":
                yield replace(base, label=p["name"], query=[q for q in base.query if q[0] != p["name"]] + [(p["name"], word)])
            if p["in"] == "path":
                yield replace(base, label=p["name"], path=op.path.replace("{%s}" % p["name"], word))
    word = garden.word(f"{op.id} query")
    yield replace(base, label="surplus query", query=base.query + [(word, word)])
    yield replace(base, label="key in the query", query=base.query + [("api_key", garden.word(op.id, "credential"))])


RAW = [b"GET /%s HTTP/1.1\r\n{}", b"%s / HTTP/1.1\r\n{}", b"GET / HTTP/%s\r\n{}", b"GET /healthz HTTP/1.1\r\nHost: %s\r\n{}", b"GET /%%00%s HTTP/1.1\r\n{}",
       b"GET /healthz HTTP/1.1\r\n%s: 1\r\n{}", b"GET /healthz HTTP/1.1\r\nA: b\r\n %s\r\n{}", b"GET /api/v1/keys/%%zz%s HTTP/1.1\r\n{}",
       b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %s\r\n{}", b"GET /healthz HTTP/1.1\r\nA: \x01%s\r\n{}", b"%s\r\n{}",
       b"PUT /api/v1/customers/%s HTTP/1.1\r\n{}", b"POST /api/v1/customers HTTP/1.1\r\nTransfer-Encoding: %s\r\n{}"]


def raw(garden, port):
    """Requests that are no HTTP, or of no path, with words in every part."""
    for line in RAW:
        with socket.create_connection(("127.0.0.1", port), timeout=15) as s:
            s.sendall(line.replace(b"{}", b"Host: x\r\nConnection: close\r\n\r\n") % garden.word("raw").encode())
            while s.recv(65536):
                pass


# ---- the run

@pytest.fixture(scope="module")
def told():
    """What was answered to whom, once all was planted: a World with its garden and its answers."""
    cluster = Cluster(settings=["fsync=off", "log_min_messages=info", "log_error_verbosity=verbose"])
    stripe = FakeStripe()
    w = World(cluster, stripe=stripe, TOLLGATE_WEBHOOKS="off", TOLLGATE_LOG_LEVEL="debug", TOLLGATE_FIRST_BYTE_MS="1500", TOLLGATE_BETWEEN_CHUNKS_MS="1000")
    w.garden, w.answers = Garden(), []
    with concurrent.futures.ThreadPoolExecutor(4) as threads:  # at once, so that words could get into each other's answers
        for answers in threads.map(lambda op: plant(w, op), KEYED):
            w.answers += answers
    raw(w.garden, w.servers[0].port)
    w.quiet()
    w.meters = [meter["name"] for meter in w.admin.get("/api/v1/meters").json["data"]]
    yield w
    w.audit()
    w.stop()
    stripe.stop()
    cluster.remove()


def plant(w, op):
    subject, out = Subject(w), []
    subject["grt"], subject["key"]
    if op.path.startswith("/api/v1/top-ups"):
        subject["top"]  # there is one for whatever asks for it
    own = subject.caller if "gateway" in op.tags else w.servers[0].client(w.admin_key)
    for case in requests(w.garden, op):
        target, body = subject.filled(case.target().replace("%3A", ":")), subject.filled(case.content())
        for _ in range(2 if body else 1):  # what can be there once is there already the second time
            answer = own.request(op.method, target, body, headers=case.headers, check=False)
            out.append((case, canary.words(f"{target} {body} {case.headers}"), answer))
    return out + (calls(w, subject) if op.id == "createChatCompletion" else [])


def calls(w, subject):
    """Calls that go well and calls that go wrong upstream, plain and streamed, each with a prompt of its own."""
    out = []
    scripts = ["error-500", "error-429", "html-error", "garbage", "reset", "reset-mid", "cut", "truncate", "no-usage", "bad-usage", "hang"]
    for script in ["plain", *scripts]:
        model = "gpt-4o-mini" if script == "plain" else f"stand-in:{script}"
        if script != "plain":
            w.price(model, w.PRICES["gpt-4o-mini"])
        for stream in (False, True):
            word = w.garden.word(f"prompt of {script}", "prompt")
            answer = subject.caller.chat(model=model, text=word, stream=stream, user=word, headers={"User-Agent": w.garden.word("calls")}, check=False)
            out.append((None, {word}, answer))
    assert sum(SAID.encode() in answer.body for _, _, answer in out) >= 2 and sum(answer.status >= 500 for _, _, answer in out) >= 2
    return out


# ---- where nobody's words belong

def test_the_words_were_planted_and_some_were_taken(told):
    """Else the tests below would mean nothing."""
    per_op = {op.id: [answer.status for case, _, answer in told.answers if case and case.op.id == op.id] for op in KEYED}
    onesided = {op: statuses for op, statuses in per_op.items() if not (any(s < 300 for s in statuses) and any(s >= 400 for s in statuses))}
    assert onesided == {}
    assert len(told.garden.planted) > 2000 and len(told.garden.of_kind("secret")) > 10 and len(told.garden.of_kind("prompt")) > 50
    shown = set().union(*(canary.words(answer.body) for case, _, answer in told.answers))
    assert len(shown) > 100


def test_no_word_makes_the_server_fail(told):
    assert not [(case.op.id, case.label, answer) for case, _, answer in told.answers if case and answer.status >= 500]


def test_the_servers_log_holds_none_of_them(told):
    log = told.servers[0].log()
    assert '"level"' in log and not canary.leaks(log)


def test_the_databases_log_holds_none_of_them(told):
    with open(f"{told.cluster.folder}/log", errors="replace") as log:
        log = log.read()
    assert "ready to accept connections" in log and not canary.leaks(log)


def test_the_metrics_hold_none_of_them(told):
    metrics = told.admin.get("/metrics").body
    assert b"tollgate_" in metrics and not canary.leaks(metrics)


def without_own(value):
    """An answer without the members by which a word may come back."""
    if isinstance(value, list):
        return [without_own(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {k: without_own(v) for k, v in value.items() if k not in COMES_BACK.get(value.get("object"), [])}


def foreign(own, answer, known=()):
    """The words in an answer that its own request did not hold, that no thing of its own has and that are not known to be told."""
    body = answer.body
    if answer.status == 409 and answer.code == "event_conflict":  # both are shown: what came, and what the same event said before
        body = json.dumps({**answer.json, "error": {**answer.json["error"], "details": {}}})
    if answer.status < 300 and answer.headers.get("content-type", "").startswith("application/json") and canary.leaks(body):
        body = json.dumps(without_own(json.loads(body)))
    text = (body.decode(errors="replace") if isinstance(body, bytes) else body) + json.dumps(answer.headers)
    for word in [*own, *known]:
        text = text.replace(word, "")
    return canary.leaks(text)


def test_no_answer_holds_the_words_of_another_request(told):
    wrong = [(case and f"{case.op.id} {case.label}", answer, leaks) for case, own, answer in told.answers
             for leaks in [foreign(own, answer, told.meters if case and case.op.id in NAMES_METERS else ())] if leaks]
    assert not wrong, wrong[:3]


def test_secrets_prompts_and_credentials_come_back_to_nobody(told):
    never = set(told.garden.of_kind(*NEVER_BACK))
    wrong = [(case and f"{case.op.id} {case.label}", told.garden.planted[word], answer) for case, _, answer in told.answers
             for word in canary.words(answer.body + json.dumps(answer.headers).encode()) & never]
    assert not wrong, wrong[:3]


def shown(told):
    """The answers that show a key's secret."""
    return [answer for case, _, answer in told.answers if case and case.op.id == "createKey" and answer.status == 201 and "secret" in answer.json]


def test_an_api_keys_secret_is_in_the_one_answer_that_shows_it(told):
    keys, made = {answer.json["secret"][-49:] for answer in shown(told)}, {id(answer) for answer in shown(told)}
    assert len(keys) == len(made) > 10
    assert not [a for _, _, a in told.answers if id(a) not in made for key in keys if key.encode() in a.body]
    assert not [key for key in [*keys, told.admin_key[-49:]] if key in told.servers[0].log()]


def test_the_database_holds_no_secret_in_clear_no_prompt_and_no_answer(told):
    pg_dump = sorted(glob.glob("/usr/lib/postgresql/*/bin/pg_dump"))[-1]
    dump = subprocess.run([pg_dump, "-d", told.cluster.url()], capture_output=True, check=True, env={"PATH": os.environ["PATH"]}).stdout.decode()
    assert "COPY public.keys" in dump and canary.leaks(dump), "names and the like are there"
    keys = [told.admin_key, *(answer.json["secret"] for answer in shown(told))]
    hidden = [*told.garden.of_kind(*NEVER_BACK), *(key[-49:] for key in keys), SAID, "sk-upstream-secret"]
    found = [(word, told.garden.planted.get(word)) for word in hidden if canary.leaks(dump, canary.forms(word))]
    assert not found, found[:3]
