"""Webhook endpoints made through the API: the secret is only in the answer that makes one."""
from .. import params as p
from ..errors import refused
from ..lists import page
from ..routes import route
from ..sender import Endpoint

TABLE = "webhook_endpoints"
MOST = 16
EVENTS = p.list_of(p.text(), 300)


@route("POST", "/v1/webhook_endpoints", {"url!": p.url, "enabled_events!": EVENTS, "api_version": p.clearable(p.text()), "description": p.clearable(p.text()),
                                         "metadata": p.metadata, "connect": p.boolean})
def create(call):
    account, given = call.account, call.params
    if len(account.all(TABLE)) >= MOST:
        raise refused(f"You have reached the maximum of {MOST} webhook endpoints.")
    if account.livemode and not given["url"].startswith("https://"):
        raise refused("In live mode, webhook endpoints use https.", param="url")
    made = account.new("we_", "webhook_endpoint", api_version=given.get("api_version"), application=None, description=given.get("description"),
                       enabled_events=given["enabled_events"], metadata=p.merged({}, given.get("metadata", {})), status="enabled", url=given["url"])
    secret = account.ids.make("whsec_")
    account.put(TABLE, made, secret=secret)
    account.sender.endpoints[made["id"]] = Endpoint(made["id"], made["url"], [secret], made["enabled_events"], api_version=made["api_version"])
    return {**made, "secret": secret}


@route("POST", "/v1/webhook_endpoints/{id}", {"url": p.url, "enabled_events": EVENTS, "disabled": p.boolean, "description": p.clearable(p.text()),
                                              "metadata": p.metadata})
def update(call):
    made, given = call.account.find(TABLE, call.id, "webhook endpoint", "webhook_endpoint"), dict(call.params)
    if "metadata" in given:
        given["metadata"] = p.merged(made["metadata"], given["metadata"])
    if "disabled" in given:
        made["status"] = "disabled" if given["disabled"] else "enabled"
    made.update({k: given[k] for k in ("url", "enabled_events", "description", "metadata") if k in given})
    endpoint = call.account.sender.endpoints[made["id"]]
    endpoint.url, endpoint.events, endpoint.enabled = made["url"], made["enabled_events"], made["status"] == "enabled"
    return made


@route("GET", "/v1/webhook_endpoints/{id}")
def retrieve(call):
    return call.account.find(TABLE, call.id, "webhook endpoint", "webhook_endpoint")


@route("GET", "/v1/webhook_endpoints", p.PAGE)
def listed(call):
    return page(call.account.all(TABLE), call.params, "/v1/webhook_endpoints")


@route("DELETE", "/v1/webhook_endpoints/{id}")
def delete(call):
    call.account.find(TABLE, call.id, "webhook endpoint", "webhook_endpoint")
    call.account.remove(TABLE, call.id)
    call.account.sender.endpoints.pop(call.id).enabled = False
    return {"id": call.id, "object": "webhook_endpoint", "deleted": True}
