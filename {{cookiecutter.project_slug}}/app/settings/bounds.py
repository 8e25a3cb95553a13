"""Plain values for timeouts, pool sizes and circuit-breaker thresholds, for code that does not need all settings."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

DSN_ONLY = frozenset({"sslrootcert", "sslcert", "sslkey", "sslcrl", "sslnegotiation"})
"""Parameters of libpq that asyncpg reads from a connection URL (DSN), but does not take as arguments of `connect`; see
`database/driver.py`."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The timeouts of one database connection, innermost first; each timeout must be shorter than the next."""

    connect: timedelta
    lock: timedelta
    statement: timedelta
    command: timedelta
    idle: timedelta | None = None
    """The longest pause between two statements of a transaction; None means the command timeout."""


@dataclass(frozen=True, slots=True)
class PoolBounds:
    """The size of a connection pool, and the bounds of the queue of callers in front of the pool."""

    size: int
    """Connections that the pool keeps open."""
    overflow: int = 0
    """Connections that the pool may open beyond `size`, and closes after use."""
    max_queue: int = 0
    """Callers that may wait for a connection; the pool refuses one caller more at once."""
    queue_timeout: timedelta = timedelta(seconds=1)
    """The longest wait of a caller for a connection; then the pool refuses the caller."""
    quotas: Iterable[str] = ()
    """The names of the connection quotas: the names of the route groups; background work always has a quota too."""
    quota: int | None = None
    """Connections that one quota may use at most; None means the whole pool."""
    reserved: int = 0
    """Connections kept free for route groups, and background work, that use no connection at the moment."""
    nested_loans: bool = True
    """Whether a task that holds a connection may take a second connection. False in development and tests, where the
    second raises `ConnectionHeld`."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The thresholds of a circuit breaker: when the breaker opens, and what closes the breaker again."""

    failure_ratio: float
    """Failed calls divided by all calls in the breaker's window; from this ratio on, 0 to 1, the breaker opens."""
    min_calls: int
    """Calls in the breaker's window below which the breaker never opens: a few failures do not prove an outage."""
    window_seconds: float
    """How many seconds the breaker remembers the outcome of a call."""
    open_seconds: float
    """How many seconds the open breaker refuses every call, before probe calls may pass."""
    probes: int = 1
    """Concurrent probe calls of the half-open breaker, and the consecutive successes that close the breaker."""
