"""What a Checkout Session may be made with, and what does not go together."""
from .. import params as p
from ..errors import invalid, missing
from .products import PRICE_DATA

METADATA = {"metadata": p.metadata, "description": p.text(1000)}
LINE = p.hash_of(price=p.text(), price_data=PRICE_DATA, quantity=p.integer(1, 999999), adjustable_quantity=p.anything, tax_rates=p.list_of(p.text()),
                 dynamic_tax_rates=p.list_of(p.text()), metadata=p.metadata)
INTENT_DATA = p.hash_of(**METADATA, setup_future_usage=p.one_of("off_session", "on_session"), receipt_email=p.text(512), statement_descriptor=p.text(22),
                        statement_descriptor_suffix=p.text(22), capture_method=p.one_of("automatic", "automatic_async"), transfer_group=p.text())
SUBSCRIPTION_DATA = p.hash_of(**METADATA, trial_period_days=p.integer(1, 730), trial_end=p.integer(0), trial_settings=p.anything,
                              billing_cycle_anchor=p.integer(0), proration_behavior=p.one_of("create_prorations", "none"), billing_mode=p.anything,
                              invoice_settings=p.anything, default_tax_rates=p.list_of(p.text()))
CREATE = {
    "mode": p.one_of("payment", "setup", "subscription"), "customer": p.text(), "customer_email": p.text(800), "client_reference_id": p.text(200),
    "success_url": p.url, "cancel_url": p.url, "line_items": p.list_of(LINE), "metadata": p.metadata, "expires_at": p.integer(0), "currency": p.currency,
    "payment_intent_data": INTENT_DATA, "subscription_data": SUBSCRIPTION_DATA, "setup_intent_data": p.hash_of(**METADATA),
    "invoice_creation": p.hash_of(enabled_required=p.boolean, invoice_data=p.anything), "automatic_tax": p.hash_of(enabled_required=p.boolean, liability=p.anything),
    "billing_address_collection": p.one_of("auto", "required"), "customer_update": p.hash_of(address=p.one_of("auto", "never"), name=p.one_of("auto", "never"),
                                                                                            shipping=p.one_of("auto", "never")),
    "customer_creation": p.one_of("always", "if_required"), "allow_promotion_codes": p.boolean, "locale": p.text(10),
    "payment_method_collection": p.one_of("always", "if_required"), "submit_type": p.one_of("auto", "book", "donate", "pay", "subscribe"),
    "ui_mode": p.one_of("hosted_page"), "allowed_payment_method_types": p.list_of(p.text()), "excluded_payment_method_types": p.list_of(p.text()),
    "tax_id_collection": p.anything, "phone_number_collection": p.anything, "payment_method_options": p.anything, "consent_collection": p.anything,
    "custom_text": p.anything, "custom_fields": p.anything, "saved_payment_method_options": p.anything, "adaptive_pricing": p.anything,
    "after_expiration": p.anything, "branding_settings": p.anything, "payment_method_configuration": p.text(), "integration_identifier": p.text(),
    "name_collection": p.anything, "wallet_options": p.anything, "origin_context": p.text(),
    **dict.fromkeys(("customer_account", "discounts", "managed_payments", "optional_items", "payment_method_data", "permissions", "redirect_on_completion",
                     "return_url", "shipping_address_collection", "shipping_options"), p.undone),
}
ONLY_IN = {"payment_intent_data": "payment", "invoice_creation": "payment", "subscription_data": "subscription", "setup_intent_data": "setup",
           "customer_creation": "payment or setup", "submit_type": "payment or subscription"}


def check_mode(account, given):
    """The mode, after what does not go together with it has been refused."""
    mode = given.get("mode")
    if mode is None:
        raise missing("mode")
    for name, modes in ONLY_IN.items():
        if name in given and mode not in modes:
            raise invalid(f"You can not pass `{name}` in `{mode}` mode.", name)
    if "success_url" not in given:
        raise missing("success_url")
    if mode == "setup":
        if "line_items" in given:
            raise invalid("`line_items` is not supported in `setup` mode.", "line_items")
        if "currency" not in given:
            raise missing("currency")
    elif not given.get("line_items"):
        raise missing("line_items")
    _check_customer(account, given)
    return mode


def _check_customer(account, given):
    if "customer" in given and "customer_email" in given:
        raise invalid("You may only specify one of these parameters: customer, customer_email.", "customer_email")
    if "customer_update" in given and "customer" not in given:
        raise invalid("`customer_update` can only be used with `customer`.", "customer_update")
    if given.get("automatic_tax", {}).get("enabled") and "customer" in given:
        customer = account.get(given["customer"])
        if customer and not customer.get("address") and given.get("customer_update", {}).get("address") != "auto":
            raise invalid("Automatic tax needs a valid address on the customer, or `customer_update[address]` set to auto.", "automatic_tax",
                          "customer_tax_location_invalid")
