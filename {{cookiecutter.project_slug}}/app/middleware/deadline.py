"""Answer every request in time: at its deadline the client gets a 504, whatever the work is still waiting for.

A timer sends the answer from outside the work, which is cancelled and ends as it can: its clean-up may hang on the very
thing that was too slow. The connection is free meanwhile, as an answer is all that uvicorn waits for.
"""

import asyncio
import re

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.deadline import Expiry, begin, end
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        seconds = self._seconds(scope)
        if seconds is None:
            await self.app(scope, receive, send)
            return
        work = _Work(scope, receive, send, seconds)
        token = begin(work.expiry)
        try:
            await self.app(scope, receive, work.send)
        except BaseException as error:
            if not work.abandoned(error):
                raise
        finally:
            work.timer.cancel()
            end(token)
        if work.expired:
            await work.ended()

    def _seconds(self, scope: Scope) -> float | None:
        if scope["type"] != "http":
            return None
        name = self.families.of(scope)
        limit = self.families.by_name[name].deadline_seconds if name is not None else 0
        if not limit:
            return None
        asked = asked_seconds(scope)
        return limit if asked is None else min(limit, asked)


class _Work:
    """One request: passes its answer on until its time is over."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, seconds: float) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._seconds = seconds
        self._task = asyncio.current_task()
        self._cancelled_before = self._task.cancelling() if self._task else 0
        self._started = self.expired = False
        self._refusal: asyncio.Task[None] | None = None
        self.timer = asyncio.get_running_loop().call_later(seconds, self._expire)
        self.expiry = Expiry(self.timer.when())

    async def send(self, message: Message) -> None:
        if self.expired:
            return
        self._started = True
        await self._send(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.timer.cancel()
            self.expiry.at = None  # background tasks have no deadline

    def _expire(self) -> None:
        self.expired = True
        if not self._started:  # else all that is left is to cut it off
            log.info("deadline", seconds=self._seconds)
            answer = problem(504, "Gateway timeout", f"The service did not finish within {self._seconds:g} s.")
            self._refusal = asyncio.ensure_future(answer(self._scope, self._receive, self._send))
        if self._task is not None:
            self._task.cancel()

    def abandoned(self, error: BaseException) -> bool:
        """Tell whether an error of the work is the end that the timer gave it, or comes too late for anybody."""
        if not self.expired:
            return False
        if isinstance(error, Exception):
            log.info("abandoned work failed", error=type(error).__name__)
            return True
        if self._task is None:
            return False
        ours = isinstance(error, asyncio.CancelledError) and self._task.cancelling() == self._cancelled_before + 1
        if not ours:
            self._task.uncancel()  # somebody else ends it as well
        return ours

    async def ended(self) -> None:
        """Take the cancellation back, which was for the work and not for the server, and wait for the 504."""
        if self._task is not None:
            self._task.uncancel()
        if self._refusal is not None:
            await self._refusal


def asked_seconds(scope: Scope) -> float | None:
    """Return what the caller still has itself, from either header; None when it does not say or nobody can read it."""
    asked: float | None = None
    for name, value in scope["headers"]:
        if name == MILLISECONDS_HEADER and DIGITS.fullmatch(value):
            seconds = int(value) / 1000
        elif name == GRPC_HEADER and (found := GRPC.fullmatch(value)):
            seconds = int(found[1]) * GRPC_UNITS[found[2]]
        else:
            continue
        asked = seconds if asked is None else min(asked, seconds)
    return asked
