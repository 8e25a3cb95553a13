"""The graceful shutdown of a worker process, in an order that loses no request.

At SIGTERM the worker becomes not ready and drains: for a while it keeps serving requests, even on new connections,
because load balancers notice the change late. Each response asks the client to reconnect. Then the listeners close,
connections that were accepted late get a response, the requests in flight finish, and the lifespan exits.
"""

import asyncio
import signal
from collections.abc import Callable
from math import inf
from socket import socket
from time import monotonic
from types import FrameType

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.server import Server

LATE_SECONDS = 0.5
"""Seconds between closing the listeners and closing idle connections: time for the clients of connections that were
accepted last to send a request."""

PIPELINE = "app.pipeline"
"""The key in the ASGI scope of a request under which the server keeps the later requests on the same connection, which
wait for this request to end (pipelining)."""

HURRY_SECONDS = 1
"""The seconds in which requests in flight must end after SIGINT or SIGQUIT. The time is short, as gunicorn may kill the
worker after 2 s, if the worker had a SIGTERM before."""


class ConnectionClose:
    """ASGI middleware that adds `Connection: close` to each response while `on`, so that each client reconnects.

    A response is left as it is while more requests wait on the same connection: after `Connection: close`, uvicorn
    would close the connection without responses to these requests.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.on = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; check `on` only when the response starts, as the drain may begin during the request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_and_close(message: Message) -> None:
            if self.on and message["type"] == "http.response.start" and not scope.get(PIPELINE):
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        await self.app(scope, receive, send_and_close)


class DrainingServer(Server):
    """A uvicorn server with a graceful shutdown that loses no request."""

    late_seconds = LATE_SECONDS

    def __init__(self, config: Config, begin_drain: Callable[[float], None], drain_seconds: float) -> None:
        """Wrap the application of uvicorn's configuration in `ConnectionClose`.

        Args:
            config: uvicorn's configuration, not loaded yet; its `app` is the application, and no import string.
            begin_drain: makes the application not ready, and limits its background tasks to the given seconds; called
                from a signal handler.
            drain_seconds: the time from the signal to the last accepted connection.
        """
        config.app = self.connection_close = ConnectionClose(config.app)  # type: ignore[arg-type] # an application, see above
        super().__init__(config)
        self.begin_drain = begin_drain
        self.drain_seconds = drain_seconds
        self.drains_until: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the drain at SIGTERM, which gunicorn may repeat; stop quickly at SIGINT, as from Ctrl-C."""
        super().handle_exit(sig, frame)
        if sig == signal.SIGTERM:
            self.drain()
        else:
            self.hurry()

    def drain(self) -> None:
        """Begin the drain of this worker: readiness fails, and requests are still served."""
        if self.drains_until is None:
            self.drains_until = monotonic() + self.drain_seconds
            self.connection_close.on = True
            self.begin_drain(inf)

    def hurry(self) -> None:
        """Stop this worker quickly, without the drain or in the middle of the drain."""
        self.drain()
        self.begin_drain(HURRY_SECONDS)
        self.drains_until = self.late_seconds = 0.0
        self.config.timeout_graceful_shutdown = HURRY_SECONDS
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Send the heartbeat by which gunicorn sees a live worker; let uvicorn stop only when the drain is over."""
        should_stop = await super().on_tick(counter)
        if should_stop:
            self.drain()  # gunicorn's `max_requests` stops a worker without a signal: start the drain here
        return should_stop and monotonic() >= (self.drains_until or 0.0)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Close the listeners, wait for requests on connections accepted late, then shut down as uvicorn does."""
        for listener in (*self.servers, *(sockets or ())):
            listener.close()
        await asyncio.sleep(self.late_seconds)
        await super().shutdown(sockets)
