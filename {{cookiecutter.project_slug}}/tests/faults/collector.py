"""What reads the log of a service through a named pipe: it stops, leaves and comes back when the test says so."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

SECONDS = 30.0
"""What is awaited comes in less; what never comes must fail."""


class Collector:
    """One reader; its pipe outlives it, as long as the service has it open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reading: int | None = None
        self._rest = b""
        self.events: Counter[str] = Counter()
        """How many lines came of each event, and how many were said to be lost."""

    def come(self) -> None:
        """Be there to read."""
        self._reading = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)

    def leave(self) -> None:
        """Close the end that is read; what the service writes from now on fails."""
        if self._reading is not None:
            os.close(self._reading)
            self._reading = None

    async def read_until(self, count: int, *events: str) -> None:
        """Read until so many lines of these events have come or were lost.

        Raises:
            TimeoutError: they did not come.
        """
        async with asyncio.timeout(SECONDS):
            while sum(self.events[event] for event in (*events, "lost")) < count:
                self._read()
                await asyncio.sleep(0.002)

    def _read(self) -> None:
        assert self._reading is not None
        with suppress(BlockingIOError):  # nothing is there
            while piece := os.read(self._reading, 1_000_000):
                *lines, self._rest = (self._rest + piece).split(b"\n")
                self._take(lines)

    def _take(self, lines: list[bytes]) -> None:
        for line in filter(None, lines):
            parsed = json.loads(line)
            lost = parsed["event"] == "log lines lost"
            self.events["lost" if lost else parsed["event"]] += parsed["lines"] if lost else 1


@contextmanager
def collected(folder: Path) -> Iterator[tuple[Collector, IO[bytes]]]:
    """Yield a collector that reads, and the other end of its pipe, for the service."""
    path = folder / "pipe"
    os.mkfifo(path)
    collector = Collector(path)
    collector.come()
    try:
        with path.open("wb", buffering=0) as writing:
            yield collector, writing
    finally:
        collector.leave()
