"""Holds answers against api/openapi.yaml: the operation must be declared, the status too, and the body must fit its schema."""
import json
import re

import jsonschema
import yaml

from .process import ROOT

SPEC = yaml.load((ROOT / "api" / "openapi.yaml").read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
_resolver = jsonschema.RefResolver("", SPEC)
_paths = [(re.compile("^" + re.sub(r"\{[^}]+\}", "[^/]+", path) + "$"), path) for path in SPEC["paths"]]
seen = set()  # (method, path, status) that some test has met


def _resolve(node):
    while "$ref" in node:
        _, node = _resolver.resolve(node["$ref"])
    return node


def operation(method, path):
    """The declared path and operation of a request, or (None, None)."""
    exact = [p for _, p in _paths if p == path]
    for declared in exact or [p for pattern, p in _paths if pattern.match(path)]:
        if method.lower() in SPEC["paths"][declared]:
            return declared, SPEC["paths"][declared][method.lower()]
    return None, None


def check(method, path, status, content_type, body):
    """AssertionError where an answer is not what the contract says. body: bytes."""
    declared, op = operation("GET" if method == "HEAD" else method, path)
    if op is None:
        return  # 404 and 405 of unknown paths; the envelope is checked by the tests that look for them
    responses = op["responses"]
    key = str(status) if str(status) in responses else f"{status // 100}XX" if f"{status // 100}XX" in responses else "default"
    assert key in responses, f"{method} {declared} answered {status}, which api/openapi.yaml does not declare"
    seen.add((method.upper(), declared, status))
    content = _resolve(responses[key]).get("content", {})
    base = (content_type or "").split(";")[0].strip()
    if not content or method == "HEAD":
        return
    media = content.get(base) or (content.get("application/json") if base == "application/problem+json" else None)
    assert media is not None, f"{method} {declared} answered {base!r}; declared are {sorted(content)}"
    if base.endswith("json") and "schema" in media:
        validator = jsonschema.Draft202012Validator(media["schema"], resolver=_resolver)
        errors = sorted(validator.iter_errors(json.loads(body)), key=lambda e: list(e.path))
        assert not errors, f"{method} {declared} {status}: " + "; ".join(f"{list(e.path)}: {e.message[:200]}" for e in errors[:5])
