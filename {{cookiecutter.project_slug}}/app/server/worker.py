"""The gunicorn worker: uvicorn-worker's, with three of its gaps closed.

The stock worker waits without bound for open connections, so gunicorn kills it while a stream is open and the
lifespan never exits. Nobody tells the application that the end has come. And a start that is refused on purpose logs
a traceback, at the end of which is the sentence that matters.
"""

import sys
from types import FrameType
from typing import Any

from fastapi import FastAPI
from gunicorn.arbiter import Arbiter
from uvicorn.config import Config
from uvicorn.lifespan.on import LifespanOn, LifespanSendMessage
from uvicorn.server import Server
from uvicorn_worker import UvicornWorker

from app.capacity.plan import CapacityError
from app.connection import PgBouncerInBetween
from app.health.revisions import RevisionsError
from app.health.role_check import RoleError
from app.lifespan import begin_drain
from app.settings import STOP_MARGIN_SECONDS

REFUSALS = CapacityError, PgBouncerInBetween, RevisionsError, RoleError
"""What stops a start on purpose."""


class DrainingServer(Server):
    """A uvicorn server that tells the application first."""

    def __init__(self, config: Config, application: FastAPI) -> None:
        super().__init__(config)
        self.application = application

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take the worker out of the balancer, then stop as uvicorn does."""
        begin_drain(self.application)
        super().handle_exit(sig, frame)


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

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - gunicorn's own signature
        super().__init__(*args, **kwargs)
        self.config.timeout_graceful_shutdown = max(1, self.cfg.graceful_timeout - round(STOP_MARGIN_SECONDS))

    async def _serve(self) -> None:
        """Do what the parent does, with our server."""
        self.config.app = self.wsgi
        self.config.load()
        self.config.lifespan_class = PlainLifespan
        server = DrainingServer(self.config, self.wsgi)
        self._install_sigquit_handler()
        await server.serve(sockets=self.sockets)
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
