"""The deadline of a request: when the deadline passes, the client gets 504 at once.

A timer sends the 504, and not the handler: the handler is cancelled, but its clean-up may wait for the same slow
database. The client can use its connection at once, because uvicorn waits for the response and not for the handler.

A handler that waits for a thread, as a `def` route does, is cancelled only after the thread has ended, as nothing can
stop a thread. If the handler were cancelled earlier, anyio would give the thread's token to the next request, and a
slow library would soon occupy more threads than THREAD_TOKENS allows.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.request.deadline import UNCONFIRMED, Expiry, begin, end
from app.request.identity import headers_of
from app.web.problem import problem_response

MILLISECONDS_HEADER, GRPC_HEADER = b"x-request-timeout-ms", b"grpc-timeout"
GRPC_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
STRANGERS_SECONDS = 0.25
"""The shortest deadline, in seconds, that an untrusted caller may ask for. A request that is cut off costs more than a
request that ends, because its database connection or worker process is replaced. So deadlines of a few milliseconds
would be a cheap attack."""

THREAD_POLL_SECONDS = 0.05
"""Seconds between two checks, after the deadline, whether the thread that a `def` route runs in has ended."""

GRPC = re.compile(rb"([0-9]{1,8})([HMSmun])")
DIGITS = re.compile(rb"[0-9]{1,9}")

log = structlog.get_logger("deadline")


class Deadline:
    """ASGI middleware that gives a request the deadline of the route, or the caller's shorter deadline."""

    def __init__(
        self, app: ASGIApp, limit: Callable[[Scope], float], is_trusted: Callable[[Scope], bool] = lambda _: False
    ) -> None:
        """Wrap an application.

        Args:
            app: the application.
            limit: returns the seconds that a request may take; 0 means no deadline.
            is_trusted: tells whether the caller of a request may ask for a deadline below STRANGERS_SECONDS.
        """
        self.app = app
        self.limit = limit
        self.is_trusted = is_trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, and answer 504 when the deadline passes."""
        seconds = self._seconds(scope)
        if seconds is None:
            await self.app(scope, receive, send)
            return
        work = _TimedRequest(scope, receive, send, seconds)
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
        limit = self.limit(scope)
        if not limit:
            return None
        asked = asked_seconds(scope)
        if asked is None:
            return limit
        return min(limit, asked if self.is_trusted(scope) else max(asked, STRANGERS_SECONDS))


class _TimedRequest:
    """One request with the timer of the deadline: passes the response on until the deadline, then drops messages."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, seconds: float) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._seconds = seconds
        self._task = asyncio.current_task()
        self._cancelled_before = self._task.cancelling() if self._task else 0
        self._started = self.expired = False
        self._refusal: asyncio.Task[None] | None = None
        loop = asyncio.get_running_loop()
        self._fires_at = loop.time() + seconds  # uvloop's handle of a short timer has no `when()`, so keep the time
        self.timer = loop.call_later(seconds, self._expire)
        self.expiry = Expiry(self._fires_at)

    async def send(self, message: Message) -> None:
        if self.expired:
            return
        self._started = True
        await self._send(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.timer.cancel()
            self.expiry.at = None  # background tasks, which follow the response, have no deadline

    def _expire(self) -> None:
        # The deadline moves later while a COMMIT waits for an answer, and after a debugger has stopped the process.
        moment = self.expiry.last_moment
        if moment is not None and moment > self._fires_at:
            self._fires_at = moment
            self.timer = asyncio.get_running_loop().call_at(moment, self._expire)
            return
        self.expired = True
        if not self._started:  # a response that has started can only be cut off: its status is sent
            log.info("request stopped at its deadline", seconds=self._seconds)
            detail, code = f"The service did not finish within {self._seconds:g} s.", None
            if self.expiry.commit_by:
                detail, code = f"{detail} {UNCONFIRMED}", "outcome_unknown"
            answer = problem_response(504, detail, code=code)
            self._refusal = asyncio.ensure_future(answer(self._scope, self._receive, self._send))
        self._cancel()

    def _cancel(self) -> None:
        if self._task is not None and in_thread(self._task):
            self.timer = asyncio.get_running_loop().call_later(THREAD_POLL_SECONDS, self._cancel)
        elif self._task is not None:
            self._task.cancel()

    def abandoned(self, error: BaseException) -> bool:
        """Tell whether the handler raised because of the deadline; the caller then drops the exception."""
        if not self.expired:
            return False
        if isinstance(error, Exception):
            log.info("request failed after its deadline", error=type(error).__name__)
            return True
        if self._task is None:
            return False
        ours = isinstance(error, asyncio.CancelledError) and self._task.cancelling() == self._cancelled_before + 1
        if not ours:
            self._task.uncancel()  # the server cancelled the task too: take back only the deadline's cancellation
        return ours

    async def ended(self) -> None:
        """Take back the cancellation of the task, which was for the handler only, and wait until the 504 is sent."""
        if self._task is not None and self._task.cancelling() > self._cancelled_before:
            self._task.uncancel()
        if self._refusal is not None:
            await self._refusal


def asked_seconds(scope: Scope) -> float | None:
    """Return the seconds in the header X-Request-Timeout-Ms or grpc-timeout; None without a valid header."""
    headers = headers_of(scope)
    if MILLISECONDS_HEADER not in headers and GRPC_HEADER not in headers:
        return None
    plain, grpc = (headers.get(name, b"").split(b",") for name in (MILLISECONDS_HEADER, GRPC_HEADER))
    asked = [int(value) / 1000 for value in plain if DIGITS.fullmatch(value)]
    asked += [int(found[1]) * GRPC_UNITS[found[2]] for found in map(GRPC.fullmatch, grpc) if found]
    return min(asked, default=None)


def in_thread(task: asyncio.Task[Any]) -> bool:
    """Tell whether a task waits for a function that runs in a thread of anyio, and not only for a free thread."""
    awaited: Any = task.get_coro()
    while (inner := getattr(awaited, "cr_await", None)) is not None:
        if awaited.cr_code.co_name == "run_sync_in_worker_thread" and not hasattr(inner, "cr_code"):
            return True
        awaited = inner
    return False
