"""Meter events over both APIs: v1 with a form, v2 with JSON, and the v2 stream, which takes a hundred at once with a token of its own
and looks at nothing before it says yes."""
import datetime

from .. import params as p
from .. import thin
from ..clock import MINUTE
from ..errors import StripeError, forbidden, invalid, unauthorized
from ..routes import route
from . import meter_events

MOST_IN_STREAM = 100
TOKEN_LIVES = 15 * MINUTE


@route("POST", "/v1/billing/meter_events", {"event_name!": p.text(100), "payload!": p.anything, "identifier": p.text(100), "timestamp": p.integer(0)})
def create(call):
    given = call.params
    kept = meter_events.take(call.account, given["event_name"], given["payload"], given.get("identifier"), given.get("timestamp"))
    return {"object": "billing.meter_event", "created": kept["taken"], "livemode": call.account.livemode,
            **{k: kept[k] for k in ("event_name", "identifier", "payload", "timestamp")}}


CANCEL = p.hash_of(identifier_required=p.text(100))


@route("POST", "/v1/billing/meter_event_adjustments", {"event_name!": p.text(100), "type!": p.one_of("cancel"), "cancel!": CANCEL})
def adjust(call):
    given = call.params
    meter_events.cancel(call.account, given["event_name"], given["cancel"]["identifier"])
    return {"object": "billing.meter_event_adjustment", "cancel": given["cancel"], "event_name": given["event_name"], "livemode": call.account.livemode,
            "status": "complete", "type": "cancel"}


def seconds(text, at="timestamp"):
    """Unix seconds of an ISO 8601 time."""
    try:
        return int(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())
    except (ValueError, AttributeError):
        raise invalid("A time is written as 2026-01-31T12:00:00.000Z.", at) from None


def _event(given):
    """The arguments of one v2 event."""
    if not isinstance(given, dict) or not isinstance(given.get("event_name"), str) or "payload" not in given:
        raise invalid("A meter event has event_name and payload.", "event_name")
    unknown = set(given) - {"event_name", "payload", "identifier", "timestamp"}
    if unknown:
        raise invalid(f"Received unknown parameter: {sorted(unknown)[0]}", sorted(unknown)[0], "parameter_unknown")
    return {"event_name": given["event_name"], "payload": given["payload"], "identifier": given.get("identifier"),
            "timestamp": seconds(given["timestamp"]) if "timestamp" in given else None}


@route("POST", "/v2/billing/meter_events", json=True)
def create_v2(call):
    kept = meter_events.take(call.account, **_event(call.params))
    return {"object": "v2.billing.meter_event", "created": thin.iso(kept["taken"]), "livemode": call.account.livemode, "event_name": kept["event_name"],
            "identifier": kept["identifier"], "payload": kept["payload"], "timestamp": thin.iso(kept["timestamp"])}


@route("POST", "/v2/billing/meter_event_adjustments", json=True)
def adjust_v2(call):
    given = call.params
    if given.get("type") != "cancel" or not isinstance(given.get("cancel"), dict) or not isinstance(given.get("event_name"), str):
        raise invalid("An adjustment has event_name, type cancel and cancel.identifier.", "type")
    meter_events.cancel(call.account, given["event_name"], given["cancel"].get("identifier"))
    return {"object": "v2.billing.meter_event_adjustment", "id": call.account.ids.make("mtr_adj_"), "created": thin.iso(call.account.now()),
            "cancel": given["cancel"], "event_name": given["event_name"], "livemode": call.account.livemode, "status": "complete", "type": "cancel"}


@route("POST", "/v2/billing/meter_event_session", json=True)
def session(call):
    account, now = call.account, call.account.now()
    token = "token_" + account.ids.text(40)
    account.keys[token] = "session"
    made = {"id": account.ids.make("mes_"), "object": "v2.billing.meter_event_session", "authentication_token": token, "created": thin.iso(now),
            "expires_at": thin.iso(now + TOKEN_LIVES), "livemode": account.livemode}
    account.put("meter_sessions", made, token=token, until=now + TOKEN_LIVES)
    return made


@route("POST", "/v2/billing/meter_event_stream", json=True)
def stream(call):
    account = call.account
    if account.keys.get(call.key) != "session":
        raise forbidden()
    if not any(account.secret(s)["token"] == call.key and account.secret(s)["until"] > account.now() for s in account.all("meter_sessions")):
        raise unauthorized("The temporary session has expired.")
    events = call.params.get("events")
    if not isinstance(events, list) or not 1 <= len(events) <= MOST_IN_STREAM:
        raise invalid(f"1 to {MOST_IN_STREAM} events at once.", "events")
    for one in [_event(e) for e in events]:
        try:
            meter_events.take(account, **one)
        except StripeError:
            pass  # a duplicate, or one out of time: the stream does not say
    return {}
