"""Replaces the wall clock of this process by a clock that a test can move, before any other module is imported.

Python imports `sitecustomize` from PYTHONPATH when a process starts. The file replaces `time.time`, `time.time_ns` and
the current time of `datetime` and `date`, in this process only. The clock of the machine does not move: the jump
reaches neither C code that reads the machine's clock nor PostgreSQL's `now()`.
"""

import datetime as dt
import time
from typing import Any

_time_ns, _datetime = time.time_ns, dt.datetime


class WallClock:
    """This process's wall clock, with an offset from the machine's clock."""

    offset_ns = 0

    def jump(self, seconds: float) -> None:
        """Move the wall clock forward by `seconds`, or back if `seconds` is negative."""
        self.offset_ns += round(seconds * 1e9)

    def time_ns(self) -> int:
        """Return the moved wall clock in nanoseconds; replaces `time.time_ns`."""
        return _time_ns() + self.offset_ns

    def time(self) -> float:
        """Return the moved wall clock in seconds; replaces `time.time`."""
        return self.time_ns() / 1e9


wall_clock = WallClock()


class _AcceptsOriginals(type):
    """A metaclass that makes `isinstance(x, JumpingDatetime)` true for original datetimes too, which C code creates."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _datetime)


class JumpingDatetime(dt.datetime, metaclass=_AcceptsOriginals):
    """A datetime class whose `now` reads the moved wall clock."""

    __slots__ = ()  # no instance dictionary: C code expects the size of an original datetime

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> Any:  # noqa: ANN401 - the result is an original datetime
        """Return the moved wall clock's time in a time zone; replaces `datetime.now`."""
        return _datetime.fromtimestamp(wall_clock.time(), tz)

    @classmethod
    def utcnow(cls) -> Any:  # noqa: ANN401 - the result is an original datetime
        """Return the moved wall clock's time as naive UTC; replaces `datetime.utcnow`."""
        return cls.now(dt.UTC).replace(tzinfo=None)


time.time_ns, time.time = wall_clock.time_ns, wall_clock.time
dt.datetime = JumpingDatetime  # type: ignore[misc] # modules that are imported later get the jumping clock
