"""Clients that ask again and again while something breaks, and when each of them asked for what it got."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import NamedTuple

from tests.faults.clients import Answers, Client

CLIENTS = 20
PAUSE_SECONDS = 0.05
"""After a 503, as a polite client does."""

RESET = 0
"""In place of a status: the connection ended without an answer."""


class Asked(NamedTuple):
    """One request."""

    moment: float
    status: int
    port: int | None
    """The client's own end of its connection."""


@dataclass(slots=True)
class Watch:
    """What they saw."""

    asked: list[Asked] = field(default_factory=list)
    ends: bool = False

    async def load(self, url: str, number: int) -> None:
        """Ask until the end; every second client writes."""
        client = Client(url, Answers())
        while not self.ends:
            moment = perf_counter()
            status = await client.ask("/slow?seconds=0.005", method="POST" if number % 2 else "GET")
            self.asked.append(Asked(moment, status, client.port))
            await asyncio.sleep(PAUSE_SECONDS if status in {RESET, 503} else 0)
        client.close()

    def errors(self, since: float) -> list[tuple[float, int]]:
        """Return what went wrong from this moment on: seconds after it, and the status."""
        return [(one.moment - since, one.status) for one in self.asked if one.moment >= since and one.status != 200]


@asynccontextmanager
async def watched(url: str) -> AsyncGenerator[Watch]:
    """Let them ask while the block runs; the service is that of `slow.py`."""
    watch = Watch()
    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            group.create_task(watch.load(url, number))
        yield watch
        watch.ends = True
