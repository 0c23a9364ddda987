"""The HTTP guard held against nginx: the same malformed requests to both, and to the server through nginx. Whatever nginx
refuses is refused here; where the guard is stricter is listed; and nothing is smuggled past an nginx in front."""
import asyncio
import collections
import re

import pytest

from tests.harness import malformed
from tests.harness.nginx import Nginx
from tests.harness.process import wait_for

SEED, COUNT = 20261121, 700
PATIENCE = 13  # seconds: longer than the server's deadline for a request's head, shorter than for an idle connection
GUARD_CODES = {"malformed_http", "not_implemented", "uri_too_long", "headers_too_large", "http_version_not_supported"}
BODY = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}'

# What nginx takes and the guard refuses, and why.
STRICTER = {
    "nginx ends a line at a bare LF, or at any number of CRs": [
        "bare LF everywhere", "bare LF behind the first line", "bare LF between headers", "bare LF at the end",
        "bare LF before the request", "CR CR LF", "bare LF behind the chunk size", "bare LF behind an extension",
        "bare LF behind a chunk", "bare LF behind the last chunk"],
    "nginx passes over or hands on what is no header": [
        "line without a colon", "name with a bracket", "name beyond ASCII", "fold in a trailer", "a trailer that is no header"],
    "nginx hands on control characters": [
        "escape character in a value", "DEL in a value", "NUL in an extension"],
    "nginx reads what is written loosely": [
        "chunked in capitals", "chunked with a blank behind it", "many blanks behind the colon", "two blanks before the target",
        "two blanks behind the target", "a blank behind the version", "a blank behind the chunk size"],
    "nginx makes one path of several, or leaves that to whoever comes behind": [
        "dots", "escaped dots", "escaped slash", "escaped line end", "escapes that are no UTF-8", "overlong UTF-8",
        "raw bytes beyond ASCII", "a fragment", "absolute form", "absolute form of another host"],
    "nginx takes any HTTP/1, method, host and expectation, and a second one of most headers": [
        "HTTP/1.2", "HTTP/1.10", "unknown method", "host with a name and a port that is none", "host with a user",
        "host beyond ASCII", "two content types", "an expectation without a body"],
}


# ---- sending

async def exchange(port, data, patience=PATIENCE):
    """All that comes back until the end, or until patience is at its own."""
    out = b""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        await writer.drain()
        while piece := await asyncio.wait_for(reader.read(65536), patience):
            out += piece
    except (ConnectionError, asyncio.TimeoutError):
        pass
    finally:
        writer.close()
    return out


async def exchange_all(port, probes, at_once=100):
    gate = asyncio.Semaphore(at_once)

    async def one(data):
        async with gate:
            return await exchange(port, data)
    return await asyncio.gather(*[one(data) for _, data in probes])


# ---- reading what came back

def answers(out):
    """(status, code, by the guard) of each final answer."""
    found = []
    for piece in re.split(rb"(?=HTTP/1\.[01] \d\d\d )", out):
        head = re.match(rb"HTTP/1\.[01] (\d\d\d) ", piece)
        if not head or head[1] == b"100":
            continue
        status, code = int(head[1]), re.search(rb'"code":"(\w+)"', piece)
        code = code[1].decode() if code else ""
        # An answer to HEAD has no code; what libmicrohttpd refuses by itself has no id.
        bare = status >= 400 and (b"x-request-id" not in piece.lower() or (not code and status in (400, 414, 431, 501, 505)))
        found.append((status, code, bare or code in GUARD_CODES))
    return found


def served_here(out):
    """How many requests got beyond the guard: a handler answered, or the router did. A body that is too large did not."""
    return sum(not by_guard and status != 413 for status, _, by_guard in answers(out))


def served_by_nginx(out):
    return sum(status == 200 for status, _, _ in answers(out))


# ---- what is sent

def shapes(key):
    closing, bearer = (b"Connection", b"close"), (b"Authorization", b"Bearer " + key.encode())
    return [(b"GET", b"/healthz", [closing], b""), (b"GET", b"/v1/models", [bearer, closing], b""),
            (b"POST", b"/v1/chat/completions", [bearer, closing, (b"Content-Type", b"application/json")], BODY)]


def probes_of(key):
    """Those that are known by name, and those of the grammar."""
    get = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    post = (b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer "
            + key.encode() + b"\r\n")
    return malformed.known(get, post), malformed.generated(SEED, COUNT, shapes(key))


