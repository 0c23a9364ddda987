"""A receiver of webhooks for tests: keeps what came, checks its signature, and answers what it is told to."""
import hmac
import http.server
import json
import threading

from .signing import signature


class Receiver:
    """answers: statuses for the next posts, then 200. `held`: while it is cleared, posts wait; `waiting`: how many do."""

    def __init__(self, *secrets):
        self.secrets, self.posts, self.answers = secrets, [], []
        self.held, self.waiting, counting = threading.Event(), 0, threading.Lock()
        self.held.set()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with counting:
                    receiver.waiting += 1
                receiver.held.wait(30)
                with counting:
                    receiver.waiting -= 1
                receiver.posts.append((dict(self.headers), body))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/webhooks"

    @property
    def events(self):
        return [json.loads(body) for _, body in self.posts]

    def types(self):
        return [event["type"] for event in self.events]

    def signed(self, index=-1):
        """Which of the secrets have signed a post."""
        headers, body = self.posts[index]
        parts = [part.split("=", 1) for part in headers["Stripe-Signature"].split(",")]
        at = next(value for name, value in parts if name == "t")
        given = [value for name, value in parts if name == "v1"]
        return [s for s in self.secrets if any(hmac.compare_digest(signature(s, at, body), v) for v in given)]

    def stop(self):
        self.held.set()
        self.server.shutdown()
        self.server.server_close()
