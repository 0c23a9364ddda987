"""Each example of the CloudEvents specification 1.0.2 (its core, the JSON format, the HTTP binding), as it stands and with usage in it:
what says how much was used is taken in every mode, what does not is refused with what is missing. The binding's examples of events
in responses are left out, for events are only received here."""
import base64
import json

import pytest

from tests.integration.test_events import BATCH, CLOUDEVENT, COST, USAGE, ago, event, new_id, refused, send, taken

SOME = {"specversion": "1.0", "type": "com.example.someevent", "source": "/mycontext", "time": "2018-04-05T17:31:00Z", "comexampleextension1": "value", "comexampleothervalue": 5}
THRIFT, INFO, XML, TEXT = "application/vnd.apache.thrift.binary", {"appinfoA": "abc", "appinfoB": 123, "appinfoC": True}, '<much wow="xml"/>', "I'm just a string"
BYTES = b"\x80\x01\x00\x01\x00\x00"
IN_BASE64 = {**SOME, "id": "A234-1234-1234", "datacontenttype": THRIFT, "data_base64": base64.b64encode(BYTES).decode()}
OF_OTHERS = {**SOME, "type": "com.example.someotherevent", "source": "/mycontext/9", "id": "C234-1234-1234", "datacontenttype": "application/json", "data": INFO}
PULL = {"specversion": "1.0", "type": "com.github.pull_request.opened", "source": "https://github.com/cloudevents/spec/pull", "subject": "123",
        "id": "A234-1234-1234", "time": "2018-04-05T17:31:00Z", "comexampleextension1": "value", "comexampleothervalue": 5, "datacontenttype": "text/xml", "data": XML}

# name: (event, the member that it is refused for)
STRUCTURED = {
    "core: a pull request, XML in a text": (PULL, "datacontenttype"),
    "format: bytes in Base64": (IN_BASE64, "datacontenttype"),
    "format: XML in a text, an extension that is null": ({**SOME, "id": "B234-1234-1234", "unsetextension": None, "datacontenttype": "application/xml", "data": XML}, "datacontenttype"),
    "format: an object, a subject that is null": ({**SOME, "subject": None, "id": "C234-1234-1234", "datacontenttype": "application/json", "data": INFO}, "data.usage"),
    "format: a text without a type": ({**SOME, "subject": None, "id": "D234-1234-1234", "data": TEXT}, "data"),
}


def headers_of(made, content_type):
    """An event's attributes in binary mode."""
    left_out = ("data", "data_base64", "datacontenttype")
    return {"Content-Type": content_type, **{f"ce-{name}": str(value) for name, value in made.items() if name not in left_out and value is not None}}


@pytest.mark.parametrize("name", STRUCTURED)
def test_what_says_nothing_of_usage_is_refused_with_what_is_missing(world, name):
    made, param = STRUCTURED[name]
    refused(send(world.admin, made, CLOUDEVENT), 400, "invalid_request", param)
    refused(send(world.admin, made, CLOUDEVENT + "; charset=UTF-8"), 400, "invalid_request", param)
    told = taken(send(world.admin, [made], BATCH))["data"][0]
    assert (told["status"], told["error"]["code"], told["error"]["param"]) == ("rejected", "invalid_request", param)


@pytest.mark.parametrize("content_type, body, status, code, param", [
    (THRIFT, BYTES, 415, "unsupported_media_type", None), ("application/xml", XML, 415, "unsupported_media_type", None),
    ("application/json", json.dumps(INFO), 400, "invalid_request", "data.usage"), ("application/json", json.dumps(TEXT), 400, "invalid_request", "data"),
    ("application/json", TEXT, 400, "invalid_request", "data")])  # without its quotes it is no JSON
def test_the_formats_examples_in_binary_mode(world, content_type, body, status, code, param):
    refused(send(world.admin, body, headers=headers_of({**SOME, "id": "C234-1234-1234"}, content_type)), status, code, param)


def test_the_formats_batch_of_bytes_and_an_object(world):
    told = taken(send(world.admin, [{**IN_BASE64, "source": "/mycontext/4", "id": "B234-1234-1234"}, {**OF_OTHERS, "time": "2018-04-05T17:31:05Z"}], BATCH))
    assert [(one["status"], one["error"]["param"]) for one in told["data"]] == [("rejected", "datacontenttype"), ("rejected", "data.usage")]
    assert [one["id"] for one in told["data"]] == ["B234-1234-1234", "C234-1234-1234"]


def test_a_batch_may_be_empty(world):
    assert taken(send(world.admin, [], BATCH)) == {"object": "event_batch", "accepted": 0, "duplicates": 0, "rejected": 0, "data": []}


