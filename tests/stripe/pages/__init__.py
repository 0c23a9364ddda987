"""The pages that a browser sees: where a buyer pays, authenticates, looks after a plan or reads an invoice. A page takes (account,
request, id, form) and gives an Answer; what Stripe would refuse is written on the page."""
import re
import urllib.parse

from ..api import Answer
from ..errors import StripeError
from . import authenticate, checkout, invoice, portal
from .look import page

PAGES = [(r"/c/pay/(\w+)", checkout.show, checkout.act), (r"/authenticate/(\w+)", authenticate.show, authenticate.act),
         (r"/p/session/(\w+)", portal.show, portal.act), (r"/i/(\w+)(?:/pdf)?", invoice.show, invoice.act), (r"/receipts/(\w+)", invoice.receipt, None)]

# Where a buyer may be sent who has no shop to go back to.
LANDINGS = {"/paid": ("Paid", "<p class='done' role='status'>It is paid for. The credits are there in a moment; this page can be closed.</p>"),
            "/cancelled": ("Not paid", "<p>Nothing was bought. This page can be closed.</p>")}


def answer(account, request):
    """The page at this path; a 404 that says so."""
    for pattern, show, act in PAGES:
        match = re.fullmatch(pattern, request.path)
        if match:
            handler = act if request.method == "POST" else show
            if handler is None:
                break
            return _handled(account, request, match.group(1), handler)
    if request.path in LANDINGS:
        return page(*LANDINGS[request.path])
    return page("Nothing here", "<p>The stand-in for Stripe has no such page.</p>", status=404)


def _handled(account, request, id, handler):
    form = dict(urllib.parse.parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True))
    try:
        made = handler(account, id, form)
    except StripeError as error:
        made = page("Not possible", f"<p class='problem' role='alert'>{error.error['message']}</p>", status=error.status)
    return made if isinstance(made, Answer) else Answer(303, b"", {"Location": made})
