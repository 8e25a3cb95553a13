"""HTTP client of the lab: connections are open before the clock starts, and a request costs as little as possible.

A client with more features would take more CPU than the service that is measured on the same machine.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from lab.experiment import LabError

TIMEOUT_SECONDS = 60.0
"""The timeout of a series of requests, in seconds: more than the slowest experiment takes on a busy machine."""

OK = 200
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request; all times are seconds since the first request of the series."""

    asked: float
    ended: float
    status: int
    body: Any

    @property
    def seconds(self) -> float:
        """The latency of the answer, in seconds."""
        return self.ended - self.asked


def total(answers: Sequence[Answer]) -> float:
    """Return the seconds from the first request of a series to the last answer."""
    return max(answer.ended for answer in answers)


@dataclass(frozen=True, slots=True)
class Load:
    """A load for the lab's service: requests to a path on `count` connections, `rounds` times on each connection.

    All connections begin at once, or one each `every` seconds.
    """

    path: str
    count: int
    every: float = 0.0
    rounds: int = 1


def series(address: str, path: str, count: int, *, rounds: int = 1) -> list[Answer]:
    """Send requests on `count` connections at once, and on each connection again after each answer; return the answers.

    Raises:
        LabError: at least one request was refused or failed.
    """
    (answers,) = together(address, Load(path, count, rounds=rounds))
    if wrong := [answer for answer in answers if answer.status != OK]:
        raise LabError(f"{path} was answered with {wrong[0].status}: {wrong[0].body}")
    return answers


def together(address: str, *loads: Load) -> list[list[Answer]]:
    """Send several loads to the lab's service at the same time, and return the answers to each load.

    Raises:
        LabError: the service ended, or did not answer in time.
    """
    try:
        return asyncio.run(_together(address, loads))
    except (EOFError, OSError) as error:
        raise LabError(f"The service stopped answering at {loads[0].path} ({type(error).__name__}).") from error


async def _together(address: str, loads: Sequence[Load]) -> list[list[Answer]]:
    async with AsyncExitStack() as stack, asyncio.timeout(TIMEOUT_SECONDS):
        opened = [[await stack.enter_async_context(_stream(address)) for _ in range(load.count)] for load in loads]
        started = time.perf_counter()
        return await asyncio.gather(
            *(_send(load, streams, started) for load, streams in zip(loads, opened, strict=True))
        )


@asynccontextmanager
async def _stream(address: str) -> AsyncIterator[Stream]:
    place = urlsplit(address)
    stream = await asyncio.open_connection(place.hostname, place.port)
    try:
        await _ask(stream, "/hello")  # an answer shows that the server has accepted the connection
        yield stream
    finally:
        stream[1].close()


async def _send(load: Load, streams: Sequence[Stream], started: float) -> list[Answer]:
    turns = (_again(load, stream, started, turn * load.every) for turn, stream in enumerate(streams))
    return [answer for answers in await asyncio.gather(*turns) for answer in answers]


async def _again(load: Load, stream: Stream, started: float, delay: float) -> list[Answer]:
    if delay:
        await asyncio.sleep(started + delay - time.perf_counter())
    answers = []
    for _ in range(load.rounds):
        asked = time.perf_counter()
        status, body = await _ask(stream, load.path)
        answers.append(Answer(asked - started, time.perf_counter() - started, status, json.loads(body)))
    return answers


async def _ask(stream: Stream, path: str) -> tuple[int, bytes]:
    reader, writer = stream
    writer.write(f"GET {path} HTTP/1.1\r\nHost: lab\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.partition("content-length:")[2].partition("\r\n")[0])
    return int(head.split(" ", 2)[1]), await reader.readexactly(length)
