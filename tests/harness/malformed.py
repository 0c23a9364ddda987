"""Requests as a forger sends them: those that others have found to matter, and a grammar of deviations that makes more from a
seed, the same ones each time. Each is bytes for one connection; all that is sound in them asks for the connection's end."""
import random

HIDDEN = b"GET /secret HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def known(get, post):
    """(name, bytes). get and post: the beginning of a request, its first line and its headers, each with its line's end."""
    line, chunked = get.split(b"\r\n", 1)[0], post + b"Transfer-Encoding: chunked\r\n\r\n"
    target = line.split(b" ")[1]
    headers = get.split(b"\r\n", 1)[1]
    return [
        # two ways to tell where a body ends
        ("length and chunked", post + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN),
        ("chunked and length", post + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + HIDDEN),
        ("two lengths, zero first", post + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN),
        ("two lengths, zero last", post + b"Content-Length: %d\r\nContent-Length: 0\r\n\r\n" % len(HIDDEN) + HIDDEN),
        ("two equal lengths", post + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}"),
        ("a list of lengths", post + b"Content-Length: 2, 2\r\n\r\n{}"),
        ("a blank before the colon of the length", post + b"Content-Length : %d\r\n\r\n" % len(HIDDEN) + HIDDEN),
        ("a tab before the colon of the length", post + b"Content-Length\t: 2\r\n\r\n{}"),
        ("signed length", post + b"Content-Length: +2\r\n\r\n{}"),
        ("negative length", post + b"Content-Length: -1\r\n\r\n{}"),
        ("hexadecimal length", post + b"Content-Length: 0x2\r\n\r\n{}"),
        ("two numbers for a length", post + b"Content-Length: 2 2\r\n\r\n{}"),
        ("empty length", post + b"Content-Length: \r\n\r\n{}"),
        ("length with a point", post + b"Content-Length: 2.0\r\n\r\n{}"),
        ("length beyond 63 bits", post + b"Content-Length: 18446744073709551615\r\n\r\n{}"),
        ("length beyond 64 bits", post + b"Content-Length: 99999999999999999999\r\n\r\n{}"),
        ("length that wraps to two", post + b"Content-Length: 18446744073709551618\r\n\r\n{}"),
        ("unknown encoding", post + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN),
        ("two encodings", post + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + HIDDEN),
        ("identity and a length", post + b"Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}"),
        ("chunked twice in one", post + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + HIDDEN),
        ("chunked in two headers", post + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN),
        ("chunked and something else", post + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n" + HIDDEN),
        ("chunked behind a vertical tab", post + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + HIDDEN),
        ("chunked with a blank behind it", post + b"Transfer-Encoding: chunked \r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
        ("chunked in capitals", post + b"Transfer-Encoding: CHUNKED\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
        ("a blank before the colon of the encoding", post + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + HIDDEN),
        ("chunked in HTTP/1.0", chunked.replace(b"HTTP/1.1", b"HTTP/1.0", 1) + b"0\r\n\r\n" + HIDDEN),
        # folds
        ("a fold that makes a header's name", get + b"X-Inter: admin\r\n nal-User: b\r\n\r\n"),
        ("a fold in the encoding", post + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + HIDDEN),
        ("a fold with a tab", get + b"X-A: a\r\n\tb\r\n\r\n"),
        ("a fold whose size others hide", get + b"X-A: a\r\n b\r\nA:1\r\nB:2\r\nC:3\r\n\r\n"),
        ("a fold behind the first line", line + b"\r\n " + headers + b"\r\n"),
        # bytes that belong nowhere
        ("NUL in a value", get + b"X-A: a\0b\r\n\r\n"),
        ("NUL in a name", get + b"X-\0A: a\r\n\r\n"),
        ("NUL in the target", get.replace(target, target + b"\0x", 1) + b"\r\n"),
        ("NUL in the method", get.replace(b"GET", b"GE\0T", 1) + b"\r\n"),
        ("NUL before the end of the head", get + b"\0\r\n\r\n"),
        ("a line that begins with NUL before the request", b"\0x\r\n" + get + b"\r\n"),
        ("bare CR in a value", get + b"X-A: a\rb\r\n\r\n"),
        ("bare CR that hides a header", get + b"X-A: a\rContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN),
        ("CR CR LF", get + b"X-A: a\r\r\n\r\n"),
        ("escape character in a value", get + b"X-A: a\x1b[2J\r\n\r\n"),
        ("DEL in a value", get + b"X-A: a\x7f\r\n\r\n"),
        ("bare LF everywhere", get.replace(b"\r\n", b"\n") + b"\n"),
        ("bare LF behind the first line", line + b"\n" + headers + b"\r\n"),
        ("bare LF between headers", get + b"X-A: a\nX-B: b\r\n\r\n"),
        ("bare LF at the end", get + b"X-A: a\r\n\n"),
        ("bare LF before the request", b"\n" + get + b"\r\n"),
        ("empty lines before the request", b"\r\n\r\n" + get + b"\r\n"),
        ("a blank before the request", b" " + get + b"\r\n"),
        # headers
        ("empty name", get + b": a\r\n\r\n"),
        ("name with a blank", get + b"X A: a\r\n\r\n"),
        ("name with a bracket", get + b"X(A): a\r\n\r\n"),
        ("name beyond ASCII", get + b"X-\xc3\xa4: a\r\n\r\n"),
        ("line without a colon", get + b"nonsense\r\n\r\n"),
        ("many blanks behind the colon", get + b"X-A:    a\r\n\r\n"),
        ("two hosts", get + b"Host: localhost\r\n\r\n"),
        ("no host", line + b"\r\nConnection: close\r\n\r\n"),
        ("empty host", line + b"\r\nHost:\r\nConnection: close\r\n\r\n"),
        ("host with a blank", line + b"\r\nHost: a b\r\nConnection: close\r\n\r\n"),
        ("host with a slash", line + b"\r\nHost: a/b\r\nConnection: close\r\n\r\n"),
        ("host with two dots", line + b"\r\nHost: a..b\r\nConnection: close\r\n\r\n"),
        ("host with a name and a port that is none", line + b"\r\nHost: a:b\r\nConnection: close\r\n\r\n"),
        ("host with a user", line + b"\r\nHost: u@a\r\nConnection: close\r\n\r\n"),
        ("host beyond ASCII", line + b"\r\nHost: \xc3\xa4\r\nConnection: close\r\n\r\n"),
        ("two content types", post + b"Content-Type: a/b\r\nContent-Type: a/c\r\nContent-Length: 2\r\n\r\n{}"),
        ("an expectation without a body", get + b"Expect: 100-continue\r\n\r\n"),
        ("another expectation", post + b"Expect: something\r\nContent-Length: 2\r\n\r\n{}"),
        # the first line
        ("method in lower case", get.replace(b"GET", b"get", 1) + b"\r\n"),
        ("unknown method", get.replace(b"GET", b"BREW", 1) + b"\r\n"),
        ("TRACE", get.replace(b"GET", b"TRACE", 1) + b"\r\n"),
        ("CONNECT", b"CONNECT localhost:1 HTTP/1.1\r\n" + headers + b"\r\n"),
        ("method that is no token", get.replace(b"GET", b"G(T", 1) + b"\r\n"),
        ("HTTP/2.0", get.replace(b"HTTP/1.1", b"HTTP/2.0", 1) + b"\r\n"),
        ("HTTP/1.2", get.replace(b"HTTP/1.1", b"HTTP/1.2", 1) + b"\r\n"),
        ("HTTP/1.10", get.replace(b"HTTP/1.1", b"HTTP/1.10", 1) + b"\r\n"),
        ("HTTP/01.1", get.replace(b"HTTP/1.1", b"HTTP/01.1", 1) + b"\r\n"),
        ("http in lower case", get.replace(b"HTTP/1.1", b"http/1.1", 1) + b"\r\n"),
        ("no version", get.replace(b" HTTP/1.1", b"", 1) + b"\r\n"),
        ("two blanks before the target", get.replace(b" ", b"  ", 1) + b"\r\n"),
        ("two blanks behind the target", get.replace(b" HTTP", b"  HTTP", 1) + b"\r\n"),
        ("a blank behind the version", get.replace(b"HTTP/1.1\r\n", b"HTTP/1.1 \r\n", 1) + b"\r\n"),
        ("a blank in the target", get.replace(target, target + b" x", 1) + b"\r\n"),
        ("tabs for blanks", get.replace(line, line.replace(b" ", b"\t"), 1) + b"\r\n"),
        ("absolute form", get.replace(target, b"http://localhost" + target, 1) + b"\r\n"),
        ("absolute form of another host", get.replace(target, b"http://elsewhere" + target, 1) + b"\r\n"),
        ("asterisk form", b"OPTIONS * HTTP/1.1\r\n" + headers + b"\r\n"),
        ("another protocol", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
        # the target
        ("escaped NUL", get.replace(target, target + b"%00", 1) + b"\r\n"),
        ("escaped slash", get.replace(target, target + b"%2f", 1) + b"\r\n"),
        ("escaped line end", get.replace(target, target + b"%0d%0a", 1) + b"\r\n"),
        ("escape of no hex digits", get.replace(target, target + b"%zz", 1) + b"\r\n"),
        ("escape cut short", get.replace(target, target + b"%4", 1) + b"\r\n"),
        ("escapes that are no UTF-8", get.replace(target, target + b"%ff", 1) + b"\r\n"),
        ("overlong UTF-8", get.replace(target, target + b"%c0%af", 1) + b"\r\n"),
        ("raw bytes beyond ASCII", get.replace(target, target + b"\xc3\xa4", 1) + b"\r\n"),
        ("dots", get.replace(target, b"/a/.." + target, 1) + b"\r\n"),
        ("dots beyond the root", get.replace(target, b"/.." + target, 1) + b"\r\n"),
        ("escaped dots", get.replace(target, b"/a/%2e%2e" + target, 1) + b"\r\n"),
        ("a fragment", get.replace(target, target + b"#x", 1) + b"\r\n"),
        ("a control character in the target", get.replace(target, target + b"\x01", 1) + b"\r\n"),
        # chunks
        ("chunk size of no digits", chunked + b"zz\r\n{}\r\n0\r\n\r\n"),
        ("negative chunk size", chunked + b"-2\r\n{}\r\n0\r\n\r\n"),
        ("chunk size with a prefix", chunked + b"0x2\r\n{}\r\n0\r\n\r\n"),
        ("chunk size beyond 64 bits", chunked + b"10000000000000002\r\n{}\r\n0\r\n\r\n"),
        ("chunk longer than its size", chunked + b"2\r\n{} and more\r\n0\r\n\r\n"),
        ("empty chunk size", chunked + b"\r\n{}\r\n0\r\n\r\n"),
        ("a blank behind the chunk size", chunked + b"2 \r\n{}\r\n0\r\n\r\n"),
        ("bare LF behind the chunk size", chunked + b"2\n{}\r\n0\r\n\r\n" + HIDDEN),
        ("bare LF behind an extension", chunked + b"2;a\n{}\r\n0\r\n\r\n" + HIDDEN),
        ("bare CR in an extension", chunked + b"2;a\rb\r\n{}\r\n0\r\n\r\n"),
        ("NUL in an extension", chunked + b"2;a\0b\r\n{}\r\n0\r\n\r\n"),
        ("bare LF behind a chunk", chunked + b"2\r\n{}\n0\r\n\r\n" + HIDDEN),
        ("bare LF behind the last chunk", chunked + b"2\r\n{}\r\n0\n\r\n" + HIDDEN),
        ("bare CR in a trailer", chunked + b"2\r\n{}\r\n0\r\nA: b\rC: d\r\n\r\n"),
        ("fold in a trailer", chunked + b"2\r\n{}\r\n0\r\nA: b\r\n c\r\n\r\n"),
        ("a trailer that is no header", chunked + b"2\r\n{}\r\n0\r\nnonsense\r\n\r\n"),
        ("a length in the trailer", chunked + b"2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n" + HIDDEN),
        ("an extension", chunked + b"2;a=b\r\n{}\r\n0\r\n\r\n"),
        ("a trailer", chunked + b"2\r\n{}\r\n0\r\nA: b\r\n\r\n"),
    ]


# ---- the grammar

METHODS = [b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"get", b"GeT", b"BREW", b"G-T", b"G_T", b"", b"GET\0", b"G\tT", b"\xc3\xa4", b"GET,"]
VERSIONS = [b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/0.9", b"http/1.1", b"HTTP/1.1 ", b"HTTP/1", b"HTTP/1.", b"HTTP/.1", b"HTTP/1.1\0", b"HTTP /1.1", b"HTTP/11", b"HTTPS/1.1", b""]
GAPS = [b" ", b"  ", b"\t", b" \t", b"", b"\x0b", b"\x0c", b"\r", b"\0", b"\xa0"]
ENDS = [b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n\r", b" \r\n", b"\t\r\n", b"\0\r\n"]
BEFORE = [b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\0\r\n", b" ", b"\t", b"\x00", b"x\r\n", b"\r\n \r\n"]
TAILS = [b"%00", b"%2f", b"%2F", b"%5c", b"%0a", b"%zz", b"%", b"%c0%af", b"%ff", b"\xff", b"#", b"?", b"?a=%00", b"?%zz", b"//", b"/.", b"/..", b";x", b"\\", b"\x01", b"\x7f", b"\t", b"?a b", b"|", b"\"", b"<>", b"?" + b"a" * 7000]
NAMES = [b"X A", b" X-A", b"X-A ", b"X-A\t", b"", b"X_A", b"X-\xc3\xa4", b"X\0A", b"X(A)", b"X\"A\"", b"X/A", b"X@A", b"X;A", b"X\x7fA", b"\tX", b"X:A", b"X" * 9000]
VALUES = [b"", b" ", b"a\0b", b"a\rb", b"a\nb", b"a\x01b", b"a\x7fb", b"a\xffb", b"\x0bb", b"a\r\n b", b"a\r\n\tb", b"a\r\n", b"a" * 9000, b"a\x1b[0m", b"\"", b"a,b", b"a" * 100]
LENGTHS = [b"0", b"2", b"02", b"+2", b"-2", b"2 ", b" 2", b"2,2", b"2;2", b"0x2", b"2.0", b"2e0", b"", b"two", b"2\0", b"2\t", b"18446744073709551618", b"9223372036854775808", b"000000000000000000002", b"\x0b2", b"\xb2", b"2\r\n 0"]
ENCODINGS = [b"chunked", b"Chunked", b"chunked ", b" chunked", b"\tchunked", b"chunked,", b",chunked", b"chunked, chunked", b"gzip, chunked", b"chunked, gzip", b"identity", b"xchunked", b"chunked;q=1", b"\"chunked\"", b"chunked\0", b"\x0bchunked", b"", b"chunk", b"ch\xc3\xbcnked", b"chun\r\n ked"]
SIZES = [b"2", b"02", b"2;a", b"2;a=b", b"2;a=\"b\"", b"2;", b"2 ;a", b"2 ", b" 2", b"\t2", b"+2", b"-2", b"0x2", b"2\0", b"2\r", b"2;a\rb", b"2;a\nb", b"2;\0", b"2g", b"", b"1", b"3", b"f", b"10000000000000002", b"ffffffffffffffff", b"000000000000000000002", b"2,2", b"2;a" * 50]
CHUNK_ENDS = [b"\r\n", b"\n", b"\r", b"", b"\r\r\n", b"\n\r\n", b" \r\n", b"x\r\n", b"\0\r\n"]
LASTS = [b"0\r\n\r\n", b"00\r\n\r\n", b"0;a\r\n\r\n", b"0\n\n", b"0\r\n\n", b"0\n\r\n", b"0\r\nA: b\r\n\r\n", b"0\r\nA : b\r\n\r\n", b"0\r\nA\r\n\r\n", b"0\r\nA: b\n\r\n", b"0\r\nA: b\r\n c\r\n\r\n", b"0\r\n\0\r\n\r\n", b"0\r\n: b\r\n\r\n", b"0\r\nContent-Length: 9\r\n\r\n", b"0\r\nTransfer-Encoding: chunked\r\n\r\n", b"0 \r\n\r\n", b"0\r\nA: b\rc\r\n\r\n"]
HOSTS = [b"localhost", b"", b"a b", b"a/b", b"a..b", b"a:80", b"a:b", b":80", b"u@a", b"a\0b", b"a,b", b"\xff", b"[::1]", b"[::1", b"a\\b", b"a?b", b"a#b", b".", b"a.", b"..", b"a%00", b"\"a\"", b"<a>", b"-a", b"a\tb"]


class Draft:
    """A request in its parts; each deviation changes one of them."""

    def __init__(self, method, target, headers, body):
        self.before, self.method, self.target, self.version = b"", method, target, b"HTTP/1.1"
        self.gaps, self.end, self.head_end = [b" ", b" "], b"\r\n", b"\r\n"
        self.headers = [[b"Host", b": ", b"localhost", b"\r\n"]] + [[n, b": ", v, b"\r\n"] for n, v in headers]
        self.body, self.chunks, self.after = body, None, b""
        if body:
            self.headers.append([b"Content-Length", b": ", str(len(body)).encode(), b"\r\n"])

    def find(self, name):
        return [h for h in self.headers if h[0].lower() == name]

    def chunk(self):
        if self.chunks is None and self.body:
            self.headers = [h for h in self.headers if h[0] != b"Content-Length"]
            self.headers.append([b"Transfer-Encoding", b": ", b"chunked", b"\r\n"])
            self.chunks = [b"%x" % len(self.body), b"\r\n", self.body, b"\r\n", b"0\r\n\r\n"]

    def text(self):
        head = self.before + self.method + self.gaps[0] + self.target + self.gaps[1] + self.version + self.end
        for header in self.headers:
            head += b"".join(header)
        return head + self.head_end + (b"".join(self.chunks) if self.chunks else self.body) + self.after


def deviations(r):
    """(name, function that changes a draft)."""
    def add(d, name, gap, value, end):
        d.headers.insert(r.randrange(len(d.headers) + 1), [name, gap, value, end])

    def set_part(header, part, value):
        header[part] = value

    def host(d):
        value = r.choice(HOSTS)
        for h in d.find(b"host"):
            h[2] = value

    def duplicate(d):
        h = list(r.choice(d.headers))
        if r.random() < 0.4:
            h[0] = h[0].swapcase()
        add(d, *h)

    def drop(d):
        d.headers.remove(r.choice(d.headers))

    def length(d):
        for h in d.find(b"content-length"):
            h[2] = r.choice(LENGTHS)

    def encoding(d):
        d.chunk()
        for h in d.find(b"transfer-encoding"):
            h[2] = r.choice(ENCODINGS)

    def chunked(d, index, choices):
        d.chunk()
        if d.chunks:
            d.chunks[index] = r.choice(choices)

    def both(d):
        add(d, b"Content-Length", b": ", r.choice(LENGTHS), b"\r\n")
        add(d, b"Transfer-Encoding", b": ", r.choice(ENCODINGS), b"\r\n")

    def attribute(d, name, choices):
        setattr(d, name, r.choice(choices))

    return [
        ("method", lambda d: attribute(d, "method", METHODS)),
        ("target", lambda d: setattr(d, "target", d.target + r.choice(TAILS))),
        ("target form", lambda d: setattr(d, "target", r.choice([b"*", b"", b"http://localhost" + d.target, b"localhost:80", d.target[1:], b"/../" + d.target, b"/./" + d.target, b"//" + d.target]))),
        ("version", lambda d: attribute(d, "version", VERSIONS)),
        ("gap", lambda d: d.gaps.__setitem__(r.randrange(2), r.choice(GAPS))),
        ("before", lambda d: attribute(d, "before", BEFORE)),
        ("end of the first line", lambda d: attribute(d, "end", ENDS)),
        ("end of the head", lambda d: attribute(d, "head_end", ENDS)),
        ("end of a header", lambda d: set_part(r.choice(d.headers), 3, r.choice(ENDS))),
        ("colon", lambda d: set_part(r.choice(d.headers), 1, r.choice([b":", b" : ", b"\t:", b":  ", b":\t", b"", b" ", b":\0", b": \x0b"]))),
        ("name", lambda d: add(d, r.choice(NAMES), b": ", b"a", b"\r\n")),
        ("value", lambda d: add(d, b"X-A", b": ", r.choice(VALUES), b"\r\n")),
        ("host", host),
        ("duplicate", duplicate),
        ("missing", drop),
        ("length", length),
        ("a length more", lambda d: add(d, b"Content-Length", r.choice([b": ", b":", b" : "]), r.choice(LENGTHS), b"\r\n")),
        ("encoding", encoding),
        ("an encoding more", lambda d: add(d, b"Transfer-Encoding", r.choice([b": ", b":", b" : "]), r.choice(ENCODINGS), b"\r\n")),
        ("length and encoding", both),
        ("chunk size", lambda d: chunked(d, 0, SIZES)),
        ("end of a chunk's size", lambda d: chunked(d, 1, CHUNK_ENDS)),
        ("end of a chunk", lambda d: chunked(d, 3, CHUNK_ENDS)),
        ("last chunk", lambda d: chunked(d, 4, LASTS)),
        ("expectation", lambda d: add(d, b"Expect", b": ", r.choice([b"100-continue", b"100-Continue", b"x", b"", b"100-continue, x"]), b"\r\n")),
        ("connection", lambda d: add(d, b"Connection", b": ", r.choice([b"close", b"close, TE", b"upgrade", b"Content-Length", b"Transfer-Encoding"]), b"\r\n")),
        ("a second request", lambda d: setattr(d, "after", HIDDEN)),
        ("something behind", lambda d: setattr(d, "after", r.choice([b"\r\n", b"\0", b"0\r\n\r\n", b"GET", b"x"]))),
    ]


def generated(seed, count, shapes):
    """(name, bytes): one to three deviations each. shapes: (method, target, [(name, value)], body)."""
    r = random.Random(seed)
    rules = deviations(r)
    out = []
    for number in range(count):
        draft = Draft(*r.choice(shapes))
        chosen = r.sample(rules, r.choice([1, 1, 1, 2, 2, 3]))
        for _, change in chosen:
            change(draft)
        out.append((f"{number}: " + ", ".join(name for name, _ in chosen), draft.text()))
    return out
