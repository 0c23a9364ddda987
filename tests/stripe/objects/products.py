"""Products and prices: create, read, change, list; and those that price_data makes on the way."""
from .. import params as p
from ..errors import invalid, refused
from ..lists import created, page
from ..money import check_decimals
from ..routes import route

PRODUCTS, PRICES = "products", "prices"
RECURRING = p.hash_of(interval_required=p.one_of("day", "week", "month", "year"), interval_count=p.integer(1, 156), meter=p.text(),
                      trial_period_days=p.integer(0, 730), usage_type=p.one_of("licensed", "metered"))
PRODUCT = {"name": p.text(), "description": p.clearable(p.text()), "active": p.boolean, "metadata": p.metadata, "tax_code": p.clearable(p.text()),
           "images": p.list_of(p.text(), 8), "unit_label": p.clearable(p.text(12)), "url": p.clearable(p.url), "statement_descriptor": p.text(22),
           "shippable": p.boolean, "marketing_features": p.anything, "default_price": p.text()}
PRICE = {"active": p.boolean, "metadata": p.metadata, "nickname": p.clearable(p.text()), "lookup_key": p.clearable(p.text(200)),
         "tax_behavior": p.one_of("exclusive", "inclusive", "unspecified"), "transfer_lookup_key": p.boolean}
UNIT = {"unit_amount": p.integer(0), "unit_amount_decimal": p.text()}
PRODUCT_DATA = p.hash_of(name_required=p.text(), description=p.text(), metadata=p.metadata, tax_code=p.text(), images=p.list_of(p.text(), 8), unit_label=p.text(12))
PRICE_DATA = p.hash_of(currency_required=p.currency, product=p.text(), product_data=PRODUCT_DATA, recurring=RECURRING,
                       tax_behavior=p.one_of("exclusive", "inclusive", "unspecified"), **UNIT)


def make_product(account, told=True, **given):
    made = account.new("prod_", "product", active=given.get("active", True), default_price=None, description=given.get("description"),
                       images=given.get("images", []), marketing_features=given.get("marketing_features", []),
                       metadata=p.merged({}, given.get("metadata", {})), name=given["name"], package_dimensions=None, shippable=None,
                       statement_descriptor=given.get("statement_descriptor"), tax_code=given.get("tax_code"), tax_details=None, type="service",
                       unit_label=given.get("unit_label"), updated=account.now(), url=given.get("url"))
    if given.get("id"):
        if account.get(given["id"]):
            raise refused("A product with this id exists.", "resource_already_exists", "id")
        made["id"] = given["id"]
    account.put(PRODUCTS, made)
    if told:
        account.emit("product.created", made)
    return made


def make_price(account, product, currency, unit, told=True, **given):
    recurring = given.get("recurring")
    made = account.new("price_", "price", active=given.get("active", True), billing_scheme="per_unit", currency=currency, custom_unit_amount=None,
                       lookup_key=given.get("lookup_key"), metadata=p.merged({}, given.get("metadata", {})), nickname=given.get("nickname"),
                       product=product["id"], recurring=recurring and {"interval": recurring["interval"], "interval_count": recurring.get("interval_count", 1),
                                                                       "meter": recurring.get("meter"), "trial_period_days": recurring.get("trial_period_days"),
                                                                       "usage_type": recurring.get("usage_type", "licensed")},
                       tax_behavior=given.get("tax_behavior", "unspecified"), tiers_mode=None, transform_quantity=None,
                       type="recurring" if recurring else "one_time", unit_amount=unit, unit_amount_decimal=str(unit))
    account.put(PRICES, made)
    if told:
        account.emit("price.created", made)
    return made


def unit_of(given, currency, at=""):
    """The amount of a price, from either of its two fields."""
    name = f"{at}[unit_amount]" if at else "unit_amount"
    if ("unit_amount" in given) == ("unit_amount_decimal" in given):
        raise invalid("Exactly one of `unit_amount` and `unit_amount_decimal` is needed.", name)
    if "unit_amount_decimal" in given:
        if not given["unit_amount_decimal"].isdecimal():
            raise invalid("The stand-in takes whole amounts only.", name + "_decimal")
        unit = int(given["unit_amount_decimal"])
    else:
        unit = given["unit_amount"]
    check_decimals(unit, currency, name)
    return unit


