"""Meter events: what was used, by customer. Shape, time and identifier are looked at when an event comes in; whether there is such
a meter, such a customer and such a value only afterwards, and what is wrong is told as a thin event, with counts and samples."""
import decimal

from .. import thin
from ..clock import DAY, MINUTE
from ..errors import invalid, refused

TABLE = "meter_events"
OLDEST, NEWEST, UNIQUE, CANCELABLE = 35 * DAY, 5 * MINUTE, DAY, DAY
SAMPLES = 5


def take(account, event_name, payload, identifier=None, timestamp=None):
    """One event, kept. Raises for what the API sees at once."""
    if not isinstance(payload, dict) or not all(isinstance(v, str) for v in payload.values()):
        raise invalid("The payload is an object of strings.", "payload")
    now = account.now()
    at = now if timestamp is None else timestamp
    if at < now - OLDEST:
        raise invalid("The timestamp is too far in the past: at most 35 days.", "timestamp", "timestamp_too_far_in_past")
    if at > now + NEWEST:
        raise invalid("The timestamp is too far in the future: at most 5 minutes.", "timestamp", "timestamp_in_future")
    identifier = identifier or account.ids.text(24)
    if account.seen.get(("meter event", identifier), now - UNIQUE) > now - UNIQUE:
        raise refused(f"An event already exists with identifier {identifier}.", "resource_already_exists", "identifier")
    kept = {"id": account.ids.make("mtrev_"), "event_name": event_name, "payload": payload, "identifier": identifier, "timestamp": at, "taken": now,
            "canceled": False, "wrong": _wrong(account, event_name, payload)}
    account.put(TABLE, kept)
    account.seen["meter event", identifier] = now
    if kept["wrong"]:
        _report(account, [kept])
    return kept


def _wrong(account, event_name, payload):
    """Why the event does not count: a code, or None."""
    meter = meter_of(account, event_name)
    if meter is None:
        return "no_meter"
    if meter["status"] != "active":
        return "archived_meter"
    customer = payload.get(meter["customer_mapping"]["event_payload_key"])
    if customer is None:
        return "meter_event_no_customer_defined"
    found = account.tables.get("customers", {}).get(customer)
    if found is None or found.get("deleted"):
        return "meter_event_customer_not_found"
    if meter["default_aggregation"]["formula"] != "count" and value_of(meter, payload) is None:
        return "meter_event_invalid_value"
    return None


def meter_of(account, event_name):
    found = account.all("meters", event_name=event_name)
    return found[-1] if found else None


def value_of(meter, payload):
    """The number in the payload, or None."""
    try:
        value = decimal.Decimal(payload[meter["value_settings"]["event_payload_key"]])
        return value if value.is_finite() else None
    except (KeyError, decimal.InvalidOperation):
        return None


def _report(account, wrong):
    """The thin event: of the meter, or that there is none."""
    meter, now = meter_of(account, wrong[0]["event_name"]), account.now()
    code = wrong[0]["wrong"]
    sample = [{"error_message": code.replace("_", " "), "request": {"identifier": e["identifier"]}} for e in wrong[:SAMPLES]]
    data = {"developer_message_summary": f"There is {len(wrong)} invalid event", "validation_start": thin.iso(now), "validation_end": thin.iso(now + 1),
            "reason": {"error_count": len(wrong), "error_types": [{"code": code, "error_count": len(wrong), "sample_errors": sample}]}}
    account.emit_thin("v1.billing.meter.error_report_triggered" if meter else "v1.billing.meter.no_meter_found", meter, data)


def total(account, meter, customer, start=0, end=None):
    """What counts for one customer in a time: a number as JSON writes it, None where there is nothing. Never below zero."""
    values = [(e["timestamp"], value_of(meter, e["payload"])) for e in account.all(TABLE, event_name=meter["event_name"], canceled=False, wrong=None)
              if e["payload"][meter["customer_mapping"]["event_payload_key"]] == customer and start <= e["timestamp"] and (end is None or e["timestamp"] < end)]
    if not values:
        return None
    formula = meter["default_aggregation"]["formula"]
    value = len(values) if formula == "count" else max(values)[1] if formula == "last" else sum(v for _, v in values)
    value = max(decimal.Decimal(value), decimal.Decimal(0))
    return int(value) if value == value.to_integral_value() else float(value)


def cancel(account, event_name, identifier):
    """Takes one back, within a day of its coming."""
    found = [e for e in account.all(TABLE, event_name=event_name, identifier=identifier) if not e["canceled"]]
    if not found or found[-1]["taken"] <= account.now() - CANCELABLE:
        raise refused("No event with this identifier came in the last 24 hours.", "resource_missing", "cancel[identifier]")
    found[-1]["canceled"] = True
