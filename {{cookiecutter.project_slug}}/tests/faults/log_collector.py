"""A log collector that reads a service's log from a named pipe; a test can pause the reading or close the pipe."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

TIMEOUT_SECONDS = 60.0
"""How long to wait for log lines, in seconds: ten times the few seconds that a test's lines take."""


class LogCollector:
    """A log collector that reads a named pipe and counts the log lines.

    The service keeps the writing end of the pipe open, so that a closed collector can open the pipe again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pipe: int | None = None
        self._rest = b""
        self.events: Counter[str] = Counter()
        """The number of log lines by event; `lost` counts the lines that the service reported as lost."""

    def open(self) -> None:
        """Open the reading end of the pipe, so that the service can write log lines."""
        self._pipe = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)

    def close(self) -> None:
        """Close the reading end of the pipe; from now on, the service's writes fail with EPIPE."""
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None

    async def read_until(self, count: int, *events: str) -> None:
        """Read log lines until the lines with the given events, plus the lines reported as lost, add up to `count`.

        Raises:
            TimeoutError: the service wrote fewer lines, and reported no further lost lines.
        """
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while sum(self.events[event] for event in (*events, "lost")) < count:
                self._read()
                await asyncio.sleep(0.002)

    def _read(self) -> None:
        assert self._pipe is not None
        with suppress(BlockingIOError):  # a read of an empty pipe raises BlockingIOError
            while piece := os.read(self._pipe, 1_000_000):
                *lines, self._rest = (self._rest + piece).split(b"\n")
                self._count(lines)

    def _count(self, lines: list[bytes]) -> None:
        for line in filter(None, lines):
            parsed = json.loads(line)
            lost = parsed["event"] == "log lines lost"
            self.events["lost" if lost else parsed["event"]] += parsed["lines"] if lost else 1


@contextmanager
def collected(folder: Path) -> Iterator[tuple[LogCollector, IO[bytes]]]:
    """Create a named pipe; yield an open log collector, and the pipe's writing end for the service."""
    path = folder / "pipe"
    os.mkfifo(path)
    collector = LogCollector(path)
    collector.open()
    try:
        with path.open("wb", buffering=0) as writing:
            yield collector, writing
    finally:
        collector.close()
