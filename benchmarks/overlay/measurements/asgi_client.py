"""Calls an ASGI application directly, one request after another, and returns the cost per request."""

import sys
import time
from collections import Counter
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from types import FrameType

from starlette.types import ASGIApp, Message, Scope

from measurements.allocations import counter


@dataclass(frozen=True, slots=True)
class Request:
    """A request that is sent to an ASGI application."""

    method: str
    target: str
    """The request's path and query string."""
    body: str = ""
    client: str = "127.0.0.1"

    def scope(self) -> Scope:
        """Return the request's ASGI scope, with the keys that a real server sets."""
        path, _, query = self.target.partition("?")
        headers = [(b"host", b"service"), (b"user-agent", b"benchmark"), (b"accept", b"*/*")]
        if self.body:
            headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(self.body.encode()))]
        shape = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "root_path": ""}
        address = {"client": (self.client, 1), "server": ("127.0.0.1", 2)}
        target = {"method": self.method, "path": path, "raw_path": path.encode(), "query_string": query.encode()}
        return shape | address | target | {"headers": headers}


async def cpu_microseconds(app: ASGIApp, request: Request, times: int) -> float:
    """Send a request `times` times, and return the CPU microseconds per request, over all threads.

    Raises:
        RuntimeError: a response was an error, which would count as a fast response.
    """
    started = time.process_time()
    for _ in range(times):
        await send_once(app, request)
    return (time.process_time() - started) / times * 1e6


async def calls(app: ASGIApp, request: Request, times: int) -> float:
    """Send a request `times` times, and return the fewest function calls (Python's and C's) that one request took."""
    counts = []
    for _ in range(times):
        seen: Counter[str] = Counter()
        sys.setprofile(partial(_count, seen))
        await send_once(app, request)
        sys.setprofile(None)
        counts.append(seen["call"] + seen["c_call"])
    return min(counts)


async def allocations(app: ASGIApp, request: Request, times: int) -> float:
    """Send a request `times` times, and return the fewest memory allocations that a single request took."""
    counts, count = [], counter()
    for _ in range(times):
        before = count()
        await send_once(app, request)
        counts.append(count() - before)
    return min(counts)


def _count(seen: Counter[str], _frame: FrameType, event: str, _argument: object) -> None:
    seen[event] += 1


async def send_once(app: ASGIApp, request: Request) -> None:
    """Send a request and receive the response.

    Raises:
        RuntimeError: the response was an error.
    """
    scope, body = request.scope(), request.body.encode()

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        if message.get("status", HTTPStatus.OK) >= HTTPStatus.MULTIPLE_CHOICES:
            raise RuntimeError(f"{request.method} {request.target} was answered with {message['status']}")

    await app({**scope, "state": {}}, receive, send)
