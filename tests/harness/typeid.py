"""Public ids: a prefix and a UUID's 128 bits in base32, after two bits of nothing."""
import time
import uuid

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def print_id(prefix, uid):
    n, text = uid.int, ""
    for _ in range(26):
        text, n = _ALPHABET[n & 31] + text, n >> 5
    return f"{prefix}_{text}"


def parse_id(text):
    n = 0
    for c in text.rpartition("_")[2]:
        n = n << 5 | _ALPHABET.index(c)
    return uuid.UUID(int=n)


def new_uuid():
    """Version 7."""
    at = int(time.time() * 1000)
    return uuid.UUID(int=(at << 80) | (7 << 76) | (uuid.uuid4().int & ((1 << 76) - 1)) & ~(3 << 62) | (2 << 62))
