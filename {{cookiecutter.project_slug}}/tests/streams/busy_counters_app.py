"""The service with the stream topic `counters`: reads take 5 s, while a client must answer pings within 2 s."""

import asyncio
from collections.abc import Collection, Sequence

from counters import Counters, CounterState  # type: ignore[import-not-found] # on gunicorn's path
from counters_app import app  # type: ignore[import-not-found] # on the path; `import tests` would clear the settings
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from app.database.reader import Reader

__all__ = ["app"]

BUSY_SECONDS = 5.0

some, start_keepalive = Counters.some, WebSocketsSansIOProtocol.start_keepalive


async def slow_some(self: Counters, reader: Reader, ids: Collection[str]) -> Sequence[CounterState]:
    await asyncio.sleep(BUSY_SECONDS)
    found: Sequence[CounterState] = await some(self, reader, ids)
    return found


def ping_often(self: WebSocketsSansIOProtocol) -> None:
    self.ping_interval, self.ping_timeout = 0.5, 2.0
    start_keepalive(self)


Counters.some = slow_some
WebSocketsSansIOProtocol.start_keepalive = ping_often  # type: ignore[method-assign]
