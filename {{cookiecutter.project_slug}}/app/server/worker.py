"""The gunicorn worker class: uvicorn-worker's class with a graceful shutdown, SIGQUIT, and clear errors at the start.

uvicorn-worker's own class waits without bound for open connections: while a stream is open, gunicorn kills the worker,
and the lifespan never exits. At SIGTERM that class resets connections in use (see `drain.py`), and it ignores SIGQUIT.
When the service refuses to start, that class logs a traceback that hides the useful sentence.
"""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from socket import socket
from time import monotonic
from types import FrameType
from typing import Any, ClassVar

import structlog
from fastapi import FastAPI
from gunicorn.arbiter import Arbiter
from uvicorn.config import Config
from uvicorn.lifespan.on import LifespanOn, LifespanSendMessage
from uvicorn_worker import UvicornWorker

from app.errors import CannotStart
from app.lifespan import begin_drain
from app.observability.gauges import GAUGES
from app.server.balance import WorkerCount
from app.server.connections import Connections
from app.server.drain import DrainingServer
from app.server.listener import Listener
from app.server.protocol import UNIX_PEER, BoundedProtocol
from app.settings.load import load_settings
from app.web.websockets import has_route

MAX_MESSAGE_BYTES = 65_536
"""The largest message of a WebSocket, as large as a JSON body; uvicorn would keep 16 MB before the application sees any
of it."""

START_SECONDS = 10.0
"""How long, in seconds, a worker postpones SIGTERM for workers that are starting: several times a start. This and the
drain are less than GRACEFUL_SHUTDOWN_SECONDS, after which gunicorn kills the worker."""

log = structlog.get_logger("worker")


class PlainLifespan(LifespanOn):
    """The lifespan protocol of uvicorn, which logs a sentence instead of a traceback when the start is refused."""

    async def send(self, message: LifespanSendMessage) -> None:
        """Pass a lifespan message on; if the service refuses to start, log the error's sentence, not a traceback."""
        error = sys.exception()
        if message["type"] == "lifespan.startup.failed" and isinstance(error, CannotStart):
            message["message"] = f"The service cannot start: {error}"
        await super().send(message)


class ServiceServer(DrainingServer):
    """The server of a worker, which accepts a connection of a client only while the worker has room."""

    def __init__(
        self, config: Config, app: FastAPI, *, drain_seconds: float, max_connections: int, balance: WorkerCount
    ) -> None:
        super().__init__(config, partial(begin_drain, app), drain_seconds)
        self.app, self.balance = app, balance
        self.stops_at: float | None = None
        """The latest time to obey the first SIGTERM, on the monotonic clock; None before SIGTERM."""
        self.connections = Connections(max_connections, lambda: balance.publish(len(self.server_state.connections)))
        GAUGES["app_server_connections"] = "Connections of clients.", lambda: len(self.server_state.connections)
        GAUGES["app_server_connections_limit"] = "The most connections of clients.", lambda: self.connections.limit
        GAUGES["app_server_connections_closed_total"] = "Idle connections closed.", lambda: self.connections.closed

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Start the lifespan without uvicorn's listeners, then listen on gunicorn's sockets."""
        # Exclude objects of the start-up, which live as long as the process, from later, blocking garbage collections.
        # The collection itself comes before the lifespan, as the loop monitor would report it as a blocked event loop.
        gc.collect()
        await super().startup([])
        gc.freeze()
        gc.enable()
        open_connections = self.server_state.connections
        self.servers = [
            Listener(listening, self.admit, self.config.ssl, self.balance, open_connections.__len__)  # type: ignore[misc] # has the methods of a server that uvicorn calls
            for listening in sockets or ()
        ]

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle a signal as the parent class does, but postpone SIGTERM while a different worker is starting.

        At SIGHUP, gunicorn stops the old workers before the new workers have started. If the old workers obeyed, new
        connections would wait in the kernel's queue until the first new worker has started.
        """
        if sig == signal.SIGTERM and self.stops_at is None:
            self.stops_at = monotonic() + START_SECONDS * self.balance.is_awaited()
        if sig != signal.SIGTERM or not self.is_postponed():
            super().handle_exit(sig, frame)

    def is_postponed(self) -> bool:
        """Tell whether SIGTERM came, and this worker goes on because a different worker is starting."""
        return self.stops_at is not None and self.balance.is_awaited() and monotonic() < self.stops_at

    async def on_tick(self, counter: int) -> bool:
        """Obey a postponed SIGTERM as soon as no worker is starting, then do what the parent class does."""
        if self.stops_at is not None and not self.should_exit and not self.is_postponed():
            super().handle_exit(signal.SIGTERM, None)
        return await super().on_tick(counter)

    def admit(self) -> Callable[[], BoundedProtocol] | None:
        """Return a factory for the protocol of one more connection, or None while the worker has no room."""
        admission = self.connections.admit(len(self.server_state.connections))
        if admission == "later":
            return None
        return partial(
            BoundedProtocol,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            connections=self.connections,
            has_websocket=partial(has_route, self.app),
            is_spare=admission == "spare",
        )


class ServiceWorker(UvicornWorker):  # type: ignore[misc] # uvicorn-worker ships no types
    """A gunicorn worker that serves the application on one event loop."""

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {**UvicornWorker.CONFIG_KWARGS, "http": BoundedProtocol}

    server_class = ServiceServer

    ppid: int
    """The process id of the gunicorn master, which started this worker; set by gunicorn."""

    balance: WorkerCount
    """The shared numbers of open connections, by which workers balance new connections; set by gunicorn.conf.py before
    the fork."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - gunicorn's own constructor takes any arguments
        super().__init__(*args, **kwargs)
        # Trust each client of a unix socket: the client is a proxy, without an address for gunicorn's list of proxies.
        if self.cfg.forwarded_allow_ips != ["*"]:
            self.config.forwarded_allow_ips = [*self.cfg.forwarded_allow_ips, UNIX_PEER[0]]
        self.config.ws_max_size = MAX_MESSAGE_BYTES
        settings = load_settings()
        self.drain_seconds = settings.drain_seconds
        self.config.timeout_graceful_shutdown = max(1.0, settings.seconds_in_flight)

    def init_process(self) -> None:
        """Load the application without garbage collection, which would take a sixth of the time and free nothing."""
        gc.disable()
        super().init_process()

    async def callback_notify(self) -> None:
        """Send the heartbeat to the master; after the master was killed, shut down gracefully.

        Without a master no process would stop the worker, which would keep the port and its database connections.
        """
        await super().callback_notify()
        if os.getppid() != self.ppid:
            self.ppid = os.getppid()
            log.error("master process was killed, worker shuts down")
            signal.raise_signal(signal.SIGTERM)

    async def _serve(self) -> None:
        """Serve as the parent class does, but with `ServiceServer`, `PlainLifespan` and a handler of SIGQUIT."""
        self.config.app = self.wsgi
        server = self.server_class(
            self.config,
            self.wsgi,
            drain_seconds=self.drain_seconds,
            max_connections=self.cfg.worker_connections,
            balance=self.balance,
        )
        self.config.lifespan = "on"  # uvicorn's default, `auto`, may serve although the lifespan raised an error
        self.config.load()
        self.config.lifespan_class = PlainLifespan
        asyncio.get_running_loop().add_signal_handler(signal.SIGQUIT, server.hurry)
        await server.serve(sockets=self.sockets)
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
