"""Concurrent clients on raw sockets, each with a keep-alive connection; an HTTP library would need too much CPU."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

from tests.faults import timeline

UNANSWERED = ("refused", "reset_fresh", "reset_reused", "truncated", "timed_out")
"""The fields of `Answers` that count requests without a complete response."""

PATIENCE_SECONDS = 30.0
"""A client's timeout in seconds: a slower response counts as `timed_out`. The deadline of a route is 4 s."""


class Truncated(Exception):
    """The connection ended in the middle of a response."""


@dataclass(slots=True)
class Answers:
    """The durations of responses by status, and the counts of requests without a complete response by reason."""

    seconds: dict[int, list[float]] = field(default_factory=dict)
    """The durations of the responses in seconds, by status."""
    refused: int = 0
    """Connections that the operating system refused, since no process listened."""
    reset_fresh: int = 0
    """Requests on a new connection that was reset before a complete response."""
    reset_reused: int = 0
    """Requests on a keep-alive connection that was reset before a complete response."""
    truncated: int = 0
    """Responses of which only a part came before the connection ended."""
    timed_out: int = 0
    """Requests without a response within PATIENCE_SECONDS."""

    def add(self, started: float, status: int) -> None:
        """Record the status of a response, and the time since `started`."""
        seconds = perf_counter() - started
        self.seconds.setdefault(status, []).append(seconds)
        timeline.add(started, seconds, str(status))

    def add_failure(self, started: float, name: str) -> None:
        """Record a request without a complete response, by its reason, a name in UNANSWERED."""
        setattr(self, name, getattr(self, name) + 1)
        timeline.add(started, perf_counter() - started, name.replace("_", " "))

    @property
    def resets(self) -> int:
        """The number of requests without a complete response: refused, reset, truncated or timed out."""
        return sum(getattr(self, name) for name in UNANSWERED)

    @property
    def count(self) -> int:
        """The number of complete responses, of any status."""
        return sum(len(times) for times in self.seconds.values())

    @property
    def failures(self) -> dict[str, int]:
        """The counts of requests without a complete response by reason, and of 5xx responses by status; no zeros."""
        broken = {name: getattr(self, name) for name in UNANSWERED}
        faults = {str(status): len(times) for status, times in self.seconds.items() if status >= 500}
        return {name: number for name, number in (broken | faults).items() if number}

    def of(self, *statuses: int) -> list[float]:
        """Return the durations of all responses with the given statuses, in seconds, sorted."""
        return sorted(second for status in statuses for second in self.seconds.get(status, []))

    def at(self, quantile: float, *statuses: int) -> float:
        """Return a quantile, such as 0.99, of the durations of all responses with the given statuses, in seconds."""
        times = self.of(*statuses)
        return times[min(len(times) - 1, int(quantile * len(times)))]


class Client:
    """An HTTP client with a single keep-alive connection; `port` is the client's own port of the last connection."""

    def __init__(self, url: str, answers: Answers) -> None:
        self._address = urlsplit(url)
        self._answers = answers
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._reused = False
        self.port: int | None = None

    @property
    def connected(self) -> bool:
        """Whether a connection is open: a response with `Connection: close` or a failed request ends the connection."""
        return self._streams is not None

    async def connect(self) -> None:
        """Open a connection to the service for the next request.

        Raises:
            ConnectionRefusedError: no process listens.
        """
        self._reused = False
        self._streams = await asyncio.open_connection(self._address.hostname, self._address.port)
        self.port = self._streams[1].get_extra_info("sockname")[1]

    async def ask(self, path: str, *, method: str = "GET", body: str = "") -> int:
        """Send a request, record its outcome in `Answers`, and return the status, or 0 without a complete response."""
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
        # Every 503 has Retry-After, except on the health routes: a load balancer probes these at a fixed interval.
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
        """Close this client's connection, if it is open."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


Behaviour = Callable[[Client], Coroutine[Any, Any, None]]

ATTEMPTS, PAUSE_SECONDS = 4, 2.0
"""The most attempts of a measurement, and the pause between two attempts in seconds, in which a busy machine may become
idle."""


def late(**measured: tuple[float, float]) -> dict[str, float]:
    """Return the measurements that reached their limit, by name; a pair of measurement and limit has one unit."""
    return {name: value for name, (value, limit) in measured.items() if value >= limit}


async def undisturbed(measure: Callable[[], Coroutine[Any, Any, dict[str, float]]]) -> dict[str, float]:
    """Measure up to ATTEMPTS times until all time limits hold: a busy machine may miss a limit, but not each time."""
    for _ in range(ATTEMPTS - 1):
        if not await measure():
            return {}
        await asyncio.sleep(PAUSE_SECONDS)
    return await measure()


async def for_a_while(
    url: str, count: int, seconds: float, behave: Behaviour, until: Callable[[Answers], bool] = lambda _: False
) -> Answers:
    """Run `count` clients that repeat `behave` for `seconds`, or until `until` is true; the last requests finish."""
    answers = Answers()
    ends = perf_counter() + seconds

    async def repeat() -> None:
        client = Client(url, answers)
        while perf_counter() < ends and not until(answers):
            await behave(client)
        client.close()

    await asyncio.gather(*(repeat() for _ in range(count)))
    return answers
