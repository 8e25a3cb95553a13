"""Tools for the tests of the recipes: servers that can be frozen, the app under test, and stalls of the event loop."""

import asyncio
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

FROZEN_SECONDS, LONG_STALL_SECONDS = 2.0, 0.5
"""How long a server is frozen, and the stall from which an event loop counts as blocked, in seconds.

The stall is shorter, because a busy machine delays the call while the server is frozen.
"""

START_SECONDS = 30
"""The longest wait for the start of a server, in seconds: ten times what the slowest server takes."""


def free_port() -> int:
    """Return a port on 127.0.0.1 that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@dataclass(frozen=True)
class Server:
    """A server that runs in a separate process."""

    port: int
    process: subprocess.Popen[bytes]

    def freeze(self) -> None:
        """Freeze the process, like a paused machine: connections stay open, and nothing is answered."""
        os.kill(self.process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)  # returns once every thread of the server stands still

    def thaw(self) -> None:
        """Let a frozen process continue, unless the process has ended."""
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGCONT)


@contextmanager
def server(command: Callable[[int, str], list[object]]) -> Generator[Server]:
    """Run a server on a free port, in a temporary folder, until the block ends."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        with log.open("wb") as output:
            words = [str(word) for word in command(port, folder)]
            process = subprocess.Popen(words, stdout=output, stderr=output)
        running = Server(port, process)
        try:
            until_listening(running, log)
            yield running
        finally:
            running.thaw()
            process.kill()
            process.wait(10)


def until_listening(running: Server, log: Path) -> None:
    """Wait until a server accepts connections."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and running.process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", running.port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"The server does not start:\n{log.read_text()}")


def tutorial(name: str) -> ModuleType:
    """Import the code of a tutorial anew, as the modules read the environment while being imported."""
    spec = importlib.util.spec_from_file_location(f"tutorial_{name}", Path("tutorials", f"{name}.py"))
    assert spec
    assert spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncGenerator[httpx.AsyncClient]:
    """Run the lifespan of an app, and yield a client that calls the app in this process."""
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://recipe", timeout=30) as client:
            yield client


@asynccontextmanager
async def served(app: FastAPI) -> AsyncGenerator[str]:
    """Serve an app with uvicorn on a free port, and yield the app's address."""
    running = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=2))
    task = asyncio.create_task(running.serve())
    async with asyncio.timeout(START_SECONDS):
        while not running.started:
            await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
    finally:
        running.should_exit = True
        async with asyncio.timeout(START_SECONDS):
            await task


def delay_of_the_scheduler() -> float:
    """Return the seconds for which this thread was ready to run but had to wait for a CPU, as counted by Linux."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text("ascii").split()[1]) / 1e9
    except OSError:
        return 0.0


async def longest_stall(work: Coroutine[Any, Any, object]) -> float:
    """Return the longest time in seconds for which some work kept the event loop from turning.

    The time for which other programs had the CPU is no stall: on a busy machine this time exceeds any bound.
    """
    worst, task = 0.0, asyncio.create_task(work)
    last, delayed = time.monotonic(), delay_of_the_scheduler()
    while not task.done():
        await asyncio.sleep(0.01)
        now, delay = time.monotonic(), delay_of_the_scheduler()
        worst, last, delayed = max(worst, now - last - (delay - delayed)), now, delay
    await task
    return worst


async def stall_while_frozen(frozen: Server, work: Coroutine[Any, Any, object]) -> float:
    """Return the longest stall of the event loop during work that begins while a server is frozen for two seconds."""
    timer = threading.Timer(FROZEN_SECONDS, frozen.thaw)

    async def begin() -> None:
        timer.start()
        await work

    frozen.freeze()
    stall = await longest_stall(begin())
    timer.join()
    return stall


async def eventually(look: Callable[[], Awaitable[bool]], seconds: float = 10) -> None:
    """Wait until an async check returns true."""
    async with asyncio.timeout(seconds):
        while not await look():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def losing_a_reply(port: int, command: bytes) -> AsyncGenerator[int]:
    """Proxy a server, and lose the reply to a command: close the connection once the server has obeyed the command.

    Only the first sending of each command loses the reply.
    """
    lost: set[bytes] = set()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, to_server = await asyncio.open_connection("127.0.0.1", port)
        while data := await reader.read(65536):
            to_server.write(data)
            reply = await behind.read(65536)
            if command in data and data not in lost:
                lost.add(data)
                break
            writer.write(reply)
        writer.close()
        to_server.close()

    async with await asyncio.start_server(forward, "127.0.0.1", 0) as listener:
        yield listener.sockets[0].getsockname()[1]
