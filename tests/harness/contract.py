"""Holds answers against api/openapi.yaml: the operation must be declared, the status too, headers and body must fit what is
declared of them, and an error is told completely."""
import json

from . import schema
from .codes import OF_NO_OPERATION, PROBLEMS

_STATUS = {code: status for status, _, code in PROBLEMS.values()}
_TYPE = {code: type_ for _, type_, code in PROBLEMS.values()}
_PROBLEM = {"$ref": "#/components/schemas/Problem"}


def is_problem(body):
    """Whether this is an error of ours, and not a provider's own."""
    return isinstance(body, dict) and str(body.get("type")).startswith("urn:tollgate:")


def check_problem(status, headers, body):
    """An error's envelope: whole, in agreement with itself, with the status and with the one table of errors."""
    wrong = schema.errors(_PROBLEM, body)
    assert not wrong, wrong
    error, code = body["error"], body["error"]["code"]
    assert body["status"] == status == _STATUS[code] and error["type"] == _TYPE[code], body
    assert body["type"] == f"urn:tollgate:problem:{code}" and body["detail"] == error["message"], body
    assert body["request_id"] == headers["x-request-id"] and body["instance"] == f"urn:tollgate:request:{body['request_id']}", body


def _of_no_operation(op, status, problem):
    code = problem["error"]["code"]
    return code in OF_NO_OPERATION or code == "shutting_down" or (status == 413 and op.body is None)


def _check_headers(op, declared, headers):
    assert schema.is_valid({"$ref": "#/components/schemas/RequestId"}, headers.get("x-request-id")), headers
    for name, header in declared.get("headers", {}).items():
        value, wanted = headers.get(name.lower()), schema.resolve(schema.resolve(header)["schema"])
        if value is None:
            continue
        value = int(value) if wanted.get("type") == "integer" and value.isdigit() else value
        wrong = schema.errors(wanted, value)
        assert not wrong, f"{op}: header {name}: {wrong}"


def check(method, path, status, headers, body):
    """AssertionError where an answer is not what the contract says. headers: by lower-case name; body: bytes."""
    base = headers.get("content-type", "").split(";")[0].strip()
    told = json.loads(body) if base.endswith("json") and body and method != "HEAD" and status >= 400 else None
    if is_problem(told):
        check_problem(status, headers, told)
    op = schema.operation(method, path)
    if op is None or (is_problem(told) and _of_no_operation(op, status, told)):
        return
    declared = op.declared(status)
    assert declared, f"{op} answered {status}, which api/openapi.yaml does not declare: {body[:300]!r}"
    _check_headers(op, declared, headers)
    content = declared.get("content", {})
    if not content or method == "HEAD":
        return
    assert base in content, f"{op} answered {base!r}; declared are {sorted(content)}"
    if base.endswith("json") and "schema" in content[base]:
        wrong = schema.errors(content[base]["schema"], json.loads(body))
        assert not wrong, f"{op} {status}: " + "; ".join(wrong)
