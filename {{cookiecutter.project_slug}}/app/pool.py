"""The connection pool: SQLAlchemy's, with a fair and bounded queue in front.

In SQLAlchemy's own queue a newcomer takes a connection that was just returned from under those who wait, so under load
some requests wait for ever shorter and some for ever longer times. A gate of exactly the pool's size in front means
that nobody ever waits in that queue. Before that gate stands the share of the family whose request it is, so that one
family that is stuck leaves connections to the others. `capacity/plan.py` decides the numbers.
"""

from contextvars import ContextVar
from math import inf
from time import monotonic
from typing import Any

import asyncpg
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry
from sqlalchemy.util.concurrency import await_

from app.gate import Gate
from app.held import Hold, hold

IDLE_SECONDS = 60.0
"""Firewalls and balancers forget silent connections after minutes, without a word to either end."""

ANSWER_SECONDS = 1.0
"""The wait for an idle connection's sign of life; opening a new one takes a tenth of it."""

share: ContextVar[Gate | None] = ContextVar("share", default=None)
"""What the family of this request may take of the pool, set by `middleware/admission.py`; None for everything."""

RETURNED_AT = "returned_at"


class FairPool(AsyncAdaptedQueuePool):
    """A queue pool that serves in the order of asking and refuses when the queue is full or slow.

    `_do_get` and `_do_return_conn` are what every pool class of SQLAlchemy implements.
    """

    def __init__(
        self,
        creator: Any,  # noqa: ANN401 - SQLAlchemy's own
        pool_size: int = 5,
        max_overflow: int = 0,
        timeout: float = 1.0,
        max_waiting: int = 0,
        **options: Any,  # noqa: ANN401 - SQLAlchemy's own
    ) -> None:
        super().__init__(creator, pool_size, max_overflow, timeout, **options)
        self._shares: dict[ConnectionPoolEntry, Gate] = {}
        self._holds: dict[ConnectionPoolEntry, Hold] = {}
        self.idle_seconds = IDLE_SECONDS
        self.answer_seconds = ANSWER_SECONDS
        self.gate = Gate(
            places=pool_size + max_overflow,
            max_waiting=max_waiting,
            max_wait_seconds=timeout,
            refusal="The database is too busy.",
        )

    def recreate(self) -> "FairPool":
        """Return the empty pool that follows a disposed one; SQLAlchemy itself knows nothing of the queue's bound."""
        fresh = super().recreate()
        assert isinstance(fresh, FairPool)  # noqa: S101 - it makes one of its own class
        fresh.gate.max_waiting = self.gate.max_waiting
        return fresh

    def _do_get(self) -> ConnectionPoolEntry:
        own = share.get()
        end = monotonic() + self.gate.max_wait_seconds  # of both waits together
        if own is not None:
            _pass(own, end)
        try:
            record = self._do_get_one(end)
        except BaseException:
            if own is not None:
                own.leave()
            raise
        if own is not None:
            self._shares[record] = own
        return record

    def _do_get_one(self, end: float) -> ConnectionPoolEntry:
        _pass(self.gate, end)
        try:
            record = super()._do_get()
        except BaseException:
            self.gate.leave()
            raise
        self._holds[record] = hold()
        try:
            self._drop_if_dead(record)
        except BaseException:
            if record.driver_connection is not None:
                record.driver_connection.terminate()  # cut off while it was asked; whoever gets it next opens a new one
            self._do_return_conn(record)
            raise
        return record

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        record.info[RETURNED_AT] = monotonic()
        own = self._shares.pop(record, None)
        try:
            super()._do_return_conn(record)  # closes one of the overflow, and a deadline may cut that off
        finally:
            self._holds.pop(record).ended = True
            self.gate.leave()
            if own is not None:
                own.leave()

    def _drop_if_dead(self, record: ConnectionPoolEntry) -> None:
        """Let SQLAlchemy open a new connection in place of one that has ended. In the usual case this asks nobody."""
        driver = record.driver_connection
        if driver is None:  # SQLAlchemy dropped it already
            return
        if not driver.is_closed():
            idle = monotonic() - record.info.get(RETURNED_AT, inf)
            if idle < self.idle_seconds or await_(_answers(driver, self.answer_seconds)):
                return
            driver.terminate()  # a polite goodbye would wait for the same silence
        record.invalidate()


def _pass(gate: Gate, end: float) -> None:
    if not gate.enter_now():  # a turn of the event loop only for those who have to wait
        await_(gate.enter(within=end - monotonic()))


async def _answers(driver: asyncpg.Connection, seconds: float) -> bool:
    """Ask an idle connection for a sign of life, in one round trip."""
    try:
        await driver.execute("SELECT 1", timeout=seconds)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    return True
