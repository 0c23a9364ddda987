"""The page that a server shares with the rig (preload/page.h): moves its wall clock, makes its calls fail, counts both."""
import mmap
import struct

MAGIC = 0x544746415553
POINTS = ("MALLOC", "WRITE", "FSYNC", "CONNECT", "SEND", "RECV", "SOCKET", "ACCEPT", "OPEN", "POLL", "EPOLL_WAIT")
FIELDS = ("times", "skip", "error", "seen", "failed")
WALL_US, WALL_READS, EXHAUSTED, NO_MEMORY, FIRST_POINT = 8, 16, 24, 32, 40
SIZE = FIRST_POINT + len(POINTS) * len(FIELDS) * 8


class Page:
    def __init__(self, path):
        self.path = path
        with open(path, "wb") as f:
            f.write(struct.pack("<q", MAGIC) + bytes(SIZE - 8))
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), SIZE)

    def _get(self, at):
        return struct.unpack_from("<q", self.map, at)[0]

    def _set(self, at, value):
        struct.pack_into("<q", self.map, at, value)

    def _at(self, point, field):
        return FIRST_POINT + (POINTS.index(point) * len(FIELDS) + FIELDS.index(field)) * 8

    def wall(self, seconds):
        """What this process takes for the time of day is off by so much."""
        self._set(WALL_US, int(seconds * 1_000_000))

    @property
    def wall_reads(self):
        return self._get(WALL_READS)

    @property
    def exhausted(self):
        return self._get(EXHAUSTED)

    @property
    def no_memory(self):
        return self._get(NO_MEMORY)

    def fail(self, point, error, skip=0, times=1):
        """After `skip` more calls the next `times` fail with that errno; 0: they do only half of what is asked."""
        self._set(self._at(point, "times"), 0)
        self._set(self._at(point, "skip"), skip)
        self._set(self._at(point, "error"), error)
        self._set(self._at(point, "times"), times)

    def failed(self, point):
        return self._get(self._at(point, "failed"))

    def seen(self, point):
        return self._get(self._at(point, "seen"))

    def clear(self):
        self.wall(0)
        for point in POINTS:
            self._set(self._at(point, "times"), 0)
