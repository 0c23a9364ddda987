"""Checkout Sessions: create, read, list, expire. What happens on their page is in checkout_pay.py."""
from .. import params as p
from ..account import nulls
from ..clock import DAY, MINUTE
from ..errors import invalid, no_such, refused
from ..expand import included
from ..lists import created, page, whole
from ..money import check_amount
from ..routes import route
from . import customers, products
from .checkout_spec import CREATE, check_mode

TABLE = "checkout_sessions"


@route("POST", "/v1/checkout/sessions", CREATE)
def create(call):
    account, given = call.account, call.params
    mode = check_mode(account, given)
    customer = customers.named(account, given["customer"]) if "customer" in given else None
    expires = _expires(account, given)
    prices = _prices(account, given, mode)
    currency = _currency(given, prices)
    made = _session(account, given, mode, currency, expires)
    if mode != "setup":
        _amounts(account, made, given, prices)
    lines = [_line(account, made, price, quantity) for price, quantity in prices]
    account.put(TABLE, made, given=given, lines=lines, coupon=None)
    made["url"] = f"{account.url}/c/pay/{made['id']}"
    if customer:
        made["customer_details"] = _details(customer)
    account.clock.later(expires, lambda: made["status"] == "open" and expire_session(account, made))
    return made


def _expires(account, given):
    now = account.now()
    at = given.get("expires_at", now + DAY)
    # a clock a moment behind ours still reaches half an hour and a day
    if not now + 30 * MINUTE - 60 <= at <= now + DAY + 60:
        raise invalid("The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation.", "expires_at")
    return at


def _prices(account, given, mode):
    """[(price, quantity)] of the line items."""
    out = []
    for index, item in enumerate(given.get("line_items", [])):
        at = f"line_items[{index}]"
        if ("price" in item) == ("price_data" in item):
            raise invalid("Exactly one of `price` and `price_data` is needed.", at)
        if "price" in item:
            price = account.find("prices", item["price"], "price", f"{at}[price]", 400)
            if not price["active"]:
                raise refused(f"The price specified is inactive: {price['id']}.", param=f"{at}[price]")
        else:
            price = products.from_data(account, item["price_data"], f"{at}[price_data]")
        if price["recurring"] and mode != "subscription":
            raise invalid("You specified `payment` mode but passed a recurring price.", f"{at}[price]")
        if "quantity" not in item:
            raise invalid("Quantity is required. Add `quantity` to each line item.", f"{at}[quantity]")
        out.append((price, item["quantity"]))
    if mode == "subscription" and not any(price["recurring"] for price, _ in out):
        raise invalid("You must provide at least one recurring price in `subscription` mode.", "line_items")
    return out


def _currency(given, prices):
    currencies = {price["currency"] for price, _ in prices}
    if len(currencies) > 1:
        raise invalid("All line items must have the same currency.", "line_items")
    return currencies.pop() if currencies else given.get("currency")


def _session(account, given, mode, currency, expires):
    made = account.new("cs_live_" if account.livemode else "cs_test_", "checkout.session", **nulls(
        "after_expiration allowed_payment_method_types amount_subtotal amount_total client_secret consent consent_collection currency_conversion "
        "customer_account customer_details integration_identifier invoice managed_payments origin_context payment_intent payment_link permissions "
        "recovered_from setup_intent shipping_address_collection shipping_cost subscription total_details wallet_options url"),
        adaptive_pricing={"enabled": mode == "payment"}, allow_promotion_codes=given.get("allow_promotion_codes"),
        automatic_tax={"enabled": given.get("automatic_tax", {}).get("enabled", False), "liability": None, "provider": None, "status": None},
        billing_address_collection=given.get("billing_address_collection"),
        branding_settings={"background_color": "#ffffff", "border_style": "rounded", "button_color": "#3a5a98", "font_family": "default", "icon": None,
                           "display_name": account.settings["display_name"], "logo": None},
        cancel_url=given.get("cancel_url"), client_reference_id=given.get("client_reference_id"),
        collected_information={"business_name": None, "individual_name": None, "shipping_details": None}, currency=currency,
        custom_fields=[], custom_text=nulls("after_submit shipping_address submit terms_of_service_acceptance"), customer=given.get("customer"),
        customer_creation=None if "customer" in given else given.get("customer_creation", "if_required" if mode == "payment" else "always"),
        customer_email=given.get("customer_email"), discounts=[], expires_at=expires,
        invoice_creation=_invoice_creation(given) if mode == "payment" else None, locale=given.get("locale"),
        metadata=p.merged({}, given.get("metadata", {})), mode=mode,
        payment_method_collection=given.get("payment_method_collection", "if_required" if mode == "payment" else "always"),
        payment_method_configuration_details=None, payment_method_options={}, payment_method_types=["card"] if mode == "setup" else ["card", "us_bank_account"],
        payment_status="no_payment_required" if mode == "setup" else "unpaid", phone_number_collection={"enabled": False},
        saved_payment_method_options=None, shipping_options=[], status="open", submit_type=given.get("submit_type"),
        success_url=given.get("success_url"), ui_mode="hosted_page")
    return made


