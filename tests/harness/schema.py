"""JSON Schema as api/openapi.yaml means it: patterns as ECMA has them (`$` is the end, not before a last line break), integers
written as integers, and the two keywords of our own, the least and the largest of a decimal text. What this says is valid the
server has to take, and what it says is not, it has to refuse."""
import decimal
import functools
import re

import jsonschema
import yaml
from jsonschema import validators

from .process import ROOT

SPEC = yaml.load((ROOT / "api" / "openapi.yaml").read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
METHODS = ("get", "post", "put", "patch", "delete")
_resolver = jsonschema.RefResolver("", SPEC)


@functools.lru_cache(None)
def compiled(pattern):
    return re.compile(re.sub(r"(?<!\\)\$$", r"\\Z", pattern))


def _pattern(_, pattern, instance, __):
    if isinstance(instance, str) and not compiled(pattern).search(instance):
        yield jsonschema.ValidationError(f"{instance[:80]!r} does not match {pattern}")


def _bound(beyond):
    def check(_, bound, instance, __):
        if isinstance(instance, str) and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", instance):
            with decimal.localcontext() as exact:
                exact.prec = 2000
                if beyond(decimal.Decimal(instance), decimal.Decimal(bound)):
                    yield jsonschema.ValidationError(f"{instance[:80]!r} is beyond {bound}")
    return check


_types = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, v: isinstance(v, int) and not isinstance(v, bool))
_Validator = validators.extend(jsonschema.Draft202012Validator, {
    "pattern": _pattern, "x-minimum": _bound(lambda a, b: a < b), "x-maximum": _bound(lambda a, b: a > b)}, type_checker=_types)


def errors(schema, value):
    """Sentences, at most five."""
    found = sorted(_Validator(schema, resolver=_resolver).iter_errors(value), key=lambda e: [str(p) for p in e.path])
    return [f"{'.'.join(map(str, e.path))}: {e.message[:200]}" for e in found[:5]]


def is_valid(schema, value):
    return next(_Validator(schema, resolver=_resolver).iter_errors(value), None) is None


def resolve(node):
    """What a $ref stands for, with what stands beside it laid over it."""
    while "$ref" in node:
        over = {k: v for k, v in node.items() if k != "$ref"}
        node = {**_resolver.resolve(node["$ref"])[1], **over}
    return node


class Operation:
    """One path and method, with all that is declared of it."""

    def __init__(self, method, path, item, op):
        self.method, self.path, self.id, self.responses, self.tags = method.upper(), path, op["operationId"], op["responses"], op["tags"]
        self.parameters = [resolve(p) for p in item.get("parameters", []) + op.get("parameters", [])]
        self.is_open = op.get("security") == []
        self.is_signed = op.get("security") == [{"stripeSignature": []}]  # by who sends it: no key of ours opens it
        # Events may say what they like beside what is understood, in several forms, and are known by their own ids.
        self.is_open_to_more = op["operationId"] == "reportEvents"
        content = op.get("requestBody", {}).get("content", {})
        self.body = content["application/json"]["schema"] if content else None
        if self.is_open_to_more:
            self.body = self.body["anyOf"][0]

    def __repr__(self):
        return self.id

    def declared(self, status):
        """The response declared for a status, or None."""
        found = self.responses.get(str(status), self.responses.get("default"))
        return resolve(found) if found else None


OPERATIONS = [Operation(method, path, item, item[method]) for path, item in SPEC["paths"].items() for method in METHODS if method in item]
BY_ID = {op.id: op for op in OPERATIONS}
_paths = [(re.compile("^" + re.sub(r"\{[^}]+\}", "[^/]+", path) + "$"), path) for path in SPEC["paths"]]


def operation(method, path):
    """The operation of a request, or None. HEAD is GET."""
    method = "GET" if method == "HEAD" else method
    declared = [p for _, p in _paths if p == path] or [p for pattern, p in _paths if pattern.match(path)]
    return next((op for op in OPERATIONS if op.path in declared and op.method == method), None)
