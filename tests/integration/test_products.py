"""What can be bought: prices that a currency allows, packs and plans, and products that stand for a price made at Stripe."""
import pytest

from tests.harness.process import wait_for


def body(**over):
    whole = {"kind": "pack", "name": "20 credits", "currency": "usd", "price": 2000, "credits": "20", **over}
    return {k: v for k, v in whole.items() if v != "left out"}


def create(world, **over):
    return world.admin.post("/api/v1/products", body(**over))


def made(world, **over):
    answer = create(world, **over)
    assert answer.status == 201, answer
    return answer.json


def at_stripe(stripe, **over):
    return stripe.post("/v1/prices", {"currency": "usd", "unit_amount": 2000, "product_data": {"name": "20"}, **over})["id"]


def refused(answer, param, words="", status=400, code="invalid_request"):
    assert (answer.status, answer.code, answer.json["error"]["param"]) == (status, code, param) and words in answer.json["detail"], answer


def test_a_pack_and_a_plan_say_what_they_are(world):
    pack, plan = made(world), made(world, kind="plan", period="month", rollover="one_period", trial_credits=True)
    assert (pack["period"], pack["rollover"], pack["trial_credits"], pack["bonus"], pack["enabled"], pack["stripe_price"], pack["tax_code"]) == (None, "none", False, "0", True, None, None)
    assert (plan["period"], plan["rollover"], plan["trial_credits"]) == ("month", "one_period", True)


@pytest.mark.parametrize("currency, price, text", [("usd", 1, "0.01 USD"), ("jpy", 1, "1 JPY"), ("krw", 12345, "12345 KRW"), ("bhd", 10, "0.010 BHD"), ("ugx", 100, "1 UGX"),
                                                   ("huf", 17550, "175.50 HUF"), ("usd", 999999999999, "9999999999.99 USD")])
def test_a_price_that_its_currency_has_is_taken(world, currency, price, text):
    assert made(world, currency=currency, price=price)["price_text"] == text


@pytest.mark.parametrize("currency, price, why", [("kwd", 1235, "end in 0"), ("jod", 1, "end in 0"), ("isk", 550, "end in 00"), ("ugx", 10, "end in 00"), ("usd", 0, ""), ("usd", -1, ""),
                                                  ("usd", 10 ** 12, ""), ("usd", "2000", ""), ("usd", 20.5, ""), ("usd", None, "")])
def test_a_price_that_its_currency_has_not_is_refused(world, currency, price, why):
    refused(create(world, currency=currency, price=price), "price", why)


@pytest.mark.parametrize("over, param", [
    ({"currency": "USD"}, "currency"), ({"currency": "dollar"}, "currency"), ({"currency": "us"}, "currency"), ({"kind": "gift"}, "kind"), ({"kind": "left out"}, "kind"),
    ({"name": ""}, "name"), ({"name": "x" * 201}, "name"), ({"name": "left out"}, "name"), ({"credits": "0"}, "credits"), ({"credits": 20}, "credits"), ({"credits": "left out"}, "credits"),
    ({"bonus": "-1"}, "bonus"), ({"expires_after_days": 0}, "expires_after_days"), ({"expires_after_days": 36501}, "expires_after_days"), ({"bonus_expires_after_days": "30"}, "bonus_expires_after_days"),
    ({"kind": "plan"}, "period"), ({"kind": "plan", "period": "week"}, "period"), ({"period": "month"}, "period"), ({"rollover": "all"}, "rollover"), ({"trial_credits": 1}, "trial_credits"),
    ({"description": "x" * 501}, "description"), ({"tax_code": "10000000"}, "tax_code"), ({"tax_code": "txcd_1"}, "tax_code"), ({"tax_code": "txcd_1000000x"}, "tax_code"),
    ({"stripe_price": "price 1"}, "stripe_price"), ({"stripe_price": "../v1/charges"}, "stripe_price"), ({"stripe_price": "x" * 256}, "stripe_price"), ({"enabled": "yes"}, "enabled"), ({"surplus": 1}, "surplus")])
def test_what_is_wrong_is_named(world, over, param):
    refused(create(world, **over), param)


