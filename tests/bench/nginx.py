"""nginx as the partner: an upstream that answers at once, and a plain proxy in front of it and of the streaming upstream."""
import os
import socket

from tests.harness.port import free_port
from tests.harness.process import start, stop, wait_for

CONF = """
daemon off; worker_processes 2; pid {folder}/nginx.pid; error_log {folder}/nginx.err error; worker_rlimit_nofile 20000;
events {{ worker_connections 9000; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  keepalive_requests 1000000; keepalive_timeout 300s;
  upstream provider {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 1000000; }}
  upstream streaming {{ server 127.0.0.1:{streaming}; keepalive 256; keepalive_requests 1000000; }}
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; proxy_read_timeout 600s;
  server {{ listen 127.0.0.1:{upstream} backlog=4096; location / {{ default_type application/json; return 200 '{answer}'; }} }}
  server {{ listen 127.0.0.1:{proxy} backlog=4096; location / {{ proxy_pass http://provider; }} }}
  server {{ listen 127.0.0.1:{stream_proxy} backlog=4096; location / {{ proxy_pass http://streaming; }} }}
}}"""


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


class Nginx:
    """upstream: answers plain calls; proxy: in front of it; stream_proxy: in front of `streaming`, a port of upstream.c's."""

    def __init__(self, folder, answer, streaming):
        self.upstream, self.proxy, self.stream_proxy = free_port(), free_port(), free_port()
        conf = os.path.join(folder, "nginx.conf")
        with open(conf, "w") as f:
            f.write(CONF.format(folder=folder, upstream=self.upstream, proxy=self.proxy, stream_proxy=self.stream_proxy, streaming=streaming, answer=answer))
        self.process = start(["nginx", "-c", conf, "-p", folder], log=os.path.join(folder, "nginx.log"))
        wait_for(lambda: answers(self.proxy), 10, "nginx")

    def stop(self):
        stop(self.process)
