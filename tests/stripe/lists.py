"""Lists: newest first, in pages. `ending_before` gives the page that stands right before its object."""
from .errors import invalid


def page(found, params, url, table=None):
    """found: oldest first. The page that limit, starting_after and ending_before ask for. table: all objects of the kind, in the order
    in which they were made, where a page may begin at one that is not among those found."""
    limit, newest = params.get("limit", 10), list(reversed(found))
    after, before = params.get("starting_after"), params.get("ending_before")
    if after and before:
        raise invalid("You may specify only one of these parameters: ending_before, starting_after.")
    if before:
        newest = newest[:_place(newest, before, "ending_before", table)]
        chosen = newest[-limit:]
    else:
        newest = newest[_place(newest, after, "starting_after", table) + 1:] if after else newest
        chosen = newest[:limit]
    return {"object": "list", "data": chosen, "has_more": len(newest) > len(chosen), "url": url}


def whole(found, url):
    """A list inside an object."""
    return {"object": "list", "data": found, "has_more": False, "url": url}


def _place(newest, id, param, table):
    for index, made in enumerate(newest):
        if made["id"] == id:
            return index
    if table and id in table:
        rank = {other: index for index, other in enumerate(table)}
        return sum(rank[made["id"]] > rank[id] for made in newest) - (param == "starting_after")
    raise invalid(f"No such object: '{id}'", param, "resource_missing")


def created(found, asked):
    """Those that were made when `created` or `created[gte]=…` says."""
    if asked is None:
        return found
    if isinstance(asked, int):
        return [o for o in found if o["created"] == asked]
    tests = {"gt": lambda a, b: a > b, "gte": lambda a, b: a >= b, "lt": lambda a, b: a < b, "lte": lambda a, b: a <= b}
    return [o for o in found if all(tests[how](o["created"], limit) for how, limit in asked.items())]
