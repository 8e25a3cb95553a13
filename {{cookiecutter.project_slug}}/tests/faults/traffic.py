"""What a service is asked all the time while it is stopped or reloaded: on kept connections, on new ones, slowly."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.faults.clients import Answers, Client

KEPT, FRESH, SLOW = 16, 6, 6
PAUSE_SECONDS = 0.004
"""Between two requests of a kept connection, so that one that is closed in the wrong moment is in nobody's hands."""


@dataclass(slots=True)
class Traffic:
    """Clients behind a balancer. A connection that they keep is used until an answer says that it closes."""

    url: str
    answers: Answers = field(default_factory=Answers)
    arrives: bool = True
    """Whether the balancer still opens connections to this copy."""
    over: bool = False

    async def keep(self) -> None:
        """Send one request after the other on a connection, as a pool of a proxy does."""
        client = Client(self.url, self.answers)
        while not self.over and (self.arrives or client.connected):
            await client.ask("/health/live")
            await asyncio.sleep(PAUSE_SECONDS)
        client.close()

    async def reconnect(self, path: str) -> None:
        """Send each request on a connection of its own."""
        while self.arrives:
            client = Client(self.url, self.answers)
            await client.ask(path)
            client.close()
            await asyncio.sleep(PAUSE_SECONDS)


@asynccontextmanager
async def traffic(url: str) -> AsyncGenerator[Traffic]:
    """Let it flow until the end of the block."""
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
