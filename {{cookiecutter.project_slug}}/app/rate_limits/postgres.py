"""The store of rate limits in PostgreSQL: a single upsert counts requests atomically, by the clock of the server."""

import asyncio

import structlog
from sqlalchemy import BigInteger, bindparam, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import Unavailable
from app.rate_limits.gcra import Count, Policy
from app.request.detached import detached

# The SQL does the same arithmetic as `gcra.count`. The clock is read before the wait for the row lock: the earlier time
# can only make the rate limit stricter.
TAKE = text("""
INSERT INTO rate_limits AS kept (key, paid_until, counted_at, allowed)
SELECT :key, now + least(:hits, :quota) * :interval, now, least(:hits, :quota)
FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now) AS clock
ON CONFLICT (key) DO UPDATE SET (paid_until, counted_at, allowed) = (
    SELECT excluded.counted_at + ahead + taken * :interval, excluded.counted_at, taken
    FROM greatest(0, least(kept.paid_until - excluded.counted_at, :quota * :interval)) AS ahead,
        least(:hits, (:quota * :interval - ahead) / :interval) AS taken
)
RETURNING allowed, paid_until - counted_at
""").bindparams(*(bindparam(name, type_=BigInteger) for name in ("hits", "quota", "interval")))

SWEEP = text("""
DELETE FROM rate_limits WHERE key IN (
    SELECT key FROM rate_limits WHERE paid_until < extract(epoch FROM clock_timestamp()) * 1000000
    LIMIT 2000 FOR UPDATE SKIP LOCKED
)
""")
"""SQL that deletes the counts of clients which have the whole quota again. The DELETE is separate from the upsert: two
statements that each change a row and delete further rows could deadlock."""

SWEEP_CALLS = 1000
"""The number of upserts in one process between two sweeps, which delete expired counts of rate limits. A sweep deletes
up to twice as many rows, so that the table stays small. The column with the times has no index, because each upsert
would have to change the index. So a sweep reads the whole table, and no request waits for a sweep."""

log = structlog.get_logger("rate limits")


class PostgresStore:
    """Counts hits in PostgreSQL, over the connection pool of the service."""

    errors = (SQLAlchemyError, Unavailable, OSError)

    def __init__(self, engine: AsyncEngine) -> None:
        """Create a store of rate limits on a database engine whose transactions may write."""
        self._engine = engine
        self._calls = 0
        self._sweeping: asyncio.Task[None] | None = None

    async def take(self, key: str, policy: Policy, hits: int) -> Count:
        """Count requests (hits) of a client by a rate limit, with one statement in PostgreSQL."""
        values = {"key": key, "hits": hits, "quota": policy.quota, "interval": policy.interval}
        async with self._engine.begin() as connection:
            allowed, ahead = (await connection.execute(TAKE, values)).one()
        self._calls += 1
        if self._calls % SWEEP_CALLS == 0 and (self._sweeping is None or self._sweeping.done()):
            self._sweeping = asyncio.get_running_loop().create_task(self._sweep(), context=detached())
        return Count(allowed, ahead)

    async def _sweep(self) -> None:
        """Delete expired counts of rate limits; no request waits, and the time is bounded as for each SQL statement."""
        try:
            async with self._engine.begin() as connection:
                await connection.execute(SWEEP)
        except self.errors as error:
            log.warning("sweep of rate limits failed", cause=type(error).__name__)
