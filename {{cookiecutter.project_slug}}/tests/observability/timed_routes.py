"""Routes for tests of timings: statements, a transaction and concurrent statements."""

import asyncio

from fastapi import APIRouter
from sqlalchemy import bindparam, text

from app.dependencies import ReadSession, SupervisorDep, WriteSession

SLEEP = text("SELECT pg_sleep(:seconds), CAST(:word AS text)").bindparams(bindparam("word", "nothing"))
router = APIRouter(prefix="/timed")


@router.get("/reads/{count}")
async def reads(count: int, session: ReadSession, seconds: float = 0.0, word: str = "") -> int:
    """Send `count` statements, one after another."""
    for _ in range(count):
        await session.execute(SLEEP, {"seconds": seconds, "word": word})
    return count


@router.get("/gathered/{count}")
async def gathered(count: int, session: ReadSession, seconds: float) -> int:
    """Send `count` statements concurrently."""
    await asyncio.gather(*(session.execute(SLEEP, {"seconds": seconds}) for _ in range(count)))
    return count


@router.post("/write")
async def write(session: WriteSession) -> None:
    """Send one statement in a transaction."""
    await session.execute(text("SELECT set_config('app.word', 'tea', true)"))


@router.get("/background")
async def background(session: ReadSession, supervisor: SupervisorDep) -> None:
    """Wait for a background task that sends a statement, which does not count for the request."""
    ended = asyncio.Event()

    async def work() -> None:
        await session.execute(SLEEP, {"seconds": 0})
        ended.set()

    supervisor.start("timed", work())
    await ended.wait()
