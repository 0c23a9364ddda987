"""A Checkout Session's page: what is bought, a choice of test cards, Pay and Cancel. After paying, the buyer's way back waits up to
ten seconds until the completed session has been told, as Stripe's does."""
from ..errors import StripeError
from ..money import written
from ..objects import cards, checkout as sessions, checkout_pay
from .look import bar, choices, esc, page, problem, rows

WAIT_FOR_WEBHOOK = 10
PROMOTION_CODES = {"HALF": 50, "FREE": 100}
GROUPS = [
    ("Works", lambda c: not (c.fails or c.auth or c.after or c.refund or c.bank)),
    ("The bank asks the buyer", lambda c: c.auth),
    ("Is declined", lambda c: c.fails and not c.auth),
    ("Bank debit: known only days later", lambda c: c.bank),
    ("Works, with something to come", lambda c: c.after or c.refund),
]


def groups(mode="payment"):
    return [(title, [c for c in cards.TABLE if chosen(c) and (mode == "payment" or not (c.after or c.refund)) and (mode != "setup" or not c.bank)])
            for title, chosen in GROUPS]


def show(account, id, form, trouble=None, card="visa"):
    with account.lock:
        account.clock.run_due()
        made = sessions.find(account, id)
        if made["status"] != "open":
            return _over(made)
        intent = account.get(account.secret(made).get("intent") or "")
        if intent and intent["status"] == "requires_action":
            return page("Authenticate", _question(made))
        return page("Pay", _summary(account, made), _form(account, made, trouble, card), bare_first=True)


def _summary(account, made):
    name = esc(account.settings["display_name"])
    if made["mode"] == "setup":
        return f"<h1>{name}</h1><p class='amount'>Save a card</p><p class='soft'>It may be used for later payments that you have agreed to.</p>"
    lines, totals = account.secret(made)["lines"], made["total_details"]
    pairs = [(f"{esc(line['description'])}<br><small>{_each(line)}</small>", written(line["amount_subtotal"], made["currency"])) for line in lines]
    if totals["amount_tax"]:
        pairs.append(("Tax", written(totals["amount_tax"], made["currency"])))
    if made["mode"] == "subscription" and made["amount_subtotal"] == 0:
        pairs.append(("Trial: nothing is due today", ""))
    total = written(made["amount_total"], made["currency"])
    return f"<h1>{name}</h1><p class='amount' id='amount'>{total}</p>{rows(pairs, ('Total due today', total))}"


def _each(line):
    each = f"{line['quantity']} × {written(line['price']['unit_amount'], line['currency'])}"
    return esc(each + (f" each {line['price']['recurring']['interval']}" if line["price"]["recurring"] else ""))


def _form(account, made, trouble, card):
    email = made["customer_email"] or (made["customer_details"] or {}).get("email")
    ask = f"<p class='soft'>{esc(email)}</p>" if email else "<label class='field'>E-mail<input type='email' name='email' value='buyer@example.com'></label>"
    code = "<label class='field'>Promotion code (HALF or FREE)<input name='code'></label>" if made["allow_promotion_codes"] else ""
    button = {"payment": f"Pay {written(made['amount_total'] or 0, made['currency'] or 'usd')}", "setup": "Save card", "subscription": "Subscribe"}[made["mode"]]
    leave = f"<a class='button' id='cancel' href='{esc(made['cancel_url'])}'>Cancel</a>" if made["cancel_url"] else ""
    return (f"<h2>Choose a test card</h2>{problem(trouble)}<form method='post'>{ask}{choices(groups(made['mode']), card)}{code}"
            f"{bar(f'<button class=main id=pay name=do value=pay>{esc(button)}</button>', leave)}</form>")


def _question(made):
    return ("<h2>Your bank asks whether it is you</h2><p>In test mode you decide.</p><form method='post' class='row'>"
            "<button class='main' id='authenticate' name='do' value='pass'>Complete authentication</button>"
            "<button class='other' id='fail' name='do' value='fail'>Fail authentication</button></form>")


def _over(made):
    if made["status"] == "expired":
        return page("Expired", "<h2>This page has expired</h2><p>Nothing was paid. Go back and begin again.</p>")
    return page("Paid", f"<h2>All is done here</h2><p class='row'><a class='button' href='{esc(back(made))}'>Continue</a></p>")


def back(made):
    return made["success_url"].replace("{CHECKOUT_SESSION_ID}", made["id"])


def act(account, id, form):
    """A button was pressed."""
    card = cards.BY_NAME.get(form.get("card"), cards.BY_NAME["visa"])
    with account.lock:
        made = sessions.find(account, id)
        trouble = _done(account, made, card, form)
        complete = made["status"] == "complete"
    if not complete:
        return show(account, id, form, trouble, card.name) if trouble else f"{account.url}/c/pay/{id}"
    told = next(e for e in reversed(account.events.made.values()) if e["type"] == "checkout.session.completed" and e["data"]["object"]["id"] == id)
    account.sender.tried(told["id"], WAIT_FOR_WEBHOOK)
    return back(made)


def _done(account, made, card, form):
    """What went wrong, for the buyer; None where nothing did."""
    try:
        if form.get("do") in ("pass", "fail"):
            checkout_pay.authenticate(account, made, form["do"] == "pass")
            return None if form["do"] == "pass" else "You did not pass the bank's authentication. Choose another card, or try again."
        percent = PROMOTION_CODES.get(form.get("code", "").strip().upper(), 0) if made["allow_promotion_codes"] else 0
        checkout_pay.pay(account, made, card, percent, form.get("email") or None)
    except StripeError as error:
        return error.error["message"]
    return None
