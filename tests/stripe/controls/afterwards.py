"""Refunds and disputes, on request."""
from ..control import BadControl, call
from ..objects import disputes, refunds


@call("POST", "/refunds/{id}/settle")
def settle(account, given, id):
    """A pending refund arrives."""
    with account.lock:
        made = account.find("refunds", id, "refund")
        refunds.settle(account, made)
        return made


@call("POST", "/refunds/{id}/fail")
def fail(account, given, id):
    """A refund fails, also after it has succeeded: {reason}."""
    with account.lock:
        made = account.find("refunds", id, "refund")
        refunds.fail(account, made, given.get("reason", "lost_or_stolen_card"))
        return made


@call("POST", "/refunds")
def refund(account, given):
    """Somebody refunds in the dashboard: {payment_intent or charge, amount}; no metadata, no request."""
    with account.lock:
        return refunds.make(account, _charge(account, given), given.get("amount"), "requested_by_customer")


@call("POST", "/disputes")
def dispute(account, given):
    """A bank disputes: {payment_intent or charge, amount (all; less or more), reason ("fraudulent"), inquiry (false)}."""
    with account.lock:
        return disputes.open_dispute(account, _charge(account, given), given.get("amount"), given.get("reason", "fraudulent"), given.get("inquiry", False))


@call("POST", "/disputes/{id}/escalate")
def escalate(account, given, id):
    """An inquiry becomes a dispute."""
    with account.lock:
        return disputes.escalate(account, account.find("disputes", id, "dispute"))


@call("POST", "/disputes/{id}/close")
def close(account, given, id):
    """Decides: {status: "won", "lost" or "warning_closed"}; won after lost is the late win."""
    if given.get("status") not in ("won", "lost", "warning_closed"):
        raise BadControl("status is won, lost or warning_closed")
    with account.lock:
        return disputes.close(account, account.find("disputes", id, "dispute"), given["status"])


@call("POST", "/warnings")
def warn(account, given):
    """An early fraud warning: {payment_intent or charge}."""
    with account.lock:
        return disputes.warn(account, _charge(account, given))


def _charge(account, given):
    id = given.get("charge") or account.find("payment_intents", given.get("payment_intent", ""), "payment_intent")["latest_charge"]
    return account.find("charges", id, "charge")
