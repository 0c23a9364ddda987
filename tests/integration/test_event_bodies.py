"""Bodies of usage events and the memory that they need: none that is long is taken before its key is known, all together have a bound,
and of a batch that is cut short it is told event by event what was recorded."""
import concurrent.futures
import http.client
import json
import socket
import time
from decimal import Decimal

import pytest

from tests.harness.cluster import Cluster
from tests.harness.process import wait_for
from tests.harness.server import World
from tests.integration.test_events import BATCH, COST, LINES, event, metric, new_id, refused, send, taken

MIB = 1024 * 1024
RESERVED = "tollgate_http_reserved_bytes"


@pytest.fixture(scope="module")
def small():
    """Little memory for long bodies, and one event at a time of a batch of lines."""
    cluster = Cluster(settings=["fsync=off"])
    world = World(cluster, TOLLGATE_EVENTS_MEMORY_MB="16", TOLLGATE_EVENTS_BATCH_MAX="1")
    yield world
    world.audit()
    world.stop()
    cluster.remove()


class Upload:
    """A body of blanks that comes by and by."""

    def __init__(self, port, key, length):
        self.left = length
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.sendall(f"POST /api/v1/events HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {key}\r\nContent-Type: {LINES}\r\nContent-Length: {length}\r\n\r\n".encode())

    def send(self, count):
        """As many bytes, or as many as are still taken."""
        self.left -= count
        try:
            self.socket.sendall(b" " * count)
        except OSError:
            pass

    def answer(self):
        """(status, head, whether the connection was ended)"""
        got = b""
        try:
            while b"\r\n\r\n" not in got or b"connection: close" in got.lower():
                piece = self.socket.recv(65536)
                if not piece:
                    break
                got += piece
        except ConnectionResetError:
            pass
        head = got.split(b"\r\n\r\n")[0].decode()
        return int(head.split()[1]), head, "Connection: close" in head

    def close(self):
        self.socket.close()


# ---- memory

@pytest.mark.parametrize("which", ["none", "nonsense", "revoked", "unknown"])
def test_without_a_key_no_long_body_is_held(world, which):
    customer, _ = world.customer("0")
    made = world.key(customer)
    assert world.admin.delete(f"/api/v1/keys/{made['id']}").status == 200
    keys = {"none": "", "nonsense": "x" * 40, "revoked": made["secret"], "unknown": made["secret"][:-1] + ("0" if made["secret"][-1] != "0" else "1")}
    world.admin.get("/metrics")
    before = world.servers[0].rss_kib()
    uploads = [Upload(world.servers[0].port, keys[which], 32 * MIB) for _ in range(24)]
    for upload in uploads:
        upload.send(4 * MIB)
    assert [upload.answer()[::2] for upload in uploads] == [(401, True)] * 24
    assert metric(world, RESERVED) == 0
    assert world.servers[0].rss_kib() - before < 24 * 1024
    for upload in uploads:
        upload.close()


def test_chunks_are_looked_at_too_before_they_are_taken(world):
    for key, status, code in (("nobody", 401, b"invalid_api_key"), (world.admin_key, 200, b'"rejected":9}')):
        connection = http.client.HTTPConnection("127.0.0.1", world.servers[0].port, timeout=60)
        connection.request("POST", "/api/v1/events", iter([b"{}\n"] * 9), {"Content-Type": LINES, "Authorization": f"Bearer {key}"}, encode_chunked=True)
        response = connection.getresponse()
        assert response.status == status and code in response.read()
        connection.close()


