"""The sockets: HTTP/1.1 on loopback, a thread a connection. Says which part of the stand-in answers a path, and does to the
connection what a fault wants."""
import http.server
import json
import select
import socket
import struct
import threading
import time
import traceback

from . import api, control, pages
from .api import Answer, Request

MOST_BODY = 4 << 20


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server_version, sys_version = "stand-in", ""

    def log_message(self, *_):
        pass

    def setup(self):
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self):
        self.server.connections.discard(self.connection)
        try:
            super().finish()
        except (OSError, ValueError):
            pass  # torn down, by a fault or by the caller

    def _serve(self):
        request = self._read()
        if request is None:
            return
        try:
            made = self._answered(request)
        except Exception:
            text = traceback.format_exc()
            self.server.account.bugs.append(text)
            made = Answer(500, json.dumps({"error": {"type": "api_error", "message": "The stand-in has a bug: " + text[-1500:]}}).encode(),
                          {"Content-Type": "application/json", "Stripe-Should-Retry": "false"})
        if made.gone:
            self._vanish(made)
        else:
            self._write(made)

    do_GET = do_POST = do_DELETE = do_PUT = do_HEAD = _serve

    def _read(self):
        path, _, query = self.path.partition("?")
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > MOST_BODY or self.headers.get("Transfer-Encoding"):
            self._write(Answer(400, b"", {"Connection": "close"}))
            return None
        body = self.rfile.read(int(length))
        return Request(self.command, path, query, {k.lower(): v for k, v in self.headers.items()}, body)

    def _answered(self, request):
        account = self.server.account
        if request.path.startswith("/_fake"):
            return control.answer(account, request)
        if request.path.startswith(("/v1/", "/v2/")):
            return api.answer(account, request, self._pause)
        return pages.answer(account, request)

    def _pause(self, seconds):
        self.server.stopping.wait(seconds)

    def _write(self, made):
        self.send_response(made.status)
        for name, value in {**made.headers, "Content-Length": len(made.body)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(made.body)
        if made.headers.get("Connection") == "close":
            self.close_connection = True

    def _vanish(self, made):
        """No answer: the connection is torn down, at once or when the caller has had enough of waiting."""
        self.close_connection = True
        if made.gone == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            return
        until = time.monotonic() + made.seconds
        while time.monotonic() < until and not self.server.stopping.is_set():
            readable, _, _ = select.select([self.connection], [], [], 0.1)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                return


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(self, account, port=0):
        super().__init__(("127.0.0.1", port), Handler)
        self.account, self.stopping, self.connections = account, threading.Event(), set()
        account.url = account.url or f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """A caller that goes away is its own affair."""

    def start(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, name="stripe-server", daemon=True).start()

    def stop(self):
        self.stopping.set()
        self.shutdown()
        self.server_close()
        for connection in list(self.connections):  # those that callers keep for later too
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
