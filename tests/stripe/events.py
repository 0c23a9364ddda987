"""The list of events: a snapshot of the object at that moment, who asked for it, and what was told to which endpoint."""
import copy
import json

from . import thin

KEPT_SECONDS = 30 * 86400


class Events:
    def __init__(self, account):
        self.account, self.made = account, {}

    def add(self, type, made, previous=None):
        """Makes an event of the change and hands it to the sender."""
        account = self.account
        request, key = account.cause or (None, None)
        data = {"object": copy.deepcopy(made)}
        if previous is not None:
            data["previous_attributes"] = copy.deepcopy(previous)
        event = {"id": account.ids.make("evt_"), "object": "event", "api_version": account.api_version, "created": account.now(), "data": data,
                 "livemode": account.livemode, "pending_webhooks": 0, "request": {"id": request, "idempotency_key": key}, "type": type}
        self.made[event["id"]] = event
        event["pending_webhooks"] = account.sender.take(event)
        return event

    def add_thin(self, type, made, data):
        """An event that has no snapshot: only fetching it tells its data."""
        account = self.account
        place = thin.place(made) if made else None
        event = {"id": account.ids.make("evt_test_"), "object": "v2.core.event", "type": type, "livemode": account.livemode, "created": thin.iso(account.now()),
                 "reason": None, "related_object": place, "data": data}
        account.tables.setdefault("thin_events", {})[event["id"]] = event
        account.sender.take(event)
        return event

    def listed(self, types=None, delivered=None, kept=KEPT_SECONDS):
        """Oldest first, of the last thirty days. delivered: whether every endpoint has said yes to it."""
        since = self.account.now() - kept
        found = [e for e in self.made.values() if e["created"] >= since and (types is None or _matches(types, e["type"]))]
        if delivered is not None:
            found = [e for e in found if self.account.sender.delivered(e["id"]) == delivered]
        return [self.shown(e) for e in found]

    def shown(self, event):
        return {**event, "pending_webhooks": self.account.sender.pending(event["id"])}


def _matches(types, type):
    return any(t == type or t == "*" or (t.endswith(".*") and type.startswith(t[:-1])) for t in types)


def wants(enabled_events, type):
    return _matches(enabled_events, type)


def ordered(value):
    """Objects as Stripe writes them: id and object first, the rest by name."""
    if isinstance(value, dict):
        first = [k for k in ("id", "object") if k in value]
        return {k: ordered(value[k]) for k in first + sorted(k for k in value if k not in ("id", "object"))}
    if isinstance(value, list):
        return [ordered(v) for v in value]
    return value


def rendered(value):
    """The bytes that go out."""
    return json.dumps(ordered(value), indent=2, ensure_ascii=False).encode()