def from_data(account, data, at):
    """The price that price_data describes; neither it nor its product is told."""
    if ("product" in data) == ("product_data" in data):
        raise invalid("Exactly one of `product` and `product_data` is needed.", at)
    unit = unit_of(data, data["currency"], at)
    if "product" in data:
        product = account.find(PRODUCTS, data["product"], "product", f"{at}[product]", 400)
    else:
        product = make_product(account, told=False, **data["product_data"])
        product["active"] = False
    return make_price(account, product, data["currency"], unit, told=False, recurring=data.get("recurring"), active=False,
                      **{k: v for k, v in data.items() if k == "tax_behavior"})


@route("POST", "/v1/products", {**PRODUCT, "name!": p.text(), "id": p.text(), "default_price_data": p.hash_of(
    currency_required=p.currency, recurring=RECURRING, tax_behavior=p.one_of("exclusive", "inclusive", "unspecified"), metadata=p.metadata, **UNIT)})
def create_product(call):
    given = dict(call.params)
    data = given.pop("default_price_data", None)
    unit = unit_of(data, data["currency"], "default_price_data") if data else None
    made = make_product(call.account, **given)
    if data:
        more = {k: v for k, v in data.items() if k in ("recurring", "tax_behavior", "metadata")}
        made["default_price"] = make_price(call.account, made, data["currency"], unit, **more)["id"]
    return made


@route("GET", "/v1/products/{id}")
def retrieve_product(call):
    return call.account.find(PRODUCTS, call.id, "product")


@route("POST", "/v1/products/{id}", PRODUCT)
def update_product(call):
    made, new = call.account.find(PRODUCTS, call.id, "product"), dict(call.params)
    new.pop("expand", None)
    if "metadata" in new:
        new["metadata"] = p.merged(made["metadata"], new["metadata"])
    if call.account.change(made, "product.updated", **new):
        made["updated"] = call.account.now()
    return made


@route("GET", "/v1/products", {**p.PAGE, "active": p.boolean, "ids": p.list_of(p.text()), "created": p.CREATED, "url": p.text(), "shippable": p.boolean})
def list_products(call):
    found = [o for o in created(call.account.all(PRODUCTS), call.params.get("created"))
             if call.params.get("active") in (None, o["active"]) and ("ids" not in call.params or o["id"] in call.params["ids"])]
    return page(found, call.params, "/v1/products", call.account.tables.get(PRODUCTS))


@route("POST", "/v1/prices", {**PRICE, **UNIT, "currency!": p.currency, "product": p.text(), "product_data": PRODUCT_DATA, "recurring": RECURRING,
                              "billing_scheme": p.one_of("per_unit")})
def create_price(call):
    given = dict(call.params)
    if ("product" in given) == ("product_data" in given):
        raise invalid("Exactly one of `product` and `product_data` is needed.", "product")
    unit = unit_of(given, given["currency"])
    if "product" in given:
        product = call.account.find(PRODUCTS, given["product"], "product", "product", 400)
    else:
        product = make_product(call.account, **given["product_data"])
    _free_lookup_key(call, given)
    more = {k: v for k, v in given.items() if k not in ("currency", "product", "product_data", "unit_amount", "unit_amount_decimal")}
    return make_price(call.account, product, given["currency"], unit, **more)


def _free_lookup_key(call, given):
    for other in call.account.all(PRICES, lookup_key=given.get("lookup_key")) if given.get("lookup_key") else ():
        if not given.get("transfer_lookup_key"):
            raise refused("A price with this lookup key exists.", param="lookup_key")
        call.account.change(other, "price.updated", lookup_key=None)


@route("GET", "/v1/prices/{id}")
def retrieve_price(call):
    return call.account.find(PRICES, call.id, "price", "price")


@route("POST", "/v1/prices/{id}", PRICE)
def update_price(call):
    made, new = call.account.find(PRICES, call.id, "price", "price"), dict(call.params)
    _free_lookup_key(call, new)
    new = {k: v for k, v in new.items() if k in ("active", "nickname", "lookup_key", "tax_behavior", "metadata")}
    if "metadata" in new:
        new["metadata"] = p.merged(made["metadata"], new["metadata"])
    call.account.change(made, "price.updated", **new)
    return made


@route("GET", "/v1/prices", {**p.PAGE, "active": p.boolean, "product": p.text(), "currency": p.currency, "type": p.one_of("one_time", "recurring"),
                             "lookup_keys": p.list_of(p.text(), 10), "created": p.CREATED})
def list_prices(call):
    where = {k: call.params[k] for k in ("active", "product", "currency", "type") if k in call.params}
    found = [o for o in created(call.account.all(PRICES, **where), call.params.get("created"))
             if "lookup_keys" not in call.params or o["lookup_key"] in call.params["lookup_keys"]]
    return page(found, call.params, "/v1/prices", call.account.tables.get(PRICES))
