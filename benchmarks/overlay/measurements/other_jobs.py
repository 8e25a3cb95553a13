"""Measures job queues that are not the service's: `other_jobs.py ENGINE FILE`, with DATABASE_URL set.

The program runs in an environment with the packages of these queues.
"""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

import procrastinate
import taskiq_pg.asyncpg
from job_figures import CONCURRENT, Engine, measure
from psycopg_pool import AsyncConnectionPool
from saq import Worker
from saq.queue.postgres import PostgresQueue
from taskiq.api import run_receiver_task

URL = os.environ["DATABASE_URL"]
TABLE = "CREATE TABLE IF NOT EXISTS written (id uuid PRIMARY KEY)"
WRITE = "INSERT INTO written VALUES (gen_random_uuid())"


class Written(Engine):
    """The base of job queues for which rows are written through psycopg connections."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        super().__init__()
        self.pool = pool

    async def noop(self, *_: object, **__: object) -> None:
        """The job function: do nothing, and record the run."""
        self.ran()


@asynccontextmanager
async def in_a_task(work: asyncio.Future[object] | asyncio.Task[None]) -> AsyncGenerator[None]:
    """Let a task run during the block, and cancel the task at the end."""
    yield
    work.cancel()
    with suppress(asyncio.CancelledError):
        await work


class Procrastinate(Written):
    """The queue procrastinate, whose jobs are enqueued on the connection of the write."""

    async def open(self) -> None:
        """Open the procrastinate application, and create the tables of the queue."""
        self.app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=URL, min_size=4, max_size=13))
        await self.app.open_async()
        await self.app.schema_manager.apply_schema_async()
        self.task = self.app.task(name="noop")(self.noop)

    async def write(self, *, with_job: bool) -> None:
        """Write a row, and enqueue a job in the same transaction on the same connection."""
        async with self.pool.connection() as connection:
            await connection.execute(WRITE)
            if with_job:
                await self.task.configure(connection=connection).defer_async()

    async def enqueue_many(self, jobs: int) -> None:
        """Enqueue a batch of jobs."""
        await self.task.batch_defer_async(*({} for _ in range(jobs)))

    @asynccontextmanager
    async def working(self) -> AsyncGenerator[None]:
        """Run a procrastinate worker."""
        worker = self.app.run_worker_async(concurrency=CONCURRENT, install_signal_handlers=False)
        async with in_a_task(asyncio.create_task(worker)):
            yield


class Saq(Written):
    """The queue saq on PostgreSQL, whose jobs are enqueued after the commit."""

    async def open(self) -> None:
        """Open the saq queue, and create the tables of the queue."""
        self.queue = PostgresQueue(url=URL, min_size=4, max_size=13)
        await self.queue.connect()

    async def write(self, *, with_job: bool) -> None:
        """Write a row, and enqueue a job after the commit, as saq cannot join the transaction."""
        async with self.pool.connection() as connection:
            await connection.execute(WRITE)
        if with_job:
            await self.queue.enqueue("noop")

    async def enqueue_many(self, jobs: int) -> None:
        """Enqueue jobs, forty at a time."""
        for _ in range(jobs // CONCURRENT):
            await asyncio.gather(*(self.queue.enqueue("noop") for _ in range(CONCURRENT)))

    @asynccontextmanager
    async def working(self) -> AsyncGenerator[None]:
        """Run a saq worker."""
        worker = Worker(self.queue, [("noop", self.noop)], concurrency=CONCURRENT)
        worker.SIGNALS = []
        async with in_a_task(asyncio.create_task(worker.start())):
            yield
            await worker.stop()


class Taskiq(Written):
    """The queue taskiq with taskiq-postgres: jobs are enqueued after the commit, and lost when a worker is killed."""

    async def open(self) -> None:
        """Open the taskiq broker, and create the tables of the queue."""
        self.broker = taskiq_pg.asyncpg.AsyncpgBroker(dsn=URL)

        @self.broker.task(task_name="noop")
        async def noop() -> None:
            self.ran()

        self.task = noop
        await self.broker.startup()

    async def write(self, *, with_job: bool) -> None:
        """Write a row, and enqueue a job after the commit."""
        async with self.pool.connection() as connection:
            await connection.execute(WRITE)
        if with_job:
            await self.task.kiq()

    async def enqueue_many(self, jobs: int) -> None:
        """Enqueue jobs, ten at a time: the connection pool has ten connections."""
        for _ in range(jobs // 10):
            await asyncio.gather(*(self.task.kiq() for _ in range(10)))

    @asynccontextmanager
    async def working(self) -> AsyncGenerator[None]:
        """Run a taskiq worker."""
        worker = run_receiver_task(self.broker, max_async_tasks=CONCURRENT)
        async with in_a_task(asyncio.create_task(worker)):
            yield


ENGINES: dict[str, Callable[[AsyncConnectionPool], Procrastinate | Saq | Taskiq]] = {
    "procrastinate": Procrastinate,
    "saq": Saq,
    "taskiq": Taskiq,
}


async def main(name: str, file: str) -> None:
    """Open the job queue that an argument names, and measure the queue."""
    logging.disable(logging.WARNING)
    async with AsyncConnectionPool(URL, min_size=4, max_size=10) as pool:
        async with pool.connection() as connection:
            await connection.execute(TABLE)
        engine = ENGINES[name](pool)
        await engine.open()
        await measure(engine, file)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
