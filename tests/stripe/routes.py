"""The table of calls. A handler takes a Call (api.py) and gives the object or list to answer with."""
import re

ROUTES = []


class Route:
    def __init__(self, method, path, spec, handler, json):
        self.method, self.path, self.spec, self.handler, self.json = method, path, spec, handler, json
        self.pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path) + r"\Z")


def route(method, path, spec=None, json=False):
    """Puts a handler on the table. Every call takes expand[]. `json`: a v2 call, whose body the handler reads itself."""
    def add(handler):
        from .params import EXPAND
        ROUTES.append(Route(method, path, {"expand": EXPAND, **(spec or {})}, handler, json))
        return handler
    return add


def find(method, path):
    """(route, names in the path), or None."""
    for candidate in ROUTES:
        match = candidate.pattern.match(path)
        if match and candidate.method == method:
            return candidate, match.groupdict()
    return None
