"""An app under uvicorn in the test's event loop, on a real socket: an in-process client would skip HTTP and TCP."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from socket import socket

import uvicorn
from fastapi import FastAPI


class AnnouncedServer(uvicorn.Server):
    """A uvicorn server whose event `listening` is set when the port is open, so that a test can connect."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(uvicorn.Config(app, port=0, lifespan="off", log_config=None, access_log=False))
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Open the port, then set the event `listening`."""
        await super().startup(sockets)
        self.listening.set()


@asynccontextmanager
async def served(app: FastAPI) -> AsyncGenerator[str]:
    """Serve an app on a free port of this machine and yield the URL; the caller runs the lifespan of the app."""
    server = AnnouncedServer(app)
    serving = asyncio.create_task(server.serve())
    await server.listening.wait()
    host, port = server.servers[0].sockets[0].getsockname()
    yield f"http://{host}:{port}"
    server.should_exit = True
    await serving
