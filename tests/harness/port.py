"""A port on loopback for a program that has to be told one: nobody else is given it while this process lives, neither between
choosing it and listening on it, nor while the program is down. Only those below the range that the kernel hands out by itself; and
each is claimed by an abstract Unix socket of its name, which any process on this machine sees and no crash leaves behind."""
import collections
import random
import socket

FIRST = 10000
_claims, _chance = collections.deque(maxlen=500), random.SystemRandom()  # an hour's run asks for some more that it only names


def _end():
    """The first port that the kernel gives to a connection or to who asks for port 0."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        low = int(f.read().split()[0])
    return low if low >= FIRST + 2000 else 65536


def _is_free(port):
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def _claim(port):
    """The claim, or None where somebody has it."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0tollgate-test-port-{port}")
        return claim
    except OSError:
        claim.close()
        return None


def free_port():
    end = _end()
    for _ in range(1000):
        port = _chance.randrange(FIRST, end)
        claim = _claim(port)
        if claim and _is_free(port):
            _claims.append(claim)
            return port
        if claim:
            claim.close()
    raise AssertionError("no port is free")
