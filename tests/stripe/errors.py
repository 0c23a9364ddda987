"""What the API answers instead of an object. `kept` says whether the answer belongs to an idempotency key: what failed before
any work began (a parameter that cannot be read, a wrong key, a conflict, too many requests) does not."""


class StripeError(Exception):
    def __init__(self, status, kind, message, kept=False, headers=(), **more):
        super().__init__(message)
        self.status, self.kept, self.headers = status, kept, dict(headers)
        self.error = {"type": kind, "message": message, **{k: v for k, v in more.items() if v is not None}}
        if "code" in self.error:
            self.error["doc_url"] = "https://stripe.com/docs/error-codes/" + self.error["code"].replace("_", "-")

    def body(self):
        return {"error": self.error}


def invalid(message, param=None, code=None):
    """400, before any work."""
    return StripeError(400, "invalid_request_error", message, param=param, code=code)


def missing(param):
    return invalid(f"Missing required param: {param}.", param, "parameter_missing")


def refused(message, code=None, param=None, **more):
    """400, because of the state in which things are: belongs to the key."""
    return StripeError(400, "invalid_request_error", message, kept=True, code=code, param=param, **more)


def no_such(kind, id, param, status=404):
    """404 for the object that the path names, 400 for one that a parameter names."""
    return StripeError(status, "invalid_request_error", f"No such {kind}: '{id}'", kept=True, code="resource_missing", param=param)


def unauthorized(message):
    return StripeError(401, "invalid_request_error", message, headers={"WWW-Authenticate": 'Basic realm="Stripe"'})


def forbidden():
    return StripeError(403, "invalid_request_error", "The provided key does not have the required permissions for this endpoint.")


def unknown_route(method, path):
    return StripeError(404, "invalid_request_error", f"Unrecognized request URL ({method}: {path}).")


def key_in_use():
    return StripeError(409, "idempotency_error", "Another request with this idempotency key is still being worked on.",
                       code="idempotency_key_in_use", headers={"Stripe-Should-Retry": "true"})


def key_differs():
    return StripeError(400, "idempotency_error", "This idempotency key was first used with another method, path or other parameters.")


def card_error(decline, charge=None, payment_intent=None, setup_intent=None, payment_method=None):
    """402. `decline`: the part that says why (cards.py)."""
    more = dict(decline)
    return StripeError(402, "card_error", more.pop("message"), kept=True, charge=charge, payment_intent=payment_intent,
                       setup_intent=setup_intent, payment_method=payment_method, **more)
