"""expand[]: ids in an answer become the objects they name, lists that are left out come in. `data.x` reaches into lists."""
import copy

from .errors import invalid

DEEPEST = 4
# Fields that are absent unless asked for: (object, field) → function of account and object
INCLUDED = {}


def included(kind, field):
    def add(function):
        INCLUDED[kind, field] = function
        return function
    return add


def expanded(account, answer, paths):
    """A copy of the answer with each path expanded."""
    answer = copy.deepcopy(answer)
    for path in paths or ():
        steps = path.split(".")
        if len(steps) > DEEPEST + (steps[0] == "data"):
            raise invalid(f"You cannot expand more than {DEEPEST} levels of a property.", "expand")
        _expand(account, answer, steps, path)
    return answer


def _expand(account, place, steps, path):
    if isinstance(place, list):
        for element in place:
            _expand(account, element, steps, path)
        return
    if not steps or place is None:
        return
    field = steps[0]
    if (place.get("object"), field) in INCLUDED and not isinstance(place.get(field), dict):
        place[field] = copy.deepcopy(INCLUDED[place["object"], field](account, place))
    elif field not in place:
        raise invalid(f"This property cannot be expanded ({path}).", "expand")
    value = place[field]
    if isinstance(value, str):
        found = account.get(value)
        if found is None:
            raise invalid(f"This property cannot be expanded ({path}).", "expand")
        value = place[field] = copy.deepcopy(found)
    if isinstance(value, (dict, list)):
        _expand(account, value, steps[1:], path)
