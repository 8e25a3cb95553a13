"""A wall clock that jumps when it is told to. Python imports this file first of all, so everybody gets it.

It stands in for `time.time`, `time.time_ns`, and what `datetime` and `date` say about now, in this process only. The
clock of the machine is not touched: what reads it in C is not covered, and neither is PostgreSQL's own `now()`.
"""

import datetime as dt
import time
from typing import Any

_time_ns, _datetime = time.time_ns, dt.datetime


class Wall:
    """How far this process is off."""

    off_ns = 0

    def jump(self, seconds: float) -> None:
        """Set the clock forward, or back."""
        self.off_ns += round(seconds * 1e9)

    def time_ns(self) -> int:
        """Stand in for the function of this name."""
        return _time_ns() + self.off_ns

    def time(self) -> float:
        """Stand in for the function of this name."""
        return self.time_ns() / 1e9


wall = Wall()


class _LikeTheOriginal(type):
    """Takes what C code makes, which knows the original only, for one of its own."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _datetime)


class Jumping(dt.datetime, metaclass=_LikeTheOriginal):
    """A datetime whose now is that of the clock above."""

    __slots__ = ()  # C code wants it as large as the original

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> Any:  # noqa: ANN401 - the original, which this stands in for
        """Stand in for the method of this name."""
        return _datetime.fromtimestamp(wall.time(), tz)

    @classmethod
    def utcnow(cls) -> Any:  # noqa: ANN401 - as above
        """Stand in for the method of this name."""
        return cls.now(dt.UTC).replace(tzinfo=None)


time.time_ns, time.time = wall.time_ns, wall.time
dt.datetime = Jumping  # type: ignore[misc] # it is what this file is for
