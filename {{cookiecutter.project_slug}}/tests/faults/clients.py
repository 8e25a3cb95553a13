"""Many clients at once on bare sockets, each with one kept connection: an HTTP client would be busier than gunicorn."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit


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

    @property
    def resets(self) -> int:
        """How many requests got no answer, for whatever reason."""
        return self.refused + self.reset_fresh + self.reset_reused

    @property
    def count(self) -> int:
        """How many requests got one."""
        return sum(len(times) for times in self.seconds.values())

    @property
    def failures(self) -> dict[str, int]:
        """What went wrong, by name; empty when every request was served."""
        broken = {name: getattr(self, name) for name in ("refused", "reset_fresh", "reset_reused")}
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
    """One caller with one connection."""

    def __init__(self, url: str, answers: Answers) -> None:
        self._address = urlsplit(url)
        self._answers = answers
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._reused = False

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

    async def ask(self, path: str, *, method: str = "GET", body: str = "") -> int:
        """Send a request, take down how it went, and return the status; 0 when no answer came."""
        started = perf_counter()
        try:
            status = await self._ask(path, method, body.encode())
        except ConnectionRefusedError:
            self._answers.refused += 1
            return 0
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            if self._reused:
                self._answers.reset_reused += 1
            else:
                self._answers.reset_fresh += 1
            return 0
        self._reused = True
        self._answers.seconds.setdefault(status, []).append(perf_counter() - started)
        return status

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
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next((line.split(":")[1] for line in head.splitlines() if line.startswith("content-length:")), "0")
        await reader.readexactly(int(length))
        if "connection: close" in head:
            self.close()
        return int(head.split(" ", 2)[1])

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
