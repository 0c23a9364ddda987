"""api/openapi.yaml itself: it says of each operation what the code can answer, no more and no less, in the words of the one
table of errors, and it says enough for requests to be made from it. (That it declares the routes that are served is tested
beside them, in tests/server/rest/routes.c.)"""
import re

import pytest

from tests.harness import codes, schema

REST = codes.rest_operations()
# What the sources seem to be able to answer and cannot: what was just written is read back, and is there.
NEVER = {"createCustomer": {404}, "createProvider": {404}, "createCode": {404}, "createCodes": {404}, "openapi": {404}, "updateLimit": {409}, "deleteLimit": {409},
         "createProduct": {404}, "archiveProduct": {409}, "createWebhookEndpoint": {404}}
OWN = {"readyz": {503}, "receiveStripeEvent": {400}}  # not problems, but their answers
MANAGEMENT = [op for op in schema.OPERATIONS if "gateway" not in op.tags]
GATEWAY = [op for op in schema.OPERATIONS if "gateway" in op.tags]


def refusals(op):
    return {int(status) for status in op.responses if status != "default" and int(status) >= 400}


@pytest.mark.parametrize("op", MANAGEMENT, ids=str)
def test_the_refusals_declared_are_those_that_the_code_can_answer(op):
    by_code, never = REST[op.method, op.path], NEVER.get(op.id, set())
    assert never <= by_code, "what stands under NEVER is not even in the sources"
    assert refusals(op) - OWN.get(op.id, set()) == by_code - never and "default" not in op.responses


@pytest.mark.parametrize("op", GATEWAY, ids=str)
def test_the_gateways_own_refusals_are_declared_beside_whatever_the_provider_says(op):
    calls, models = codes.gateway_problems()
    assert refusals(op) == (calls if op.body else models - ({404} if op.id == "listModels" else set()))
    assert ("default" in op.responses) == (op.body is not None)


def test_every_endpoint_of_the_sources_was_read():
    assert set(REST) == {(op.method, op.path) for op in MANAGEMENT}


def test_the_codes_of_errors_are_those_of_the_one_table():
    lines = re.findall(r"^  X\(", (codes.ROOT / "server/http/problem.h").read_text(), re.M)
    declared = schema.SPEC["components"]["schemas"]["Problem"]["properties"]["error"]["properties"]["code"]["enum"]
    assert len(lines) == len(codes.PROBLEMS) and sorted(declared) == sorted(code for _, _, code in codes.PROBLEMS.values())


def codes_of(response):
    """The codes that a response of the document is narrowed to."""
    narrow = [schema.resolve(media["schema"]).get("allOf", [{}])[-1] for media in response["content"].values() if "schema" in media]
    return {code for part in narrow if part for code in part["properties"]["error"]["properties"]["code"]["enum"]}


def test_each_refusal_stands_under_the_status_of_its_code():
    table = {code: status for status, _, code in codes.PROBLEMS.values()}
    for op in MANAGEMENT:
        for status in refusals(op) - OWN.get(op.id, set()):
            told = codes_of(op.declared(status))
            assert told and {table[code] for code in told} == {status}, (op, status)
    description = " ".join(schema.SPEC["info"]["description"].split())
    assert all(f"{table[code]} `{code}`" in description for code in codes.OF_NO_OPERATION)


@pytest.mark.parametrize("op", schema.OPERATIONS, ids=str)
def test_the_parameters_declared_are_those_that_are_known(op):
    query = [p["name"] for p in op.parameters if p["in"] == "query"]
    assert sorted(query) == sorted(codes.query_parameters().get((op.method, op.path), []))
    assert [p["name"] for p in op.parameters if p["in"] == "path"] == re.findall(r"\{(\w+)\}", op.path)
    assert ("Idempotency-Key" in [p["name"] for p in op.parameters]) == (op.method != "GET" and not op.is_signed and not op.is_open_to_more)


# ---- whether it says enough

def deep(node):
    """A schema with all its references followed."""
    if isinstance(node, dict):
        return {key: deep(value) for key, value in schema.resolve(node).items()}
    return [deep(value) for value in node] if isinstance(node, list) else node


def loose(node, where):
    """Where anything would do: an object that takes members of any name, a text of any kind."""
    if isinstance(node, list):
        return [found for i, one in enumerate(node) for found in loose(one, f"{where}.{i}")]
    if not isinstance(node, dict):
        return []
    found = [where] if "properties" in node and "type" in node and node.get("additionalProperties") is not False else []
    if "string" in node.get("type", []) and not {"pattern", "enum", "const"} & set(node):
        found.append(where)
    return found + [f for key, value in node.items() if key != "oneOf" or "properties" not in node for f in loose(value, f"{where}.{key}")]


@pytest.mark.parametrize("op", [op for op in MANAGEMENT if not op.is_signed and not op.is_open_to_more], ids=str)
def test_what_may_be_sent_is_closed_and_every_text_has_a_form(op):
    assert loose(deep(op.body or {}), "body") + loose(deep([p["schema"] for p in op.parameters]), "parameters") == []


def test_every_component_is_there_and_used():
    text = (codes.ROOT / "api" / "openapi.yaml").read_text()
    used = set(re.findall(r"#/components/(\w+)/(\w+)", text))
    there = {(kind, name) for kind, components in schema.SPEC["components"].items() for name in components if kind != "securitySchemes"}
    assert used == there
