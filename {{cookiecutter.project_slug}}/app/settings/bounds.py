"""Dataclasses of timeouts, pool sizes and circuit-breaker thresholds, for code that does not need all settings."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

DSN_ONLY = frozenset({"sslrootcert", "sslcert", "sslkey", "sslcrl", "sslnegotiation"})
"""Parameters of libpq that asyncpg reads from a connection URL (DSN), but does not take as arguments of `connect`; see
`database/driver.py`."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The timeouts of a database connection, which must increase in the order `lock`, `statement`, `command`."""

    connect: timedelta
    lock: timedelta
    statement: timedelta
    command: timedelta
    idle: timedelta | None = None
    """The longest pause between two statements of a transaction, after which PostgreSQL closes the connection; None
    means the duration of the timeout `command`."""


@dataclass(frozen=True, slots=True)
class PoolBounds:
    """The size of a connection pool, and the bounds of the queue of callers in front of the pool."""

    size: int
    """Connections that the pool keeps open."""
    overflow: int = 0
    """Connections that the pool may open beyond `size`, and closes after use."""
    max_queue: int = 0
    """The most callers that may wait for a connection; when the queue is full, the pool refuses a caller
    immediately."""
    queue_timeout: timedelta = timedelta(seconds=1)
    """The longest wait of a caller for a connection, after which the pool refuses the caller."""
    quotas: Iterable[str] = ()
    """The names of the connection quotas, which are the names of the route groups. Background work always has a quota
    of its own, which this list does not name."""
    quota: int | None = None
    """The most connections that one route group, or background work, may use; None means the whole pool."""
    reserved: int = 0
    """Connections of the pool that are kept free for route groups, or background work, without a connection at the
    moment."""
    nested_loans: bool = True
    """Whether a task that holds a connection may take a second connection. False in development and tests, where a
    second connection raises `ConnectionHeld`."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The thresholds of a circuit breaker: when the breaker opens, and when the breaker closes again."""

    failure_ratio: float
    """From this ratio on, 0 to 1, of failed calls to all calls in the breaker's window, the breaker opens."""
    min_calls: int
    """The least number of calls in the breaker's window at which the breaker may open: a few failures prove no
    outage."""
    window_seconds: float
    """How many seconds the breaker remembers the outcome of a call."""
    open_seconds: float
    """How many seconds the open breaker refuses every call, before probe calls may pass."""
    probes: int = 1
    """Probe calls that may run concurrently in the half-open breaker; as many successful probes close the breaker."""
