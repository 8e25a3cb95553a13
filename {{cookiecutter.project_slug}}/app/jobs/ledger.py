"""The job ledger: short SQL statements by which a worker stores the start and the end of each attempt of a job.

The statements run on the connections of the queue, and each is committed at once. Jobs that start or end at the same
time share a statement: PostgreSQL commits transactions with a notification one after the other, so that 20 separate
commits would take 20 times as long.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import astuple, dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

import asyncpg
import orjson
import structlog

from app.errors import Unavailable

K = TypeVar("K")
R = TypeVar("R")

DATABASE_AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, Unavailable)
PAUSE_SECONDS = 0.5
"""The pause, in seconds, before a statement of the ledger that failed on an unreachable database is repeated."""

BEGIN = """
UPDATE jobs SET
    claim = claim + 1,
    state = CASE WHEN cancel_requested_at IS NOT NULL THEN 'cancelled'
        WHEN attempts >= max_attempts THEN 'dead' ELSE 'running' END,
    attempts = least(attempts + 1, max_attempts),
    error_code = CASE WHEN attempts >= max_attempts THEN 'worker_died' ELSE error_code END,
    started_at = coalesce(started_at, now()),
    finished_at = CASE WHEN cancel_requested_at IS NOT NULL OR attempts >= max_attempts THEN now() END
WHERE id = ANY($1::uuid[]) AND state IN ('queued', 'running', 'failed')
RETURNING id, state, version, payload, attempts, max_attempts, claim, progress, total, result, owner, request_id, trace
"""
"""SQL that starts attempts of jobs. Each attempt is counted before it runs: a job that kills its worker in each attempt
is dead after the last attempt."""

FINISH = """
UPDATE jobs SET
    state = CASE WHEN ended.state IN ('queued', 'failed') AND cancel_requested_at IS NOT NULL THEN 'cancelled'
        ELSE ended.state END,
    attempts = attempts - ended.uncounted,
    result = coalesce(ended.result::jsonb, jobs.result),
    error_code = ended.error_code,
    error_detail = left(ended.error_detail, 500),
    run_at = now() + coalesce(ended.again_after, 0) * interval '1 second',
    finished_at = CASE WHEN ended.state NOT IN ('queued', 'failed') OR cancel_requested_at IS NOT NULL THEN now() END
FROM unnest($1::uuid[], $2::int[], $3::text[], $4::text[], $5::text[], $6::text[], $7::float[], $8::int[])
    AS ended (id, claim, state, result, error_code, error_detail, again_after, uncounted)
WHERE jobs.id = ended.id AND jobs.claim = ended.claim AND jobs.state = 'running'
RETURNING jobs.id
"""
"""SQL that stores the ends of attempts, except of jobs that a different worker has taken over."""

INTERRUPTED = """
SELECT running.id, jobs.id IS NULL AS taken_over
FROM unnest($1::uuid[], $2::int[]) AS running (id, claim)
LEFT JOIN jobs ON jobs.id = running.id AND jobs.claim = running.claim AND jobs.state = 'running'
WHERE jobs.id IS NULL OR jobs.cancel_requested_at IS NOT NULL
"""

IS_LIVE = "SELECT EXISTS (SELECT FROM jobs WHERE id = $1 AND state IN ('queued', 'running', 'failed'))"

WAITING = """
SELECT kind, count(*) AS jobs, extract(epoch FROM now() - min(run_at))::int AS seconds FROM jobs
WHERE state IN ('queued', 'failed') AND run_at <= now() GROUP BY kind
"""

log = structlog.get_logger("jobs")


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of one attempt of a job: the parameters of the SQL statement FINISH."""

    id: UUID
    claim: int
    state: str
    result: str | None = None
    error_code: str | None = None
    error_detail: str | None = None
    again_after: float | None = None
    """The seconds until the next attempt of the job, None if the job has ended."""
    uncounted: int = 0
    """1 for an attempt that does not count, since the job was put back into the queue; else 0."""


class Together(Generic[K, R]):
    """Batches calls of an SQL statement: one execution serves all callers that came during the previous execution."""

    def __init__(self, execute: Callable[[Sequence[K]], Awaitable[dict[UUID, R]]]) -> None:
        self._execute = execute
        self._waiting: list[K] = []
        self._free = asyncio.Lock()
        self._results: dict[UUID, R] = {}

    async def run(self, item: K, job_id: UUID) -> R | None:
        """Add an item to the next batch; return the row that the statement returned for the job, None without a row."""
        self._waiting.append(item)
        async with self._free:
            while item in self._waiting:
                batch = list(self._waiting)
                try:
                    found = await self._execute(batch)
                except DATABASE_AWAY as error:
                    log.warning("states of jobs not stored, will retry", jobs=len(batch), error=repr(error))
                    await asyncio.sleep(PAUSE_SECONDS)
                    continue
                self._results.update(found)
                del self._waiting[: len(batch)]
        return self._results.pop(job_id, None)


class Ledger:
    """Stores the starts and ends of job attempts, and finds jobs that wait, were cancelled, or were taken over."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._begins = Together(self._begin)
        self._ends = Together(self._finish)

    async def begin(self, job_id: UUID) -> asyncpg.Record | None:
        """Count an attempt of a job and return the job's row, None for a finished job.

        The caller may run the job only if the state in the row is `running`.
        """
        return await self._begins.run(job_id, job_id)

    async def finish(self, ended: Ended) -> bool:
        """Store the end of an attempt; return False if the job was taken over by a different worker, or deleted."""
        return await self._ends.run(ended, ended.id) is not None

    async def interrupted(self, running: Sequence[tuple[UUID, int]]) -> dict[UUID, bool]:
        """Return running jobs that must stop, by id: True for jobs of a different worker, False for cancelled jobs."""
        if not running:
            return {}
        rows = await self._pool.fetch(INTERRUPTED, *map(list, zip(*running, strict=True)))
        return {row["id"]: row["taken_over"] for row in rows}

    async def is_live(self, job_id: UUID) -> bool:
        """Tell whether a job is not finished: queued, running, or waiting for a retry."""
        return bool(await self._pool.fetchval(IS_LIVE, job_id))

    async def waiting(self) -> list[dict[str, Any]]:
        """Return each kind with jobs that could run now: the number of jobs, and the seconds of the longest wait."""
        return [dict(row) for row in await self._pool.fetch(WAITING)]

    async def _begin(self, ids: Sequence[UUID]) -> dict[UUID, asyncpg.Record]:
        return {row["id"]: row for row in await self._pool.fetch(BEGIN, list(ids))}

    async def _finish(self, ended: Sequence[Ended]) -> dict[UUID, asyncpg.Record]:
        columns = zip(*map(astuple, ended), strict=True)
        return {row["id"]: row for row in await self._pool.fetch(FINISH, *map(list, columns))}


def read_json(text: str | None) -> Any:  # noqa: ANN401 - a JSON value may have any type
    """Return the value of a JSON column, which asyncpg returns as text."""
    return None if text is None else orjson.loads(text)
