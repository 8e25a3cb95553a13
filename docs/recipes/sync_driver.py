"""A driver without async, used rightly: threads of its own, as many as its pool has connections, and a bounded queue.

Run: DATABASE_URL=postgresql://user@127.0.0.1/app uvicorn sync_driver:app
"""

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, FastAPI, HTTPException, Request
from psycopg import Connection
from psycopg_pool import ConnectionPool

T = TypeVar("T")

MAX_CONCURRENT = 4
"""The number of threads and of connections: with fewer connections, threads would be held while a call waits."""

MAX_QUEUE = 40
"""The most callers that may wait for a thread: at 50 ms a call and four threads, the last waits half a second."""


class Blocking:
    """Runs the calls of a database driver without async in threads that no other code uses."""

    def __init__(self, pool: ConnectionPool[Connection[Any]]) -> None:
        self.pool, self.threads, self.calls = pool, CapacityLimiter(MAX_CONCURRENT), 0

    async def run(self, call: Callable[[Connection[Any]], T]) -> T:
        """Call a function with a connection of the driver, in a thread; refuse with 503 when too many callers wait."""
        if self.calls >= MAX_CONCURRENT + MAX_QUEUE:  # counted here: the limiter's statistics lag by a turn of the loop
            raise HTTPException(503, "The database is busy.", {"Retry-After": "1"})
        self.calls += 1
        try:
            return await to_thread.run_sync(self._with_connection, call, limiter=self.threads)
        finally:
            self.calls -= 1

    def _with_connection(self, call: Callable[[Connection[Any]], T]) -> T:
        with self.pool.connection() as connection:  # the pool commits at the end, and rolls back after an exception
            return call(connection)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Open the pool at the start and close the pool at the end; both block, so both run in a thread."""
    # a thread cannot be stopped: only the timeouts of the driver itself end a call that hangs
    limits = {"connect_timeout": 2, "options": "-c statement_timeout=2500", "tcp_user_timeout": 5000}
    pool = ConnectionPool(
        os.environ["DATABASE_URL"], min_size=1, max_size=MAX_CONCURRENT, timeout=1, open=False, kwargs=limits
    )
    await to_thread.run_sync(pool.open)
    app.state.blocking = Blocking(pool)
    yield
    await to_thread.run_sync(pool.close)


async def blocking(request: Request) -> Blocking:
    """Return the threads and the pool that the lifespan opened."""
    found: Blocking = request.app.state.blocking
    return found


app = FastAPI(lifespan=lifespan)


@app.get("/report")
async def report(database: Annotated[Blocking, Depends(blocking)]) -> int:
    return await database.run(count)


def count(connection: Connection[Any]) -> int:
    """Run a slow query: a function without async, which can be tested without an event loop."""
    row = connection.execute("SELECT 1, pg_sleep(0.05)").fetchone()
    return int(row[0]) if row else 0
