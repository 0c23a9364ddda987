"""What was asked of the API, in order, for tests that count: one record a request, also of those that a fault swallowed."""
import fnmatch
import threading

MOST = 20000


class Journal:
    def __init__(self):
        self._records, self._lock = [], threading.Lock()

    def add(self, **record):
        with self._lock:
            if len(self._records) < MOST:
                self._records.append(record)
            return record

    def find(self, method=None, path=None, key=None, fault=None, executed=None):
        """Records by method, path (with * for anything), idempotency key, name of the fault, and whether work was done."""
        with self._lock:
            records = list(self._records)
        return [r for r in records
                if (method is None or r["method"] == method) and (path is None or fnmatch.fnmatchcase(r["path"], path))
                and (key is None or r["idempotency_key"] == key) and (fault is None or r["fault"] == fault)
                and (executed is None or r["executed"] == executed)]

    def clear(self):
        with self._lock:
            self._records.clear()
