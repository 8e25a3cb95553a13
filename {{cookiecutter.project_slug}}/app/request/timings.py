"""The timings of a request: seconds in the database, in queues and in downstreams, and the number of statements."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter


class Timings:
    """The timings of one request, to which all tasks of the request add.

    Seconds of concurrent statements and calls are summed: three statements of 100 ms in a `gather` are 300 ms of the
    database, in a request of 100 ms.
    """

    database = 0.0  # seconds of statements, of BEGIN and of COMMIT
    statements = 0  # the number of statements, without BEGIN, COMMIT and savepoints
    waiting = 0.0  # seconds in the queues of bulkheads, and of opening database connections
    downstreams = 0.0  # seconds of calls, with the queue of the downstream and the pauses between attempts

    def milliseconds(self, seconds: float) -> list[float]:
        """Return the milliseconds of a request: in all, in the database, queues, downstreams and the service itself.

        The numbers are cut off after two decimals: `round` takes three times as long.

        Args:
            seconds: the duration of the request. The part of the service itself is the rest, 0 where sums exceed it.
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

    Nothing else is added inside of the block: neither the wait for the bulkhead of the downstream, nor the attempts of
    a load that several callers share.
    """
    own, began = timings.get(), perf_counter()
    token = timings.set(None)
    try:
        yield
    finally:
        timings.reset(token)
        if own is not None:
            own.downstreams += perf_counter() - began
