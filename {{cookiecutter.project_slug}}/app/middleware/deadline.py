"""Answer every request in time: at its deadline the client gets a 504, whatever the work is still waiting for.

The application runs in a task of its own. At the bound the answer is sent from here, the task is cancelled, and nobody
waits for it: its clean-up may hang on the very thing that was too slow.
"""

import asyncio
import re

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.deadline import expires_at
from app.families import Families
from app.problems import problem

MILLISECONDS_HEADER, GRPC_HEADER = b"x-request-timeout-ms", b"grpc-timeout"
GRPC_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
GRPC = re.compile(rb"([0-9]{1,8})([HMSmun])")
DIGITS = re.compile(rb"[0-9]{1,9}")

log = structlog.get_logger("deadline")


class Deadline:
    """Give each request the time of its family, or less if its caller asks for less."""

    def __init__(self, app: ASGIApp, families: Families) -> None:
        self.app = app
        self.families = families
        self._strays: set[asyncio.Task[None]] = set()  # cancelled, not yet ended; a task without a reference may vanish

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        seconds = self._seconds(scope)
        if seconds is None:
            await self.app(scope, receive, send)
            return
        answer = _Answer(send)
        token = expires_at.set(asyncio.get_running_loop().time() + seconds)
        try:
            work = asyncio.create_task(self._serve(scope, receive, answer.send))
        finally:
            expires_at.reset(token)
        try:
            await asyncio.wait({work}, timeout=seconds)
        except asyncio.CancelledError:  # the server stops
            work.cancel()
            raise
        if work.done() or answer.finished:
            await work  # background tasks have no deadline
            return
        self._abandon(work)
        if not answer.closed():
            log.info("deadline", seconds=seconds)
            await problem(504, "Gateway timeout", f"The service did not finish within {seconds:g} s.")(
                scope, receive, send
            )

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)  # ASGI promises something to await, a task wants a coroutine

    def _seconds(self, scope: Scope) -> float | None:
        if scope["type"] != "http":
            return None
        name = self.families.name_of(scope["path"])
        limit = self.families.by_name[name].deadline_seconds if name is not None else 0
        if not limit:
            return None
        asked = asked_seconds(scope)
        return limit if asked is None else min(limit, asked)

    def _abandon(self, work: asyncio.Task[None]) -> None:
        work.cancel()
        self._strays.add(work)
        work.add_done_callback(self._forget)

    def _forget(self, work: asyncio.Task[None]) -> None:
        self._strays.discard(work)
        if not work.cancelled() and (error := work.exception()) is not None:
            log.info("abandoned work failed", error=type(error).__name__)


class _Answer:
    """Passes the answer on until it is closed, and knows how far it got."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._closed = False
        self.started = False
        self.finished = False

    def closed(self) -> bool:
        """Let nothing more through; tell whether something of an answer is out already."""
        self._closed = True
        return self.started

    async def send(self, message: Message) -> None:
        if self._closed:
            return
        self.started = True
        await self._send(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.finished = True


def asked_seconds(scope: Scope) -> float | None:
    """Return what the caller still has itself, from either header; None when it does not say or nobody can read it."""
    for name, value in scope["headers"]:
        if name == MILLISECONDS_HEADER and DIGITS.fullmatch(value):
            return int(value) / 1000
        if name == GRPC_HEADER and (found := GRPC.fullmatch(value)):
            return int(found[1]) * GRPC_UNITS[found[2]]
    return None
