"""Clients that leave, stop reading, send one byte at a time, and come by the thousand."""
import resource
import socket
import struct
import time

from tests.harness.server import Client

from .registry import fault

CROWD = 2000


def good_calls(rig, what, count=10):
    """While the others misbehave, a good client is served."""
    customer = rig.world.role("rich")[0]
    for i in range(count):
        client = Client(rig.world.instances[i % 2].port, customer.key)
        try:
            status = client.get("/v1/models", timeout=20, check=False).status
        except (OSError, ValueError) as e:
            status = type(e).__name__
        if status != 200:
            rig.world.violation(what, f"a good client was answered {status} meanwhile")
            return


@fault("F16", "clients that leave, half-close and never read", "upstream is cancelled; what was generated is charged", companion=True)
def leavers(rig, rng, alone):
    for manner, script in (("abort", "stand-in:slow-30"), ("half", None), ("mute", "stand-in:long-20000"), ("early", None)):
        told = rig.driver.burst(rig.name(manner), role="rich", count=8, threads=8, stream=True, manner=manner, kind=manner,
                                scripts=[script] if script else None)
        rig.bite(manner, sum(told.values()) if manner == "half" else told.get("left", 0))


def sockets(rig, count):
    """So many connections, in turns to both servers; fewer where descriptors run out."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    made = []
    for i in range(count):
        s = socket.socket()
        s.settimeout(5)
        try:
            s.connect(("127.0.0.1", rig.world.instances[i % 2].port))
        except OSError:
            s.close()
            continue
        s.setblocking(False)
        made.append(s)
    return made


def drop(made):
    for s in made:
        if s.fileno() % 2:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()


HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@fault("F17", "slowloris: heads and bodies in single bytes", "good clients are served", companion=True)
def slowloris(rig, rng, alone):
    key = rig.world.role("rich")[0].key
    made = sockets(rig, 400)
    head = HEAD + f"Authorization: Bearer {key}\r\nX-Long: {'x' * 4000}".encode()
    body = HEAD + f"Authorization: Bearer {key}\r\nContent-Length: 100000\r\n\r\n".encode()
    until, sent = time.monotonic() + rng.uniform(1, 3), 0
    try:
        for i, s in enumerate(made):
            try:
                s.send(body if i % 2 else head[:50])
            except OSError:
                pass
        at = 50
        while time.monotonic() < until:
            for i, s in enumerate(made):
                try:
                    sent += s.send(b'{"' if i % 2 else head[at:at + 1])
                except OSError:
                    pass  # shut by the server, as it may
            at += 1
            time.sleep(0.05)
        if alone:
            good_calls(rig, "F17")
    finally:
        drop(made)
    rig.bite("connections in single bytes", len(made))
    rig.bite("bytes sent one by one", sent)


@fault("F18", "thousands of idle connections, and churn", "accepting goes on, memory is bounded", companion=True)
def crowd(rig, rng, alone):
    made = sockets(rig, CROWD)
    churned = 0
    try:
        if alone:
            good_calls(rig, "F18")
        until = time.monotonic() + rng.uniform(0.5, 1.5)
        while time.monotonic() < until:
            drop(sockets(rig, 50))
            churned += 50
    finally:
        drop(made)
    rig.bite("idle connections", len(made))
    rig.bite("opened and dropped", churned)
