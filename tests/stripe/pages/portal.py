"""The billing portal's page: the card that is on file, another one in its place, the plans, and ending one."""
from ..clock import DAY
from ..errors import StripeError
from ..objects import cards, payment_methods, portal, subscriptions
from ..thin import iso
from .checkout import groups
from .look import bar, choices, esc, page, problem

LIVES = DAY


def _session(account, id):
    return account.find(portal.TABLE, id, "billing portal session")


def show(account, id, form, trouble=None, done=None):
    with account.lock:
        account.clock.run_due()
        session = _session(account, id)
        if session["created"] + LIVES < account.now():
            return page("Expired", "<h2>This page has expired</h2>", status=410)
        customer = account.get(session["customer"])
        leave = f"<p class='row'><a class='button' id='return' href='{esc(session['return_url'])}'>Return</a></p>" if session["return_url"] else ""
        head = (f"<h1>{esc(account.settings['display_name'])}</h1><p class='amount'>Billing</p><p class='soft'>{esc(customer['email'] or customer['id'])}</p>"
                f"{problem(trouble)}{_done(done)}{_plans(account, customer)}{leave}")
        return page("Billing", head, _card(account, customer))


def _done(text):
    return f"<p class='done' role='status'>{esc(text)}</p>" if text else ""


def _card(account, customer):
    saved = "".join(_saved(customer, method) for method in account.all(payment_methods.TABLE, customer=customer["id"]))
    return (f"<h2>Payment methods</h2><div id='saved'>{saved or '<p>None on file.</p>'}</div><h2>Another card</h2>"
            f"<form method='post'>{choices(groups('setup'), 'mastercard')}"
            f"{bar('<button class=main id=replace name=do value=replace>Replace the card</button>')}</form>")


def _saved(customer, method):
    default = " (default)" if customer["invoice_settings"]["default_payment_method"] == method["id"] else ""
    text = f"{method['card']['brand']} •••• {method['card']['last4']}{default}" if method["type"] == "card" else "bank account •••• " + method[method["type"]]["last4"]
    return (f"<form method='post' class='row'><strong>{esc(text)}</strong><button class='other' name='do' value='remove:{method['id']}'>Remove</button></form>")


def _plans(account, customer):
    out = ["<h2>Plans</h2>"]
    for made in reversed(account.all(subscriptions.TABLE, customer=customer["id"])):
        one = made["items"]["data"][0]
        text = subscriptions.shape.described(account, one["price"], one["quantity"])
        verb, label = ("keep", "Keep it") if made["cancel_at"] else ("cancel", "Cancel the plan")
        until = f"ends {iso(made['cancel_at'])[:10]}" if made["cancel_at"] else f"renews {iso(subscriptions.shape.ends(made))[:10]}"
        live = made["status"] in subscriptions.LIVE
        button = f"<form method='post'><button class='other' name='do' value='{verb}:{made['id']}'>{label}</button></form>" if live else ""
        out.append(f"<p>{esc(text)}<br><small>{esc(made['status'])}{', ' + until if live else ''}</small></p>{button}")
    return "".join(out) if len(out) > 1 else "<p class='soft'>No plans.</p>"


def act(account, id, form):
    """A button was pressed."""
    verb, _, of = form.get("do", "").partition(":")
    with account.lock:
        session = _session(account, id)
        try:
            if verb == "replace":
                portal.replace_card(account, session, cards.BY_NAME.get(form.get("card"), cards.BY_NAME["visa"]))
                return show(account, id, form, done="The card has been replaced.")
            if verb == "remove":
                method = account.find(payment_methods.TABLE, of, "PaymentMethod")
                if method["customer"] == session["customer"]:
                    payment_methods.detach(account, method)
                return show(account, id, form, done="The card has been removed.")
            subscription = account.find(subscriptions.TABLE, of, "subscription")
            if subscription["customer"] == session["customer"] and verb in ("cancel", "keep"):
                {"cancel": portal.cancel, "keep": portal.keep}[verb](account, subscription)
                return show(account, id, form, done="The plan will end with its period." if subscription["cancel_at"] else "Done.")
        except StripeError as error:
            return show(account, id, form, trouble=error.error["message"])
    return f"{account.url}/p/session/{id}"
