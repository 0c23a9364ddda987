"""One request of the API, from its first byte to its answer: who asks, what a fault does with it, whether its key has been seen,
the work, and the record of it."""
import base64
import binascii
import copy
import json
import re

from . import forms, objects, params, routes  # noqa: F401
from .errors import StripeError, forbidden, invalid, unauthorized, unknown_route
from .events import rendered
from .expand import expanded

_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z_]+)?\Z")


class Request:
    def __init__(self, method, path, query, headers, body):
        self.method, self.path, self.query, self.headers, self.body = method, path, query, headers, body


class Answer:
    """What goes out: an answer, or (`gone`) a connection that ends without one: "timeout" or "reset"."""

    def __init__(self, status=200, body=b"", headers=None, gone=None, seconds=0):
        self.status, self.body, self.headers, self.gone, self.seconds = status, body, headers or {}, gone, seconds


class Call:
    """What a handler gets: the account, what the path named, what was asked with, and the caller's key."""

    def __init__(self, account, named, given, key):
        self.account, self.named, self.params, self.key = account, named, given, key

    @property
    def id(self):
        return self.named["id"]


def answer(account, request, pause):
    """pause(seconds): waits, as a slow answer does."""
    request_id = account.ids.make("req_")
    record = account.journal.add(at=account.now(), request=request_id, method=request.method, path=request.path, params=None,
                                 idempotency_key=request.headers.get("idempotency-key"), version=request.headers.get("stripe-version"),
                                 key=None, status=None, replayed=False, executed=False, fault=None)
    headers = {"Content-Type": "application/json", "Request-Id": request_id}
    try:
        headers["Stripe-Version"] = _version(account, request)
        made = _worked(account, request, record, headers, pause)
    except StripeError as error:
        made = _failed(error, request_id)
    record["status"] = made.status if not made.gone else None
    made.headers = {**headers, **made.headers}
    return made


def _failed(error, request_id):
    body = copy.deepcopy(error.body())
    body["error"]["request_log_url"] = f"https://dashboard.stripe.com/test/logs/{request_id}"
    return Answer(error.status, rendered(body), error.headers)


def _version(account, request):
    asked = request.headers.get("stripe-version", account.api_version)
    if not _VERSION.match(asked):
        raise invalid(f"Invalid Stripe API version: {asked[:40]}")
    return asked


def _worked(account, request, record, headers, pause):
    record["key"] = key = _authorized(account, request)
    found = routes.find(request.method, request.path)
    if not found:
        raise unknown_route(request.method, request.path)
    route, named = found
    if route.path.startswith("/v2/") and key.startswith("rk_"):
        raise forbidden()
    record["params"] = raw = _given(request, route)
    rule = account.faults.choose(request.method, request.path)
    record["fault"] = rule.name if rule else None
    v2 = route.path.startswith("/v2/")
    idempotency_key = request.headers.get("idempotency-key") if request.method == "POST" or (v2 and request.method == "DELETE") else None
    if not idempotency_key:
        return _done(account, route, named, raw, record, rule, pause)
    headers["Idempotency-Key"] = idempotency_key
    entry, replay = account.idempotency.begin(idempotency_key, (request.method, request.path, json.dumps(raw, sort_keys=True)), record["request"],
                                             "v2" if v2 else "v1")
    if replay:
        record["replayed"] = True
        status, body = entry.answer
        return _without_work(Answer(status, body, {"Idempotent-Replayed": "true", "Original-Request": entry.request_id}), rule, pause)
    kept = None
    try:
        made = _done(account, route, named, raw, record, rule, pause)
        kept = made.kept if not v2 or made.status == 200 else None
        return made
    finally:
        account.idempotency.end(idempotency_key, entry, kept)


def _done(account, route, named, raw, record, rule, pause):
    """The work with what a fault puts around it. `kept` on the answer: what belongs to an idempotency key."""
    if rule and rule.when == "before":
        if rule.kind == "status":
            return _kept(rule.error(), record["request"])
        if rule.kind in ("timeout", "reset"):
            made = Answer(gone=rule.kind, seconds=rule.seconds)
            made.kept = None
            return made
        pause(rule.seconds)
    try:
        made = _execute(account, route, named, raw, record)
    except StripeError as error:
        made = _kept(error, record["request"])
    if rule and rule.when == "after":
        if rule.kind == "slow":
            pause(rule.seconds)
        elif rule.kind == "status":
            made = _kept(rule.error(), record["request"])
        else:
            made.gone, made.seconds = rule.kind, rule.seconds
    return made


def _without_work(made, rule, pause):
    """A replay meets faults as well."""
    if rule and rule.kind == "slow":
        pause(rule.seconds)
    elif rule and rule.kind == "status":
        return _failed(rule.error(), "")
    elif rule:
        made.gone, made.seconds = rule.kind, rule.seconds
    return made


def _kept(error, request_id):
    made = _failed(error, request_id)
    made.kept = (made.status, made.body) if error.kept else None
    return made


def _execute(account, route, named, raw, record):
    given = raw if route.json else params.read(route.spec, raw)
    with account.lock:
        account.clock.run_due()
        account.cause = (record["request"], record["idempotency_key"])
        try:
            record["executed"] = True
            result = route.handler(Call(account, named, given, record["key"]))
            made = Answer(200, rendered(expanded(account, result, given.get("expand") if isinstance(given, dict) else None)))
        except StripeError as error:
            record["executed"] = error.kept
            raise
        finally:
            account.cause = None
    made.kept = (made.status, made.body)
    return made


def _authorized(account, request):
    key = _key(request.headers.get("authorization", ""))
    mode = "live" if account.livemode else "test"
    if not key:
        raise unauthorized("You did not provide an API key.")
    state = account.keys.get(key)
    if not re.match(rf"(sk|rk)_{mode}_\w+\Z", key) and not (request.path.startswith("/v2/") and state == "session"):
        raise unauthorized("Invalid API Key provided.")
    if state == "revoked":
        raise unauthorized("Expired API Key provided.")
    if state == "restricted":
        raise forbidden()
    return key


def _key(header):
    kind, _, value = header.partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    if kind.lower() != "basic":
        return None
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return None


def _given(request, route):
    """The parameters as they came: a form's, a query's, or a v2 call's JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if request.method == "POST" and route.json:
            return json.loads(request.body or b"{}")
        if request.method == "POST" and request.body and kind != "application/x-www-form-urlencoded":
            raise invalid("Invalid request (the content type of a v1 call is application/x-www-form-urlencoded).")
        text = request.body.decode() if request.method == "POST" else request.query
        return forms.decode(text)
    except (forms.BadForm, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise invalid(f"Invalid request ({error}).") from None
