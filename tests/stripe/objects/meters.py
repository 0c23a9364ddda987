"""Billing meters and what they have counted: one for each event_name."""
from .. import params as p
from ..errors import invalid, refused
from ..lists import page
from ..routes import route
from . import meter_events

TABLE = "meters"


@route("POST", "/v1/billing/meters", {"display_name!": p.text(250), "event_name!": p.text(100), "default_aggregation!": p.hash_of(
    formula_required=p.one_of("count", "last", "sum")), "customer_mapping": p.hash_of(event_payload_key_required=p.text(100), type_required=p.one_of("by_id")),
    "value_settings": p.hash_of(event_payload_key_required=p.text(100)), "event_time_window": p.one_of("day", "hour")})
def create(call):
    account, given = call.account, call.params
    if any(m["event_name"] == given["event_name"] and m["status"] == "active" for m in account.all(TABLE)):
        raise refused("An active meter with this event_name exists.", param="event_name")
    made = account.new("mtr_test_", "billing.meter", customer_mapping={"event_payload_key": "stripe_customer_id", "type": "by_id", **given.get("customer_mapping", {})},
                       default_aggregation=given["default_aggregation"], display_name=given["display_name"], event_name=given["event_name"],
                       event_time_window=given.get("event_time_window"), status="active", status_transitions={"deactivated_at": None}, updated=account.now(),
                       value_settings={"event_payload_key": "value", **given.get("value_settings", {})})
    return account.put(TABLE, made)


def _found(call):
    return call.account.find(TABLE, call.id, "billing.meter", "meter")


@route("GET", "/v1/billing/meters/{id}")
def retrieve(call):
    return _found(call)


@route("POST", "/v1/billing/meters/{id}", {"display_name": p.text(250)})
def update(call):
    made = _found(call)
    made["display_name"] = call.params.get("display_name", made["display_name"])
    return made


@route("POST", "/v1/billing/meters/{id}/deactivate")
def deactivate(call):
    made = _found(call)
    made.update(status="inactive", status_transitions={"deactivated_at": call.account.now()})
    return made


@route("POST", "/v1/billing/meters/{id}/reactivate")
def reactivate(call):
    made = _found(call)
    made.update(status="active", status_transitions={"deactivated_at": None})
    return made


@route("GET", "/v1/billing/meters", {**p.PAGE, "status": p.one_of("active", "inactive")})
def listed(call):
    where = {"status": call.params["status"]} if "status" in call.params else {}
    return page(call.account.all(TABLE, **where), call.params, "/v1/billing/meters")


@route("GET", "/v1/billing/meters/{id}/event_summaries", {**p.PAGE, "customer!": p.text(), "start_time!": p.integer(0), "end_time!": p.integer(0),
                                                          "value_grouping_window": p.one_of("day", "hour")})
def summaries(call):
    account, made, given = call.account, _found(call), call.params
    start, end, window = given["start_time"], given["end_time"], {"day": 86400, "hour": 3600}.get(given.get("value_grouping_window"))
    if start % 60 or end % 60 or end <= start:
        raise invalid("start_time and end_time are whole minutes, the start first.", "start_time")
    found = []
    for at in range(start, end, window or (end - start)):
        until = min(at + (window or end - start), end)
        value = meter_events.total(account, made, given["customer"], at, until)
        if value is not None:
            found.append({"id": f"mtrusg_{made['id'][-8:]}{at}", "object": "billing.meter_event_summary", "aggregated_value": value, "end_time": until,
                          "livemode": account.livemode, "meter": made["id"], "start_time": at})
    return page(found, given, f"/v1/billing/meters/{made['id']}/event_summaries")
