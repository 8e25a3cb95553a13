"""A worker with kinds of jobs for fault tests, `python tests/faults/job_kinds.py`; the effects are rows of a table."""

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
"""The table of effects; a second row of a job is an effect that happened twice."""


VERSION = int(os.environ.get("CODE_VERSION", "1"))
"""The version of the code of this worker, 1 for old code and 2 for new code."""


class Nothing(BaseModel):
    """The payload of the kinds of fault tests."""

    seconds: float = 0.02


class RanBy(BaseModel):
    """The result of a job of both versions: the version of the code that ran the job."""

    code: int


@job("fault.effect", max_attempts=20, first_backoff_seconds=0.05)
async def effect(payload: Nothing, run: Run) -> None:
    """Wait, and leave an effect in the transaction of the progress."""
    await asyncio.sleep(payload.seconds)
    await leave_effect(run)


@job("fault.stubborn", max_attempts=20)
async def stubborn(payload: Nothing, run: Run) -> None:
    """Wait, and leave an effect even when the run was told to stop."""
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(payload.seconds)
        await leave_effect(run)
        return
    run.progress = 0  # whatever the transaction had come to
    await leave_effect(run)


async def leave_effect(run: Run) -> None:
    """Leave an effect, unless an earlier attempt has left one whose worker died before the end was stored."""
    if run.progress:
        return
    async with run.transaction() as session:
        await session.execute(EFFECT, {"job": run.id})
        await run.advance(session, 1, total=1)


@job("fault.holds", max_attempts=20)
async def holds(payload: Nothing, run: Run) -> None:
    """Leave an effect in a transaction that holds its connection for a while."""
    if run.progress:
        return
    async with run.transaction() as session:
        await session.execute(EFFECT, {"job": run.id})
        await asyncio.sleep(payload.seconds)
        await run.advance(session, 1, total=1)


@job("fault.changed", version=VERSION, max_attempts=1)
async def changed(_payload: Nothing, _run: Run) -> RanBy:
    """Tell which code runs, in a kind whose payload the new code has changed."""
    return RanBy(code=VERSION)


@job("fault.single", max_running=1, max_attempts=1)
async def single(payload: Nothing, run: Run) -> None:
    """Store, as the progress, how many jobs of this kind run at the moment."""
    await asyncio.sleep(payload.seconds)
    async with run.transaction() as session:
        running = await session.scalar(
            text("SELECT count(*) FROM jobs WHERE kind = :kind AND state = 'running'"), {"kind": run.kind}
        )
        await run.advance(session, running)


@job("fault.poison", max_attempts=3, first_backoff_seconds=0.05)
async def poison(_payload: Nothing, _run: Run) -> None:
    """Kill the worker."""
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
