"""An invoice's page, where an open one can be paid with the customer there; and a charge's receipt."""
from ..errors import StripeError
from ..money import written
from ..objects import cards, invoices, payment_methods, paying
from .checkout import groups
from .look import bar, choices, esc, page, problem, rows


def show(account, id, form, trouble=None):
    with account.lock:
        made = account.find(invoices.TABLE, id, "invoice")
        lines = rows([(esc(line["description"]), written(line["amount"], made["currency"])) for line in made["lines"]["data"]],
                     ("Total", written(made["total"], made["currency"])))
        head = (f"<h1>{esc(made['account_name'])}</h1><p class='amount'>{written(made['amount_due'], made['currency'])}</p>"
                f"<p class='soft'>Invoice {esc(made['number'] or made['id'])} is <strong id='status'>{esc(made['status'])}</strong></p>{lines}")
        if made["status"] != "open":
            return page("Invoice", head)
        intent = account.get(account.secret(made)["intent"] or "")
        if intent and intent["status"] == "requires_action":
            return page("Invoice", head, "<h2>Your bank asks whether it is you</h2><form method='post' class='row'>"
                        "<button class='main' id='authenticate' name='do' value='pass'>Complete authentication</button>"
                        "<button class='other' id='fail' name='do' value='fail'>Fail authentication</button></form>")
        pay = f"<button class=main id=pay name=do value=pay>Pay {written(made['amount_due'], made['currency'])}</button>"
        return page("Invoice", head, f"<h2>Choose a test card</h2>{problem(trouble)}<form method='post'>{choices(groups('subscription'))}{bar(pay)}</form>")


def act(account, id, form):
    with account.lock:
        made = account.find(invoices.TABLE, id, "invoice")
        try:
            if form.get("do") in ("pass", "fail"):
                paying.authenticate(account, account.get(account.secret(made)["intent"]), form["do"] == "pass")
            else:
                method = payment_methods.make(account, cards.BY_NAME.get(form.get("card"), cards.BY_NAME["visa"]))
                invoices.collect(account, made, method, off_session=False, raises=True)
        except StripeError as error:
            return show(account, id, form, error.error["message"])
    return f"{account.url}/i/{id}"


def receipt(account, id, form):
    with account.lock:
        made = account.find("charges", id, "charge")
        refunded = [("Refunded", written(-made["amount_refunded"], made["currency"]))] if made["amount_refunded"] else []
        return page("Receipt", f"<h1>{esc(account.settings['display_name'])}</h1><p class='amount'>{written(made['amount'], made['currency'])}</p>"
                    + rows([(esc(made["description"] or "Payment"), written(made["amount"], made["currency"])), *refunded]))
