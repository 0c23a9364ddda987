"""Telling events to endpoints: signed posts, retries after anything but 2xx, and on request what a bad day brings: deliveries
late, out of order, twice, or never (a dropped one stays listed as undelivered). While it holds, nothing goes out until `flush`
sends what has gathered, in the order that it is told. Chances and orders are drawn from the seed."""
import concurrent.futures
import heapq
import itertools
import random
import threading
import time

from . import thin
from .events import rendered, wants
from .posting import post
from .signing import header

SETTINGS = {
    "mode": "auto",  # or hold
    "delay": [0, 0],  # seconds from the event to the first attempt: at least, at most
    "shuffle": 0,  # up to so many seconds more, drawn for each delivery: neighbours change places
    "duplicate": 0,  # the chance that a delivery is made twice
    "drop": 0,  # the chance that it is never made
    "retry_seconds": [0.2, 0.5, 1, 2, 5, 10, 30],  # after each failure; past the last it is given up
    "timeout": 30,
    "signed_ahead": 0,  # seconds added to t of the signature
}


class Endpoint:
    def __init__(self, id, url, secrets, events=("*",), payload="snapshot", api_version=None):
        self.id, self.url, self.secrets, self.events = id, url, list(secrets), list(events)
        self.payload, self.api_version, self.enabled = payload, api_version, True


def _listens(endpoint, event):
    """Whether it is told: thin ones by the thin name; an event without a snapshot only by thin ones."""
    if not endpoint.enabled or (endpoint.payload != "thin" and event["object"] != "event"):
        return False
    return wants(endpoint.events, thin.name(event) if endpoint.payload == "thin" else event["type"])


class Delivery:
    """One event on its way to one endpoint."""

    def __init__(self, number, event, endpoint, body):
        self.number, self.event, self.endpoint, self.body = number, event, endpoint, body
        self.state, self.attempts, self.waiting = "pending", [], 0

    def shown(self):
        return {"number": self.number, "event": self.event["id"], "type": self.event["type"], "endpoint": self.endpoint.id,
                "state": self.state, "attempts": self.attempts}


