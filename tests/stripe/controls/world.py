"""Time, faults, keys, settings; and what there is to see."""
from ..control import BadControl, call


@call("POST", "/clock")
def clock(account, given):
    """Moves the time: {advance: seconds}. What is due happens now. GET /_fake says what time it is."""
    with account.lock:
        account.clock.advance(int(given["advance"]))
    return {"now": account.now(), "ahead": account.clock.ahead}


@call("POST", "/faults")
def add_fault(account, given):
    """Adds a rule: {kind: timeout|reset|status|slow, when: before|after, method, path (with *), times, skip, probability, status,
    should_retry, reason, code, kept, seconds}."""
    return account.faults.add(**given).shown()


@call("GET", "/faults")
def faults(account, given):
    """The rules, and how often each has struck."""
    return account.faults.shown()


@call("DELETE", "/faults")
def clear_faults(account, given):
    """No more faults."""
    account.faults.clear()
    return []


@call("GET", "/requests")
def requests(account, given):
    """What was asked of the API: ?method= &path= (with *) &key= (an idempotency key) &fault= &executed=true|false."""
    where = {k: given[k] for k in ("method", "path", "key", "fault") if k in given}
    return account.journal.find(**where, executed={"true": True, "false": False}.get(given.get("executed")))


@call("DELETE", "/requests")
def forget_requests(account, given):
    """Forgets what was asked so far."""
    account.journal.clear()
    return []


@call("GET", "/state")
def tables(account, given):
    """How many objects there are of each kind."""
    with account.lock:
        return {name: len(table) for name, table in account.tables.items()}


@call("GET", "/state/{table}")
def state(account, given, table):
    """All objects of one kind, oldest first; a query names fields and their values."""
    with account.lock:
        return [o for o in account.all(table) if all(str(o.get(k)) == v for k, v in given.items())]


@call("GET", "/objects/{id}")
def one(account, given, id):
    """One object by its id."""
    return account.get(id) or {}


@call("GET", "/idempotency")
def idempotency(account, given):
    """The keys that were used, and what was answered."""
    return account.idempotency.keys()


@call("POST", "/keys")
def keys(account, given):
    """What becomes of an API key: {key, state: "good", "revoked" (401) or "restricted" (403)}."""
    if given["state"] not in ("good", "revoked", "restricted"):
        raise BadControl("state is good, revoked or restricted")
    account.keys[given["key"]] = given["state"]
    return {}


@call("POST", "/settings")
def settings(account, given):
    """tax_percent, display_name, portal_cancels_at_once."""
    unknown = set(given) - set(account.settings)
    if unknown:
        raise BadControl(f"the settings are {account.settings}")
    account.settings.update(given)
    return account.settings


@call("GET", "/bugs")
def bugs(account, given):
    """Tracebacks of the stand-in itself."""
    return account.bugs
