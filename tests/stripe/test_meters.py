"""Meter events: taken once, in time, summed by customer, and complained about afterwards."""
import json

import pytest

METER = {"display_name": "Tokens", "event_name": "tokens", "default_aggregation": {"formula": "sum"}}


@pytest.fixture
def meter(stripe):
    return stripe.post("/v1/billing/meters", METER)


def event(stripe, customer, value="25", **more):
    return stripe.ask("POST", "/v1/billing/meter_events", {"event_name": "tokens", "payload": {"stripe_customer_id": customer["id"], "value": value}, **more})


def v2(stripe, path, body, key=None):
    answer = stripe.request("POST", path, json.dumps(body), {"Authorization": f"Bearer {key or stripe.key}", "Content-Type": "application/json"})
    return answer


def sums(stripe):
    return stripe.control("GET", "/meters")["tokens"]


def test_values_are_summed_by_customer(stripe, meter, customer):
    other = stripe.post("/v1/customers")
    for who, value in ((customer, "25"), (customer, "2.5"), (other, "7")):
        assert event(stripe, who, value).status == 200
    assert sums(stripe) == {customer["id"]: 27.5, other["id"]: 7}


def test_an_identifier_counts_once(stripe, meter, customer):
    first = event(stripe, customer, identifier="ours:1").json
    assert first["identifier"] == "ours:1" and first["object"] == "billing.meter_event"
    again = event(stripe, customer, identifier="ours:1")
    assert again.status == 400 and again.json["error"]["param"] == "identifier"
    assert sums(stripe) == {customer["id"]: 25}
    stripe.advance(86401)
    assert event(stripe, customer, identifier="ours:1").status == 200


@pytest.mark.parametrize("ahead, status, code", [(-35 * 86400 + 60, 200, None), (-35 * 86400 - 60, 400, "timestamp_too_far_in_past"), (240, 200, None),
                                                 (360, 400, "timestamp_in_future")])
def test_the_time_has_a_window(stripe, meter, customer, ahead, status, code):
    answer = event(stripe, customer, timestamp=stripe.control("GET", "")["now"] + ahead)
    assert answer.status == status and answer.json.get("error", {}).get("code") == code


def test_sums_are_read_by_time(stripe, meter, customer):
    now = stripe.control("GET", "")["now"] // 3600 * 3600
    for hours, value in ((-3, "1"), (-2, "10"), (-1, "100")):
        event(stripe, customer, value, timestamp=now + hours * 3600)
    asked = {"customer": customer["id"], "start_time": now - 2 * 3600, "end_time": now}
    summary = stripe.get(f"/v1/billing/meters/{meter['id']}/event_summaries", asked)["data"]
    assert [s["aggregated_value"] for s in summary] == [110]
    summary = stripe.get(f"/v1/billing/meters/{meter['id']}/event_summaries", {**asked, "value_grouping_window": "hour"})["data"]
    assert [s["aggregated_value"] for s in summary] == [100, 10]


def test_a_sum_is_never_below_nothing(stripe, meter, customer):
    event(stripe, customer, "5")
    event(stripe, customer, "-8")
    assert sums(stripe) == {customer["id"]: 0}


def test_an_event_is_taken_back_within_a_day(stripe, meter, customer):
    event(stripe, customer, identifier="a")
    event(stripe, customer, "3", identifier="b")
    adjust = {"event_name": "tokens", "type": "cancel", "cancel": {"identifier": "a"}}
    assert stripe.post("/v1/billing/meter_event_adjustments", adjust)["status"] == "complete"
    assert sums(stripe) == {customer["id"]: 3}
    stripe.advance(86401)
    assert stripe.ask("POST", "/v1/billing/meter_event_adjustments", {**adjust, "cancel": {"identifier": "b"}}).status == 400


@pytest.mark.parametrize("payload, code", [({"stripe_customer_id": "cus_none", "value": "1"}, "meter_event_customer_not_found"),
                                           ({"value": "1"}, "meter_event_no_customer_defined"), ({"value": "many"}, "meter_event_invalid_value")])
def test_what_is_wrong_is_told_afterwards(stripe, meter, customer, receiver, payload, code):
    stripe.listen(receiver.url, "whsec_first", payload="thin", events=["v1.billing.meter.error_report_triggered"])
    if code == "meter_event_invalid_value":
        payload = {**payload, "stripe_customer_id": customer["id"]}
    assert stripe.ask("POST", "/v1/billing/meter_events", {"event_name": "tokens", "payload": payload, "identifier": "x"}).status == 200
    stripe.quiet()
    notice, = receiver.events
    assert notice["related_object"]["id"] == meter["id"] and "data" not in notice and receiver.signed() == ["whsec_first"]
    reason = stripe.get(f"/v2/core/events/{notice['id']}")["data"]["reason"]
    assert reason["error_count"] == 1 and reason["error_types"][0]["code"] == code
    assert reason["error_types"][0]["sample_errors"][0]["request"]["identifier"] == "x" and sums(stripe) == {}


def test_an_event_without_a_meter(stripe, customer):
    assert event(stripe, customer).status == 200
    assert [e["type"] for e in stripe.objects("thin_events")] == ["v1.billing.meter.no_meter_found"]


def test_v2_takes_json(stripe, meter, customer):
    answer = v2(stripe, "/v2/billing/meter_events", {"event_name": "tokens", "identifier": "a", "timestamp": "2020-01-01T00:00:00Z",
                                                     "payload": {"stripe_customer_id": customer["id"], "value": "25"}})
    assert answer.status == 400 and answer.json["error"]["code"] == "timestamp_too_far_in_past"
    answer = v2(stripe, "/v2/billing/meter_events", {"event_name": "tokens", "payload": {"stripe_customer_id": customer["id"], "value": "25"}})
    assert answer.status == 200 and answer.json["object"] == "v2.billing.meter_event" and sums(stripe) == {customer["id"]: 25}
    assert v2(stripe, "/v2/billing/meter_events", {"event_name": "tokens"}).status == 400
    assert v2(stripe, "/v2/billing/meter_events", {}, key="rk_test_x").status == 403


def test_the_stream_takes_a_hundred_with_a_token(stripe, meter, customer):
    one = {"event_name": "tokens", "payload": {"stripe_customer_id": customer["id"], "value": "1"}}
    assert v2(stripe, "/v2/billing/meter_event_stream", {"events": [one]}).status == 403
    token = v2(stripe, "/v2/billing/meter_event_session", {}).json["authentication_token"]
    assert v2(stripe, "/v2/billing/meter_event_stream", {"events": [one] * 100}, token).status == 200
    assert v2(stripe, "/v2/billing/meter_event_stream", {"events": [one] * 101}, token).status == 400
    assert sums(stripe) == {customer["id"]: 100}
    stripe.advance(901)
    assert v2(stripe, "/v2/billing/meter_event_stream", {"events": [one]}, token).status == 401


def test_a_credit_grant_is_kept(stripe, customer):
    made = stripe.post("/v1/billing/credit_grants", {"customer": customer["id"], "category": "paid", "amount": {"type": "monetary", "monetary": {"value": 1000, "currency": "usd"}},
                                                     "applicability_config": {"scope": {"price_type": "metered"}}})
    assert stripe.get(f"/v1/billing/credit_grants/{made['id']}")["amount"]["monetary"] == {"value": 1000, "currency": "usd"}
    assert stripe.post(f"/v1/billing/credit_grants/{made['id']}/void")["voided_at"]
    assert stripe.ask("POST", f"/v1/billing/credit_grants/{made['id']}/void").status == 400
