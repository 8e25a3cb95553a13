"""Compare what moves the bytes of calls to other services, at growing numbers of callers, and write JSON into a file.

Arguments: the file, the number of rounds, the engines to compare, separated by commas. Runs in any environment that has
the packages of those engines.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import httpx
import httpx2
import uvloop
from httpx_aiohttp import AiohttpTransport

CALLERS = (1, 20, 100, 200, 300)
SECONDS = 1.0
GATE = 20
"""Calls in flight, as a downstream's gate has at most."""

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n" + b'{"rate": "0.9"}'[:15]

Ask = Callable[[], Awaitable[object]]


class Neighbour(asyncio.Protocol):
    """Answers each request at once, at next to no cost."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """Answer as often as a request ends."""
        for _ in range(data.count(b"\r\n\r\n")):
            self.transport.write(ANSWER)


def limits(library: Any, size: int) -> Any:  # noqa: ANN401 - httpx or httpx2, which have the same interface
    """Return the limits of a client."""
    return library.Limits(max_connections=size, max_keepalive_connections=size)


async def shared_httpx(stack: AsyncExitStack, url: str) -> Ask:
    """One client for everybody and nothing in front, as most services have it."""
    client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=60))
    return lambda: client.get(url)


async def client_per_request(_stack: AsyncExitStack, url: str) -> Ask:
    """A client for each call, as tutorials have it."""

    async def ask() -> object:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            return await client.get(url)

    return ask


def gated(ask: Ask) -> Ask:
    """Let so many calls fly at once."""
    gate = asyncio.Semaphore(GATE)

    async def wait_and_ask() -> object:
        async with gate:
            return await ask()

    return wait_and_ask


async def gated_httpx(stack: AsyncExitStack, url: str) -> Ask:
    """The connections of httpx itself behind a gate."""
    client = httpx.AsyncClient(trust_env=False, timeout=60, limits=limits(httpx, GATE))
    await stack.enter_async_context(client)
    return gated(lambda: client.get(url))


async def gated_httpx_on_aiohttp(stack: AsyncExitStack, url: str) -> Ask:
    """What the default answer generates: aiohttp's connections under httpx, behind a gate."""

    def session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=GATE), cookie_jar=aiohttp.DummyCookieJar())

    client = httpx.AsyncClient(trust_env=False, timeout=60, transport=AiohttpTransport(client=session))
    await stack.enter_async_context(client)
    return gated(lambda: client.get(url))


async def gated_httpx2(stack: AsyncExitStack, url: str) -> Ask:
    """What the other answer generates: httpx2 behind a gate."""
    client = httpx2.AsyncClient(trust_env=False, timeout=60, limits=limits(httpx2, GATE))
    await stack.enter_async_context(client)
    return gated(lambda: client.get(url))


ENGINES = {
    "httpx, shared": shared_httpx,
    "httpx, one per call": client_per_request,
    "httpx + gate": gated_httpx,
    "httpx on aiohttp + gate": gated_httpx_on_aiohttp,
    "httpx2 + gate": gated_httpx2,
}


async def load(ask: Ask, callers: int) -> dict[str, float]:
    """Let so many callers ask again and again, and return calls per second, p99 and CPU per call."""
    times: list[float] = []
    ends = time.perf_counter() + SECONDS

    async def call() -> None:
        while (begin := time.perf_counter()) < ends:
            await ask()
            times.append(time.perf_counter() - begin)

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(call() for _ in range(callers)))
    took = time.perf_counter() - began
    times.sort()
    return {
        "rate": len(times) / took,
        "p99": times[int(0.99 * len(times))] * 1000,
        "cpu": (time.process_time() - cpu) / len(times) * 1e6,
    }


async def turn(url: str) -> dict[str, dict[str, float]]:
    """Measure each engine at each number of callers once."""
    found = {}
    for name, build in ENGINES.items():
        async with AsyncExitStack() as stack:
            ask = await build(stack, url)
            await ask()
            for callers in CALLERS:
                found[f"{name}|{callers}"] = await load(ask, callers)
    return found


async def main(rounds: int, url: str) -> dict[str, dict[str, float]]:
    """Return the medians of the rounds."""
    turns = [await turn(url) for _ in range(rounds)]
    return {key: {value: median(one[key][value] for one in turns) for value in turns[0][key]} for key in turns[0]}


async def serve(port: int) -> None:
    """Be the other service, in a process of its own."""
    server = await asyncio.get_running_loop().create_server(Neighbour, "127.0.0.1", port, backlog=1000)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        uvloop.run(serve(int(sys.argv[2])))
    else:
        found = uvloop.run(main(int(sys.argv[2]), sys.argv[3]))
        Path(sys.argv[1]).write_text(json.dumps(found), "utf-8")
