"""Routes for tests of traces: statements, errors and streams, with values that no span may contain."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Header, WebSocket
from fastapi.sse import EventSourceResponse
from opentelemetry.trace import StatusCode, get_current_span
from sqlalchemy import bindparam, text

from app.dependencies import ReadSession, SupervisorDep

ECHO = text("SELECT :value").bindparams(bindparam("value", "nothing"))
router, sockets = APIRouter(prefix="/traced"), APIRouter()


@router.get("/echo/{number}")
async def echo(number: int, session: ReadSession, *, word: str = "", fail: bool = False) -> int:
    """Send a statement with a value, then return, or fail with the value in the error message."""
    await session.scalar(ECHO, {"value": word})
    if fail:
        raise RuntimeError(word)
    return number


@router.post("/broken")
async def broken(session: ReadSession, body: dict[str, str], authorization: Annotated[str, Header()]) -> None:
    """Send a statement that PostgreSQL refuses with an error that contains a value of the request."""
    del authorization
    await session.execute(text("SELECT CAST(CAST(:value AS text) AS integer)"), {"value": body["word"]})


@router.get("/quoted")
async def quoted(session: ReadSession, word: str) -> None:
    """Send a statement whose SQL text contains a value of the request."""
    await session.execute(text(f"SELECT '{word}'"))


@router.get("/recorded")
async def recorded(word: str) -> None:
    """Record an exception in the request's span, as third-party libraries may."""
    get_current_span().record_exception(ValueError(word))
    get_current_span().set_status(StatusCode.ERROR, word)


@router.get("/events", response_class=EventSourceResponse)
async def events() -> AsyncGenerator[int]:
    """Send events until the client disconnects."""
    for number in range(10**6):
        yield number
        await asyncio.sleep(0.01)


@sockets.websocket("/socket/{number}")
async def socket(websocket: WebSocket, number: int, session: ReadSession) -> None:
    """Run a statement on PostgreSQL, and wait for a message from the client."""
    del number
    await websocket.accept()
    await session.scalar(ECHO)
    await websocket.receive_text()


@router.get("/later")
async def later(session: ReadSession, supervisor: SupervisorDep) -> None:
    """Start a background task that runs a statement after the response."""

    async def work() -> None:
        await session.scalar(ECHO)

    supervisor.start("later", work())
