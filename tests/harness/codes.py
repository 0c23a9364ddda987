"""What the C sources say that an operation can answer: every problem that its endpoint's function can come to, by walking
from function to function through server/rest. Nothing is run; the sources' own regularity (a function begins and ends in
the first column) is what it is read by."""
import re

from .process import ROOT

_FUNCTION = re.compile(r"^(?P<static>static )?[a-z][\w *]*?\b(?P<name>\w+)\([^;{}]*\) \{\n(?P<body>.*?)^\}", re.M | re.S)
_ENDPOINT = re.compile(r'\{"([A-Z]+)",\s*"([^"]+)",\s*REST_(\w+),\s*\w+,\s*(?:NULL|"([^"]*)"),\s*(\w+)\}')
_PROBLEM = re.compile(r'X\((\w+), (\d{3}), "(\w+)", "(\w+)", "\w*"\)')

# name of a problem -> (status, type, code)
PROBLEMS = {m[0]: (int(m[1]), m[2], m[3]) for m in _PROBLEM.findall((ROOT / "server/http/problem.h").read_text())}

# Refused before it is known what is asked for, so of no operation: a request that is no HTTP, a path or method that is not
# there, a body where none is taken, a server that ends.
_ENTRANCES = {"OPEN": "parameter_check", "SIGNED": "enter_signed", "REPORTS": "enter_reports", "HOLDS": "is_of_holds", "HOLDS_BARE": "is_of_holds"}
OF_NO_OPERATION = {"malformed_http", "method_not_allowed", "uri_too_long", "headers_too_large", "not_implemented",
                   "http_version_not_supported"}


class Sources:
    """Functions of one folder, by file and name."""

    def __init__(self, folder):
        self.files = {path.name: path.read_text() for path in sorted((ROOT / folder).glob("*.c"))}
        found = [(name, f) for name, text in self.files.items() for f in _FUNCTION.finditer(text)]
        self.functions = {(name, f["name"]): f["body"] for name, f in found}
        self.shared = {f["name"]: name for name, f in found if not f["static"]}

    def find(self, file, name):
        """Where a name that is used in a file is defined: there, or as another file's own export."""
        return (file, name) if (file, name) in self.functions else (self.shared.get(name), name)

    def reach(self, file, name, without=()):
        """The bodies of all functions that this one can come to, itself included, but for those named: {(file, name): text}."""
        found, todo = {}, [self.find(file, name)]
        while todo:
            at = todo.pop()
            if at in found or at not in self.functions or at[1] in without:
                continue
            found[at] = self.functions[at]
            todo += [self.find(at[0], word) for word in set(re.findall(r"\b[a-z]\w+\b", found[at]))]
        return found


def problems_in(text):
    return {name for name in re.findall(r"\bPROBLEM_([A-Z_]+)\b", text) if name in PROBLEMS}


def rest_operations():
    """{(method, path): {statuses of refusals}} of the management API, as its sources have it."""
    rest, out = Sources("server/rest"), {}
    for file, text in rest.files.items():
        for method, path, access, _, run in _ENDPOINT.findall(text):
            # answer: operators only, asked below; what is signed is asked for no key, and nothing else for a signature
            entrance = rest.reach("rest.c", _ENTRANCES.get(access, "enter"), ("answer", "authenticate" if access == "SIGNED" else "enter_signed", "" if access == "REPORTS" else "enter_reports"))
            bodies = {**rest.reach(file, run), **entrance}
            problems = set().union(*(problems_in(body) for body in bodies.values()))
            takes_body = method in ("POST", "PATCH") and not access.endswith("_BARE")
            problems |= ({"FORBIDDEN"} if access in ("OPERATOR", "OPERATOR_BARE", "METRICS") else set()) | ({"TOO_LARGE"} if takes_body else set())
            problems -= set() if takes_body else {"UNSUPPORTED_MEDIA"}
            out[(method, path)] = {PROBLEMS[p][0] for p in problems}
    return out


def query_parameters():
    """{(method, path): [names]} that the endpoints of the management API know."""
    return {(method, path): query.split("|") if query else [] for text in Sources("server/rest").files.values()
            for method, path, _, query, _ in _ENDPOINT.findall(text)}


def gateway_problems():
    """Statuses of the gateway's own refusals: of calls, and of the lists of models."""
    gateway = Sources("server/gateway")
    calls = set().union(*(problems_in(text) for name, text in gateway.files.items() if name != "models.c")) | {"TOO_LARGE"}
    models = problems_in(gateway.files["models.c"])
    return {PROBLEMS[p][0] for p in calls}, {PROBLEMS[p][0] for p in models}
