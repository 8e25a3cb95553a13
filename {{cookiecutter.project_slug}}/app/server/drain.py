"""The end of a worker in the order in which nobody loses a request.

Told to stop, it says that it is not ready and goes on serving for a while, on new connections too: balancers hear of
it late. Each answer asks its client to reconnect elsewhere. Then nothing more is accepted, what was accepted late gets
its answer, the requests in flight finish, and the lifespan exits.
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
"""What a connection that was accepted at the last moment gets for its request. uvicorn closes those that have none."""

HURRY_SECONDS = 1
"""What requests in flight get after SIGINT or SIGQUIT. Where either follows a SIGTERM, gunicorn kills after two."""


class LastAnswers:
    """Adds `Connection: close` to every answer, once it is switched on: closed by agreement, nothing is lost."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.on = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; looks when the answer starts, for it may be on its way since before the signal."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_and_close(message: Message) -> None:
            if self.on and message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        await self.app(scope, receive, send_and_close)


class DrainingServer(Server):
    """A uvicorn server that stops in this order."""

    late_seconds = LATE_SECONDS

    def __init__(self, config: Config, begin_drain: Callable[[float], None], drain_seconds: float) -> None:
        """Wrap the application of the configuration.

        Args:
            config: not yet loaded, with the application itself and no import string.
            begin_drain: tells the application that it is not ready any more, and how many seconds its background
                tasks have; called from a signal handler.
            drain_seconds: from the signal to the last connection that is accepted.
        """
        config.app = self.last_answers = LastAnswers(config.app)  # type: ignore[arg-type] # an application, see above
        super().__init__(config)
        self.begin_drain = begin_drain
        self.drain_seconds = drain_seconds
        self.drains_until: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain at SIGTERM, however often it comes: gunicorn may repeat it. A person at the keyboard has no time."""
        super().handle_exit(sig, frame)
        if sig == signal.SIGTERM:
            self.drain()
        else:
            self.hurry()

    def drain(self) -> None:
        """Take the worker out of the balancer and go on serving."""
        if self.drains_until is None:
            self.drains_until = monotonic() + self.drain_seconds
            self.last_answers.on = True
            self.begin_drain(inf)

    def hurry(self) -> None:
        """Stop without a drain, or in the middle of one."""
        self.drain()
        self.begin_drain(HURRY_SECONDS)
        self.drains_until = self.late_seconds = 0.0
        self.config.timeout_graceful_shutdown = HURRY_SECONDS
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Beat gunicorn's heartbeat as before, and let uvicorn stop only when the drain is over."""
        should_stop = await super().on_tick(counter)
        if should_stop:
            self.drain()  # `max_requests` comes without a signal
        return should_stop and monotonic() >= (self.drains_until or 0.0)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Accept nothing more, answer those who came late, then stop as uvicorn does."""
        for listener in (*self.servers, *(sockets or ())):
            listener.close()
        await asyncio.sleep(self.late_seconds)
        await super().shutdown(sockets)
