"""A receiver of webhooks: remembers every attempt that reaches it and answers as it is told to."""
import base64
import hashlib
import hmac
import http.server
import json
import threading
import time


class Attempt:
    """One request that came, as it came."""

    def __init__(self, path, headers, body, at):
        self.path, self.headers, self.body, self.at = path, {k.lower(): v for k, v in headers}, body, at

    @property
    def id(self):
        return self.headers["webhook-id"]

    @property
    def json(self):
        return json.loads(self.body)

    def signatures(self, version):
        pairs = [one.split(",", 1) for one in self.headers["webhook-signature"].split(" ")]
        return [value for name, value in pairs if name == version]

    def signed_by(self, secret):
        """Whether Standard Webhooks' v1 is this secret's."""
        content = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        mac = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), content, hashlib.sha256).digest()
        return base64.b64encode(mac).decode() in self.signatures("v1")

    def stripe_signed_by(self, secret):
        parts = [one.split("=", 1) for one in self.headers["stripe-signature"].split(",")]
        content = dict(parts)["t"].encode() + b"." + self.body
        return hmac.new(secret.encode(), content, hashlib.sha256).hexdigest() in [value for name, value in parts if name == "v1"]

    def __repr__(self):
        return f"<{self.path} {self.headers.get('webhook-id')} {self.body[:200]!r}>"


class Sink:
    """`answer(attempt)` gives a status, or (status, headers, body), or None to say nothing until the sink is closed."""

    def __init__(self, answer=lambda attempt: 204):
        self.answer, self.attempts, self.lock, self.closing = answer, [], threading.Lock(), threading.Event()
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                attempt = Attempt(self.path, self.headers.items(), body, time.monotonic())
                with sink.lock:
                    sink.attempts.append(attempt)
                said = sink.answer(attempt)
                if said is None:
                    sink.closing.wait(60)
                    self.close_connection = True
                    return
                status, headers, text = said if isinstance(said, tuple) else (said, {}, b"")
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 256
            daemon_threads = True

            def handle_error(self, *_):
                pass  # a connection that was cut

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def got(self, path=None, type=None):
        with self.lock:
            return [a for a in self.attempts if (path is None or a.path == path) and (type is None or a.json["type"] == type)]

    def close(self):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()
