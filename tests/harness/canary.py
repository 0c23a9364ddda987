"""Words that are planted where callers put theirs, and looked for where nobody's words belong: as they are, in base64, in hex
and percent-encoded. All begin alike, so that any of them is found by that beginning in any spelling."""
import base64
import re
import secrets
import threading

START = "zqcanary7x"
_lock = threading.Lock()


def _base64_forms(word):
    """What every base64 text that holds the word contains, wherever in it the word begins."""
    forms = []
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + word.encode()).decode()
        whole = encoded[[0, 2, 3][before]:len((b"\0" * before + word.encode())) * 4 // 3]
        forms += [whole, whole.replace("+", "-").replace("/", "_")]
    return forms


def forms(word):
    percent = "".join(f"%{b:02X}" for b in word.encode())
    hexed = word.encode().hex()
    return {word, word.upper(), hexed, hexed.upper(), percent, percent.lower(), *_base64_forms(word)}


_FORMS = forms(START)
_WORD = re.compile(START + "[0-9a-f]{16}")


def leaks(text, spellings=_FORMS):
    """Where any planted word shows, with what stands around it."""
    text = text.decode(errors="replace") if isinstance(text, bytes) else text
    return [text[max(0, at - 80):at + 120] for form in spellings for at in [text.find(form)] if at >= 0]


def words(text):
    """The planted words in a text, as they are."""
    return set(_WORD.findall(text.decode(errors="replace") if isinstance(text, bytes) else text))


class Garden:
    """Which words were planted, where, and of what kind."""

    def __init__(self):
        self.planted = {}

    def word(self, where, kind="plain"):
        word = START + secrets.token_hex(8)
        with _lock:
            self.planted[word] = (kind, where)
        return word

    def of_kind(self, *kinds):
        return [word for word, (kind, _) in self.planted.items() if kind in kinds]
