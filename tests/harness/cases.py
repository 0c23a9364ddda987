"""Requests made from what api/openapi.yaml declares of an operation: sound ones, ones on every bound, and ones that are wrong in
one place, each with what has to become of it. Nothing here knows a field by name."""
import functools
import json
import urllib.parse
from dataclasses import dataclass, field

from . import schema
from .texts import Texts
from .values import Values, merged, names_nothing

ACCEPTED, REFUSED, UNKNOWN = "accepted", "refused", "unknown"
# Runs of one operation in which more is known than its schema says: what is limited, and so which of its two forms an amount has.
RUNS = {"updateLimit": {"spend": {"amount": 1}, "requests": {"amount": 0}}}
TOO_LONG = (414, 431)  # of a request line, of headers: whatever stands in them


@dataclass
class Case:
    op: schema.Operation
    label: str
    path: str
    query: list = field(default_factory=list)
    headers: dict = field(default_factory=dict)
    body: object = None      # bytes, or what is to be written as JSON
    expect: str = ACCEPTED
    blame: tuple = ()        # names of which one has to stand first in error.param; (): any, or none
    statuses: tuple = ()     # (): those of `expect`
    unsaid: tuple = ()       # what operators have to say, and customers need not, and is not said

    def target(self):
        quoted = [f"{urllib.parse.quote(name, safe='')}={urllib.parse.quote(value, safe='')}" for name, value in self.query]
        return self.path + ("?" + "&".join(quoted) if quoted else "")

    def content(self):
        return self.body if self.body is None or isinstance(self.body, bytes) else json.dumps(self.body)

    @property
    def may_be_taken(self):
        """Names and keys of one character are few: another request may have had the same."""
        return self.expect == ACCEPTED and self.label.endswith(": shortest")

    def allowed(self, status):
        if self.may_be_taken and status in (409, 422):
            return True
        if self.statuses:
            return status in self.statuses
        return {ACCEPTED: 200 <= status < 300, REFUSED: status in (400, *TOO_LONG), UNKNOWN: status == 404}[self.expect]


def unsayable(text):
    """Whether no request line can say it: it is refused as HTTP."""
    return any(ord(c) < 0x20 or ord(c) == 0x7F for c in text)


def wrong_bodies(good):
    """{label: bytes} that are no JSON, or none that can be taken, made from a body that can."""
    first = json.loads(good) or {"a": 1}
    twice = b'{"%s":1,' % next(iter(first)).encode() + json.dumps(first).encode()[1:]
    return {
        "nothing": b"", "a blank": b" ", "half of it": good[:-1], "two of it": good + good, "something behind it": good + b"x",
        "a comma too much": good[:-1] + b",}", "single quotes": good.replace(b'"', b"'") if b'"' in good else b"{'a':1}",
        "a comment": b"/* */" + good, "a byte order mark": b"\xef\xbb\xbf" + good, "UTF-16": good.decode().encode("utf-16"),
        "invalid UTF-8": b'{"a":"\xc3\x28"}', "an overlong form": b'{"a":"\xc0\xaf"}', "half a surrogate pair": b'{"a":"\\ud800"}',
        "NUL": good + b"\0", "NUL by escape": b'{"a":"\\u0000"}', "a member twice": twice, "NaN": b'{"a":NaN}', "Infinity": b'{"a":-Infinity}',
        "a leading zero": b'{"a":01}', "a number that is too large": b'{"a":1e999}', "a bare word": b"{a:1}", "a form": b"a=1&b=2", "XML": b"<a/>",
        "a list": b"[]", "a list of it": b"[" + good + b"]", "a text": b'"a"', "a number": b"7", "true": b"true", "null": b"null",
        "65 levels": b'{"a":' * 64 + b'{"a":1}' + b"}" * 64, "100000 levels": b"[" * 100000, "too many values": b'{"a":[' + b"1," * 200000 + b"1]}",
    }


def runs(op):
    """Of an operation: (name of the run, what is narrowed in it)."""
    return list(RUNS.get(op.id, {"": {}}).items())


def sound(op, seed):
    """One request that is as it should be."""
    return next(Cases(op, seed, runs(op)[0][1]).sound())


