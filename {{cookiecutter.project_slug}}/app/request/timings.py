"""The timings of a request: seconds in the database, in queues and in downstreams, and the number of statements."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter


class Timings:
    """The timings of one request, to which all tasks of the request add.

    Concurrent statements and calls are added up: three statements of 100 ms in a `gather` count as 300 ms of database
    time, although the request takes only 100 ms.
    """

    database = 0.0  # seconds in the database: statements, BEGIN and COMMIT
    statements = 0  # the number of SQL statements, without BEGIN, COMMIT and savepoints
    waiting = 0.0  # seconds in the queues of bulkheads, and until database connections were opened
    downstreams = 0.0  # seconds of calls to downstreams, including their queues and the pauses between attempts

    def milliseconds(self, seconds: float) -> list[float]:
        """Return the milliseconds of a request: in all, in the database, queues, downstreams and the service itself.

        The numbers are cut off after two decimals, because `round` takes three times as long.

        Args:
            seconds: the duration of the request. What the other parts leave is the time in the service itself, or 0.
        """
        rest = max(0.0, seconds - self.database - self.waiting - self.downstreams)
        return [int(part * 100_000) / 100 for part in (seconds, self.database, self.waiting, self.downstreams, rest)]


timings: ContextVar[Timings | None] = ContextVar("timings", default=None)
"""The timings of the current request, set by `web/access_log.py`; None for work that no request waits for."""


def add_wait(seconds: float) -> None:
    """Add seconds in a queue to the timings of the current request."""
    if (own := timings.get()) is not None:
        own.waiting += seconds


@contextmanager
def downstream_time() -> Iterator[None]:
    """Add the seconds of a `with` block to the downstream time of the current request.

    Inside of the block no other time is added to the timings: the wait in the bulkhead of the downstream, and a nested
    use of this context manager, would otherwise count twice.
    """
    own, began = timings.get(), perf_counter()
    token = timings.set(None)
    try:
        yield
    finally:
        timings.reset(token)
        if own is not None:
            own.downstreams += perf_counter() - began
