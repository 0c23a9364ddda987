"""/_fake/…: what tests ask of the stand-in beside the API, as JSON. `GET /_fake` lists the calls. What goes wrong is a 400 with a
message; what Stripe would refuse is refused with its own error."""
import json
import re

from .api import Answer
from .errors import StripeError
from .events import rendered

CALLS = []


class BadControl(Exception):
    pass


def call(method, path):
    """Puts a function of (account, given, **names in the path) on the table; its docstring is its entry in the list."""
    def add(function):
        pattern = re.compile("/_fake" + re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path) + r"\Z")
        CALLS.append((method, "/_fake" + path, pattern, function))
        return function
    return add


def answer(account, request):
    from . import controls  # noqa: F401: fills the table
    try:
        made = _called(account, request)
        return Answer(200, rendered(made), {"Content-Type": "application/json"})
    except StripeError as error:
        return Answer(error.status, rendered(error.body()), {"Content-Type": "application/json"})
    except (BadControl, ValueError, TypeError, KeyError) as error:
        return Answer(400, json.dumps({"error": {"type": "control", "message": f"{type(error).__name__}: {error}"}}).encode(),
                      {"Content-Type": "application/json"})


def _called(account, request):
    from urllib.parse import parse_qsl
    given = dict(parse_qsl(request.query)) if request.method in ("GET", "DELETE") else json.loads(request.body or b"{}")
    for method, _, pattern, function in CALLS:
        match = pattern.match(request.path)
        if match and method == request.method:
            return function(account, given, **match.groupdict())
    raise BadControl(f"no such call: {request.method} {request.path}; GET /_fake lists them")


@call("GET", "")
def overview(account, given):
    """This list."""
    return {"calls": [f"{method} {path}: {' '.join(function.__doc__.split())}" for method, path, _, function in CALLS],
            "seed": account.seed, "livemode": account.livemode, "now": account.now(), "api_version": account.api_version}
