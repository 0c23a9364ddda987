"""How invoices and their lines look, and what they add up to."""
from .. import params as p
from ..account import nulls
from ..expand import included
from ..lists import whole

TABLE = "invoices"


def draft(account, customer, currency, reason, subscription=None, **given):
    """A draft without lines. reason: billing_reason."""
    parent = subscription and {"type": "subscription_details", "quote_details": None, "subscription_details": {
        "metadata": dict(subscription["metadata"]), "subscription": subscription["id"]}}
    now = account.now()
    made = account.new("in_", "invoice", **nulls(
        "account_tax_ids application automatically_finalizes_at custom_fields customer_account customer_shipping default_payment_method default_source "
        "due_date effective_at footer from_invoice hosted_invoice_url invoice_pdf last_finalization_error latest_revision next_payment_attempt number "
        "on_behalf_of receipt_number rendering shipping_cost shipping_details statement_descriptor test_clock webhooks_delivered_at"),
        account_country="US", account_name=account.settings["display_name"], amount_due=0, amount_overpaid=0, amount_paid=0, amount_remaining=0,
        amount_shipping=0, attempt_count=0, attempted=False, auto_advance=given.get("auto_advance", True), billing_reason=reason,
        automatic_tax={"disabled_reason": None, "enabled": given.get("taxed", False), "liability": None, "provider": None, "status": None},
        collection_method=given.get("collection_method", "charge_automatically"), currency=currency, customer=customer["id"],
        customer_address=customer["address"], customer_email=customer["email"], customer_name=customer["name"], customer_phone=customer["phone"],
        customer_tax_exempt=customer["tax_exempt"], customer_tax_ids=[], default_tax_rates=[], description=given.get("description"), discounts=[],
        ending_balance=None, issuer={"type": "self"}, metadata=p.merged({}, given.get("metadata", {})), parent=parent,
        payment_settings=nulls("default_mandate payment_method_options payment_method_types"), period_end=now, period_start=now,
        post_payment_credit_notes_amount=0, pre_payment_credit_notes_amount=0, starting_balance=0, status="draft",
        status_transitions=nulls("finalized_at marked_uncollectible_at paid_at voided_at"), total_discount_amounts=[], total_pretax_credit_amounts=[],
        total_taxes=[])
    made["lines"] = whole([], f"/v1/invoices/{made['id']}/lines")
    account.put(TABLE, made, intent=None, discount=given.get("discount", 0))
    total(account, made)
    return made


def line(account, invoice, amount, description, price=None, quantity=1, period=None, item=None, subscription=None, invoice_item=None, proration=False,
         metadata=None):
    """A line of a subscription's item, or of an invoice item. Adds nothing to the invoice yet."""
    start, end = period or (account.now(), account.now())
    if item:
        parent = {"type": "subscription_item_details", "invoice_item_details": None, "subscription_item_details": {
            "invoice_item": invoice_item, "proration": proration, "proration_details": {"credited_items": None}, "subscription": subscription["id"],
            "subscription_item": item["id"]}}
    else:
        parent = {"type": "invoice_item_details", "subscription_item_details": None, "invoice_item_details": {
            "invoice_item": invoice_item or account.ids.make("ii_"), "proration": proration, "proration_details": {"credited_items": None},
            "subscription": None}}
    pricing = {"type": "price_details", "price_details": {"price": price["id"], "product": price["product"]},
               "unit_amount_decimal": price["unit_amount_decimal"]} if price else None
    return {"id": account.ids.make("il_"), "object": "line_item", "amount": amount, "currency": invoice["currency"], "description": description,
            "discount_amounts": [], "discountable": True, "discounts": [], "invoice": invoice["id"], "livemode": account.livemode,
            "metadata": dict(metadata if metadata is not None else subscription["metadata"] if subscription else {}), "parent": parent,
            "period": {"start": start, "end": end}, "pretax_credit_amounts": [], "pricing": pricing, "quantity": quantity, "quantity_decimal": str(quantity),
            "subscription": subscription["id"] if subscription else None, "subtotal": amount, "taxes": _taxes(account, invoice, amount, price)}


def _taxes(account, invoice, amount, price):
    percent = account.settings["tax_percent"]
    if not invoice["automatic_tax"]["enabled"] or not percent or amount <= 0:
        return []
    inside = bool(price) and price["tax_behavior"] == "inclusive"
    tax = amount * percent // (100 + percent) if inside else amount * percent // 100
    return [{"amount": tax, "tax_behavior": "inclusive" if inside else "exclusive", "tax_rate_details": {"tax_rate": "txr_standin"},
             "taxability_reason": "standard_rated", "taxable_amount": amount - tax if inside else amount, "type": "tax_rate_details"}]


def total(account, made):
    """The sums, from the lines."""
    lines, discount = made["lines"]["data"], account.secret(made)["discount"]
    subtotal = sum(one["amount"] for one in lines)
    taxes = [tax for one in lines for tax in one["taxes"]]
    on_top = sum(tax["amount"] for tax in taxes if tax["tax_behavior"] == "exclusive")
    inside = sum(tax["amount"] for tax in taxes if tax["tax_behavior"] == "inclusive")
    grand = subtotal - discount + on_top
    due = max(grand, 0)
    made.update(subtotal=subtotal, subtotal_excluding_tax=subtotal - inside, total=grand, total_excluding_tax=grand - on_top - inside, amount_due=due,
                amount_remaining=due - made["amount_paid"], total_taxes=taxes,
                total_discount_amounts=[{"amount": discount, "discount": "di_standin"}] if discount else [])


@included("invoice", "payments")
def payments(account, made):
    return whole(list(reversed(account.all("invoice_payments", invoice=made["id"]))), f"/v1/invoice_payments?invoice={made['id']}")
