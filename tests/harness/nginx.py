"""A private nginx on loopback: one server that answers by itself, and one that hands on to a given port over connections that
it keeps."""
import os
import re
import shutil
import socket
import subprocess
import tempfile

from .port import free_port
from .process import start, stop, wait_for

CONFIG = """
worker_processes 1;
daemon off;
pid {folder}/pid;
error_log {folder}/error.log warn;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  large_client_header_buffers 4 16k; # how much is too much is not compared
  client_header_timeout 2s; client_body_timeout 2s; keepalive_timeout 2s; lingering_timeout 1s; lingering_time 2s;
  log_format seen '$upstream_addr $status $request_length';
  # Reads a whole request before it hands it on, to itself: what is answered 200 has been found sound to its last byte.
  server {{
    listen 127.0.0.1:{itself};
    location / {{ proxy_pass http://127.0.0.1:{inner}; }}
  }}
  server {{
    listen 127.0.0.1:{inner};
    location / {{ return 200 "sound"; }}
  }}
  upstream behind {{
    server 127.0.0.1:{port};
    keepalive 1;
  }}
  server {{
    listen 127.0.0.1:{through};
    access_log {folder}/through.log seen;
    location / {{
      proxy_pass http://behind;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_read_timeout 15s;
      {more}
    }}
  }}
}}
"""


class Nginx:
    def __init__(self, port, more=""):
        """port: of what stands behind."""
        self.folder = tempfile.mkdtemp(prefix="tg-nginx-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.itself, self.inner, self.through = free_port(), free_port(), free_port()
        config = os.path.join(self.folder, "conf")
        with open(config, "w") as f:
            f.write(CONFIG.format(folder=self.folder, port=port, itself=self.itself, inner=self.inner, through=self.through, more=more))
        binary = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
        self.process = start([binary, "-p", self.folder, "-c", config, "-e", f"{self.folder}/error.log"], log=f"{self.folder}/out")
        wait_for(self.listening, 20, "nginx")

    def listening(self):
        assert self.process.poll() is None, open(f"{self.folder}/out").read() + open(f"{self.folder}/error.log").read()
        try:
            socket.create_connection(("127.0.0.1", self.through), 1).close()
            return True
        except OSError:
            return False

    def forwarded(self):
        """How many requests have been handed on so far."""
        with open(f"{self.folder}/through.log") as f:
            return sum(1 for line in f if re.match(r"127\.0\.0\.1:", line))

    def errors(self):
        with open(f"{self.folder}/error.log", errors="replace") as f:
            return f.read()

    def stop(self):
        if self.process.poll() is None:
            stop(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)
