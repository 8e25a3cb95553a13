"""Measures the job queue that a generated service has: `python -m measurements.own_jobs FILE`.

The settings are in the environment.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from pydantic import BaseModel
from sqlalchemy import event, text

from app.capacity.bulkheads import build_bulkheads
from app.capacity.from_settings import plan_for
from app.database.transaction import transaction
from app.jobs.enqueue import enqueue
from app.jobs.registry import job
from app.jobs.run import Run
from app.jobs.worker import Worker
from app.lifespan import open_resources
from app.observability import logs
from app.resources import Resources
from app.settings.load import load_settings
from app.settings.service import Settings
from measurements.job_figures import Engine, measure

WRITE = text("INSERT INTO idempotency_keys VALUES (uuid_send(gen_random_uuid()), 'r', 200, '{}', 'b', now())")
ENDED = text("SELECT count(*) FROM jobs WHERE kind = 'bench.noop' AND state = 'succeeded'")


class Nothing(BaseModel):
    """The empty payload of the measured jobs."""


class Jobs(Engine):
    """The job queue of a generated service."""

    def __init__(self, settings: Settings, resources: Resources) -> None:
        super().__init__()
        self._settings, self._resources = settings, resources
        self._before = 0

    async def write(self, *, with_job: bool) -> None:
        """Write a row, and enqueue a job in the same transaction."""
        async with transaction(self._resources.write_sessions) as session:
            await session.execute(WRITE)
            if with_job:
                await enqueue(session, noop, Nothing())

    async def enqueue_many(self, jobs: int) -> None:
        """Enqueue jobs in one transaction."""
        self._before = await self._ended()
        async with transaction(self._resources.write_sessions) as session:
            for _ in range(jobs):
                await enqueue(session, noop, Nothing())

    @asynccontextmanager
    async def working(self) -> AsyncGenerator[None]:
        """Run a job worker of the service."""
        stop = asyncio.Event()
        worker = asyncio.create_task(Worker(self._settings).run(stop))
        yield
        stop.set()
        await worker

    async def is_done(self, number: int) -> None:
        """Wait until the database has stored the success of `number` jobs."""
        await self.calls(number)
        while await self._ended() < self._before + number:  # noqa: ASYNC110 - polls: the worker sets no event
            await asyncio.sleep(0.01)

    async def statements(self) -> int:
        """Count the SQLAlchemy statements that an enqueue adds to a transaction."""
        seen: list[str] = []
        event.listen(self._resources.engine.sync_engine, "before_cursor_execute", lambda *given: seen.append(given[2]))
        async with transaction(self._resources.write_sessions) as session:
            await session.execute(WRITE)
            before = len(seen)
            await enqueue(session, noop, Nothing())
            return len(seen) - before

    async def _ended(self) -> int:
        found: int = await self._resources.reader.scalar(ENDED)
        return found


ENGINES: list[Jobs] = []


@job("bench.noop")
async def noop(_payload: Nothing, _run: Run) -> None:
    """The job function: do nothing, and record the run."""
    ENGINES[0].ran()


async def main(file: str) -> None:
    """Open the resources that a web process has, and measure the service's job queue."""
    settings = load_settings(serving=True)
    logs.configure(level="error", log_format="json", fields={})
    plan = plan_for(settings)
    async with AsyncExitStack() as stack:
        resources = await stack.enter_async_context(open_resources(settings, plan, build_bulkheads(plan)))
        engine = Jobs(settings, resources)
        ENGINES.append(engine)
        await measure(engine, file)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
