"""Senders of events that leave: a request that did not come whole is none; one that did is recorded, whether anybody waits for the
answer or not; and sent again, each event stands there once."""
import json
import random
import re
import socket
import struct
import time
import uuid
from decimal import Decimal

import pytest

from tests.harness.process import wait_for
from tests.harness.typeid import parse_id

BATCH, LINES = "application/cloudevents-batch+json", "application/x-ndjson"
USAGE = {"input_tokens": 900, "cached_input_tokens": 100, "output_tokens": 50}
COST = Decimal("0.0001725")  # by gpt-4o-mini's rates
LONG = 70  # longer batches, one after the other: more than are worked on at once
LONGER = 1024 * 40  # of a note: three such events are a batch that is read by a job


def event(customer, **data):
    return {"specversion": "1.0", "id": uuid.uuid4().hex, "source": "/left", "type": "gpt-4o-mini", "subject": customer, "data": {"usage": USAGE, **data}}


def forms(customer, count=6):
    """The ways to send events: {name: (content type, further headers, body, how many)}."""
    events = [event(customer) for _ in range(3 * count)]
    one = event(customer)
    binary = {f"ce-{name}": one[name] for name in ("specversion", "id", "source", "type", "subject")}
    return {"binary": ("application/json", binary, json.dumps(one["data"]), 1),
            "structured": ("application/cloudevents+json", {}, json.dumps(events[0]), 1),
            "array": (BATCH, {}, json.dumps(events[1:count]), count - 1),
            "lines": (LINES, {}, "\n".join(json.dumps(e) for e in events[count:]) + "\n", 2 * count)}


class Sender:
    """A client of one request that can leave at any byte of it."""

    def __init__(self, client, kind, headers, body, chunked=False):
        length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
        head = ["POST /api/v1/events HTTP/1.1", "Host: t", f"Authorization: Bearer {client.key}", f"Content-Type: {kind}", length, *(f"{k}: {v}" for k, v in headers.items())]
        self.head, self.body = ("\r\n".join(head) + "\r\n\r\n").encode(), body.encode()
        self.socket = socket.create_connection(("127.0.0.1", client.port), timeout=30)

    def send(self, bytes_of_body):
        self.socket.sendall(self.head + self.body[:bytes_of_body])

    def send_chunks(self, *parts):
        self.socket.sendall(self.head + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts))

    def leave(self, how):
        if how == "reset":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def count_of(world, name):
    return int(re.search(rf"^{re.escape(name)} (\d+)$", world.admin.get("/metrics").body.decode(), re.M).group(1))


def nobody_is_left(world):
    """Waits until no request waits for anything and no connection is open, but for the one that asks."""
    wait_for(lambda: count_of(world, "tollgate_http_suspended") <= 1 and count_of(world, "tollgate_http_connections") <= 1, 30, "all requests having ended")


def sent_again(world, kind, headers, body):
    """Every event is there afterwards: how many were not before, and how many were."""
    answer = world.admin.request("POST", "/api/v1/events", body, headers={"Content-Type": kind, **headers})
    assert answer.status == 200, answer
    told = answer.json
    if told["object"] == "event":
        return (1, 0) if told["status"] == "accepted" else (0, 1)
    assert told["rejected"] == 0, told
    return told["accepted"], told["duplicates"]


def stands_once(world, customer, count, credits=10):
    assert len(world.calls(customer)) == count and Decimal(world.balance(customer)["balance"]) == credits - count * COST
    assert world.cluster.sql("SELECT count(*) FROM event_identities WHERE customer_id = %s", str(parse_id(customer)))[0][0] == count


def waits_for(world, held):
    """Whether a session of the service's waits for what the connection `held` has locked."""
    return world.cluster.sql("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid)))", held.info.backend_pid)[0][0]


def cuts(body):
    """Where a sender stops: before the body, within it, before its last byte, and behind each line that more lines follow."""
    return sorted({0, 1, len(body) // 2, len(body) - 1, *(at + 1 for at, byte in enumerate(body[:-1]) if byte == "\n")})


def test_what_did_not_come_whole_is_nothing(world):
    """Who ends a connection in good order in the middle of a body is let go when the body's time is up: all wait for that together."""
    left = []
    for how in ("reset", "close"):
        customer, _ = world.customer("10")
        left.append((customer, forms(customer)))
        for kind, headers, body, _ in left[-1][1].values():
            for cut in cuts(body):
                sender = Sender(world.admin, kind, headers, body)
                sender.send(cut)
                sender.leave(how)
            for parts in ((body,), (body[:7], body[7:])):  # all of it, but for the word that this was all
                sender = Sender(world.admin, kind, headers, body, chunked=True)
                sender.send_chunks(*(part.encode() for part in parts))
                sender.leave(how)
    nobody_is_left(world)
    for customer, sent in left:
        assert world.calls(customer) == []
        for kind, headers, body, count in sent.values():
            assert sent_again(world, kind, headers, body) == (count, 0)
        stands_once(world, customer, sum(count for _, _, _, count in sent.values()))


@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize("form", ["binary", "structured", "array", "lines"])
def test_what_came_whole_is_recorded_though_its_sender_has_left(world, form, how):
    customer, _ = world.customer("10")
    kind, headers, body, count = forms(customer, 400)[form]
    held = world.cluster.connect()
    held.autocommit = False
    try:
        held.cursor().execute("SELECT FROM customers WHERE id = %s FOR UPDATE", (str(parse_id(customer)),))
        sender = Sender(world.admin, kind, headers, body)
        sender.send(len(body))
        wait_for(lambda: waits_for(world, held), 20, "the ledger having it")
        sender.leave(how)
    finally:
        held.close()
    wait_for(lambda: len(world.calls(customer)) == count, 30, "all events being recorded")
    assert sent_again(world, kind, headers, body) == (0, count)
    nobody_is_left(world)
    stands_once(world, customer, count)


def test_whenever_a_sender_leaves_each_event_is_recorded_once_and_nothing_is_kept_of_the_request(world):
    customer, _ = world.customer("10")
    chance, events = random.Random(5), 0
    for _ in range(LONG):
        batch = [event(customer, note="x" * LONGER) for _ in range(3)]
        body = json.dumps(batch) if chance.random() < 0.5 else "\n".join(map(json.dumps, batch))
        kind = BATCH if body[0] == "[" else LINES
        sender = Sender(world.admin, kind, {}, body)
        sender.send(len(body))
        time.sleep(chance.random() * 0.02)
        sender.leave(chance.choice(["reset", "close"]))
        assert sum(sent_again(world, kind, {}, body)) == 3  # while the first may still be under way
        events += 3
    nobody_is_left(world)
    stands_once(world, customer, events)
