"""Forms with brackets, as Stripe reads them in bodies and queries: a[b][0][c]=1 and a[b][][c]=1 become nested dicts and lists
of text. What stands in conflict with itself (a=1&a[b]=2) is refused."""
import re
import urllib.parse

DEEPEST = 12
MOST_FIELDS = 4000
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)\Z")


class BadForm(Exception):
    pass


class _Indexed(dict):
    """A list in the making: its keys are the numbers that were written."""


def decode(text):
    """A dict from "a=1&b[c]=2". Text outside UTF-8 and names with stray brackets raise BadForm."""
    root = {}
    pairs = [p for p in text.split("&") if p]
    if len(pairs) > MOST_FIELDS:
        raise BadForm(f"more than {MOST_FIELDS} fields")
    for pair in pairs:
        name, _, value = pair.partition("=")
        _put(root, _path(_unquoted(name)), _unquoted(value))
    return _settled(root)


def encode(fields):
    """The other way, as stripe-node writes it: lists with indices, brackets left as they are."""
    return "&".join(f"{_quoted(name, '[]')}={_quoted(value, '')}" for name, value in flat(fields))


def flat(value, name=""):
    """(name, text) of every leaf, in the order in which they stand."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, f"{name}[{key}]" if name else str(key))
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from flat(inner, f"{name}[{index}]")
    elif value is None:
        yield name, ""
    else:
        yield name, {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _quoted(text, safe):
    return urllib.parse.quote(text, safe=safe)


def _unquoted(text):
    try:
        return urllib.parse.unquote_plus(text, errors="strict")
    except UnicodeDecodeError:
        raise BadForm("not UTF-8") from None


def _path(name):
    match = _NAME.match(name)
    if not match:
        raise BadForm(f"a field's name that cannot be read: {name[:100]}")
    path = [match.group(1), *re.findall(r"\[([^\[\]]*)\]", match.group(2))]
    if len(path) > DEEPEST:
        raise BadForm(f"{name[:100]} nests too deep")
    return path


def _put(place, path, value):
    key, rest = path[0], path[1:]
    if isinstance(place, _Indexed):
        key = _index(place, key, rest)
    if not rest:
        if isinstance(place.get(key), dict):
            raise BadForm(f"{key} is a value and holds values")
        place[key] = value
        return
    kind = _Indexed if rest[0] == "" or rest[0].isdecimal() else dict
    inner = place.setdefault(key, kind())
    if not isinstance(inner, dict):
        raise BadForm(f"{key} is a value and holds values")
    if isinstance(inner, _Indexed) and kind is dict:
        raise BadForm(f"{key} is a list and holds names")
    _put(inner, rest, value)


def _index(place, key, rest):
    """[] is a new element, unless the last one has no such field yet: a[][b]=1&a[][c]=2 is one element."""
    if key != "":
        if not key.isdecimal():
            raise BadForm(f"a list has no element {key[:40]}")
        return int(key)
    last = max(place, default=-1)
    if rest and isinstance(place.get(last), dict) and rest[0] not in place[last]:
        return last
    return last + 1


def _settled(value):
    if isinstance(value, _Indexed):
        return [_settled(value[i]) for i in sorted(value)]
    if isinstance(value, dict):
        return {k: _settled(v) for k, v in value.items()}
    return value
