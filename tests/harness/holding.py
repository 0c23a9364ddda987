"""Explicit holds as a caller has them: made, extended, settled, released, and refused."""
from .process import wait_for

HOLDS = "/api/v1/holds"
USAGE = {"input_tokens": 900, "cached_input_tokens": 100, "output_tokens": 50}
COST = "0.0001725"  # by gpt-4o-mini's rates a million: 900 * 0.15 + 100 * 0.075 + 50 * 0.6
MOST = {"input_tokens": 1000, "output_tokens": 100}
BOUND = "0.00021"   # of that: 1000 * 0.15 + 100 * 0.6


def with_key(name):
    return {"Idempotency-Key": name} if name else {}


def hold(client, idempotency_key=None, **body):
    made = client.post(HOLDS, body, headers=with_key(idempotency_key))
    assert made.status == 201, made
    return made.json


def act(client, held, verb, body=None, idempotency_key=None):
    """The answer to extend, settle or release."""
    return client.post(f"{HOLDS}/{held['id']}/{verb}", body, headers=with_key(idempotency_key))


def done(answer):
    assert answer.status == 200, answer
    return answer.json


def shown(client, held):
    return done(client.get(f"{HOLDS}/{held['id']}"))


def refused(answer, status, code, param=None):
    """The error, after a look at what it is."""
    error = answer.json["error"]
    assert (answer.status, error["code"], error["param"]) == (status, code, param), answer
    return error


def expired(client, held):
    """The hold, once the sweeper has been."""
    return wait_for(lambda: (h := shown(client, held))["state"] != "pending" and h, 30, f"{held['id']} being swept")
