"""The timings of a request: seconds in the database, in queues and in downstreams, and the number of statements."""

from contextvars import ContextVar
from dataclasses import dataclass
from time import perf_counter


@dataclass(slots=True)
class Timings:
    """The timings of one request, which all tasks of the request add to.

    Seconds of concurrent statements and calls are summed: three queries of 100 ms in a `gather` are 300 ms of the
    database in a request of 100 ms.
    """

    database: float = 0.0
    """Seconds from sending a statement to the arrival of the rows, BEGIN and COMMIT included."""
    statements: int = 0
    """The number of statements, without BEGIN, COMMIT and savepoints."""
    waiting: float = 0.0
    """Seconds in the queues of bulkheads and of the connection pool, and of opening database connections."""
    downstreams: float = 0.0
    """Seconds of calls to downstreams, and of waiting for a call that the response cache shares."""

    def milliseconds(self, seconds: float) -> dict[str, float]:
        """Return the milliseconds of the database, queues, downstreams and the service itself in a request.

        Args:
            seconds: the duration of the request. The part of the service itself is the rest, 0 when sums exceed it.
        """
        rest = max(0.0, seconds - self.database - self.waiting - self.downstreams)
        parts = {"db": self.database, "wait": self.waiting, "downstream": self.downstreams, "app": rest}
        return {name: round(part * 1000, 2) for name, part in parts.items()}


timings: ContextVar[Timings | None] = ContextVar("timings", default=None)
"""The timings of the current request, set by `web/access_log.py`; None for work that no request waits for."""


def add_wait(began: float) -> None:
    """Add the seconds since `began`, by `perf_counter`, to the current request's time in queues."""
    if (own := timings.get()) is not None:
        own.waiting += perf_counter() - began


def add_downstream(began: float) -> None:
    """Add the seconds since `began`, by `perf_counter`, to the current request's time in downstreams."""
    if (own := timings.get()) is not None:
        own.downstreams += perf_counter() - began
