"""Serve an app over a real socket inside the test's event loop, for what a client without a network cannot see."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from socket import socket

import uvicorn
from fastapi import FastAPI


class AnnouncedServer(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(uvicorn.Config(app, port=0, lifespan="off", log_config=None, access_log=False))
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Open the port."""
        await super().startup(sockets)
        self.listening.set()


@asynccontextmanager
async def served(app: FastAPI) -> AsyncGenerator[str]:
    """Yield the URL of the app; its lifespan is the caller's business."""
    server = AnnouncedServer(app)
    serving = asyncio.create_task(server.serve())
    await server.listening.wait()
    host, port = server.servers[0].sockets[0].getsockname()
    yield f"http://{host}:{port}"
    server.should_exit = True
    await serving
