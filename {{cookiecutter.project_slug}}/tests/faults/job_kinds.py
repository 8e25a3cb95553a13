"""A worker with kinds of jobs for fault tests, `python tests/faults/job_kinds.py`; the effects are rows of a table."""

import asyncio
import os
import signal

from pydantic import BaseModel
from sqlalchemy import text

from app.jobs.__main__ import main
from app.jobs.registry import job
from app.jobs.run import Run

EFFECT = text("INSERT INTO effects (job) VALUES (:job)")
TABLE = "CREATE TABLE effects (job uuid NOT NULL)"
"""The table of effects; a second row of a job is an effect that happened twice."""


class Nothing(BaseModel):
    """The payload of the kinds of fault tests."""

    seconds: float = 0.02


@job("fault.effect", max_attempts=20, first_backoff_seconds=0.05)
async def effect(payload: Nothing, run: Run) -> None:
    """Wait, and leave an effect in the transaction of the progress."""
    await asyncio.sleep(payload.seconds)
    if run.progress:
        return  # an earlier attempt left the effect, and its worker died before the end was stored
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


@job("fault.poison", max_attempts=3, first_backoff_seconds=0.05)
async def poison(_payload: Nothing, _run: Run) -> None:
    """Kill the worker."""
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