class Cases:
    """All that is tried of one operation. `narrow`: of members of its body, which of the schemas under their oneOf it is."""

    def __init__(self, op, seed, narrow=()):
        self.op, self.values, self.body_schema = op, Values(Texts(f"{seed} {op.id}")), op.body
        for name, branch in dict(narrow).items():
            of = merged(op.body)
            self.body_schema = {**of, "properties": {**of["properties"], name: merged(of["properties"][name])["oneOf"][branch]}}
        self.path_parameters = [p for p in op.parameters if p["in"] == "path"]
        self.query_parameters = [p for p in op.parameters if p["in"] == "query"]
        self.headers = [p for p in op.parameters if p["in"] == "header"]

    def _sound(self, label, **more):
        """A sound request, whole."""
        path, query = self._path({}), [(p["name"], self._base_of(p["name"])) for p in self.query_parameters if p["name"] == "customer"]
        body = more.pop("body") if "body" in more else self._base_body()
        return Case(**{"op": self.op, "label": label, "path": path, "query": query, "body": body, **more})

    def _path(self, values):
        path = self.op.path
        for p in self.path_parameters:
            path = path.replace("{%s}" % p["name"], urllib.parse.quote(values.get(p["name"], self._base_of(p["name"])), safe=""))
        return path

    @functools.lru_cache(None)
    def _base_of(self, name):
        return self.values.valid(next(p["schema"] for p in self.op.parameters if p["name"] == name))[0].value

    @functools.lru_cache(None)
    def _base(self):
        return self.values.bases(self.body_schema)[0].value

    def _base_body(self):
        return self.values.renewed(self.body_schema, self._base()) if self.op.body else None

    def _judged(self, node, v):
        if not schema.is_valid(node, v.value):
            return REFUSED
        return UNKNOWN if v.unknown or names_nothing(node, v.value) else ACCEPTED

    # ---- the body as a value

    def bodies(self):
        if not self.op.body:
            return
        names = tuple(merged(self.op.body)["properties"])
        exclusive = "oneOf" in merged(self.op.body)
        for v in self.values.worth_trying(self.body_schema):
            name = v.label.split(":")[0]
            expect = self._judged(self.body_schema, v)
            blame = names if exclusive and name in names else (name,) if name in names else ()
            if expect == UNKNOWN and self.path_parameters:
                blame += ("id",)  # there is no such thing of nobody's
            unsaid = tuple(n for n in merged(self.op.body).get("x-operators-say", ()) if isinstance(v.value, dict) and n not in v.value)
            yield self._sound(v.label, body=v.value, expect=expect, blame=() if "\\u0000" in json.dumps(v.value) else blame, unsaid=unsaid)

    # ---- the body as bytes

    def raw_bodies(self):
        if not self.op.body:
            for label, body in (("a body where none is taken", b"{}"), ("a large body where none is taken", b"x" * 200000)):
                yield self._sound(label, body=body, expect=REFUSED, statuses=(413,))
            return
        good = json.dumps(self._base_body()).encode()
        for label, body in wrong_bodies(good).items():
            yield self._sound(f"body: {label}", body=body, expect=REFUSED)
        large = (8 if "gateway" in self.op.tags else 1) * 1024 * 1024 + 1
        yield self._sound("body: too large", body=b" " * large, expect=REFUSED, statuses=(413,))
        yield self._sound("body: blanks around it", body=b" \t\r\n" + json.dumps(self._base_body()).encode() + b"\n")

    def content_types(self):
        if not self.op.body:
            return
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml", "application/jsonx", "json",
                     "text/json", "application/problem+json", ";", "application/json, text/plain"):
            gateway = "gateway" in self.op.tags  # takes it for JSON in any case
            yield self._sound(f"Content-Type: {kind}", headers={"Content-Type": kind}, **({} if gateway else {"expect": REFUSED, "statuses": (415,)}))
        for kind in ("application/json", "application/json; charset=utf-8", "Application/JSON"):
            yield self._sound(f"Content-Type: {kind}", headers={"Content-Type": kind})

    # ---- parameters

    def paths(self):
        for p in self.path_parameters:
            for v in self.values.worth_trying(p["schema"]):
                if not isinstance(v.value, str):
                    continue
                expect = self._judged(p["schema"], v)
                if "/" in v.value or unsayable(v.value):
                    expect = REFUSED
                path = self._path({p["name"]: v.value})
                yield self._sound(f"{p['name']} in the path: {v.label}", path=path, expect=expect,
                                  statuses=(400, 404, 405, *TOO_LONG) if expect == REFUSED else ())

    def queries(self):
        for p in self.query_parameters:
            seen = set()
            for v in self.values.worth_trying(p["schema"]):
                text = v.value if isinstance(v.value, str) else json.dumps(v.value)
                if isinstance(v.value, (list, dict)) or text in seen:
                    continue
                seen.add(text)
                yield from self._query(p, v, text)
            yield self._sound(f"{p['name']}: given twice", query=[(p["name"], self._text_of(p["name"]))] * 2,
                              expect=REFUSED, blame=(p["name"],))
        if "gateway" not in self.op.tags:
            for name in ("surplus", "Limit", "customer[]", "é", "x" * 300):
                yield self._sound(f"query: {name[:20]!r}", query=self._sound("").query + [(name, "1")], expect=REFUSED, blame=(name,))

    def _text_of(self, name):
        value = self._base_of(name)
        return value if isinstance(value, str) else json.dumps(value)

    def _query(self, p, v, text):
        node, whole = p["schema"], merged(p["schema"]).get("type") == "integer"
        value = int(text) if whole and text.lstrip("-").isdigit() and text.isascii() else text
        expect = REFUSED if unsayable(text) else self._judged(node, v._replace(value=value))
        query = [pair for pair in self._sound("").query if pair[0] != p["name"]] + [(p["name"], text)]
        yield self._sound(f"{p['name']}: {v.label}", query=query, expect=expect, blame=() if unsayable(text) else (p["name"],),
                          statuses=(200, 404) if expect == UNKNOWN and p["name"] != "customer" else ())

    def header_values(self):
        for p in self.headers:
            for v in self.values.worth_trying(p["schema"]):
                if not isinstance(v.value, str) or v.value != v.value.strip() or not all(0x20 <= ord(c) < 0x7F for c in v.value):
                    continue  # not to be sent, or not as it stands
                yield self._sound(f"{p['name']}: {v.label}", headers={p["name"]: v.value}, expect=self._judged(p["schema"], v), blame=(p["name"],))

    def sound(self):
        yield self._sound("as it should be")

    def all(self):
        for kind in (self.sound, self.bodies, self.raw_bodies, self.content_types, self.paths, self.queries, self.header_values):
            yield from kind()
