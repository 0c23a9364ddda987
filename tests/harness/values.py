"""Values of a schema that are worth sending: what fits, what lies on the bounds and one beyond, every wrong type. Whether a
value is valid is not said here: the schema itself says so (schema.is_valid). Where a schema gives examples, what is valid by
its form may still be unknown to the server; then the examples alone are taken for valid, and the others are not tried.

An id stands for a thing that has to be there when the request is sent. Until then PLACES holds its place."""
import decimal
import re
from collections import namedtuple

from . import schema
from .texts import AMOUNTS, TIMES, UNKNOWN, malformed_ids

Value = namedtuple("Value", "label value unknown", defaults=[False])  # unknown: well formed, and nothing's
# sev: an event of Stripe's; top: a top-up, of which a customer's id is the name
PREFIXES = ("cus", "key", "grt", "lim", "prv", "prc", "call", "prd", "ord", "pay", "top", "sev", "we", "evt", "cod", "mtr", "rrt", "hld")
OTHER_FORMS = {"hld": "call"}  # an explicit hold: its id is a call's
PLACES = {prefix: f"{prefix}_7{'z' * 25}" for prefix in PREFIXES} | {"hld": f"call_6{'z' * 25}"}
OTHER_PLACES = {"cus": "ext:7zzz-external-id-7zzz", "prv": "7zzz-provider-name-7zzz", "cod": "7ZZZ-CODES-TEXT"}  # the same things by their other names
TYPES = [("null", None), ("true", True), ("an integer", 7), ("a fraction", 1.5), ("an integer with a point", 7.0),
         ("a list", []), ("a list of a text", ["text"]), ("an object", {}), ("an object with a member", {"a": 1}), ("a huge number", 10 ** 30)]
NANO = decimal.Decimal("0.000000001")


def merged(node):
    """A schema with its references followed, those behind allOf too."""
    node = schema.resolve(node)
    for part in node.get("allOf", []):
        node = {**merged(part), **{k: v for k, v in node.items() if k != "allOf"}}
    return node


def prefix_of(node):
    """Of what a text of this schema is an id; None: it is none."""
    node = merged(node)
    found = re.search(r"\b([a-z]+)_\[0-7\]", node.get("pattern", ""))
    return node.get("x-thing") or (found and found[1])  # x-thing: its ids are given out elsewhere, in a form of their own


def names_nothing(node, value):
    """Whether this is a good id, but not that of a thing that will be there."""
    known = set(PLACES.values()) | set(OTHER_PLACES.values())
    return isinstance(value, str) and prefix_of(node) in PLACES and value not in known and schema.is_valid(node, value)


