"""The contract, tried from itself: for each operation of api/openapi.yaml requests are made from its schemas, and what a schema
allows has to be accepted, what it forbids refused, by the name of what is to blame. A case that fails is printed with the
request, to be sent again. (What the operations do is in test_api.py.)"""
import base64
import collections
import itertools
import shlex
import urllib.parse

import pytest

from tests.harness import rights, schema, texts
from tests.harness.cases import ACCEPTED, REFUSED, UNKNOWN, Cases, runs
from tests.harness.contract import is_problem
from tests.harness.subject import Subject
from tests.harness.values import OTHER_PLACES

SEED = 20261127
SHOWN = 12  # failures of one operation
KEYED = [op for op in schema.OPERATIONS if not op.is_signed and not op.is_open_to_more]  # events: test_events.py
ALL = [(op, run, narrow) for op in KEYED for run, narrow in runs(op)]
RIGHTS = rights.table()
OWN = [op for op in KEYED if "gateway" not in op.tags and not op.is_open and RIGHTS[op.id]["own"] == "ok"]


def subject_of(world, op, run):
    # The cap of a call may be beyond what is there: then it is lowered.
    subject = Subject(world, limit=run or "spend", **({"short_policy": "lower_cap"} if "gateway" in op.tags else {}))
    if "holds" in op.tags:
        subject.more["credit_limit"] = "9223372036.854775807"  # whatever is held is covered
    if op.path.startswith("/api/v1/top-ups"):
        subject["top"]  # there is one for whatever asks for it
    return subject


def client_of(world, op, subject):
    if "gateway" not in op.tags:
        return world.servers[0].client() if op.is_open else world.admin
    subject["grt"]
    return subject.caller


def as_curl(client, case, target, body):
    """The request, to be sent again."""
    content_type = {"Content-Type": "application/json"} if body is not None else {}
    headers = " ".join(f"-H {shlex.quote(f'{name}: {value}')}" for name, value in {**content_type, **case.headers}.items())
    line = f'curl -i -X {case.op.method} {shlex.quote(f"http://127.0.0.1:{client.port}{target}")} -H "Authorization: Bearer $KEY" {headers}'
    if body is None:
        return line
    data = body if isinstance(body, bytes) else body.encode()
    if len(data) > 3000:
        return f"{line} --data-binary @body  # {len(data)} bytes: {data[:80]!r}…"
    return f"echo {base64.b64encode(data).decode()} | base64 -d | {line} --data-binary @-  # {data[:200]!r}"


def blamed(case, answer):
    """Whether the error names what is to blame, where one thing is."""
    param = answer.json["error"]["param"]
    if not case.blame or answer.code not in ("invalid_request", "not_found"):
        return True
    return param is not None and any(name[:90].startswith(param[:90]) or param.split(".")[0] == name for name in case.blame)


def judge(case, answer):
    """None, or what is wrong with an answer."""
    if answer.status >= 500:
        return f"{answer.status}: a caller's fault is never the server's"
    if "gateway" in case.op.tags and case.expect == ACCEPTED and answer.status >= 400 and not is_problem(answer.json):
        return None  # the provider's own opinion
    if not case.allowed(answer.status):
        return f"has to be {case.expect}, and was answered {answer.status}"
    if case.expect in (REFUSED, UNKNOWN) and answer.status >= 400 and is_problem(answer.json) and not blamed(case, answer):
        return f"error.param is {answer.json['error']['param']!r}, and {case.blame} is to blame"
    return None


def tried(case, client, subject):
    """None, or what failed, with the request."""
    target, body = subject.filled(case.target().replace("%3A", ":")), subject.filled(case.content())
    answer = ""
    try:
        answer = client.request(case.op.method, target, body, headers=case.headers)
        wrong = judge(case, answer)
    except AssertionError as e:
        wrong = str(e)
    return wrong and f"{case.op.id}: {case.label}: {wrong}\n    {as_curl(client, case, target, body)}\n    {answer}"


def report(failures, counts):
    assert not failures, f"{len(failures)} of {sum(counts.values())} failed:\n\n" + "\n\n".join(failures[:SHOWN])


@pytest.mark.parametrize("op, run, narrow", ALL, ids=[f"{op.id} {run}".strip() for op, run, _ in ALL])
def test_what_the_contract_allows_is_accepted_and_what_it_forbids_refused(world, op, run, narrow):
    counts, failures, subject = collections.Counter(), [], None
    for case in Cases(op, SEED, narrow).all():
        if case.unsaid and case.expect == ACCEPTED:
            case.expect, case.blame = REFUSED, case.unsaid
        counts[case.expect] += 1
        if subject is None or case.expect == ACCEPTED:
            if subject:
                subject.leave()
            subject = subject_of(world, op, run)  # new for each request that changes it
        failures.append(tried(case, client_of(world, op, subject), subject))
    for endpoint in world.admin.get("/api/v1/webhook-endpoints?limit=100").json["data"] if op.id == "createWebhookEndpoint" else []:
        world.admin.delete(f"/api/v1/webhook-endpoints/{endpoint['id']}")
    world.quiet()
    world.audit()
    report([f for f in failures if f], counts)
    assert counts[ACCEPTED] and counts[REFUSED], counts


def names_another(case):
    target = urllib.parse.unquote(case.target()) + str(case.content())
    return f"cus_{texts.UNKNOWN}" in target or ("ext:" in target and OTHER_PLACES["cus"] not in target)


@pytest.mark.parametrize("op", OWN, ids=str)
def test_a_customer_asks_for_its_own_in_the_same_words(world, op):
    """Whatever names another customer, or none that there is, is forbidden; all else is as it is for operators."""
    counts, failures, subject = collections.Counter(), [], subject_of(world, op, None)
    for case in itertools.chain(Cases(op, SEED).paths(), Cases(op, SEED).queries(), Cases(op, SEED).bodies()):
        counts[case.expect] += 1
        if "holds" in op.tags and op.body and case.expect == ACCEPTED:
            subject = subject_of(world, op, None)  # a hold ends once, and takes what there is
        if case.expect == UNKNOWN:
            case.blame, case.statuses = (), (403,) if names_another(case) else (200, 404)
        failures.append(tried(case, subject.caller, subject))
    report([f for f in failures if f], counts)
    assert counts[ACCEPTED] and counts[REFUSED], counts
