"""The database's clock, which the ledger goes by, under the test's hand: it runs on as ever and is moved ahead in steps. Each step
lands five minutes past an hour. Whatever has a time lies half an hour from there, so that no step of a sequence is near the instant
at which something ends, however slow the machine."""
import datetime
import os
import shutil
import time

from tests.fault.preload import Page

from ..process import BUILD

HOUR, MINUTE, SECOND = 3600 * 10 ** 6, 60 * 10 ** 6, 10 ** 6


def preloaded(folder):
    """(the page, the environment) of a PostgreSQL whose clock can be moved. folder: one that it may read."""
    library = shutil.copy(BUILD / "fault" / "fault_preload.so", folder)
    page = Page(f"{folder}/clock.page")
    os.chmod(page.path, 0o666)  # PostgreSQL may run as another user
    return page, {"LD_PRELOAD": library, "FAULT_PAGE": page.path}


def text(at):
    """Microseconds since 1970 in RFC 3339."""
    return (datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=at)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(said):
    """The other way."""
    found = datetime.datetime.fromisoformat(said.replace("Z", "+00:00"))
    return (found - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(microseconds=1)


class Clock:
    def __init__(self, page):
        self.page, self.ahead = page, 0

    def now(self):
        return int(time.time() * 10 ** 6) + self.ahead

    @property
    def hour(self):
        """The hour that it is."""
        return self.now() // HOUR

    def to(self, hour):
        """Five minutes past this hour."""
        wanted = hour * HOUR + 5 * MINUTE
        assert wanted > self.now(), "it goes ahead only"
        self.ahead += wanted - self.now()
        self.page.wall(self.ahead / 10 ** 6)

    def half_past(self, hours):
        """Half past the hour that is so many hours from now."""
        return (self.hour + hours) * HOUR + 30 * MINUTE

    def first_of(self, month):
        """The hour at which the next such month begins that is not too near."""
        day = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=self.now())
        day = day.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + datetime.timedelta(days=62)
        day = day.replace(day=1)
        while day.month != month:
            day = (day + datetime.timedelta(days=32)).replace(day=1)
        return int((day - datetime.datetime(1970, 1, 1)).total_seconds()) // 3600
