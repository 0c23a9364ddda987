"""What a call takes, and reading it: a dict of names to readers, "name!" where it is required. A reader gets what forms.py made
and the field's full name, and gives the value as the handlers want it; what does not fit is Stripe's 400. Names that a call does
not take are refused as Stripe refuses them, so that a misspelt or an outdated parameter is found here."""
import re

from .errors import StripeError, invalid, missing

MOST_TEXT = 5000


def read(spec, given, at="", form=True):
    """The typed values of what was given; optional fields that are absent stay absent."""
    if not isinstance(given, dict):
        raise invalid("Invalid object", at)
    out, names = {}, {name.rstrip("!"): reader for name, reader in spec.items()}
    for name in given:
        if name not in names:
            raise invalid(f"Received unknown parameter: {_at(at, name)}", _at(at, name), "parameter_unknown")
    for name, reader in spec.items():
        bare = name.rstrip("!")
        if bare in given:
            out[bare] = reader(given[bare], _at(at, bare))
        elif name.endswith("!"):
            raise missing(_at(at, bare))
    return out


def _at(at, name):
    return f"{at}[{name}]" if at else name


def _text(value, at):
    if not isinstance(value, str):
        raise invalid("Invalid string", at)
    if value == "":
        raise invalid(f"You passed an empty string for '{at}'. An empty value unsets a parameter; '{at}' cannot be unset.", at, "parameter_invalid_empty")
    return value


def text(most=MOST_TEXT):
    def reader(value, at):
        value = _text(value, at)
        if len(value) > most:
            raise invalid(f"Invalid string: longer than {most} characters", at, "parameter_invalid_string_too_long" if most < MOST_TEXT else None)
        return value
    return reader


def one_of(*choices):
    def reader(value, at):
        if _text(value, at) not in choices:
            raise invalid(f"Invalid {at}: must be one of {', '.join(choices)}", at)
        return value
    return reader


def integer(least=None, most=None):
    def reader(value, at):
        value = value if isinstance(value, str) else str(value) if isinstance(value, int) else ""
        if not re.fullmatch(r"-?\d{1,18}", value):
            raise invalid(f"Invalid integer: {value[:40]}", at, "parameter_invalid_integer")
        number = int(value)
        if (least is not None and number < least) or (most is not None and number > most):
            limit = f"at least {least}" if least is not None and number < least else f"at most {most}"
            raise invalid(f"Invalid integer: must be {limit}", at, "parameter_invalid_integer")
        return number
    return reader


def boolean(value, at):
    if value not in ("true", "false"):
        raise invalid(f"Invalid boolean: {str(value)[:40]}", at)
    return value == "true"


def currency(value, at):
    if not re.fullmatch(r"[A-Za-z]{3}", _text(value, at)):
        raise invalid(f"Invalid currency: {value[:10]}", at)
    return value.lower()


def url(value, at):
    if not re.match(r"https?://[^/\s]", _text(value, at)) or len(value) > MOST_TEXT:
        raise invalid("Not a valid URL", at, "url_invalid")
    return value


def hash_of(**spec):
    """Fields with names; "x!" cannot be written as a keyword, so required ones are given as x_required."""
    spec = {name[:-9] + "!" if name.endswith("_required") else name: reader for name, reader in spec.items()}
    return lambda value, at: read(spec, value, at)


def list_of(reader, most=100):
    def read_all(value, at):
        if not isinstance(value, list):
            raise invalid("Invalid array", at)
        if len(value) > most:
            raise invalid(f"Array {at} exceeded maximum {most} allowed elements.", at)
        return [reader(element, f"{at}[{index}]") for index, element in enumerate(value)]
    return read_all


def clearable(reader):
    """An empty value unsets: None."""
    return lambda value, at: None if value == "" else reader(value, at)


def anything(value, at):
    """Taken and not looked at: the stand-in does nothing with it."""
    return value


def undone(value, at):
    """Stripe takes it; the stand-in would have to act on it, and does not know how."""
    raise invalid(f"The stand-in cannot do what {at} asks for.", at, "standin_undone")


def either(*readers):
    """The first that can read it."""
    def reader(value, at):
        for attempt in readers[:-1]:
            try:
                return attempt(value, at)
            except StripeError:
                pass
        return readers[-1](value, at)
    return reader


def metadata(value, at):
    """None clears all; a None inside clears one. At most 50 keys of 40 characters, values of 500."""
    if value == "":
        return None
    if not isinstance(value, dict):
        raise invalid("Invalid object", at)
    for key, inner in value.items():
        if not isinstance(inner, str):
            raise invalid("Metadata values must be strings.", _at(at, key))
        if len(key) > 40:
            raise invalid(f"Metadata keys can have up to 40 characters: {key[:60]}", at)
        if len(inner) > 500:
            raise invalid("Metadata values can have up to 500 characters.", _at(at, key))
    return {key: inner if inner != "" else None for key, inner in value.items()}


def merged(old, new):
    """Metadata after a call gave `new`: named keys are set or cleared, others stay."""
    if new is None:
        return {}
    out = {**old, **new}
    out = {key: value for key, value in out.items() if value is not None}
    if len(out) > 50:
        raise invalid("You can set up to 50 metadata keys on one object.", "metadata")
    return out


ADDRESS = hash_of(city=clearable(text()), country=clearable(text()), line1=clearable(text()), line2=clearable(text()),
                  postal_code=clearable(text()), state=clearable(text()))
CREATED = either(integer(), hash_of(gt=integer(), gte=integer(), lt=integer(), lte=integer()))
EXPAND = list_of(text(), 20)
PAGE = {"limit": integer(1, 100), "starting_after": text(), "ending_before": text(), "expand": EXPAND}
