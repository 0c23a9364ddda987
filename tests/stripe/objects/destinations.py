"""The v2 side of events: destinations that are told thin or snapshot, and the thin events themselves, fetched and listed."""
from .. import thin
from ..errors import invalid, no_such
from ..routes import route
from ..sender import Endpoint

TABLE = "destinations"


def _text(given, name):
    if not isinstance(given.get(name), str) or not given[name]:
        raise invalid(f"Missing required param: {name}.", name, "parameter_missing")
    return given[name]


@route("POST", "/v2/core/event_destinations", json=True)
def create(call):
    account, given = call.account, call.params
    if _text(given, "type") != "webhook_endpoint" or _text(given, "event_payload") not in ("thin", "snapshot"):
        raise invalid("The stand-in tells webhook endpoints, thin or snapshot.", "type")
    events, url = given.get("enabled_events"), (given.get("webhook_endpoint") or {}).get("url")
    if not isinstance(events, list) or not events or not all(isinstance(e, str) for e in events):
        raise invalid("Missing required param: enabled_events.", "enabled_events", "parameter_missing")
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise invalid("Not a valid URL", "webhook_endpoint.url", "url_invalid")
    now, secret = thin.iso(account.now()), account.ids.make("whsec_")
    made = {"id": account.ids.make("ed_test_"), "object": "v2.core.event_destination", "created": now, "updated": now, "description": given.get("description", ""),
            "enabled_events": events, "event_payload": given["event_payload"], "events_from": ["self"], "livemode": account.livemode,
            "metadata": given.get("metadata", {}), "name": _text(given, "name"), "snapshot_api_version": given.get("snapshot_api_version"), "status": "enabled",
            "type": "webhook_endpoint", "webhook_endpoint": {"signing_secret": None, "url": url}}
    account.put(TABLE, made)
    account.sender.endpoints[made["id"]] = Endpoint(made["id"], url, [secret], events, given["event_payload"], given.get("snapshot_api_version"))
    # asked for with include[]=webhook_endpoint.signing_secret; given anyway, once
    return {**made, "webhook_endpoint": {"signing_secret": secret, "url": url}}


def _found(call):
    return call.account.find(TABLE, call.id, "event destination")


@route("GET", "/v2/core/event_destinations/{id}", json=True)
def retrieve(call):
    return _found(call)


@route("GET", "/v2/core/event_destinations", json=True)
def listed(call):
    return {"data": call.account.all(TABLE), "next_page_url": None, "previous_page_url": None}


def _set(call, status):
    made = _found(call)
    made["status"] = status
    call.account.sender.endpoints[made["id"]].enabled = status == "enabled"
    return made


@route("POST", "/v2/core/event_destinations/{id}/disable", json=True)
def disable(call):
    return _set(call, "disabled")


@route("POST", "/v2/core/event_destinations/{id}/enable", json=True)
def enable(call):
    return _set(call, "enabled")


@route("DELETE", "/v2/core/event_destinations/{id}", json=True)
def delete(call):
    _found(call)
    call.account.remove(TABLE, call.id)
    call.account.sender.endpoints.pop(call.id).enabled = False
    return {"id": call.id, "object": "v2.core.event_destination", "deleted": True}


@route("GET", "/v2/core/events/{id}", json=True)
def event(call):
    return call.account.find("thin_events", call.id, "event")


@route("GET", "/v2/core/events", json=True)
def events(call):
    """Newest first; object_id, types[] and limit are looked at."""
    given = call.params
    types = given.get("types", ())
    found = [e for e in reversed(call.account.all("thin_events")) if (not types or e["type"] in types)
             and ("object_id" not in given or (e["related_object"] or {}).get("id") == given["object_id"])]
    limit = given.get("limit", "20")
    return {"data": found[:int(limit) if limit.isdecimal() else 20], "next_page_url": None, "previous_page_url": None}


@route("POST", "/v2/core/event_destinations/{id}", json=True)
def update(call):
    made, given = _found(call), call.params
    unknown = set(given) - {"name", "description", "enabled_events", "metadata", "webhook_endpoint"}
    if unknown:
        raise no_such("parameter", sorted(unknown)[0], sorted(unknown)[0], 400)
    made.update({k: given[k] for k in ("name", "description", "enabled_events", "metadata") if k in given})
    made["updated"] = thin.iso(call.account.now())
    endpoint = call.account.sender.endpoints[made["id"]]
    endpoint.events = made["enabled_events"]
    if "webhook_endpoint" in given:
        made["webhook_endpoint"]["url"] = endpoint.url = given["webhook_endpoint"]["url"]
    return made