class Values:
    def __init__(self, texts):
        self.texts = texts

    # ---- one schema

    def worth_trying(self, node):
        """All of interest, each once."""
        node, found, seen = merged(node), [], set()
        for v in self._of(node) + [Value(*pair) for pair in TYPES] + [Value("a text", self.texts.tag())]:
            v = v._replace(unknown=v.unknown or names_nothing(node, v.value))
            key = (repr(v.value), v.unknown)
            if key not in seen and self._is_fair(node, v):
                seen.add(key)
                found.append(v)
        return found

    def valid(self, node):
        return [v for v in self.worth_trying(node) if not v.unknown and schema.is_valid(node, v.value)]

    def _is_fair(self, node, v):
        """False: valid by its form, but it is not known whether by its meaning."""
        if "examples" in node and not v.unknown and v.value not in node["examples"] and schema.is_valid(node, v.value):
            return v.value is None
        return True

    def _of(self, node):
        if "enum" in node or "const" in node:
            words = node.get("enum", [node.get("const")])
            return [Value(f"{w}", w) for w in words] + [Value("no word of these", "luck"), Value("in upper case", str(words[0]).upper()), Value("empty", "")]
        found = [Value(f"example {i}", e) for i, e in enumerate(node.get("examples", []))]
        for part in node.get("oneOf", []) + node.get("anyOf", []):
            if "required" not in part and "properties" not in part:
                found += self._of({**{k: v for k, v in node.items() if k not in ("oneOf", "anyOf", "examples")}, **merged(part)})
        types = node.get("type", [])
        for one in [types] if isinstance(types, str) else types:
            found += {"string": self._texts, "integer": self._integers, "array": self._arrays, "object": self._objects,
                      "boolean": lambda _: [Value("yes", True), Value("no", False)]}.get(one, lambda _: [])(node)
        return found

    def _integers(self, node):
        low, high = node.get("minimum"), node.get("maximum")
        found = [Value("least", low), Value("below the least", low - 1)] if low is not None else []
        found += [Value("most", high), Value("beyond the most", high + 1)] if high is not None else []
        return found + [Value("zero", 0), Value("negative", -5), Value("beyond 64 bits", 2 ** 63), Value("in quotes", "7"), Value("with exponent", 1e2)]

    def _texts(self, node):
        pattern = node.get("pattern", "")
        found = []
        if prefix_of(node):
            found = self._ids(prefix_of(node), pattern)
        elif "x-maximum" in node:
            found = self._amounts(node)
        elif "examples" not in node:
            found = self._lengths(node)
        if "[Zz]" in pattern:
            found += [Value(f"time {text!r}", text) for text in TIMES]
        return found + [Value(*pair) for pair in self.texts.anything()] * ("x-maximum" not in node)

    def _ids(self, prefix, pattern):
        if prefix not in PLACES:
            return [Value("well formed", f"{prefix}_{UNKNOWN}")] + [Value(*pair) for pair in malformed_ids(prefix)]
        found, thing, prefix = [Value("its id", PLACES[prefix])], prefix, OTHER_FORMS.get(prefix, prefix)
        if thing in OTHER_PLACES and schema.compiled(pattern).search(OTHER_PLACES[thing]):
            found += [Value("its other name", OTHER_PLACES[thing]), Value("an unknown name", OTHER_PLACES[thing][:4] + self.texts.tag())]
        if "ext:" in pattern:
            found += [Value("a name that is empty", "ext:"), Value("an unknown name, the longest", "ext:" + "é" * 200),
                      Value("a name that is too long", "ext:" + "x" * 201), Value("a name with a control character", "ext:a\x85")]
        return found + [Value("nothing's id", f"{prefix}_{UNKNOWN}")] + [Value(*pair) for pair in malformed_ids(prefix)]

    def _amounts(self, node):
        low, high = decimal.Decimal(node["x-minimum"]), decimal.Decimal(node["x-maximum"])
        bounds = [("least", low), ("below the least", low - NANO), ("most", high), ("beyond the most", high + NANO)]
        return [Value(label, f"{a:f}") for label, a in bounds] + [Value(f"amount {text[:30]!r}", text) for text in AMOUNTS]

    def _lengths(self, node):
        pattern, most = node.get("pattern", "^[^\\u0000]*$"), node.get("maxLength")
        found = [Value("shortest", self.texts.shortest(pattern)), Value("ordinary", self.texts.of_length(pattern, min(12, most or 12)))]
        longest = self.texts.of_length(pattern, most or 12)
        if most:
            longest = longest[:most]
            found.append(Value("longest of ASCII", self.texts.tag(most) if most < 3000 else longest))
        return found + [Value("longest", longest), Value("one character more", longest + longest[-1:])]

    # ---- lists and objects

    def _arrays(self, node):
        if "items" not in node:
            return [Value("anything", [1, "a", {"b": [None]}]), Value("empty", [])]
        items = [v.value for v in self.distinct(node["items"], node.get("maxItems", 3) + 1)]
        found = [Value("one", items[:1]), Value("all", items), Value("empty", []), Value("twice the same", items[:1] * 2)]
        found = [v for v in found if v.label != "twice the same"] + [Value("too many", (items * 40)[:node.get("maxItems", 30) + 1])]
        for v in self.worth_trying(node["items"]):
            found.append(Value(f"one, {v.label}", [v.value], v.unknown))
        return found

    def distinct(self, node, most):
        """Valid items that differ where they have to: each has an example of its own of whatever gives examples."""
        node = merged(node)
        if "enum" in node:
            return [Value(word, word) for word in node["enum"][:most]]
        count = min([most] + [len(merged(p)["examples"]) for p in node.get("properties", {}).values() if "examples" in merged(p)])
        base = self.bases(node)[-1].value
        return [Value(f"{i}", {name: merged(node["properties"][name]).get("examples", [v] * count)[i] for name, v in base.items()}) for i in range(count)]

    def _objects(self, node):
        if "properties" not in node:
            return self._maps(node) if "propertyNames" in node or isinstance(node.get("additionalProperties"), dict) else [
                Value("free", {"a": 1, "b": {"c": [None, "x", 0.5]}}), Value("empty", {})]
        found = []
        for base in self.bases(node):
            found += [base] + self.changed(node, base)
        return found

    def _maps(self, node):
        most, member = node.get("maxProperties"), node.get("additionalProperties", True)
        names = [v for v in self.worth_trying(node["propertyNames"]) if isinstance(v.value, str)]
        value = self.valid(member)[0].value
        found = [Value("empty", {})] + [Value(f"a name: {v.label}", {v.value: value}) for v in names]
        found += [Value(f"a member: {v.label}", {self.texts.tag(): v.value}) for v in self.worth_trying(member)]
        for count in (most, most + 1) if most else ():
            found.append(Value(f"{count} members", {self.texts.tag(): value for _ in range(count)}))
        return found

    # ---- objects with members that are named

    def bases(self, node):
        """Objects to start from: for each way that the schema allows, one with what is required and one with all there is."""
        node, found = merged(node), []
        for branch in node.get("oneOf") or [{}]:
            required = set(node.get("required", [])) | set(branch.get("required", [])) | set(node.get("x-operators-say", []))
            for names, label in ((required, "least"), (node["properties"], "most")):
                base = self._base(node, branch, names)
                if base is not None and all(base != other.value for other in found):
                    found.append(Value(label, base))
        return found

    def _base(self, node, branch, names):
        base = {}
        for name, of in node["properties"].items():
            narrow = branch.get("properties", {}).get(name, {})
            if name not in names or narrow is False:
                continue
            fitting = [v.value for v in self.valid(of) if v.value is not None and schema.is_valid(narrow, v.value)]
            if fitting:  # else of its values only null is known to be good
                base[name] = fitting[0]
        return self.renewed(node, base) if schema.is_valid(node, base) else None

    def renewed(self, node, base):
        """The same with new texts, where any text will do: it may have to be nobody else's."""
        free = {name: merged(merged(node)["properties"][name]) for name in base}
        free = {name: of for name, of in free.items() if "string" in of.get("type", []) and not {"enum", "examples", "x-maximum"} & set(of)
                and "_[0-7]" not in of.get("pattern", "")}
        return {**base, **{name: self.texts.of_length(of.get("pattern", "^[a-z]+$"), min(12, of.get("maxLength", 12))) for name, of in free.items()}}

    def changed(self, node, base):
        """The base with one member changed, taken out, or put in."""
        found = []
        for name, of in node["properties"].items():
            for v in self.worth_trying(of):
                found.append(Value(f"{name}: {v.label}", {**self.renewed(node, base.value), name: v.value}, v.unknown))
            if name in base.value:
                found.append(Value(f"{name}: missing", {k: v for k, v in self.renewed(node, base.value).items() if k != name}))
        surplus = ["surplus", "__proto__", "Name ", "é", "x" * 300, "a\nb"]
        return found + [Value(f"{name[:20]!r}: surplus", {**self.renewed(node, base.value), name: "x"}) for name in surplus]
