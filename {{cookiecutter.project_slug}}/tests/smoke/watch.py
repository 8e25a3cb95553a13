"""Clients that send requests without a pause during a fault, and record the outcome of each request."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import perf_counter
from typing import NamedTuple

from tests.http_client import httpx
from tests.tasks import until

CLIENTS = 20
"""The number of concurrent clients; every second client writes."""

PAUSE_SECONDS = 0.05
"""The pause of a client after a 503 or a reset, in seconds, so that refused requests do not use up the CPUs."""

RESET = 0
"""The recorded status of a request whose connection ended without a response."""

TLS = ssl.create_default_context()
"""A shared TLS context, which saves time: each client would otherwise load all certificates, although all URLs are
http."""


class Asked(NamedTuple):
    """A request: its start by `perf_counter`, its status or RESET, its client port and its duration."""

    moment: float
    status: int
    port: int | None
    """The client port of the last connection with a response; None before the first response."""
    seconds: float
    """The duration of the request, in seconds."""


@dataclass(slots=True)
class Watch:
    """The clients of a running service, and the outcomes of all their requests."""

    asked: list[Asked] = field(default_factory=list)
    ends: bool = False
    """Whether the clients stop after their current request."""

    async def load(self, url: str, number: int) -> None:
        """Send requests on a keep-alive connection until `ends` is true; a client with an odd number writes."""
        port = None
        async with httpx.AsyncClient(base_url=url, timeout=30, verify=TLS) as client:
            while not self.ends:
                moment, status = perf_counter(), RESET
                with suppress(httpx.TransportError):  # a request without a response leaves `port` as it was
                    answer = await client.request("POST" if number % 2 else "GET", "/slow?seconds=0.05")
                    status = answer.status_code
                    with suppress(OSError):  # the connection closed with the response, so it has no address
                        port = answer.extensions["network_stream"].get_extra_info("client_addr")[1]
                self.asked.append(Asked(moment, status, port, perf_counter() - moment))
                await asyncio.sleep(PAUSE_SECONDS if status in {RESET, 503} else 0)

    async def until_all_asked(self) -> None:
        """Wait until the clients have sent ten requests on average, so that every connection is in use."""
        await until(lambda: len(self.asked) > 10 * CLIENTS)

    def errors(self, since: float) -> list[tuple[float, int]]:
        """Return the seconds since a moment and the status of each later request whose status was not 200."""
        failed = [request for request in self.asked if request.moment >= since and request.status != 200]
        return [(request.moment - since, request.status) for request in failed]


@asynccontextmanager
async def watched(url: str) -> AsyncGenerator[Watch]:
    """Run 20 clients of the slow test routes during the block, and yield the recorded outcomes."""
    watch = Watch()
    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            group.create_task(watch.load(url, number))
        yield watch
        watch.ends = True
