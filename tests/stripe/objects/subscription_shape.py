"""How subscriptions and their items look, and how long a period is."""
import calendar
import datetime

from .. import params as p
from ..account import nulls
from ..clock import DAY
from ..lists import whole

TABLE = "subscriptions"


def period_end(start, recurring, anchor=None):
    """When a period that begins at `start` ends. Months end on the anchor's day, or on their last where they are too short."""
    count = recurring["interval_count"]
    if recurring["interval"] in ("day", "week"):
        return start + count * (DAY if recurring["interval"] == "day" else 7 * DAY)
    months = count * (12 if recurring["interval"] == "year" else 1)
    at = datetime.datetime.fromtimestamp(start, datetime.timezone.utc)
    day = datetime.datetime.fromtimestamp(anchor or start, datetime.timezone.utc).day
    month = at.month - 1 + months
    year, month = at.year + month // 12, month % 12 + 1
    return int(at.replace(year=year, month=month, day=min(day, calendar.monthrange(year, month)[1])).timestamp())


def item(account, subscription_id, price, quantity, start, end):
    made = {"id": account.ids.make("si_"), "object": "subscription_item", "billing_thresholds": None, "created": account.now(), "current_period_end": end,
            "current_period_start": start, "current_trial": None, "discounts": [], "metadata": {}, "quantity": quantity, "subscription": subscription_id,
            "tax_rates": []}
    set_price(made, price)
    return made


def set_price(item, price):
    """The price, and the plan that older readers look at."""
    recurring = price["recurring"]
    item["price"] = price
    item["plan"] = {"id": price["id"], "object": "plan", "active": price["active"], "amount": price["unit_amount"], "amount_decimal": price["unit_amount_decimal"],
                    "billing_scheme": "per_unit", "created": price["created"], "currency": price["currency"], "interval": recurring["interval"],
                    "interval_count": recurring["interval_count"], "livemode": price["livemode"], "metadata": price["metadata"], "meter": recurring["meter"],
                    "nickname": price["nickname"], "product": price["product"], "tiers_mode": None, "transform_usage": None, "trial_period_days": None,
                    "usage_type": recurring["usage_type"]}


def make(account, customer, prices, method, status, trial_end=None, **given):
    """A subscription to [(price, quantity)], on its table and not told."""
    now = account.now()
    made = account.new("sub_", "subscription", **nulls(
        "application application_fee_percent billing_cycle_anchor_config billing_thresholds cancel_at canceled_at customer_account days_until_due "
        "default_source ended_at latest_invoice managed_payments next_pending_invoice_item_invoice on_behalf_of pause_collection "
        "pending_invoice_item_interval pending_setup_intent pending_update schedule test_clock transfer_data"),
        automatic_tax={"disabled_reason": None, "enabled": given.get("taxed", False), "liability": None}, billing_cycle_anchor=trial_end or now,
        billing_mode={"type": "flexible", "flexible": {"proration_discounts": "included"}, "updated_at": now}, billing_schedules=[], cancel_at_period_end=False,
        cancellation_details=nulls("comment feedback feedback_option reason"), collection_method="charge_automatically", currency=prices[0][0]["currency"],
        customer=customer["id"], default_payment_method=method and method["id"], default_tax_rates=[], description=given.get("description"), discounts=[],
        invoice_settings={**nulls("account_tax_ids custom_fields description footer"), "issuer": {"type": "self"}},
        metadata=p.merged({}, given.get("metadata", {})), start_date=now, status=status, trial_end=trial_end, trial_start=now if trial_end else None,
        payment_settings={**nulls("payment_method_options payment_method_types"), "save_default_payment_method": "off"},
        trial_settings={"end_behavior": {"billing_cycle_anchor": None, "missing_payment_method": "create_invoice"}})
    items = [item(account, made["id"], price, quantity, now, trial_end or period_end(now, price["recurring"])) for price, quantity in prices]
    made["items"] = whole(items, f"/v1/subscription_items?subscription={made['id']}")
    return account.put(TABLE, made)


def ends(made):
    """When the period that runs ends (of all items the earliest)."""
    return min(one["current_period_end"] for one in made["items"]["data"])


def described(account, price, quantity):
    from ..money import written
    name = account.get(price["product"])["name"]
    return f"{quantity} × {name} (at {written(price['unit_amount'], price['currency'])} / {price['recurring']['interval']})"
