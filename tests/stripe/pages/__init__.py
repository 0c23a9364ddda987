"""The pages that a browser sees."""
from ..api import Answer


def answer(account, request):
    return Answer(404, b"No such page.", {"Content-Type": "text/plain"})
