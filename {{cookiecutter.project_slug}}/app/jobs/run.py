"""Runs one attempt of a job: counts the attempt, calls the job's function with a time limit, and stores the end."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from pydantic import BaseModel, ValidationError
from sqlalchemy import update

from app.database.engine import ReadWriteSession
from app.database.transaction import transaction
from app.errors import ServiceError
from app.jobs.ledger import Ended, Ledger, read_json
from app.jobs.metrics import attempts
from app.jobs.models import Job, JobState
from app.jobs.registry import Kind
from app.request.detached import detached
from app.request.identity import request_id
from app.request.trace import Trace, trace
from app.resources import Resources

CLEANUP_SECONDS = 5.0
"""How long, in seconds, a job's function may clean up when cancelled; after that, `Run.advance` raises `TakenOver`."""

NEWER_SECONDS = 5.0
"""The pause, in seconds, before the queue hands out a job again whose payload is newer than this worker's code."""

log = structlog.get_logger("jobs")
failures = logging.getLogger("jobs")
"""The logger for failed attempts: a logger of the standard library, as error trackers listen to these."""


class JobFailed(Exception):
    """Raised by a job's function: ends the attempt with a code for clients. Without `retry` the job is dead at once."""

    def __init__(self, code: str, detail: str, *, retry: bool = False) -> None:
        super().__init__(detail)
        self.code, self.detail, self.retry = code, detail, retry


class TakenOver(Exception):
    """Raised by `Run.advance` if a different worker has the job, or the attempt has ended: the run must roll back."""


@dataclass(slots=True)
class Run:
    """One attempt of a job, which the job's function gets as second argument."""

    id: UUID
    kind: str
    owner: str | None
    attempt: int
    claim: int
    progress: int
    """The number of steps that this and earlier attempts have stored; the function continues after these steps."""
    total: int | None
    result: Any
    """The intermediate result that an earlier attempt stored with the progress, None without a stored result."""
    resources: Resources
    """The resources of the worker, the same as a request has: the reader, downstreams, threads."""
    stopped_by: str | None = None
    task: asyncio.Task[Any] | None = field(default=None, repr=False)

    @property
    def key(self) -> str:
        """The idempotency key for calls to other services, the same in each attempt of this job."""
        return f"job-{self.id}"

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[ReadWriteSession]:
        """Yield a session in a transaction that commits at the end of the block."""
        async with transaction(self.resources.write_sessions) as session:
            yield session

    async def advance(
        self, session: ReadWriteSession, progress: int, *, total: int | None = None, result: BaseModel | None = None
    ) -> None:
        """Store the progress in the transaction of the finished work, so that both are stored or neither is.

        Raises:
            TakenOver: a different worker has the job, or the attempt has ended; roll the transaction back.
        """
        values = {"progress": progress, "total": self.total if total is None else total}
        if result is not None:
            values["result"] = result.model_dump(mode="json")  # type: ignore[assignment] # JSON
        own = update(Job).where(Job.id == self.id, Job.claim == self.claim, Job.state == JobState.RUNNING)
        if await session.scalar(own.values(values).returning(Job.id)) is None:
            raise TakenOver
        self.progress, self.total = progress, values["total"]

    def stop(self, reason: str) -> None:
        """Cancel the job's function, which stops at the next `await`."""
        if self.stopped_by is None and self.task is not None:
            self.stopped_by = reason
            self.task.cancel()