def test_a_change_is_held_against_the_products_currency(world):
    id = made(world, currency="kwd", price=1230)["id"]
    refused(world.admin.patch(f"/api/v1/products/{id}", {"price": 1235}), "price", "end in 0")
    for fixed, value in (("kind", "plan"), ("currency", "usd"), ("period", "month")):
        refused(world.admin.patch(f"/api/v1/products/{id}", {fixed: value}), fixed)
    assert world.admin.patch(f"/api/v1/products/{id}", {"price": 1240, "expires_after_days": 30}).json["expires_after_days"] == 30
    assert world.admin.patch(f"/api/v1/products/{id}", {"expires_after_days": None}).json["expires_after_days"] is None


def test_customers_see_what_is_on_sale(world):
    _, key = world.customer("0")
    own, id = world.servers[0].client(key), made(world)["id"]
    def seen(query=""):
        return id in [p["id"] for p in own.get(f"/api/v1/products?limit=100{query}").json["data"]]
    assert seen() and seen("&enabled=false")
    assert world.admin.post(f"/api/v1/products/{id}/archive", None).status == 200
    assert not seen() and not seen("&enabled=false") and own.get(f"/api/v1/products/{id}").json["enabled"] is False
    admins = [p["id"] for p in world.admin.get("/api/v1/products").json["data"]]
    assert id in admins and id not in [p["id"] for p in world.admin.get("/api/v1/products?enabled=true").json["data"]]
    assert world.admin.post(f"/api/v1/products/{id}/archive", None).json["enabled"] is False


# ---- prices that were made at Stripe

def test_a_price_at_stripe_that_says_the_same_is_mirrored_by_one_product(world, stripe):
    price, yearly = at_stripe(stripe), at_stripe(stripe, recurring={"interval": "year"})
    assert made(world, stripe_price=price)["stripe_price"] == price
    assert made(world, kind="plan", period="year", stripe_price=yearly)["stripe_price"] == yearly
    refused(create(world, stripe_price=price), "stripe_price", "Another product", 409, "conflict")
    other = made(world)["id"]
    refused(world.admin.patch(f"/api/v1/products/{other}", {"stripe_price": price}), "stripe_price", "Another product", 409, "conflict")


@pytest.mark.parametrize("there, here, why", [
    ({}, {"price": 1999}, "is 20.00 USD there"), ({"currency": "eur"}, {}, "is in eur there"), ({"active": "false"}, {}, "is not active there"),
    ({"recurring": {"interval": "month"}}, {}, "recurs there"), ({}, {"kind": "plan", "period": "month"}, "does not recur there"),
    ({"recurring": {"interval": "year"}}, {"kind": "plan", "period": "month"}, "does not recur there"),
    ({"recurring": {"interval": "month", "interval_count": 3}}, {"kind": "plan", "period": "month"}, "does not recur there")])
def test_a_price_at_stripe_that_says_something_else_is_refused(world, stripe, there, here, why):
    refused(create(world, stripe_price=at_stripe(stripe, **there), **here), "stripe_price", why)


def test_a_price_that_is_not_at_stripe_is_refused(world):
    refused(create(world, stripe_price="price_that_is_not_there"), "stripe_price", "is not known there")


def test_what_stands_for_a_price_at_stripe_goes_on_saying_the_same(world, stripe):
    price, cheaper = at_stripe(stripe), at_stripe(stripe, unit_amount=1500)
    id = made(world, stripe_price=price)["id"]
    refused(world.admin.patch(f"/api/v1/products/{id}", {"price": 1500}), "stripe_price", "is 20.00 USD there")
    assert world.admin.patch(f"/api/v1/products/{id}", {"price": 1500, "stripe_price": cheaper}).json["stripe_price"] == cheaper
    assert world.admin.patch(f"/api/v1/products/{id}", {"price": 1700, "stripe_price": None}).json["price"] == 1700
    stripe.post(f"/v1/prices/{price}", {"active": "false"})
    assert world.admin.patch(f"/api/v1/products/{made(world)['id']}", {"name": "other"}).status == 200


def test_where_stripe_does_not_say_nothing_is_made(world, stripe):
    price = at_stripe(stripe)
    stripe.fault("status", path="/v1/prices/*", status=500, times=3)
    answer = create(world, stripe_price=price)
    assert (answer.status, answer.code) == (503, "stripe_unavailable")
    stripe.clear_faults()
    wait_for(lambda: create(world, stripe_price=price).status == 201, 30, "Stripe being asked again")
