"""Endpoints, deliveries, and what a bad day does to them."""
from ..control import BadControl, call
from ..sender import SETTINGS, Endpoint


@call("POST", "/endpoints")
def add_endpoint(account, given):
    """Tells events to an address: {url, secrets: [..], events: ["*"], payload: "snapshot" or "thin", api_version}. Takes the place of
    one with the same id."""
    id = given.get("id", f"given_{len(account.sender.endpoints) + 1}")
    made = Endpoint(id, given["url"], given.get("secrets", ()), given.get("events", ("*",)), given.get("payload", "snapshot"), given.get("api_version"))
    if not made.secrets:
        raise BadControl("an endpoint has at least one secret")
    account.sender.endpoints[id] = made
    return {"id": id, "url": made.url, "events": made.events, "payload": made.payload}


@call("POST", "/endpoints/{id}/secrets")
def roll(account, given, id):
    """The secrets that sign from now on, several while one is rolled: {secrets: [..]}."""
    account.sender.endpoints[id].secrets = list(given["secrets"])
    return {"id": id, "secrets": len(given["secrets"])}


@call("DELETE", "/endpoints/{id}")
def remove_endpoint(account, given, id):
    """Tells it nothing more."""
    account.sender.endpoints.pop(id).enabled = False
    return {"id": id, "deleted": True}


@call("POST", "/webhooks")
def configure(account, given):
    """Settings of the sender: mode (auto, hold), delay [least, most], shuffle (seconds), duplicate, drop (chances), retry_seconds [..],
    timeout, signed_ahead."""
    unknown = set(given) - set(SETTINGS)
    if unknown or given.get("mode", "auto") not in ("auto", "hold"):
        raise BadControl(f"the sender's settings are {SETTINGS}")
    account.sender.settings.update(given)
    return account.sender.settings


@call("GET", "/deliveries")
def deliveries(account, given):
    """What was told to whom: ?state=pending|held|dropped|failed|delivered &type=."""
    return account.sender.shown(given.get("state"), given.get("type"))


@call("POST", "/deliver")
def deliver(account, given):
    """Sends what is held, now: {order: made|reversed|shuffled, copies (1), states (["held"]), types, together (1: so many at once)}. The
    deliveries as they went."""
    if given.get("order", "made") not in ("made", "reversed", "shuffled"):
        raise BadControl("order is made, reversed or shuffled")
    sent = account.sender.flush(given.get("order", "made"), given.get("copies", 1), given.get("states", ("held",)), given.get("types"),
                                min(given.get("together", 1), 64))
    return [d.shown() for d in sent]


@call("POST", "/events/{id}/deliver")
def resend(account, given, id):
    """Sends one event once more, as the dashboard does."""
    return [d.shown() for d in account.sender.resend(id)]


@call("POST", "/release")
def release(account, given):
    """Lets go what is held, and holds no longer."""
    account.sender.release()
    return {}


@call("POST", "/quiet")
def quiet(account, given):
    """Waits until nothing is under way or to be retried: {timeout (30)}."""
    return {"quiet": account.sender.quiet(given.get("timeout", 30))}


@call("GET", "/events")
def events(account, given):
    """All events, oldest first, however old: ?type=."""
    return account.events.listed([given["type"]] if "type" in given else None, kept=account.now())
