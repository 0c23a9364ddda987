"""The account itself, as far as a client asks whether its key is good."""
from ..routes import route


@route("GET", "/v1/account")
def retrieve(call):
    name = call.account.settings["display_name"]
    return {"id": "acct_standin", "object": "account", "business_profile": {"name": name}, "charges_enabled": True, "country": "US",
            "default_currency": "usd", "details_submitted": True, "email": "owner@example.com", "payouts_enabled": True, "type": "standard",
            "settings": {"dashboard": {"display_name": name, "timezone": "Etc/UTC"}}}
