"""The gunicorn worker: uvicorn-worker's, with three of its gaps closed.

The stock worker waits without bound for open connections, so gunicorn kills it while a stream is open and the
lifespan never exits. At SIGTERM it resets whoever it is still in use by (see `drain.py`), and SIGQUIT it does not
hear. And a start that is refused on purpose logs a traceback, at the end of which is the sentence that matters.
"""

import asyncio
import signal
import sys
from functools import partial
from typing import Any, ClassVar

from gunicorn.arbiter import Arbiter
from uvicorn.lifespan.on import LifespanOn, LifespanSendMessage
from uvicorn_worker import UvicornWorker

from app.capacity.plan import CapacityError
from app.connection import PgBouncerInBetween
from app.health.revisions import RevisionsError
from app.health.role_check import RoleError
from app.lifespan import begin_drain
from app.server.drain import DrainingServer
from app.server.protocol import BoundedProtocol
from app.settings import load_settings

REFUSALS = CapacityError, PgBouncerInBetween, RevisionsError, RoleError
"""What stops a start on purpose."""


class PlainLifespan(LifespanOn):
    """Says why a start was refused in one sentence."""

    async def send(self, message: LifespanSendMessage) -> None:
        """Take what Starlette says about the start; while it says that it failed, it is handling the exception."""
        error = sys.exception()
        if message["type"] == "lifespan.startup.failed" and isinstance(error, REFUSALS):
            message["message"] = f"The service cannot start: {error}"
        await super().send(message)


class ServiceWorker(UvicornWorker):  # type: ignore[misc] # uvicorn-worker ships no types
    """Serve the application on one event loop."""

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {**UvicornWorker.CONFIG_KWARGS, "http": BoundedProtocol}

    server_class = DrainingServer

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - gunicorn's own signature
        super().__init__(*args, **kwargs)
        settings = load_settings()
        self.drain_seconds = settings.drain_seconds
        self.config.timeout_graceful_shutdown = max(1.0, settings.seconds_in_flight)

    async def _serve(self) -> None:
        """Do what the parent does, with our server."""
        self.config.app = self.wsgi
        server = self.server_class(self.config, partial(begin_drain, self.wsgi), self.drain_seconds)
        self.config.load()
        self.config.lifespan_class = PlainLifespan
        asyncio.get_running_loop().add_signal_handler(signal.SIGQUIT, server.hurry)
        await server.serve(sockets=self.sockets)
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
