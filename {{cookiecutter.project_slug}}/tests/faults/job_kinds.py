"""A job worker with the job kinds of the fault tests, run as `python tests/faults/job_kinds.py`.

Most jobs add a row to the table `effects`, so that a test can count how often each job has done its work.
"""

import asyncio
import os
import signal
from contextlib import suppress

from pydantic import BaseModel
from sqlalchemy import text

from app.jobs.__main__ import main
from app.jobs.registry import job
from app.jobs.run import Run

EFFECT = text("INSERT INTO effects (job) VALUES (:job)")
TABLE = "CREATE TABLE effects (job uuid NOT NULL)"
"""SQL that creates the table of effects; two rows of one job mean that its effect happened twice."""


VERSION = int(os.environ.get("CODE_VERSION", "1"))
"""The version of this worker's code: 1 for old code, 2 for new code."""


class Nothing(BaseModel):
    """The payload of all job kinds in this file: the seconds that the job takes."""

    seconds: float = 0.02


class RanBy(BaseModel):
    """The result of a job: the version of the worker's code, 1 or 2, that ran the job."""

    code: int


@job("fault.effect", max_attempts=20, first_backoff_seconds=0.05)
async def effect(payload: Nothing, run: Run) -> None:
    """Wait, then add a row to the table `effects` in the transaction that stores the job's progress."""
    await asyncio.sleep(payload.seconds)
    await leave_effect(run)


@job("fault.stubborn", max_attempts=20)
async def stubborn(payload: Nothing, run: Run) -> None:
    """Wait, then add a row to the table `effects`, even when the job is told to stop."""
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(payload.seconds)
        await leave_effect(run)
        return
    run.progress = 0  # forget the job's progress, which may have been stored before the stop
    await leave_effect(run)


async def leave_effect(run: Run) -> None:
    """Add a row for the job to the table `effects`, unless an earlier attempt of the job has already done so."""
    if run.progress:
        return
    async with run.transaction() as session:
        await session.execute(EFFECT, {"job": run.id})
        await run.advance(session, 1, total=1)


@job("fault.holds", max_attempts=20)
async def holds(payload: Nothing, run: Run) -> None:
    """Add a row to the table `effects` in a transaction that holds a database connection while the job waits."""
    if run.progress:
        return
    async with run.transaction() as session:
        await session.execute(EFFECT, {"job": run.id})
        await asyncio.sleep(payload.seconds)
        await run.advance(session, 1, total=1)


@job("fault.changed", version=VERSION, max_attempts=1)
async def changed(_payload: Nothing, _run: Run) -> RanBy:
    """Return VERSION, which stands for old or new code of a worker, and is the version of this kind of job too."""
    return RanBy(code=VERSION)


@job("fault.single", max_running=1, max_attempts=1)
async def single(payload: Nothing, run: Run) -> None:
    """Store how many jobs of this kind run at the moment, as the job's progress."""
    await asyncio.sleep(payload.seconds)
    async with run.transaction() as session:
        running = await session.scalar(
            text("SELECT count(*) FROM jobs WHERE kind = :kind AND state = 'running'"), {"kind": run.kind}
        )
        await run.advance(session, running)


@job("fault.poison", max_attempts=3, first_backoff_seconds=0.05)
async def poison(_payload: Nothing, _run: Run) -> None:
    """Kill the worker process that runs the job."""
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
