"""The list of events, read: what a receiver asks for to catch up with what it has missed."""
from .. import params as p
from ..errors import invalid, no_such
from ..lists import created, page
from ..routes import route

MOST_TYPES = 20


@route("GET", "/v1/events", {**p.PAGE, "type": p.text(), "types": p.list_of(p.text(), MOST_TYPES), "delivery_success": p.boolean, "created": p.CREATED})
def listed(call):
    if "type" in call.params and "types" in call.params:
        raise invalid("You may only specify one of these parameters: type, types.", "types")
    types = call.params.get("types") or ([call.params["type"]] if "type" in call.params else None)
    found = call.account.events.listed(types, call.params.get("delivery_success"))
    return page(created(found, call.params.get("created")), call.params, "/v1/events", call.account.events.made)


@route("GET", "/v1/events/{id}")
def retrieve(call):
    found = call.account.events.made.get(call.id)
    if not found:
        raise no_such("event", call.id, "id")
    return call.account.events.shown(found)
