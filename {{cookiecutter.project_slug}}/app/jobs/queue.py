"""The job queue: hands the ids of jobs to workers. This is the only module that imports pgqueuer.

`NAMES` names all tables and channels: by default, pgqueuer reads these names from environment variables like TRIGGER.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.qm import QueueManager
from pgqueuer.core.sm import SchedulerManager
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Job as Message
from pgqueuer.domain.models import Schedule
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import Channel
from sqlalchemy import FromClause, Insert, String, column, func, insert, literal_column, select, table, text
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.engine import make_url

from app.database.connection import connect_args
from app.database.driver import FIND_DEFAULTS, DriverConnection, connect
from app.database.engine import ReadWriteSession
from app.jobs.registry import Kind
from app.settings.bounds import Timeouts
from app.settings.jobs import QUEUE_CONNECTIONS

MAX_BATCH = 20
"""The most jobs that a worker takes from the queue at once; pgqueuer demands at most half of JOBS__MAX_CONCURRENT."""

CLOSE_SECONDS = 5.0
"""The most seconds that a stopping worker waits for the release of the queue's connections, before terminating all."""

NAMES = DBSettings.model_construct(
    prefix="",
    db_schema="pgqueuer",
    channel=Channel("ch_pgqueuer"),
    function="fn_pgqueuer_changed",
    trigger="tg_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    schedules_table="pgqueuer_schedules",
    durability=Durability.durable,
    widen_id=True,
)
"""The names of pgqueuer's tables, functions and channel, as the migration `0005_jobs.py` creates them."""

PUSHED = ("entrypoint", "payload", "priority", "execute_after", "status")
QUEUE = table("pgqueuer", *map(column, PUSHED), schema="pgqueuer")
PRUNE_LOG = text("DELETE FROM pgqueuer.pgqueuer_log WHERE created < now() - CAST(:older_than AS interval)")

MAY_ONLY_READ = rf"""
SELECT EXISTS (SELECT FROM pg_db_role_setting WHERE setconfig::text ~ '\Wdefault_transaction_read_only=tru\W')
    AND NOT EXISTS ({FIND_DEFAULTS})
"""  # noqa: S608 - the SQL is built from constants only
"""SQL that tells whether the database role is read-only by the service's own default, meant for connections through
PgBouncer, and by no default of an administrator. The queue then turns the service's default off, to write."""

Handler = Callable[[Kind[Any], UUID], Awaitable[float | None]]
"""A function that runs a job, and returns the seconds until the queue hands the job out again, None for never."""


def _queries(driver: AsyncpgPoolDriver) -> Queries:
    return Queries(driver, QueryBuilderEnvironment(NAMES), QueryQueueBuilder(NAMES), QuerySchedulerBuilder(NAMES))


def push(jobs: FromClause) -> Insert:
    """Return the INSERT that puts jobs into the queue: the rows of `jobs`, with columns id, kind, priority and run_at.

    pgqueuer's own `enqueue` is not used: for its jsonb arrays, asyncpg would query types on each new connection. A
    trigger of pgqueuer's table notifies the workers when the transaction commits.
    """
    new = jobs.c.kind, func.uuid_send(jobs.c.id), jobs.c.priority, jobs.c.run_at, literal_column("'queued'", String)
    return insert(QUEUE).from_select(PUSHED, select(*new))


async def prune_log(session: ReadWriteSession, older_than: timedelta) -> None:
    """Delete old rows of pgqueuer's own log table, which gets three rows for each job and never shrinks by itself."""
    await session.execute(PRUNE_LOG, {"older_than": older_than})


