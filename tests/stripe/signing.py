"""The Stripe-Signature header: HMAC-SHA256 over "<t>.<body>" with the secret as it is written, one v1 for each secret that is
active while one replaces another, and in test mode a v0 that means nothing."""
import hashlib
import hmac
import time


def signature(secret, at, body):
    return hmac.new(secret.encode(), str(at).encode() + b"." + body, hashlib.sha256).hexdigest()


def header(secrets, body, livemode=False, at=None):
    """at: unix seconds; the machine's own clock unless given, whatever the stand-in's says: that is what receivers compare with."""
    at = int(time.time()) if at is None else at
    parts = [f"t={at}", *(f"v1={signature(secret, at, body)}" for secret in secrets)]
    if not livemode:
        parts.append("v0=" + hashlib.sha256(body).hexdigest())
    return ",".join(parts)
