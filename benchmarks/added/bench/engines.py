"""Compare what moves the bytes of calls to other services: under load, and after faults. Writes JSON into a file.

Arguments: the file, the number of rounds, the address of the neighbour. Runs in any environment that has the packages.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import aiohttp
import httpx
import httpx2
import uvloop
from httpx_aiohttp import AiohttpTransport

CALLERS = (1, 20, 100, 200, 300)
SECONDS = 1.0
FAULT_SECONDS = 5.0
GATE = 20
"""Calls in flight, as a downstream's gate has at most."""

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n" + b'{"rate": "0.9"}'[:15]

FEW = 4
"""The same for the faults, so that six callers want each place."""

LEAVING = 24
"""Callers who leave at random moments, as every time limit makes them."""

LATER = 5
"""Calls after the fault, one after the other, each with a second."""

Ask = Callable[[str], Awaitable[object]]


class Neighbour(asyncio.Protocol):
    """Answers each request at once, at next to no cost; or does what the path says."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """Answer as often as a request ends."""
        for head in data.split(b"\r\n\r\n")[:-1]:
            fault = FAULTS.get(head.split(b" ", 2)[1])
            if fault is None:
                self.transport.write(ANSWER)
            else:
                fault(self.transport)


def answer_later(transport: Any) -> None:  # noqa: ANN401 - of asyncio or uvloop
    """Answer after some milliseconds, in which callers leave."""

    def answer() -> None:
        if not transport.is_closing():
            transport.write(ANSWER)

    asyncio.get_running_loop().call_later(0.005, answer)


def answer_half(transport: Any) -> None:  # noqa: ANN401 - as above
    """Begin an answer and never end it."""
    transport.write(ANSWER[:-5])


def reset(transport: Any) -> None:  # noqa: ANN401 - as above
    """End the connection."""
    transport.abort()


def hang(_transport: object) -> None:
    """Say nothing."""


FAULTS: dict[bytes, Callable[[Any], None]] = {
    b"/later": answer_later,
    b"/hang": hang,
    b"/half": answer_half,
    b"/reset": reset,
}


def limits(library: Any, size: int) -> Any:  # noqa: ANN401 - httpx or httpx2, which have the same interface
    """Return the limits of a client."""
    return library.Limits(max_connections=size, max_keepalive_connections=size)


async def shared_httpx(stack: AsyncExitStack, url: str, _places: int) -> Ask:
    """One client for everybody and nothing in front, as most services have it."""
    client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=60))
    return lambda path: client.get(url + path)


async def client_per_request(_stack: AsyncExitStack, url: str, _places: int) -> Ask:
    """A client for each call, as tutorials have it."""

    async def ask(path: str) -> object:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            return await client.get(url + path)

    return ask


def gated(ask: Ask, places: int) -> Ask:
    """Let so many calls fly at once."""
    gate = asyncio.Semaphore(places)

    async def wait_and_ask(path: str) -> object:
        async with gate:
            return await ask(path)

    return wait_and_ask


async def gated_httpx(stack: AsyncExitStack, url: str, places: int) -> Ask:
    """The connections of httpx itself behind a gate."""
    client = httpx.AsyncClient(trust_env=False, timeout=60, limits=limits(httpx, places))
    await stack.enter_async_context(client)
    return gated(lambda path: client.get(url + path), places)


async def gated_httpx_on_aiohttp(stack: AsyncExitStack, url: str, places: int) -> Ask:
    """What the default answer generates: aiohttp's connections under httpx, behind a gate."""

    def session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=places), cookie_jar=aiohttp.DummyCookieJar())

    client = httpx.AsyncClient(trust_env=False, timeout=60, transport=AiohttpTransport(client=session))
    await stack.enter_async_context(client)
    return gated(lambda path: client.get(url + path), places)


async def gated_httpx2(stack: AsyncExitStack, url: str, places: int) -> Ask:
    """What the other answer generates: httpx2 behind a gate."""
    client = httpx2.AsyncClient(trust_env=False, timeout=60, limits=limits(httpx2, places))
    await stack.enter_async_context(client)
    return gated(lambda path: client.get(url + path), places)


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
            await ask("")
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
            ask = await build(stack, url, GATE)
            await ask("")
            for callers in CALLERS:
                found[f"{name}|{callers}"] = await load(ask, callers)
    return found


async def left_after(ask: Ask, fault: str) -> int:
    """Let callers meet the fault and leave at random moments; return how many of five later calls are answered."""
    random = Random(7)  # noqa: S311 - the same moments for each engine
    ends = time.perf_counter() + FAULT_SECONDS

    async def call_and_leave() -> None:
        while time.perf_counter() < ends:
            try:
                async with asyncio.timeout(random.uniform(0, 0.01)):
                    await ask(fault)
            except Exception:  # noqa: BLE001 - each engine has errors of its own
                await asyncio.sleep(0)

    await asyncio.gather(*(call_and_leave() for _ in range(LEAVING)))
    answered = 0
    for _ in range(LATER):
        with suppress(Exception):
            async with asyncio.timeout(1):
                await ask("")
                answered += 1
    return answered


async def survival(url: str) -> dict[str, dict[str, int]]:
    """Return for each engine how many of five calls are answered after each fault."""
    found: dict[str, dict[str, int]] = {}
    for name, build in ENGINES.items():
        found[name] = {}
        for fault in FAULTS:
            async with AsyncExitStack() as stack:
                found[name][fault.decode()] = await left_after(await build(stack, url, FEW), fault.decode().lstrip("/"))
    return found


async def main(rounds: int, url: str) -> dict[str, Any]:
    """Return the medians of the rounds, and what was left after the faults."""
    turns = [await turn(url) for _ in range(rounds)]
    load = {key: {value: median(one[key][value] for one in turns) for value in turns[0][key]} for key in turns[0]}
    return {"load": load, "left": await survival(url)}


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