@asynccontextmanager
async def open_pool(
    url: str, timeouts: Timeouts, name: str, *, close_seconds: float = CLOSE_SECONDS
) -> AsyncGenerator[asyncpg.Pool]:
    """Open the connections of the queue directly to PostgreSQL, as PgBouncer passes on no notifications."""
    of_url = dialect().create_connect_args(make_url(url))[1]  # type: ignore[no-untyped-call] # SQLAlchemy's own
    arguments = of_url | connect_args(timeouts, name, pgbouncer=False)
    given = {key: value for key, value in arguments.items() if key not in {"async_creator_fn", "read_only"}}

    async def connected(*_: object, **__: object) -> DriverConnection:
        connection = await connect(None, **given)
        if await connection.fetchval(MAY_ONLY_READ):
            await connection.close()
            writes = given["server_settings"] | {"default_transaction_read_only": "off"}
            connection = await connect(None, **given | {"server_settings": writes})
        return connection

    size = {"min_size": 2, "max_size": QUEUE_CONNECTIONS}
    pool = await asyncpg.create_pool(connect=connected, connection_class=DriverConnection, **size)
    try:
        yield pool
    finally:
        with suppress(TimeoutError):  # `close` waits for ever for a connection that a cancelled task has not released
            await asyncio.wait_for(pool.close(), close_seconds)


class Driver(AsyncpgPoolDriver):
    """The database driver for pgqueuer: holds notifications back until this process listens.

    pgqueuer tests its listener by notifications to itself. The first notification may overtake the LISTEN and be lost;
    pgqueuer would take the listener for dead, and the worker would restart after ten seconds.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        super().__init__(pool)
        self._listens = asyncio.Event()

    async def add_listener(self, channel: str, callback: Callable[[str | bytes | bytearray], None]) -> None:
        """Listen to a channel of PostgreSQL; only from then on, `notify` sends notifications."""
        await super().add_listener(channel, callback)
        self._listens.set()

    async def notify(self, channel: str, payload: str) -> None:
        """Send a notification, after waiting until this process listens."""
        await self._listens.wait()
        await super().notify(channel, payload)


class Queue:
    """The queue of a job worker: hands out jobs until `stop`, enqueues scheduled jobs, and sends heartbeats."""

    def __init__(self, pool: asyncpg.Pool, kinds: Iterable[Kind[Any]], handler: Handler) -> None:
        self._pool = pool
        self._queries = _queries(Driver(pool))
        self._manager = QueueManager(self._queries, channel=NAMES.channel)
        self._scheduler = SchedulerManager(self._queries)
        self._scheduler.shutdown = self._manager.shutdown
        for kind in kinds:
            entry = self._manager.entrypoint(
                kind.name, concurrency_limit=kind.max_running, accepts_context=False, on_failure="hold"
            )
            entry(partial(_handle, handler, kind))

    def schedule(self, kind: Kind[Any], enqueue: Callable[[], Awaitable[object]]) -> None:
        """Call `enqueue` at each time of a kind's schedule, in a single worker; several missed times make one call."""

        async def due(_schedule: Schedule) -> None:
            await enqueue()

        self._scheduler.schedule(kind.name, str(kind.schedule), accepts_context=False)(due)

    async def run_scheduler(self) -> None:
        """Enqueue a job at each time of each kind's schedule, until `stop` is called."""
        await self._scheduler.run()

    async def run(self, *, max_concurrent: int, poll_seconds: float, heartbeat_seconds: float) -> None:
        """Hand out jobs until `stop` is called, and then wait for running jobs.

        Raises:
            Exception: the database is unreachable, or the LISTEN connection was lost: restart the worker.
        """
        await self._manager.run(
            batch_size=max(1, min(MAX_BATCH, max_concurrent // 2)),
            max_concurrent_tasks=max_concurrent,
            dequeue_timeout=timedelta(seconds=poll_seconds),
            heartbeat_timeout=timedelta(seconds=heartbeat_seconds),
            shutdown_on_listener_failure=True,  # without notifications, each job would wait for the next poll
            log_aggregation_interval=timedelta(0),
        )

    def stop(self) -> None:
        """Stop handing out jobs; `run` returns when the running jobs have ended."""
        self._manager.shutdown.set()

    async def release_held(self) -> int:
        """Put the messages that pgqueuer has set aside back into the queue; return the number of messages.

        pgqueuer sets a message aside when its handler fails, and a handler fails only if the database is unreachable
        at the end of a job.
        """
        if held := [message.id for message in await self._queries.list_failed_jobs()]:
            await self._queries.requeue_jobs(held)
        return len(held)


async def _handle(handler: Handler, kind: Kind[Any], message: Message) -> None:
    again_after = await handler(kind, UUID(bytes=message.payload))
    if again_after is not None:
        raise RetryRequested(timedelta(seconds=again_after))
