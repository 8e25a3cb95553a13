"""Steady traffic while a service stops or reloads: requests on keep-alive and new connections, and slow requests."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.faults.clients import Answers, Client

KEPT, FRESH, SLOW = 16, 6, 6
"""The number of clients with a keep-alive connection, with a new connection per request, and with slow requests."""

PAUSE_SECONDS = 0.004
"""The pause of a client between two requests, in seconds, in which the service may close its idle connection."""


@dataclass(slots=True)
class Traffic:
    """Clients behind a load balancer: each uses a connection until a response has `Connection: close`."""

    url: str
    answers: Answers = field(default_factory=Answers)
    arrives: bool = True
    """Whether the load balancer still opens connections to this replica."""
    over: bool = False
    """Whether the test is over; each client then stops after its current request."""

    async def keep(self) -> None:
        """Send requests one after another on a keep-alive connection, as a proxy's connection pool does."""
        client = Client(self.url, self.answers)
        while not self.over and (self.arrives or client.connected):
            await client.ask("/health/live")
            await asyncio.sleep(PAUSE_SECONDS)
        client.close()

    async def reconnect(self, path: str) -> None:
        """Send GET requests, each on a new connection, until the load balancer sends this replica no more requests."""
        while self.arrives:
            client = Client(self.url, self.answers)
            await client.ask(path)
            client.close()
            await asyncio.sleep(PAUSE_SECONDS)


@asynccontextmanager
async def traffic(url: str) -> AsyncGenerator[Traffic]:
    """Send all clients' requests to a service until the end of the block."""
    flow = Traffic(url)
    clients = [flow.keep() for _ in range(KEPT)]
    clients += [flow.reconnect("/health/live") for _ in range(FRESH)]
    clients += [flow.reconnect("/slow?seconds=0.05") for _ in range(SLOW)]
    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(client)
        try:
            yield flow
        finally:
            flow.arrives, flow.over = False, True
