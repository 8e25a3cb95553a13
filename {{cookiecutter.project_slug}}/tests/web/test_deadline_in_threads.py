"""A thread that outlives the deadline of a request stays counted, so that no more threads run than allowed."""

import asyncio
from threading import Event, Lock

import pytest
from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI
from starlette.types import Send

from app.web.deadline import Deadline
from tests.http_client import httpx
from tests.serving import served
from tests.tasks import until
from tests.web.deadline_app import LIMIT, Server

THREADS = 2


class Library:
    """A library without async whose calls hang until the end of the test."""

    def __init__(self) -> None:
        self.end, self.calls = Event(), 0
        self._lock = Lock()

    def call(self) -> None:
        """Count the call, and hang."""
        with self._lock:
            self.calls += 1
        self.end.wait(timeout=60)


@pytest.mark.parametrize("then", ["end", "fail"])
async def test_no_thread_starts_beside_those_whose_requests_are_past_their_deadline(then: str) -> None:
    library, limiter = Library(), CapacityLimiter(THREADS)

    async def handle(_send: Send) -> None:
        await to_thread.run_sync(library.call, limiter=limiter)  # FastAPI runs a `def` route in the same way
        if then == "fail":
            raise LookupError("after the deadline")
        await asyncio.Event().wait()  # a handler that goes on after its thread has ended is cancelled at this await

    servers = [Server(handle) for _ in range(2 * THREADS)]
    requests = []
    for server in servers:
        requests.append(asyncio.create_task(server.request()))
        async with asyncio.timeout(5):
            await server.answered.wait()  # the 504 response must not wait for the end of the thread
    called, held = library.calls, limiter.borrowed_tokens
    library.end.set()
    answers = await asyncio.gather(*requests)

    assert (called, held) == (THREADS, THREADS)
    assert answers == [[504]] * len(servers)
    assert library.calls == THREADS  # no request that had waited for a thread was started after its 504
    assert limiter.borrowed_tokens == 0


async def test_the_threads_of_def_routes_stay_within_their_number() -> None:
    library, limiter = Library(), to_thread.current_default_thread_limiter()
    app = FastAPI()
    app.get("/")(library.call)
    app.add_middleware(Deadline, limit=lambda _scope: LIMIT)
    before, limiter.total_tokens = limiter.total_tokens, THREADS
    async with served(app) as url, httpx.AsyncClient() as client:
        answers = [(await client.get(url)).status_code for _ in range(2 * THREADS)]
        called = library.calls
        library.end.set()
        await until(lambda: limiter.borrowed_tokens == 0)
    limiter.total_tokens = before

    assert (called, answers) == (THREADS, [504] * len(answers))
