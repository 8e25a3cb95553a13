"""Job kinds for tests; their functions record what they do in the table of jobs or in a list."""

import asyncio

from pydantic import BaseModel

from app.jobs.registry import job
from app.jobs.run import JobFailed, Run


class Note(BaseModel):
    """The payload of the job kinds in these tests."""

    text: str = ""


class Answer(BaseModel):
    """The result of the job kinds in these tests."""

    text: str


SEEN: list[str] = []
"""The lines that the job functions have recorded, in order."""


@job("test.echo", priority=1)
async def echo(payload: Note, run: Run) -> Answer:
    SEEN.append(payload.text)
    return Answer(text=f"{payload.text} {run.attempt}")


@job("test.fails", max_attempts=3, first_backoff_seconds=0.05)
async def fails(payload: Note, run: Run) -> None:
    SEEN.append(f"{payload.text} {run.attempt}")
    raise JobFailed("no_luck", "It failed.", retry=True)


@job("test.gives_up", max_attempts=3)
async def gives_up(payload: Note, run: Run) -> None:
    raise JobFailed("wrong_input", f"No {payload.text} in attempt {run.attempt}.")


@job("test.sleeps", max_attempts=2, first_backoff_seconds=0.05)
async def sleeps(payload: Note, run: Run) -> None:
    async with run.transaction() as session:
        await run.advance(session, run.progress + 1)
    SEEN.append(f"{payload.text} starts")
    try:
        await asyncio.sleep(60)
    finally:
        SEEN.append(f"{payload.text} ends")


@job("test.urgent", priority=10)
async def urgent(payload: Note, _run: Run) -> None:
    SEEN.append(payload.text)


@job("test.patient", first_backoff_seconds=600, max_backoff_seconds=3600)
async def patient(_payload: Note, _run: Run) -> None:
    raise JobFailed("no_luck", "It failed.", retry=True)


@job("test.slow", max_attempts=1, timeout_seconds=0.1)
async def slow(_payload: Note, _run: Run) -> None:
    await asyncio.sleep(60)


@job("test.newest", version=2)
async def newest(payload: Note, _run: Run) -> Answer:
    return Answer(text=payload.text)


@job("test.one_at_a_time", max_running=1)
async def one_at_a_time(payload: Note, _run: Run) -> None:
    SEEN.append(f"{payload.text} starts")
    await asyncio.sleep(0.05)
    SEEN.append(f"{payload.text} ends")