@pytest.fixture(scope="module")
def caller(world):
    _, key = world.customer("1000")
    return key


@pytest.fixture(scope="module")
def nginx(world):
    n = Nginx(world.servers[0].port)
    yield n
    n.stop()


@pytest.fixture(scope="module")
def compared(world, caller, nginx):
    """(name, bytes, served by nginx, served here, what came back here) of every probe."""
    known, made = probes_of(caller)
    probes = known + made
    theirs = asyncio.run(exchange_all(nginx.itself, probes))
    ours = asyncio.run(exchange_all(world.servers[0].port, probes))
    rows = [(name, data, served_by_nginx(t), served_here(o), o) for (name, data), t, o in zip(probes, theirs, ours)]
    return rows[:len(known)], rows[len(known):]


def test_an_ordinary_request_of_each_shape_is_served_by_both(world, caller, nginx):
    for method, target, headers, body in shapes(caller):
        text = malformed.Draft(method, target, headers, body).text()
        assert served_by_nginx(asyncio.run(exchange(nginx.itself, text))) == 1
        out = asyncio.run(exchange(world.servers[0].port, text))
        assert [status for status, _, _ in answers(out)] == [200], out


def test_nothing_that_nginx_refuses_is_served_here(compared):
    wrong = [(name, data[:200], theirs, answers(out)) for rows in compared for name, data, theirs, here, out in rows if here > theirs]
    assert not wrong, "\n".join(map(str, wrong))


def test_most_of_what_is_made_from_the_grammar_is_refused_by_somebody_and_some_by_nobody(compared):
    """A grammar that only made nonsense, or none, would compare nothing."""
    tally = collections.Counter(("served" if theirs else "refused", "served" if here else "refused") for _, _, theirs, here, _ in compared[1])
    assert tally["served", "served"] > COUNT / 10 and tally["refused", "refused"] > COUNT / 4, tally
    assert tally["served", "refused"] > COUNT / 20, tally


def test_where_the_guard_is_stricter_than_nginx_is_listed(compared):
    listed = {name for names in STRICTER.values() for name in names}
    stricter = {name for name, _, theirs, here, _ in compared[0] if here < theirs}
    assert stricter <= listed, f"not listed: {stricter - listed}"
    assert listed <= {name for name, *_ in compared[0]}


def test_what_the_guard_refuses_ends_the_connection(compared):
    for rows in compared:
        for name, data, _, _, out in rows:
            for status, code, by_guard in answers(out):
                if by_guard and b"x-request-id" in out.lower():
                    assert b"\r\nconnection: close\r\n" in out.lower(), (name, data[:200], status, code)


# ---- through nginx

def counted(world):
    """Requests that reached a handler, this question itself not counted."""
    text = world.admin.get("/metrics", check=False).body.decode()
    return int(re.search(r"^tollgate_http_requests_total (\d+)$", text, flags=re.M)[1])


async def with_neighbours(port, probes, key, at_once=24):
    """Each probe on a connection of its own, and behind it, from another client, a request whose answer names it."""
    gate = asyncio.Semaphore(at_once)

    async def one(number, data):
        async with gate:
            await exchange(port, data)
            mark = f"mark_{number}"
            text = (f"GET /api/v1/balance?{mark}=1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
                    "Connection: close\r\n\r\n").encode()
            return mark, await exchange(port, text)
    return await asyncio.gather(*[one(i, data) for i, (_, data) in enumerate(probes)])


@pytest.mark.parametrize("how", ["", "proxy_request_buffering off;"], ids=["whole bodies", "bodies as they come"])
def test_nothing_is_smuggled_past_an_nginx_in_front(world, caller, how):
    known, made = probes_of(caller)
    front = Nginx(world.servers[0].port, how)
    try:
        calls_before, before = len(world.stand_in.log()), counted(world)
        marked = asyncio.run(with_neighbours(front.through, known + made, caller))
        after = counted(world)
        forwarded = front.forwarded()
        calls = len(world.stand_in.log()) - calls_before
        # Each client got its own answer, and one only.
        for mark, out in marked:
            assert [status for status, _, _ in answers(out)] == [400] and f'\\"{mark}\\"'.encode() in out, (mark, out)
        # One of the requests counted since is the first question.
        assert after - before - 1 <= forwarded, (after - before, forwarded)
        assert forwarded >= len(marked) and calls <= forwarded - len(marked)
    finally:
        front.stop()
    wait_for(lambda: world.servers[0].process.poll() is None, 1, "the server living on")