class Sender:
    def __init__(self, account, seed):
        self.account, self.settings, self.endpoints = account, dict(SETTINGS), {}
        self.deliveries, self._of_event = [], {}
        self._random = random.Random(f"{seed}/sender")
        self._queue, self._count = [], itertools.count()
        self._wake, self._stopped, self._threads, self._busy = threading.Condition(threading.RLock()), False, [], 0

    def start(self, workers=1):
        self._threads = [threading.Thread(target=self._work, name="stripe-sender", daemon=True) for _ in range(workers)]
        for thread in self._threads:
            thread.start()

    def stop(self):
        with self._wake:
            self._stopped = True
            self._wake.notify_all()
        for thread in self._threads:
            thread.join(5)

    # Taking events in

    def take(self, event):
        """Makes the deliveries of a new event; how many."""
        with self._wake:
            chosen = [e for e in self.endpoints.values() if _listens(e, event)]
            for endpoint in chosen:
                self._make(event, endpoint, len(chosen))
            return len(chosen)

    def _make(self, event, endpoint, pending):
        if endpoint.payload == "thin":
            body = rendered(thin.notification(self.account, event))
        else:
            body = rendered({**event, "api_version": endpoint.api_version or event["api_version"], "pending_webhooks": pending})
        delivery = Delivery(len(self.deliveries) + 1, event, endpoint, body)
        self.deliveries.append(delivery)
        self._of_event.setdefault(event["id"], []).append(delivery)
        self._send_out(delivery)

    def _send_out(self, delivery):
        chance, s = self._random.random, self.settings
        dropped, twice = chance() < s["drop"], chance() < s["duplicate"]
        if dropped:
            delivery.state = "dropped"
        elif s["mode"] == "hold":
            delivery.state = "held"
        else:
            for _ in range(2 if twice else 1):
                self._enqueue(delivery, self._random.uniform(*s["delay"]) + chance() * s["shuffle"])

    def _enqueue(self, delivery, seconds, first=True):
        delivery.waiting += 1
        heapq.heappush(self._queue, (time.monotonic() + seconds, next(self._count), delivery, first))
        self._wake.notify()

    # Sending

    def _work(self):
        while True:
            with self._wake:
                while not self._stopped and (not self._queue or self._queue[0][0] > time.monotonic()):
                    self._wake.wait(self._queue[0][0] - time.monotonic() if self._queue else None)
                if self._stopped:
                    return
                delivery = heapq.heappop(self._queue)[2]
                self._busy += 1
            try:
                self.attempt(delivery)
            finally:
                with self._wake:
                    self._busy -= 1
                    delivery.waiting -= 1
                    self._after(delivery)
                    self._wake.notify_all()

    def attempt(self, delivery):
        """One post. True when the endpoint said yes."""
        endpoint = delivery.endpoint
        at = int(time.time()) + self.settings["signed_ahead"]
        signed = header(endpoint.secrets, delivery.body, self.account.livemode, at)
        result = post(endpoint.url, delivery.body, signed, self.settings["timeout"])
        with self._wake:
            delivery.attempts.append({"at": at, **result})
            if 200 <= (result["status"] or 0) < 300:
                delivery.state = "delivered"
            elif delivery.state in ("held", "dropped"):
                delivery.state = "failed"
            self._wake.notify_all()
        return delivery.state == "delivered"

    def _after(self, delivery):
        if delivery.state != "pending" or delivery.waiting:
            return
        failures, waits = len(delivery.attempts), self.settings["retry_seconds"]
        if failures > len(waits) or not delivery.endpoint.enabled:
            delivery.state = "failed"
        else:
            self._enqueue(delivery, waits[failures - 1], first=False)

    # What tests ask of it

    def flush(self, order="made", copies=1, states=("held",), types=None, together=1):
        """Sends now what is in one of these states: in the order it was made, reversed or shuffled, each so many times, so many at
        once. The deliveries in the order in which they were begun."""
        with self._wake:
            chosen = [d for d in self.deliveries if d.state in states and (types is None or wants(types, d.event["type"]))] * copies
            if order == "reversed":
                chosen.reverse()
            elif order == "shuffled":
                self._random.shuffle(chosen)
            else:
                chosen.sort(key=lambda d: d.number)
        with concurrent.futures.ThreadPoolExecutor(together) as posts:
            list(posts.map(self.attempt, chosen))
        return chosen

    def resend(self, event_id):
        """Once more to every endpoint that ever had it, whatever came of it."""
        with self._wake:
            chosen = list(self._of_event.get(event_id, ()))
        for delivery in chosen:
            self.attempt(delivery)
        return chosen

    def release(self):
        """Lets go what is held, and holds no longer."""
        with self._wake:
            self.settings["mode"] = "auto"
            for delivery in self.deliveries:
                if delivery.state == "held":
                    delivery.state = "pending"
                    self._enqueue(delivery, 0)

    def wait(self, condition, timeout):
        until = time.monotonic() + timeout
        with self._wake:
            while not condition():
                left = until - time.monotonic()
                if left <= 0 or self._stopped:
                    return False
                self._wake.wait(left)
            return True

    def quiet(self, timeout):
        """Waits until nothing is under way or to be tried again; whether that came."""
        return self.wait(lambda: not self._queue and not self._busy, timeout)

    def tried(self, event_id, timeout):
        """Waits until an event's deliveries have each been tried once: a buyer's way back waits for it."""
        def done():
            return all(d.attempts or d.state != "pending" for d in self._of_event.get(event_id, ()))
        return self.wait(done, timeout)

    def delivered(self, event_id):
        with self._wake:
            return all(d.state == "delivered" for d in self._of_event.get(event_id, ()))

    def pending(self, event_id):
        with self._wake:
            return sum(d.state != "delivered" for d in self._of_event.get(event_id, ()))

    def shown(self, state=None, type=None):
        with self._wake:
            return [d.shown() for d in self.deliveries if (state is None or d.state == state) and (type is None or d.event["type"] == type)]