def _invoice_creation(given):
    return {"enabled": given.get("invoice_creation", {}).get("enabled", False), "invoice_data": {
        **nulls("account_tax_ids custom_fields description footer issuer rendering_options"), "metadata": {}}}


def _amounts(account, made, given, prices):
    """Subtotal, tax and total. The trial of a subscription takes its recurring prices to zero for today."""
    trial = given.get("subscription_data", {}).get("trial_period_days") or given.get("subscription_data", {}).get("trial_end")
    subtotal = sum(price["unit_amount"] * quantity for price, quantity in prices if not (trial and price["recurring"]))
    tax = sum(tax_of(account, made, price, quantity) for price, quantity in prices if not (trial and price["recurring"]))
    inclusive = all(price["tax_behavior"] == "inclusive" for price, _ in prices)
    made.update(amount_subtotal=subtotal, amount_total=subtotal if inclusive else subtotal + tax,
                total_details={"amount_discount": 0, "amount_shipping": 0, "amount_tax": tax})
    if made["automatic_tax"]["enabled"]:
        made["automatic_tax"]["status"] = "complete" if account.settings["tax_percent"] else "requires_location_inputs"
    if made["mode"] == "payment" and made["amount_total"]:
        check_amount(made["amount_total"], made["currency"], "line_items")


def tax_of(account, made, price, quantity):
    """At the rate that a test has set: zero where nothing is registered, as at Stripe."""
    if not made["automatic_tax"]["enabled"]:
        return 0
    amount, percent = price["unit_amount"] * quantity, account.settings["tax_percent"]
    return amount * percent // (100 + percent) if price["tax_behavior"] == "inclusive" else amount * percent // 100


def _line(account, made, price, quantity):
    amount, tax = price["unit_amount"] * quantity, tax_of(account, made, price, quantity)
    return {"id": account.ids.make("li_"), "object": "item", "adjustable_quantity": None, "amount_discount": 0, "amount_subtotal": amount, "amount_tax": tax,
            "amount_total": amount + (0 if price["tax_behavior"] == "inclusive" else tax), "currency": price["currency"],
            "description": account.get(price["product"])["name"], "metadata": {}, "price": price, "quantity": quantity}


def _details(customer):
    return {"address": customer["address"], "business_name": None, "email": customer["email"], "individual_name": None, "name": customer["name"],
            "phone": customer["phone"], "tax_exempt": customer["tax_exempt"], "tax_ids": []}


def expire_session(account, made):
    """Nobody has paid and nobody will."""
    if made["status"] != "open":
        raise refused("Only Checkout Sessions with a status of open can be expired.")
    made.update(status="expired", url=None)
    intent = account.get(account.secret(made).get("intent") or "")
    if intent and intent["object"] == "payment_intent" and intent["status"] not in ("succeeded", "processing", "canceled"):
        intent.update(status="canceled", canceled_at=account.now(), cancellation_reason="expired", next_action=None)
        account.emit("payment_intent.canceled", intent)
    account.emit("checkout.session.expired", made)
    return made


def find(account, id):
    found = account.tables.get(TABLE, {}).get(id)
    if found is None:
        raise no_such("checkout.session", id, "session")
    return found


@included("checkout.session", "line_items")
def line_items(account, made):
    return whole(account.secret(made)["lines"], f"/v1/checkout/sessions/{made['id']}/line_items")


@route("GET", "/v1/checkout/sessions/{id}")
def retrieve(call):
    return find(call.account, call.id)


@route("POST", "/v1/checkout/sessions/{id}", {"metadata": p.metadata})
def update(call):
    made = find(call.account, call.id)
    if "metadata" in call.params:
        made["metadata"] = p.merged(made["metadata"], call.params["metadata"])
    return made


@route("POST", "/v1/checkout/sessions/{id}/expire")
def expire(call):
    return expire_session(call.account, find(call.account, call.id))


@route("GET", "/v1/checkout/sessions/{id}/line_items", p.PAGE)
def lines(call):
    found = list(reversed(call.account.secret(find(call.account, call.id))["lines"]))
    return page(found, call.params, f"/v1/checkout/sessions/{call.id}/line_items")


@route("GET", "/v1/checkout/sessions", {**p.PAGE, "customer": p.text(), "payment_intent": p.text(), "subscription": p.text(), "created": p.CREATED,
                                        "status": p.one_of("open", "complete", "expired")})
def listed(call):
    where = {k: call.params[k] for k in ("customer", "payment_intent", "subscription", "status") if k in call.params}
    found = created(call.account.all(TABLE, **where), call.params.get("created"))
    return page(found, call.params, "/v1/checkout/sessions", call.account.tables.get(TABLE))
