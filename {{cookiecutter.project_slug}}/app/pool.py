"""The connection pool: SQLAlchemy's, with a fair and bounded queue in front.

In SQLAlchemy's own queue a newcomer takes a connection that was just returned from under those who wait, so under load
some requests wait for ever shorter and some for ever longer times. A gate of exactly the pool's size in front means
that nobody ever waits in that queue.
"""

from typing import Any

from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry
from sqlalchemy.util.concurrency import await_

from app.gate import Gate

WAITING_PER_CONNECTION = 20
"""At 5 ms a statement the last in the queue waits 0.1 s; far longer queues only serve clients that have given up."""


class FairPool(AsyncAdaptedQueuePool):
    """A queue pool that serves in the order of asking and refuses when the queue is full or slow.

    `_do_get` and `_do_return_conn` are what every pool class of SQLAlchemy implements.
    """

    def __init__(self, creator: Any, pool_size: int = 5, timeout: float = 1.0, **options: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own
        super().__init__(creator, pool_size, timeout=timeout, **options)
        self.gate = Gate(
            places=pool_size,
            max_waiting=WAITING_PER_CONNECTION * pool_size,
            max_wait_seconds=timeout,
            refusal="The database is too busy.",
        )

    def _do_get(self) -> ConnectionPoolEntry:
        await_(self.gate.enter())
        try:
            return super()._do_get()
        except BaseException:
            self.gate.leave()
            raise

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        super()._do_return_conn(record)
        self.gate.leave()