class Runner:
    """Runs the jobs of one worker; `running` has the jobs that run at the moment, by id."""

    def __init__(self, ledger: Ledger, resources: Resources) -> None:
        self.running: dict[UUID, Run] = {}
        self.span: Callable[[str], AbstractContextManager[object]] = nullcontext
        """A function that takes the name of a kind of job, and returns a context manager that records a span."""
        self._ledger = ledger
        self._resources = resources

    async def run(self, kind: Kind[Any], job_id: UUID) -> float | None:
        """Run a job once; return the seconds until the queue hands the job out again, None for never."""
        row = await self._ledger.begin(job_id)
        if row is None or row["state"] != JobState.RUNNING:
            return None  # the job was cancelled, has ended, or is dead because each attempt killed its worker
        run = self._run_of(kind, row)
        started = monotonic()
        ended = await self._attempt(kind, run, row)
        while run.stopped_by == "taken over" and await self._ledger.is_live(job_id):  # noqa: ASYNC110 - no event tells of the job's end
            await asyncio.sleep(1)  # a return would delete the queue's message, which a different worker needs
        attempts.labels(kind.name, ended.state).observe(monotonic() - started)
        stored = await self._ledger.finish(ended)
        seconds = round(monotonic() - started, 3)
        log.info("job ended", job=str(job_id), kind=kind.name, state=ended.state, stored=stored, seconds=seconds)
        return ended.again_after if stored else None

    def _run_of(self, kind: Kind[Any], row: asyncpg.Record) -> Run:
        given = {name: row[name] for name in ("id", "owner", "claim", "progress", "total")}
        result = read_json(row["result"])
        return Run(**given, kind=kind.name, attempt=row["attempts"], result=result, resources=self._resources)

    async def _attempt(self, kind: Kind[Any], run: Run, row: asyncpg.Record) -> Ended:
        """Call the job's function in a separate task, and return how the attempt ended."""
        if row["version"] > kind.version:
            return Ended(run.id, run.claim, JobState.QUEUED, again_after=NEWER_SECONDS, uncounted=1)
        context = detached()
        context.run(request_id.set, row["request_id"])
        context.run(trace.set, Trace.of_text(row["trace"]))
        loop = asyncio.get_running_loop()
        run.task = loop.create_task(self._call(kind, run, row), name=f"{kind.name} {run.id}", context=context)
        self.running[run.id] = run
        try:
            await _wait(run, kind.timeout_seconds)
        except asyncio.CancelledError:  # the queue cancels this task, and would then forget the job: put the job back
            run.stop("stopping")
            await _wait(run, 0)
        finally:
            del self.running[run.id]
        return _end_of(kind, run, row["max_attempts"])

    async def _call(self, kind: Kind[Any], run: Run, row: asyncpg.Record) -> str | None:
        with self.span(kind.name):
            payload = kind.payload.model_validate(read_json(row["payload"]), context={"version": row["version"]})
            result = await kind.function(payload, run)
        return None if result is None else result.model_dump_json()


async def _wait(run: Run, seconds: float) -> None:
    """Wait for the job's function; at the time limit, cancel the function, and wait for the cleanup."""
    assert run.task is not None  # noqa: S101 - `_attempt` has set the task
    await asyncio.wait({run.task}, timeout=seconds)
    if not run.task.done():
        run.stop("time limit")
        await asyncio.wait({run.task}, timeout=CLEANUP_SECONDS)


def _end_of(kind: Kind[Any], run: Run, max_attempts: int) -> Ended:
    """Return the end of an attempt: from the outcome of the task, or from the reason why the task was stopped."""
    task = run.task
    assert task is not None  # noqa: S101 - `_attempt` has set the task
    if task.done() and not task.cancelled() and task.exception() is None:
        return Ended(run.id, run.claim, JobState.SUCCEEDED, result=task.result())
    if run.stopped_by == "stopping":
        return Ended(run.id, run.claim, JobState.QUEUED, again_after=0, uncounted=1)
    if run.stopped_by == "cancelled":
        return Ended(run.id, run.claim, JobState.CANCELLED)
    error = TimeoutError() if run.stopped_by or not task.done() or task.cancelled() else task.exception()
    code, detail, retry, least = _explained(error)
    if code == "internal_error":
        failures.error("job failed", extra={"job": str(run.id), "kind": kind.name}, exc_info=error)
    if not retry or run.attempt >= max_attempts:
        return Ended(run.id, run.claim, JobState.DEAD, None, code, detail)
    return Ended(run.id, run.claim, JobState.FAILED, None, code, detail, max(least, kind.backoff(run.attempt)))


def _explained(error: BaseException | None) -> tuple[str, str | None, bool, float]:
    """Return the error's code and detail for clients, whether a retry may help, and the least seconds until then."""
    if isinstance(error, JobFailed):
        return error.code, error.detail, error.retry, 0
    if isinstance(error, ServiceError):
        return error.code, error.detail, True, error.retry_after_seconds or 0
    if isinstance(error, ValidationError):
        return "invalid_payload", "The code that runs the job does not know this payload.", False, 0
    if isinstance(error, TimeoutError):
        return "timed_out", None, True, 0
    return "internal_error", None, True, 0
