"""The stand-in's time: the machine's plus what a test has added, and an agenda of what is to happen later (a session expires, a
debit settles, a period ends). What is due happens before the next request is worked on; moving the clock makes it happen at
once, in the order of its times."""
import heapq
import itertools
import time

MINUTE, HOUR, DAY = 60, 3600, 86400


class Clock:
    def __init__(self):
        self.ahead = 0
        self._during = None
        self._agenda, self._count = [], itertools.count()

    def now(self):
        return self._during if self._during is not None else int(time.time()) + self.ahead

    def later(self, at, what):
        """what() is called once when it is `at`; it must bear being no longer wanted."""
        heapq.heappush(self._agenda, (at, next(self._count), what))

    def run_due(self):
        """Lets happen what is due, each at its own time."""
        until = self.now()
        while self._agenda and self._agenda[0][0] <= until:
            at, _, what = heapq.heappop(self._agenda)
            self._during = at
            try:
                what()
            finally:
                self._during = None

    def advance(self, seconds):
        self.ahead += seconds
        self.run_due()