def test_all_long_bodies_together_have_a_bound(small):
    port = small.servers[0].port
    first = Upload(port, small.admin_key, 12 * MIB)
    first.send(6 * MIB)
    wait_for(lambda: metric(small, RESERVED) == 12 * MIB, 20, "the first body being counted")
    second = Upload(port, small.admin_key, 12 * MIB)
    status, head, ended = second.answer()
    assert (status, ended) == (503, True) and "Retry-After: 1" in head and "x-should-retry: true" in head
    assert send(small.admin, b" " * (3 * MIB), LINES).status == 503  # there is room for its body, not for the work on it
    customer, _ = small.customer("10")
    assert taken(send(small.admin, event(customer)))["status"] == "accepted"  # what is short is not held up
    first.send(first.left)
    assert first.answer()[0] == 200
    wait_for(lambda: metric(small, RESERVED) == 0, 20, "all being given back")
    first.close()
    second.close()
    assert send(small.admin, b" " * (3 * MIB), LINES).status == 200
    assert send(small.admin, b"\n" * 90000 + b" " * (31 * MIB), LINES).status == 200  # a request by itself is never too much


def test_a_batch_is_counted_with_its_answer_until_that_is_sent(small):
    lines = b"1\n" * 60000  # each of which is answered
    wait_for(lambda: metric(small, RESERVED) == 0, 20, "what came before being given back")
    slow = socket.create_connection(("127.0.0.1", small.servers[0].port), timeout=60)
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.sendall(f"POST /api/v1/events HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {small.admin_key}\r\nContent-Type: {LINES}\r\nContent-Length: {len(lines)}\r\n\r\n".encode() + lines)
    wait_for(lambda: metric(small, RESERVED) > 16 * MIB, 60, "its answer being counted")
    refused(send(small.admin, lines, LINES), 503, "overloaded")
    slow.close()
    wait_for(lambda: metric(small, RESERVED) == 0, 60, "all being given back")


def test_long_lines_are_taken_in_pieces_that_fit_in_memory(world):
    """What each says besides is read and kept as evidence: the sum of a thousand of the longest would be too much at once."""
    customer, _ = world.customer("10")
    lines = "\n".join(json.dumps(event(customer, data={"usage": {"input_tokens": 0}, "note": "x" * 33000})) for _ in range(990))
    told = taken(send(world.admin, lines, LINES, timeout=300))
    assert (told["accepted"], told["rejected"]) == (990, 0) and [one["index"] for one in told["data"]] == list(range(990))


# ---- a key that is revoked meanwhile

def send_while(world, client, lines, customer, then):
    """Sends lines; `then` is done when the first events of them are recorded."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(send, client, "\n".join(lines), LINES, timeout=300)
        wait_for(lambda: Decimal(world.balance(customer)["balance"]) < 10, 60, "the first event")
        then()
        return answer.result()


@pytest.mark.parametrize("whose", ["customer", "operator"])
def test_what_was_recorded_before_a_key_was_revoked_is_told(small, whose):
    customer, _ = small.customer("10")
    made = small.key(customer) if whose == "customer" else small.admin.post("/api/v1/keys", {"operator": True}).json
    lines = [json.dumps(event(customer)) for _ in range(20000)]
    began = []

    def revoke():
        assert small.admin.delete(f"/api/v1/keys/{made['id']}").status == 200
        began.append(time.monotonic())
    told = taken(send_while(small, small.servers[0].client(made["secret"]), lines, customer, revoke))
    recorded = [one for one in told["data"] if one["status"] == "accepted"]
    assert 0 < len(recorded) == told["accepted"] < 20000 and [one["index"] for one in told["data"]] == list(range(20000))
    assert {one["error"]["code"] for one in told["data"][len(recorded):]} == {"invalid_api_key"}
    assert Decimal(small.balance(customer)["balance"]) == 10 - len(recorded) * Decimal(COST)
    again = taken(send(small.admin, "\n".join(lines[:len(recorded) + 2]), LINES, timeout=300))
    assert (again["duplicates"], again["accepted"]) == (len(recorded), 2)


def test_where_nothing_was_recorded_the_key_is_the_answer(pair):
    customer, _ = pair.customer("10")
    made = pair.key(customer)
    clients = [server.client(made["secret"]) for server in pair.servers]
    assert [send(c, [event()], BATCH).status for c in clients] == [200, 200]
    assert pair.admin.delete(f"/api/v1/keys/{made['id']}").status == 200
    for client in clients:
        refused(send(client, [event(), event()], BATCH), 401, "invalid_api_key")
