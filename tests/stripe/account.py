"""One Stripe account: its objects by table, what Stripe knows of them and does not show, time, ids, events and settings. All of
it is changed under one lock, which the API, the pages and the control calls hold while they work."""
import copy
import random
import threading

from .clock import Clock
from .errors import no_such
from .events import Events
from .faults import Faults
from .idempotency import Store
from .ids import Ids
from .journal import Journal
from .sender import Sender

API_VERSION = "2026-10-28.endive"  # of the shapes here, and where a caller or an endpoint names none
SETTINGS = {"tax_percent": 0, "display_name": "Example Inc", "portal_cancels_at_once": False}


class Account:
    def __init__(self, seed, livemode=False, base_url=""):
        self.seed, self.livemode, self.url, self.api_version = seed, livemode, base_url, API_VERSION
        self.lock = threading.RLock()
        self.clock, self.ids = Clock(), Ids(seed)
        self.random = random.Random(f"{seed}/account")
        self.tables, self.index = {}, {}
        self.secrets = {}  # by object id: what a test card does, a session's choices, …
        self.seen = {}  # (what, key): when it last came, or what was made of it
        self.settings = dict(SETTINGS)
        self.keys = {}  # API keys with a state of their own: "revoked", "restricted"
        self.bugs = []  # tracebacks of the stand-in itself: a test that finds one has found nothing about its subject
        self.cause = None  # (request id, idempotency key) of the call being worked on
        self.idempotency, self.faults, self.journal = Store(self.clock), Faults(seed), Journal()
        self.events = Events(self)
        self.sender = Sender(self, seed)

    def now(self):
        return self.clock.now()

    # Objects

    def new(self, prefix, kind, **fields):
        """An object that is on no table yet."""
        return {"id": self.ids.make(prefix), "object": kind, "created": self.now(), "livemode": self.livemode, **fields}

    def put(self, table, made, **secrets):
        self.tables.setdefault(table, {})[made["id"]] = made
        self.index[made["id"]] = made
        self.secrets[made["id"]] = secrets
        return made

    def remove(self, table, id):
        self.index.pop(id, None)
        return self.tables[table].pop(id)

    def all(self, table, **where):
        """In the order in which they were made; where: fields and their values."""
        return [o for o in self.tables.get(table, {}).values() if all(o.get(k) == v for k, v in where.items())]

    def get(self, id):
        return self.index.get(id)

    def find(self, table, id, kind, param="id", status=404):
        """The object, or Stripe's answer that there is none."""
        found = self.tables.get(table, {}).get(id)
        if found is None:
            raise no_such(kind, id, param, status)
        return found

    def secret(self, made):
        return self.secrets[made["id"]]

    # Changes and events

    def emit(self, type, made, previous=None):
        return self.events.add(type, made, previous)

    def emit_thin(self, type, made, data):
        """An event that exists only as a thin one."""
        return self.events.add_thin(type, made, data)

    def change(self, made, type=None, **new):
        """Sets fields; where something changed and a type is given, tells it with what was there before. True if it changed."""
        before = {k: copy.deepcopy(made.get(k)) for k in new}
        made.update(new)
        was = previous(before, {k: made[k] for k in new})
        if was and type:
            self.emit(type, made, was)
        return bool(was)


def previous(before, after):
    """previous_attributes: of what changed, what was there; nested objects in part, arrays whole."""
    out = {}
    for key, old in before.items():
        new = after.get(key)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            keys = {**old, **new}
            out[key] = previous({k: old.get(k) for k in keys}, {k: new.get(k) for k in keys})
        else:
            out[key] = old
    return out


def nulls(names):
    """Fields of these names that are null."""
    return dict.fromkeys(names.split())
