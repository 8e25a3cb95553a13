"""The job worker: runs jobs until a signal, touches a health file, and puts unfinished jobs back into the queue.

The parts of a job worker:

    queue      hands out the ids of jobs, on separate database connections
    ledger     counts each attempt before the attempt runs, and stores how the attempt ended
    runner     calls the functions of the jobs
    watch      each second: stops cancelled and taken over jobs, logs jobs that wait too long, touches the health file
"""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from anyio import to_thread

from app.capacity.bulkheads import build_bulkheads
from app.capacity.job_worker import plan_for_worker
from app.database.engine import connection_name
from app.database.transaction import transaction
from app.health.watch import watched
from app.jobs.enqueue import enqueue
from app.jobs.ledger import DATABASE_AWAY, Ledger
from app.jobs.metrics import show_queue
from app.jobs.queue import Queue, open_pool
from app.jobs.registry import KINDS, Kind
from app.jobs.run import CLEANUP_SECONDS, Runner
from app.lifespan import open_resources
from app.observability.traces import build_traces
from app.resources import Resources
from app.settings.database_url import with_target
from app.settings.service import Settings

WATCH_SECONDS = 1.0
UPKEEP_EVERY = 10
"""The number of rounds of `_watch`, one per second, between two searches for jobs that wait too long and for queue
messages that pgqueuer has set aside."""

log = structlog.get_logger("jobs")


class Worker:
    """A job worker. When the database connection is lost, `run` raises an error, and the caller builds a new worker."""

    queue_class = Queue

    def __init__(self, settings: Settings, *outside: Any) -> None:  # noqa: ANN401 - passed on to `open_resources`
        """Build a job worker; `outside` is passed on to `open_resources`, such as HTTP transports in tests."""
        self._settings, self._outside = settings, outside
        self.started = asyncio.Event()
        self._health = Path(settings.jobs.health_file) if settings.jobs.health_file else None

    async def run(self, stop: asyncio.Event) -> None:
        """Run jobs until `stop` is set.

        After `stop`, running jobs have JOBS__STOP_SECONDS to end; unfinished jobs are put back into the queue.

        Raises:
            CannotStart: the database has too few connections, or is not the service's own.
            Exception: the database is unreachable, or the LISTEN connection was lost.
        """
        settings = self._settings
        async with AsyncExitStack() as stack:
            plan = plan_for_worker(settings)
            opened = open_resources(settings, plan, build_bulkheads(plan), *self._outside)
            traces = build_traces(settings)
            await stack.enter_async_context(traces or nullcontext())
            resources = await stack.enter_async_context(opened)
            await stack.enter_async_context(watched(settings, traces, resources))
            url = with_target(settings.database_direct_url or settings.database_url, settings.database_target)
            name = connection_name(settings.service_name, "queue")
            pool = await stack.enter_async_context(open_pool(url, settings.database_timeouts, name))
            ledger = Ledger(pool)
            runner = Runner(ledger, resources)
            if traces is not None:
                runner.span = traces.job
            queue = self.queue_class(pool, KINDS.values(), runner.run)
            scheduled = [kind for kind in KINDS.values() if kind.schedule]
            for kind in scheduled:
                queue.schedule(kind, partial(enqueue_scheduled, resources, kind))
            self.started.set()
            log.info("job worker started", kinds=sorted(KINDS), max_concurrent=settings.jobs.max_concurrent)
            ended_by_stop = [self._handing_out(queue), *([queue.run_scheduler()] if scheduled else [])]
            await self._until_first_end(queue, runner, ended_by_stop, self._watch(queue, ledger, runner), stop.wait())
        log.info("job worker stopped")

    def _handing_out(self, queue: Queue) -> Coroutine[Any, Any, None]:
        jobs = self._settings.jobs
        return queue.run(
            max_concurrent=jobs.max_concurrent,
            poll_seconds=jobs.poll_seconds,
            heartbeat_seconds=jobs.heartbeat_seconds,
        )

    async def _until_first_end(
        self,
        queue: Queue,
        runner: Runner,
        ended_by_stop: list[Coroutine[Any, Any, Any]],
        *works: Coroutine[Any, Any, Any],
    ) -> None:
        """Run all tasks of the worker until the first task ends, by a signal or an error; then let running jobs finish.

        `queue.stop` ends the tasks of pgqueuer. These are cancelled only if they take too long: a cancelled task of
        pgqueuer may never release its connection.
        """
        tasks = [asyncio.get_running_loop().create_task(work) for work in (*ended_by_stop, *works)]
        stopping = tasks[: len(ended_by_stop)]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        queue.stop()
        if runner.running:
            log.info("job worker is stopping", jobs=len(runner.running), seconds=self._settings.jobs.stop_seconds)
        await asyncio.wait(stopping, timeout=self._settings.jobs.stop_seconds)
        for run in list(runner.running.values()):
            log.warning("job put back into the queue by a stopping job worker", job=str(run.id), kind=run.kind)
            run.stop("stopping")
        await asyncio.wait(stopping, timeout=2 * CLEANUP_SECONDS)
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    async def _watch(self, queue: Queue, ledger: Ledger, runner: Runner) -> None:
        """Each second, stop cancelled and taken over jobs, log jobs that wait too long, and touch the health file."""
        rounds = 0
        while True:
            try:
                running = [(run.id, run.claim) for run in runner.running.values()]
                for job_id, taken_over in (await ledger.interrupted(running)).items():
                    if job_id in runner.running:
                        runner.running[job_id].stop("taken over" if taken_over else "cancelled")
                if rounds % UPKEEP_EVERY == 0:
                    await self._upkeep(queue, ledger)
                if self._health:
                    await to_thread.run_sync(self._health.touch)
            except DATABASE_AWAY as error:
                log.warning("job worker cannot reach the database", error=repr(error))
            rounds += 1
            await asyncio.sleep(WATCH_SECONDS)

    async def _upkeep(self, queue: Queue, ledger: Ledger) -> None:
        waiting = await ledger.waiting()
        show_queue(waiting)
        for late in (row for row in waiting if row["seconds"] > self._settings.jobs.late_seconds):
            log.warning("jobs wait too long", **late, known=late["kind"] in KINDS)
        if released := await queue.release_held():
            log.warning("jobs whose end was not stored put back into the queue", jobs=released)


async def enqueue_scheduled(resources: Resources, kind: Kind[Any]) -> None:
    """Enqueue a job of a kind with a schedule, unless the previous scheduled job of the kind still waits or runs."""
    async with transaction(resources.write_sessions) as session:
        await enqueue(session, kind, kind.payload(), unique_key=f"schedule {kind.name}")
