"""Many clients at once on bare sockets, each with one kept connection: an HTTP client would be busier than gunicorn."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

from tests.faults import timeline

UNANSWERED = ("refused", "reset_fresh", "reset_reused", "truncated", "timed_out")

PATIENCE_SECONDS = 30.0
"""No answer of this service takes so long."""


class Truncated(Exception):
    """An answer began, and its connection ended before it did."""


@dataclass(slots=True)
class Answers:
    """What clients saw; times in seconds."""

    seconds: dict[int, list[float]] = field(default_factory=dict)
    """By status."""
    refused: int = 0
    """Connections that nobody took."""
    reset_fresh: int = 0
    """Requests whose new connection ended before a whole answer came."""
    reset_reused: int = 0
    """The same on a connection that had carried an answer before."""
    truncated: int = 0
    """Answers that began and did not end."""
    timed_out: int = 0
    """Requests that nobody answered in a time in which everything is answered."""

    def add(self, started: float, status: int) -> None:
        """Take down an answer."""
        seconds = perf_counter() - started
        self.seconds.setdefault(status, []).append(seconds)
        timeline.add(started, seconds, str(status))

    def add_failure(self, started: float, name: str) -> None:
        """Take down that there was none, for one of the reasons above."""
        setattr(self, name, getattr(self, name) + 1)
        timeline.add(started, perf_counter() - started, name.replace("_", " "))

    @property
    def resets(self) -> int:
        """How many requests got no whole answer, for whatever reason."""
        return sum(getattr(self, name) for name in UNANSWERED)

    @property
    def count(self) -> int:
        """How many requests got one."""
        return sum(len(times) for times in self.seconds.values())

    @property
    def failures(self) -> dict[str, int]:
        """What went wrong, by name; empty when every request was served."""
        broken = {name: getattr(self, name) for name in UNANSWERED}
        faults = {str(status): len(times) for status, times in self.seconds.items() if status >= 500}
        return {name: number for name, number in (broken | faults).items() if number}

    def of(self, *statuses: int) -> list[float]:
        """Return the times of these statuses, sorted."""
        return sorted(second for status in statuses for second in self.seconds.get(status, []))

    def at(self, share: float, *statuses: int) -> float:
        """Return a percentile, as 0.99."""
        times = self.of(*statuses)
        return times[min(len(times) - 1, int(share * len(times)))]


class Client:
    """One caller with one connection; `port` is its own end of the last one."""

    def __init__(self, url: str, answers: Answers) -> None:
        self._address = urlsplit(url)
        self._answers = answers
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._reused = False
        self.port: int | None = None

    @property
    def connected(self) -> bool:
        """Whether there is a connection that the service has not asked to close."""
        return self._streams is not None

    async def connect(self) -> None:
        """Open a connection for the next request.

        Raises:
            ConnectionRefusedError: nobody listens.
        """
        self._reused = False
        self._streams = await asyncio.open_connection(self._address.hostname, self._address.port)
        self.port = self._streams[1].get_extra_info("sockname")[1]

    async def ask(self, path: str, *, method: str = "GET", body: str = "") -> int:
        """Send a request, take down how it went, and return the status; 0 when no answer came."""
        started = perf_counter()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                status = await self._ask(path, method, body.encode())
        except (OSError, asyncio.IncompleteReadError, Truncated) as error:
            self._answers.add_failure(started, self._reason(error))
            self.close()
            return 0
        self._reused = True
        self._answers.add(started, status)
        return status

    def _reason(self, error: Exception) -> str:
        match error:
            case ConnectionRefusedError():
                return "refused"
            case TimeoutError():
                return "timed_out"
            case Truncated():
                return "truncated"
        return "reset_reused" if self._reused else "reset_fresh"

    async def _ask(self, path: str, method: str, body: bytes) -> int:
        if self._streams is None:
            await self.connect()
        assert self._streams is not None
        reader, writer = self._streams
        writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: service\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = (await self._head(reader)).decode().lower()
        length = next((line.split(":")[1] for line in head.splitlines() if line.startswith("content-length:")), "0")
        try:
            await reader.readexactly(int(length))
        except (OSError, asyncio.IncompleteReadError) as error:
            raise Truncated from error
        if "connection: close" in head:
            self.close()
        status = int(head.split(" ", 2)[1])
        # readiness is asked again anyway; everybody else is told when to come back
        assert status != 503 or "\nretry-after: " in head or path.startswith("/health/"), head
        return status

    async def _head(self, reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise Truncated from error
            raise

    def close(self) -> None:
        """End the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


ATTEMPTS, PAUSE_SECONDS = 4, 2.0


def late(**measured: tuple[float, float]) -> dict[str, float]:
    """Return what did not stay below its limit, by name, from pairs of seconds and limit."""
    return {name: seconds for name, (seconds, limit) in measured.items() if seconds >= limit}


async def undisturbed(measure: Callable[[], Coroutine[Any, Any, dict[str, float]]]) -> dict[str, float]:
    """Measure again when something was late: other load on the machine is not the service's fault, each time is."""
    for _ in range(ATTEMPTS - 1):
        if not await measure():
            return {}
        await asyncio.sleep(PAUSE_SECONDS)
    return await measure()


async def for_a_while(
    url: str, count: int, seconds: float, behave: Callable[[Client], Coroutine[Any, Any, None]]
) -> Answers:
    """Let so many clients repeat what they do for this long; each finishes its last request."""
    answers = Answers()
    ends = perf_counter() + seconds

    async def one() -> None:
        client = Client(url, answers)
        while perf_counter() < ends:
            await behave(client)
        client.close()

    await asyncio.gather(*(one() for _ in range(count)))
    return answers
