"""PgBouncer in transaction mode before a cluster: each transaction of a client may get another session."""
import os
import shutil

from .port import free_port
from .process import start, stop, wait_for

CONFIG = """[databases]
tollgate = {target} dbname=tollgate user=tollgate
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {sessions}
max_client_conn = 500
"""


class Pooler:
    """target: "host=… port=…". Few sessions, so that clients really get each other's."""

    def __init__(self, folder, target, sessions=3):
        self.port, path = free_port(), os.path.join(folder, "pgbouncer.ini")
        self.log = os.path.join(folder, "pgbouncer.log")
        with open(path, "w") as f:
            f.write(CONFIG.format(target=target, port=self.port, sessions=sessions))
        os.chmod(path, 0o644)
        os.chmod(folder, 0o755)
        binary = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
        # It refuses to run as root.
        user = ["-u", "postgres"] if os.geteuid() == 0 else []
        self.process = start([binary, *user, path], log=self.log)
        wait_for(self._listens, 20, "PgBouncer listening")

    def _listens(self):
        assert self.process.poll() is None, open(self.log).read()
        with open(self.log) as f:
            return "process up" in f.read()

    def url(self):
        return f"postgresql://tollgate@127.0.0.1:{self.port}/tollgate?sslmode=disable"

    def stop(self):
        import signal
        stop(self.process, signal.SIGINT)
