"""What was answered under each Idempotency-Key: the first execution's status and body, errors too, for 24 hours. While the first
one runs, others with its key are refused; other parameters under the same key are refused always. The keys of v2 calls live for 30
days, and what has failed under them is worked on again."""
import threading

from .clock import DAY
from .errors import invalid, key_differs, key_in_use

LONGEST = 255
LIVES = {"v1": DAY, "v2": 30 * DAY}


class Entry:
    def __init__(self, fingerprint, request_id, until):
        self.fingerprint, self.request_id, self.until = fingerprint, request_id, until
        self.answer = None  # (status, body) once it is done


class Store:
    def __init__(self, clock):
        self._clock, self._entries, self._lock = clock, {}, threading.Lock()

    def begin(self, key, fingerprint, request_id, api="v1"):
        """The new entry, to be ended; or the finished one, to be replayed. Raises the 400 or 409."""
        if len(key) > LONGEST:
            raise invalid(f"An Idempotency-Key can have up to {LONGEST} characters.", code="idempotency_key_too_long")
        with self._lock:
            now = self._clock.now()
            entry = self._entries.get(key)
            if entry is not None and entry.answer is not None and entry.until <= now:
                entry = None
            if entry is None:
                entry = self._entries[key] = Entry(fingerprint, request_id, now + LIVES[api])
                return entry, False
            if entry.fingerprint != fingerprint:
                raise key_differs()
            if entry.answer is None:
                raise key_in_use()
            return entry, True

    def end(self, key, entry, answer):
        """answer: (status, body) to be kept, or None, and the key is free again."""
        with self._lock:
            if answer is None:
                if self._entries.get(key) is entry:
                    del self._entries[key]
            else:
                entry.answer = answer

    def keys(self):
        with self._lock:
            return {key: {"request": e.request_id, "status": e.answer[0] if e.answer else None} for key, e in self._entries.items()}
