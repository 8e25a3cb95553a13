"""The connection pool: SQLAlchemy's queue pool behind a connection quota per route group, with a fair, bounded queue.

In SQLAlchemy's own queue a new caller may take a connection that was just returned, ahead of callers that wait, which
increases the tail latency under load. Here the quotas admit exactly as many callers as the pool has connections. So no
caller waits in SQLAlchemy's queue, and stuck route groups leave connections to other groups. The cost is a few counters
for each checkout of a connection. `capacity/plan.py` computes the sizes.
"""

from collections.abc import Callable, Iterable
from math import inf
from time import monotonic
from typing import Any, TypeVar

import asyncpg
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry
from sqlalchemy.util.concurrency import await_, greenlet_spawn

from app.limits.quotas import Quota, Quotas
from app.request.held_connections import HeldConnection, note_checkout, refuse_second_connection
from app.request.slot import connection_quota

T = TypeVar("T")

IDLE_SECONDS = 60.0
"""A database connection that was idle for this many seconds is tested before the next use, as firewalls drop idle
connections after some minutes."""

ANSWER_SECONDS = 1.0
"""The timeout, in seconds, of the query that tests an idle database connection. After the timeout, the pool opens a new
connection, which takes about 0.1 s."""

RETURNED_AT = "returned_at"


class FairPool(AsyncAdaptedQueuePool):
    """A connection pool with a FIFO queue of callers; raises `Unavailable` when the queue is full or too slow.

    The class overrides `_do_get` and `_do_return_conn`, as every pool class of SQLAlchemy does.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - SQLAlchemy passes on only the arguments that this signature names
        self,
        creator: Any,  # noqa: ANN401 - the parameter of SQLAlchemy's pool has no type
        pool_size: int = 5,
        max_overflow: int = 0,
        timeout: float = 1.0,
        max_queue: int = 0,
        quotas: Iterable[str] = (),
        quota: int | None = None,
        reserved: int = 0,
        nested_loans: bool = True,
        **options: Any,  # noqa: ANN401 - passed on to SQLAlchemy's pool
    ) -> None:
        super().__init__(creator, pool_size, max_overflow, timeout, **options)
        self._loans: dict[ConnectionPoolEntry, tuple[Quota, HeldConnection]] = {}
        self._entered: Quota | None = None  # a quota that `lend` has entered: the next `_do_get` must not enter again
        self._adopted: ConnectionPoolEntry | None = None  # the connection that `adopt` hands to the next `_do_get`
        self.idle_seconds = IDLE_SECONDS
        self.answer_seconds = ANSWER_SECONDS
        self.nested_loans = nested_loans
        self.bulkhead = Quotas(
            quotas,
            max_concurrent=pool_size + max_overflow,
            max_queue=max_queue,
            queue_timeout_seconds=timeout,
            quota=quota,
            reserved=reserved,
        )

    def recreate(self) -> "FairPool":
        """Return an empty pool with the same bounds, for a disposed pool; SQLAlchemy's own method loses the bounds."""
        fresh = super().recreate()
        assert isinstance(fresh, FairPool)  # noqa: S101 - SQLAlchemy's `recreate` returns the same class
        fresh.bulkhead, fresh.nested_loans = self.bulkhead, self.nested_loans
        return fresh

    async def lend(self) -> ConnectionPoolEntry | None:
        """Wait for a database connection, and return the pool's record of the connection, without a greenlet.

        The caller passes the record to `give_back` or `adopt`. None means that a connection must first be opened or
        tested, which needs a greenlet: the caller must then call the engine's `connect` before any `await`.
        """
        quota = self._quota()
        if not quota.try_enter():
            await quota.enter()
        if self._next_is_fresh():
            record = super()._do_get()
            self._loans[record] = quota, note_checkout()
            return record
        self._entered = quota
        return None

    async def give_back(self, record: ConnectionPoolEntry) -> None:
        """Return a connection from `lend` to the pool; a full pool closes the connection, which needs a greenlet."""
        if self._pool.full():
            await greenlet_spawn(self._do_return_conn, record)
        else:
            self._do_return_conn(record)

    def adopt(self, record: ConnectionPoolEntry, connect: Callable[[], T]) -> T:
        """Make the engine's `connect` return a connection from `lend`, so that SQLAlchemy handles the error."""
        adopted: Any = record
        # hide the age of the connection: SQLAlchemy would replace an old connection although it is in use
        opened, adopted.starttime = adopted.starttime, inf
        self._adopted = record
        try:
            return connect()
        finally:
            adopted.starttime = opened

    def _enter(self) -> Quota:
        quota = self._quota()
        if not quota.try_enter():  # only a caller that must wait pays for `await_`, which switches greenlets
            await_(quota.enter())
        return quota

    def _quota(self) -> Quota:
        if not self.nested_loans:
            refuse_second_connection()
        return self.bulkhead.of(connection_quota.get())

    def _next_is_fresh(self) -> bool:
        """Tell whether the next connection of the pool can be used at once, without opening or testing."""
        if self._pool.empty():
            return False
        record = self._pool._queue._queue[0]  # type: ignore[attr-defined] # noqa: SLF001 - asyncio.Queue has no method to look into it
        return not record._is_hard_or_soft_invalidated() and self._is_fresh(record)  # noqa: SLF001 - SQLAlchemy's pool calls this method, too

    def _do_get(self) -> ConnectionPoolEntry:
        adopted, self._adopted = self._adopted, None
        if adopted is not None:
            return adopted
        quota, self._entered = self._entered or self._enter(), None
        try:
            record = super()._do_get()
        except BaseException:
            quota.leave()
            raise
        self._loans[record] = quota, note_checkout()
        try:
            self._drop_if_dead(record)
        except BaseException:
            if record.driver_connection is not None:
                # The test of an idle connection was cancelled: close the connection, so that the next checkout opens a
                # new connection.
                record.driver_connection.terminate()
            self._do_return_conn(record)
            raise
        return record

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        record.info[RETURNED_AT] = monotonic()
        quota, held = self._loans.pop(record)
        try:
            # SQLAlchemy closes an overflow connection here. The deadline of a request may cancel this close, so the
            # quota is released in `finally`.
            super()._do_return_conn(record)
        finally:
            held.returned = True
            quota.leave()

    def _drop_if_dead(self, record: ConnectionPoolEntry) -> None:
        """Invalidate a dead connection, which SQLAlchemy then replaces; test a connection after a long idle time."""
        driver = record.driver_connection
        # `driver` is None when SQLAlchemy has dropped the connection, and is about to open a new connection
        if driver is None or self._is_fresh(record):
            return
        if not driver.is_closed():
            if await_(_is_alive(driver, self.answer_seconds)):
                return
            driver.terminate()  # a graceful close would wait for a reply, which a dead connection never sends
        record.invalidate()

    def _is_fresh(self, record: ConnectionPoolEntry) -> bool:
        """Tell whether a connection is open, and was not idle for so long that a firewall may have dropped it."""
        driver = record.driver_connection
        idle = monotonic() - record.info.get(RETURNED_AT, inf)
        return driver is not None and not driver.is_closed() and idle < self.idle_seconds


async def _is_alive(driver: asyncpg.Connection, seconds: float) -> bool:
    """Tell whether an idle database connection answers `SELECT 1` in time."""
    try:
        await driver.execute("SELECT 1", timeout=seconds)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    return True
