"""Routes for tests of traces: statements, errors and streams, with values that no span may have."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.sse import EventSourceResponse
from sqlalchemy import bindparam, text

from app.dependencies import ReadSession, SupervisorDep

ECHO = text("SELECT :value").bindparams(bindparam("value", "nothing"))
router = APIRouter(prefix="/traced")


@router.get("/echo/{number}")
async def echo(number: int, session: ReadSession, *, word: str = "", fail: bool = False) -> int:
    """Send a statement with a value, then return or fail with the value in the message."""
    await session.scalar(ECHO, {"value": word})
    if fail:
        raise RuntimeError(word)
    return number


@router.post("/broken")
async def broken(session: ReadSession, body: dict[str, str], authorization: Annotated[str, Header()]) -> None:
    """Send a statement that PostgreSQL refuses with the value in the error."""
    del authorization
    await session.execute(text("SELECT CAST(CAST(:value AS text) AS integer)"), {"value": body["word"]})


@router.get("/quoted")
async def quoted(session: ReadSession, word: str) -> None:
    """Send a statement whose text itself has the value."""
    await session.execute(text(f"SELECT '{word}'"))


@router.get("/events", response_class=EventSourceResponse)
async def events() -> AsyncGenerator[int]:
    """Send events until the client leaves."""
    for number in range(10**6):
        yield number
        await asyncio.sleep(0.01)


@router.get("/later")
async def later(session: ReadSession, supervisor: SupervisorDep) -> None:
    """Start a background task that sends a statement after the response."""

    async def work() -> None:
        await session.scalar(ECHO)

    supervisor.start("later", work())
