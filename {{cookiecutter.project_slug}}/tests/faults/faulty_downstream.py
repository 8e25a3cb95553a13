"""Runs the service of `downstream_app.py` with two downstreams, and makes a downstream misbehave."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from app.settings.downstreams import DownstreamSettings
from devtools.ports import free_port
from tests.databases import ROOT
from tests.faults.clients import Answers, Client
from tests.http_client import httpx
from tests.server.processes import Service, serving

PATIENCE_SECONDS = 60
"""How long to wait for a started downstream or a closed circuit breaker, in seconds, on a machine a tenth as fast."""

MAX_CONCURRENT = DownstreamSettings.model_fields["max_concurrent"].default
"""The most concurrent calls of a downstream, which its bulkhead allows."""


@contextmanager
def downstream() -> Iterator[int]:
    """Start tests/downstreams/faulty_server.py as a downstream in a separate process, and yield the port."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "tests.downstreams.faulty_server", str(port)], cwd=ROOT)
    try:
        asyncio.run(until_listening(port))
        yield port
    finally:
        process.kill()
        process.wait()


async def until_listening(port: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return


@contextmanager
def serving_with_downstreams(server_url: str, template: str) -> Iterator[tuple[Service, int]]:
    """Run the service of `downstream_app.py` with one worker, and yield it with the port of the bad downstream."""
    with ExitStack() as stack:
        bad, good = (stack.enter_context(downstream()) for _ in range(2))
        variables = {"WEB_CONCURRENCY": "1", "LOG_LEVEL": "error", "DOWNSTREAM_PORTS": f"{bad} {good} {good} {bad}"}
        arguments = ("--pythonpath=tests/faults", "downstream_app:app")
        yield stack.enter_context(serving(server_url, template, *arguments, **variables)), bad


def become(port: int, behaviour: str) -> None:
    """Select the behaviour of the downstream at a port from now on; `behaviour` is a name in BEHAVIOURS."""
    httpx.get(f"http://127.0.0.1:{port}/become/{behaviour}")


def seen(port: int) -> dict[str, int]:
    """Return the number of calls to the downstream at a port, and how many connections made calls at the same time."""
    counts: dict[str, int] = httpx.get(f"http://127.0.0.1:{port}/seen").json()
    return counts


async def until_recovered(service: Service, path: str) -> None:
    """Wait until a route answers 200 again, with the circuit breaker closed."""
    client = Client(service.url, Answers())
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await client.ask(path) != 200:  # noqa: ASYNC110 - polls: another process sets no asyncio.Event
            await asyncio.sleep(0.05)
    client.close()
