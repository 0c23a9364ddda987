"""The rig's PostgreSQL: reached by the servers over TCP, by the rig itself over its Unix socket, so that what the proxy
does to the one does not blind the other. Its tables are on a volume of their own, and its log can be moved to another, both
small enough to be filled."""
import collections
import os
import subprocess
import time

import psycopg2

from tests.harness.cluster import Cluster
from tests.harness.port import free_port
from tests.harness.process import wait_for


class Volume:
    """A small file system in memory. It lives in the rig's own mount namespace and goes with it."""

    def __init__(self, path, mib, owner):
        self.path, self.mib = path, mib
        os.makedirs(path, exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=0700,uid={owner.pw_uid},gid={owner.pw_gid}", "tmpfs", path],
                              capture_output=True, text=True)
        self.mounted = done.returncode == 0

    def _size(self, size):
        return subprocess.run(["mount", "-o", f"remount,size={size}", self.path], capture_output=True).returncode == 0

    def fill(self):
        """Nothing more fits: the volume shrinks to what is in it, which may have grown while one looked."""
        for _ in range(1000):
            s = os.statvfs(self.path)
            if self._size((s.f_blocks - s.f_bfree) * s.f_frsize):
                return
        raise AssertionError(f"{self.path} could not be filled")

    def give_back(self):
        assert self._size(f"{self.mib}m"), f"{self.path} could not be given its room again"

    def unmount(self):
        if self.mounted:
            subprocess.run(["umount", "-l", self.path], capture_output=True)


class Database(Cluster):
    """`data`: the volume of the tables, or None where this user may not mount one."""

    def __init__(self, data_mib=3072):
        self.port = free_port()
        self.volume, self.ends = None, collections.Counter()
        super().__init__(settings=["fsync=on", "synchronous_commit=on", "full_page_writes=on", "listen_addresses=127.0.0.1",
                                   f"port={self.port}", "max_wal_size=96MB", "min_wal_size=32MB", "max_connections=120",
                                   "shared_buffers=64MB", "log_line_prefix=%m [%p] ", "restart_after_crash=on",
                                   "autovacuum_naptime=20s"])
        volume = Volume(os.path.join(self.folder, "tables"), data_mib, self.user)
        if volume.mounted:
            self.volume = volume
            self.sql(f"CREATE TABLESPACE small LOCATION '{volume.path}'", database="postgres")
            self.sql("ALTER DATABASE tollgate SET TABLESPACE small", database="postgres")

    def url(self, database="tollgate"):
        return super().url(database) + f"&port={self.port}"

    def tcp_url(self, port, database="tollgate"):
        return f"postgresql://tollgate@127.0.0.1:{port}/{database}?sslmode=disable&gssencmode=disable"

    def start(self):
        # A postmaster that was killed leaves children that hold its memory: it may take a moment until one can start.
        until = time.monotonic() + 60
        while True:
            try:
                return super().start()
            except AssertionError:
                if self.process.poll() is None or time.monotonic() > until:
                    raise
                time.sleep(0.2)

    def stop(self, mode="fast"):
        self.ends[mode] += 1
        super().stop(mode)

    def answers(self):
        # Cluster.start polls this; a postmaster that has given up is not waited for.
        assert self.process.poll() is None, "PostgreSQL ended while starting"
        return super().answers()

    def log_text(self):
        with open(os.path.join(self.folder, "log"), errors="replace") as f:
            return f.read()

    def sessions(self, condition="true"):
        """Process ids of the servers' sessions."""
        return [row[0] for row in self.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'tollgate' "
                                           f"AND datname = 'tollgate' AND {condition} ORDER BY pid")]

    def wal_onto(self, path):
        """Moves the write-ahead log there and leaves a link. The cluster is down."""
        wal = os.path.join(self.data, "pg_wal")
        subprocess.run(["cp", "-a", wal + "/.", path], check=True)
        subprocess.run(["rm", "-rf", wal], check=True)
        os.symlink(path, wal)

    def wal_home(self):
        wal = os.path.join(self.data, "pg_wal")
        path = os.readlink(wal)
        os.remove(wal)
        subprocess.run(["cp", "-a", path, wal], check=True)

    def up(self):
        return self.process is not None and self.process.poll() is None

    def wait_recovered(self, timeout=60):
        """After a backend's death the postmaster starts all anew: until it takes sessions again."""
        wait_for(self._usable, timeout, "PostgreSQL taking sessions again")

    def _usable(self):
        try:
            connection = psycopg2.connect(self.url(), connect_timeout=2)
            connection.close()
            return True
        except psycopg2.OperationalError:
            return False

    def remove(self):
        super().remove()
        if self.volume:
            self.volume.unmount()
        subprocess.run(["rm", "-rf", self.folder], check=False)