def with_usage(subject):
    """The examples with usage in them, of this moment."""
    said = {"product": "gpt-4o-mini", "usage": USAGE}
    base = {**SOME, "subject": subject, "time": ago(seconds=0)}
    return {
        "an object": {**base, "datacontenttype": "application/json", "data": {**INFO, **said}},
        "an object, without its type": {**base, "data": {**INFO, **said}},
        "attributes that are null": {**base, "time": None, "datacontenttype": None, "unsetextension": None, "data": said},
        "extensions of tracing": {**base, "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b9c7c989f97918e1-01", "tracestate": "a=1", "data": said},
        "JSON in Base64": {**base, "datacontenttype": "application/json", "data_base64": base64.b64encode(json.dumps(said).encode()).decode()},
        "of a pull request": {**PULL, "subject": subject, "time": None, "datacontenttype": "text/json; charset=utf-8", "data": said},
        "another context": {**OF_OTHERS, "subject": subject, "time": ago(seconds=1), "data": said},
    }


def test_the_same_with_usage_in_it_is_charged_in_every_mode(world):
    customer, _ = world.customer("10")
    for name, body in with_usage(customer).items():
        assert taken(send(world.admin, {**body, "id": new_id()}, CLOUDEVENT + "; charset=utf-8"))["charge"] == COST, name
        if "data" in body:
            headers = headers_of({**body, "id": new_id()}, "application/json; charset=utf-8")
            assert taken(send(world.admin, json.dumps(body["data"]), headers=headers))["charge"] == COST, name
    batch = [{**body, "id": new_id()} for body in with_usage(customer).values()]
    told = taken(send(world.admin, batch, BATCH + "; charset=UTF-8"))
    assert (told["accepted"], told["duplicates"], told["rejected"]) == (len(batch), 0, 0)


def test_the_bindings_example_of_binary_mode(world):
    customer, _ = world.customer("10")
    made = {"specversion": "1.0", "type": "com.example.someevent", "time": "2018-04-05T03:56:24Z", "id": "1234-1234-1234", "source": "/mycontext/subcontext", "subject": customer}
    body = json.dumps({"product": "gpt-4o-mini", "usage": USAGE})
    refused(send(world.admin, body, headers=headers_of(made, "application/json; charset=utf-8")), 400, "invalid_request", "time")  # years late
    answer = taken(send(world.admin, body, headers=headers_of({**made, "time": ago(seconds=0)}, "application/json; charset=utf-8")))
    assert (answer["id"], answer["source"], answer["charge"]) == ("1234-1234-1234", "/mycontext/subcontext", COST)


def test_the_bindings_examples_are_posted_for_put_is_not_taken(world):
    customer, _ = world.customer("10")
    made = event(customer)
    for body, kind in ((made, CLOUDEVENT), ([made, made], BATCH)):
        answer = world.admin.request("PUT", "/api/v1/events", body, headers={"Content-Type": kind + "; charset=utf-8"}, check=False)
        assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert world.calls(customer) == []


def test_the_bindings_examples_of_header_values(world):
    customer, _ = world.customer("10")
    body, made = json.dumps({"product": "gpt-4o-mini", "usage": USAGE}), event(customer, data=None, time=ago(seconds=0))
    for value, read in (("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro \u20ac \U0001f600"), ("Euro%20%e2%82%ac%20%f0%9f%98%80", "Euro \u20ac \U0001f600"),
                        ('"Euro %E2%82%AC"', "Euro \u20ac"), ("%45uro", "Euro")):
        headers = headers_of({**made, "id": new_id(), "source": value}, "application/json")
        assert taken(send(world.admin, body, headers={name.upper() if name[:3] == "ce-" else name: v for name, v in headers.items()}))["source"] == read  # names in any case
    refused(send(world.admin, body, headers=headers_of({**made, "source": "%C0%A0"}, "application/json")), 400, "invalid_request", "source")  # an overlong form


def test_the_cores_examples_of_sources_types_and_subjects(world):
    names = ("mynewfile.jpg", "partnerid/5/clientid/100", "larger-context")
    customers = [world.customer("10", external_id=f"{name}#{new_id()}") for name in names]
    sources = ("https://github.com/cloudevents", "mailto:cncf-wg-serverless@lists.cncf.io", "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
               "/cloudevents/spec/pull/123", "/sensors/tn-1234567/alerts", "1-555-123-4567", "https://example.com/storage/tenant/container")
    for i, source in enumerate(sources):
        customer, _ = customers[i % len(customers)]
        name = world.admin.get(f"/api/v1/customers/{customer}").json["external_id"]
        made = event(name, source=source, type=("com.github.pull_request.opened", "com.example.object.deleted.v2")[i % 2], data={"product": "gpt-4o-mini", "usage": USAGE})
        answer = taken(send(world.admin, made, CLOUDEVENT))
        assert (answer["source"], answer["customer"], answer["charge"]) == (source, customer, COST)


def test_another_version_is_refused(world):
    customer, _ = world.customer("10")
    for version in ("0.3", "1.0.2", "2.0", ""):
        refused(send(world.admin, event(customer, specversion=version), CLOUDEVENT), 400, "invalid_request", "specversion")
