"""A PostgreSQL cluster of the tests' own: Unix socket only, made and removed by them."""
import glob
import os
import pwd
import shutil
import subprocess
import tempfile

import psycopg2

from .process import _die_with_parent, wait_for


def _bin(name):
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    return found[-1] if found else shutil.which(name)


class Cluster:
    def __init__(self, settings=(), preloaded=None):
        """preloaded: a function of the cluster's folder that gives the environment to run PostgreSQL in."""
        self.folder = tempfile.mkdtemp(prefix="tg-pg-", dir="/tmp")
        self.data = os.path.join(self.folder, "data")
        self.settings = list(settings)
        # PostgreSQL refuses to run as root: then it runs as its package's user.
        self.user = pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        self.environment = preloaded(self.folder) if preloaded else {}
        self.process = None
        self._run([_bin("initdb"), "-D", self.data, "-U", "tollgate", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C.UTF-8"])
        self.start()
        self.sql("CREATE DATABASE tollgate", database="postgres")

    def _drop(self):
        if os.geteuid() == 0:
            os.setgid(self.user.pw_gid)
            os.setgroups([])
            os.setuid(self.user.pw_uid)
        _die_with_parent()  # a change of user would undo it

    def _run(self, argv):
        done = subprocess.run(argv, preexec_fn=self._drop, cwd="/", capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def url(self, database="tollgate"):
        return f"postgresql:///{database}?host={self.folder}&user=tollgate"

    def start(self):
        options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={self.folder}", "-c", "max_connections=200",
                   "-c", "log_min_messages=warning", "-c", "wal_sync_method=fdatasync"]
        for setting in self.settings:
            options += ["-c", setting]
        self.log = open(os.path.join(self.folder, "log"), "ab")
        self.process = subprocess.Popen([_bin("postgres"), "-D", self.data, *options], preexec_fn=self._drop, cwd="/", env={**os.environ, **self.environment},
                                        stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        wait_for(self.answers, 60, "PostgreSQL answering")

    def answers(self):
        try:
            psycopg2.connect(self.url("postgres"), connect_timeout=2).close()
            return True
        except psycopg2.OperationalError:
            return False

    def stop(self, mode="fast"):
        """fast, immediate (as if the power went), or kill."""
        import signal
        how = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT, "kill": signal.SIGKILL}[mode]
        self.process.send_signal(how)
        self.process.wait(60)
        self.log.close()

    def restart(self, mode="fast"):
        self.stop(mode)
        self.start()

    def connect(self, database="tollgate"):
        connection = psycopg2.connect(self.url(database))
        connection.autocommit = True
        return connection

    def sql(self, text, *args, database="tollgate"):
        """Rows of one statement, or None."""
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(text, args or None)
                return cursor.fetchall() if cursor.description else None
        finally:
            connection.close()

    def remove(self):
        if self.process and self.process.poll() is None:
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)
