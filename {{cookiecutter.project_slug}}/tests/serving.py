"""Runs an app under uvicorn in the test's event loop, on a real socket: in-process clients would skip HTTP and TCP."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from socket import socket

import uvicorn
from fastapi import FastAPI

PATIENCE_SECONDS = 60
"""The longest wait for the start and for the end of a server, in seconds: uvicorn waits for open connections."""


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
    """Serve an app on a free port of this machine and yield the URL; the caller runs the app's lifespan."""
    server = AnnouncedServer(app)
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(PATIENCE_SECONDS):
        await server.listening.wait()
    host, port = server.servers[0].sockets[0].getsockname()
    yield f"http://{host}:{port}"
    server.should_exit = True
    await asyncio.wait_for(serving, PATIENCE_SECONDS)
