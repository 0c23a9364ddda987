"""One HTTP request over a socket of its own, in the manner asked for, and what came back of it."""
import json
import random
import re
import socket
import struct
import time

RECEIPT = re.compile(rb": tollgate call=(\S+) (?:charge=(\S+) balance=\S+|settlement=pending)")


class Reply:
    """status 0: no answer came. `whole`: the answer came to its end, in form."""

    def __init__(self):
        self.status, self.headers, self.body, self.whole, self.lost = 0, {}, b"", False, None

    @property
    def call(self):
        return self.headers.get("x-tollgate-call")

    def receipt(self):
        """(charge or None, pending) as told to the client."""
        if "x-credits-charged" in self.headers:
            return self.headers["x-credits-charged"], False
        if self.headers.get("x-tollgate-settlement") == "pending":
            return None, True
        found = RECEIPT.search(self.body)
        if not found:
            return None, False
        return (found[2].decode(), False) if found[2] else (None, True)

    @property
    def code(self):
        try:
            return json.loads(self.body)["error"]["code"]
        except (ValueError, KeyError, TypeError):
            return None

    def done(self):
        """A whole answer that is no error: what a client takes for success."""
        if self.status not in (200, 201) or not self.whole:
            return False
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            return b"data: [DONE]" in self.body and b'data: {"error"' not in self.body
        return True


def _head(method, path, key, body, headers):
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", f"Authorization: Bearer {key}"]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{k}: {v}" for k, v in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _send(sock, head, body, manner, rng):
    if manner != "drip":
        sock.sendall(head + (body or b""))
        return
    sock.sendall(head)
    step = max(1, len(body) // 8)
    for at in range(0, len(body), step):
        sock.sendall(body[at:at + step])
        time.sleep(rng.uniform(0.01, 0.08))


def _read(sock, raw, until, most):
    """To the end, or until there are `most` bytes; what came before it broke stands in `raw`."""
    while len(raw) < most:
        sock.settimeout(max(0.01, until - time.monotonic()))
        block = sock.recv(min(65536, most - len(raw)))
        if not block:
            return
        raw += block


def _dechunk(raw):
    body, at = bytearray(), 0
    while True:
        end = raw.find(b"\r\n", at)
        if end < 0:
            return bytes(body), False
        try:
            size = int(bytes(raw[at:end]).split(b";")[0], 16)
        except ValueError:
            return bytes(body), False
        if size == 0:
            return bytes(body), True
        body += raw[end + 2:end + 2 + size]
        at = end + 2 + size + 2
        if at > len(raw):
            return bytes(body), False


def _parse(reply, raw):
    end = raw.find(b"\r\n\r\n")
    if end < 0:
        return
    lines = bytes(raw[:end]).decode("latin-1").split("\r\n")
    reply.status = int(lines[0].split(" ")[1])
    reply.headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines[1:])}
    rest = raw[end + 4:]
    if reply.headers.get("transfer-encoding") == "chunked":
        reply.body, reply.whole = _dechunk(rest)
    else:
        reply.body = bytes(rest)
        reply.whole = len(rest) == int(reply.headers.get("content-length", -1))


def _leave(sock, rng):
    """Goes away, half of the time without ceremony."""
    if rng.random() < 0.5:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def call(port, method, path, key, body=None, headers=None, manner="plain", rng=random, timeout=20.0, most=1 << 24):
    """manner: plain; drip (the body in drops); half (done sending: half-closed); abort (leaves after some bytes of the answer);
    early (leaves inside the body); mute (asks and never reads)."""
    reply = Reply()
    until = time.monotonic() + timeout
    raw = bytearray()
    sock = socket.socket()
    try:
        sock.settimeout(timeout)
        if manner == "mute":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", port))
        head = _head(method, path, key, body, headers or {})
        if manner == "early":
            sock.sendall(head + body[:rng.randrange(len(body))])
            _leave(sock, rng)
            reply.lost = "left"
            return reply
        _send(sock, head, body, manner, rng)
        if manner == "half":
            sock.shutdown(socket.SHUT_WR)
        if manner == "mute":
            time.sleep(rng.uniform(0.2, 1.2))
            _leave(sock, rng)
            reply.lost = "left"
            return reply
        if manner == "abort":
            most = rng.choice((0, 1, rng.randrange(400), rng.randrange(4000)))
        _read(sock, raw, until, most)
        _parse(reply, raw)
        if manner == "abort" and not reply.whole:
            _leave(sock, rng)
            reply.lost = "left"
        elif not reply.whole:
            reply.lost = "cut"
    except (OSError, ValueError) as e:
        _parse(reply, raw)
        reply.lost = type(e).__name__
    finally:
        sock.close()
    return reply
