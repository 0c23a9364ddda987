"""Where a PaymentIntent or SetupIntent with a return_url sends its customer: the bank's question."""
from ..errors import StripeError, no_such
from ..money import written
from ..objects import paying, setup_intents
from .look import esc, page


def _intent(account, id):
    found = account.get(id)
    if found is None or found["object"] not in ("payment_intent", "setup_intent"):
        raise no_such("intent", id, "intent")
    return found


def show(account, id, form):
    with account.lock:
        intent = _intent(account, id)
        if intent["status"] != "requires_action":
            return page("Nothing to do", f"<h2>Nobody is asked here any more</h2><p>It has a status of {esc(intent['status'])}.</p>")
        what = written(intent["amount"], intent["currency"]) if intent["object"] == "payment_intent" else "Saving your card"
        return page("Authenticate", f"<h1>Your bank asks whether it is you</h1><p class='amount'>{what}</p><form method='post' class='row'>"
                    "<button class='main' id='authenticate' name='do' value='pass'>Complete authentication</button>"
                    "<button class='other' id='fail' name='do' value='fail'>Fail authentication</button></form>")


def act(account, id, form):
    with account.lock:
        intent = _intent(account, id)
        verb = setup_intents.authenticate if intent["object"] == "setup_intent" else paying.authenticate
        try:
            verb(account, intent, form.get("do") == "pass")
        except StripeError as error:
            if error.status != 402:
                raise
        where = account.secret(intent)["return_url"]
        return f"{where}{'&' if '?' in where else '?'}{intent['object']}={id}&redirect_status={'succeeded' if intent['status'] == 'succeeded' else 'failed'}"
