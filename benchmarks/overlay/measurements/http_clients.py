"""Compares HTTP clients for downstream calls, under load and after faults, and writes JSON into a file.

Arguments: the file, the number of rounds, the URL of the downstream. The program runs in any environment with the
packages. With the arguments `serve PORT`, the program is the downstream, in a separate process.
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
MAX_CONCURRENT = 20
"""The most calls in flight, the same number as in the bulkhead of a service's downstream."""

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n" + b'{"rate": "0.9"}'[:15]

MAX_CONCURRENT_AT_FAULTS = 4
"""The most calls in flight during faults: 24 callers for four connections, so that six compete for each connection."""

LEAVING_CALLERS = 24
"""The number of callers that cancel their calls at random moments, as timeouts would."""

CALLS_AFTER_FAULT = 5
"""The number of consecutive calls that test a client after a fault, each with a timeout of one second."""

Call = Callable[[str], Awaitable[object]]


class Downstream(asyncio.Protocol):
    """A downstream for tests of clients: answers at once, at almost no cost, or with the fault that the path names."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, through which the responses are sent."""
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request whose head has arrived completely."""
        for head in data.split(b"\r\n\r\n")[:-1]:
            fault = FAULTS.get(head.split(b" ", 2)[1])
            if fault is None:
                self.transport.write(ANSWER)
            else:
                fault(self.transport)


def answer_later(transport: Any) -> None:  # noqa: ANN401 - `transport` is asyncio's or uvloop's
    """Answer after five milliseconds, during which callers cancel their calls."""

    def answer() -> None:
        if not transport.is_closing():
            transport.write(ANSWER)

    asyncio.get_running_loop().call_later(0.005, answer)


def answer_half(transport: Any) -> None:  # noqa: ANN401 - `transport` is asyncio's or uvloop's
    """Play a fault: send a part of a response and never the rest."""
    transport.write(ANSWER[:-5])


def reset(transport: Any) -> None:  # noqa: ANN401 - `transport` is asyncio's or uvloop's
    """Play a fault: reset the connection."""
    transport.abort()


def hang(_transport: object) -> None:
    """Play a fault: never answer."""


FAULTS: dict[bytes, Callable[[Any], None]] = {
    b"/later": answer_later,
    b"/hang": hang,
    b"/half": answer_half,
    b"/reset": reset,
}


def limits(library: Any, size: int) -> Any:  # noqa: ANN401 - httpx or httpx2, which have the same interface
    """Return limits for the connection pool of an HTTP client."""
    return library.Limits(max_connections=size, max_keepalive_connections=size)


async def shared_httpx(stack: AsyncExitStack, url: str, _max_concurrent: int) -> Call:
    """An HTTP client shared by all callers, without a bulkhead: the usual way in services."""
    client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=60))
    return lambda path: client.get(url + path)


async def client_per_call(_stack: AsyncExitStack, url: str, _max_concurrent: int) -> Call:
    """A new HTTP client for each call: the way that many tutorials show."""

    async def call(path: str) -> object:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            return await client.get(url + path)

    return call


def behind_bulkhead(call: Call, max_concurrent: int) -> Call:
    """Wrap a client's call in a semaphore, so that at most `max_concurrent` calls are in flight, as in a bulkhead."""
    semaphore = asyncio.Semaphore(max_concurrent)

    async def bounded(path: str) -> object:
        async with semaphore:
            return await call(path)

    return bounded


async def httpx_behind_bulkhead(stack: AsyncExitStack, url: str, max_concurrent: int) -> Call:
    """Httpx with its own connection pool, behind a bulkhead."""
    client = httpx.AsyncClient(trust_env=False, timeout=60, limits=limits(httpx, max_concurrent))
    await stack.enter_async_context(client)
    return behind_bulkhead(lambda path: client.get(url + path), max_concurrent)


async def httpx_on_aiohttp_behind_bulkhead(stack: AsyncExitStack, url: str, max_concurrent: int) -> Call:
    """Httpx on aiohttp's connections, behind a bulkhead: the template's default."""

    def session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=max_concurrent), cookie_jar=aiohttp.DummyCookieJar()
        )

    client = httpx.AsyncClient(trust_env=False, timeout=60, transport=AiohttpTransport(client=session))
    await stack.enter_async_context(client)
    return behind_bulkhead(lambda path: client.get(url + path), max_concurrent)


async def httpx2_behind_bulkhead(stack: AsyncExitStack, url: str, max_concurrent: int) -> Call:
    """A client of the httpx2 package behind a bulkhead, as in a service generated with the answer `httpx2`."""
    client = httpx2.AsyncClient(trust_env=False, timeout=60, limits=limits(httpx2, max_concurrent))
    await stack.enter_async_context(client)
    return behind_bulkhead(lambda path: client.get(url + path), max_concurrent)


CLIENTS = {
    "httpx, shared": shared_httpx,
    "httpx, a client per call": client_per_call,
    "httpx + bulkhead": httpx_behind_bulkhead,
    "httpx on aiohttp + bulkhead": httpx_on_aiohttp_behind_bulkhead,
    "httpx2 + bulkhead": httpx2_behind_bulkhead,
}


async def load(call: Call, callers: int) -> dict[str, float]:
    """Let a number of callers call repeatedly for a second; return calls per second, p99 and CPU per call."""
    times: list[float] = []
    ends = time.perf_counter() + SECONDS

    async def caller() -> None:
        while (begin := time.perf_counter()) < ends:
            await call("")
            times.append(time.perf_counter() - begin)

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(caller() for _ in range(callers)))
    took = time.perf_counter() - began
    times.sort()
    return {
        "rate": len(times) / took,
        "p99": times[int(0.99 * len(times))] * 1000,
        "cpu": (time.process_time() - cpu) / len(times) * 1e6,
    }


async def turn(url: str) -> dict[str, dict[str, float]]:
    """Measure each HTTP client once at each number of concurrent callers."""
    found = {}
    for name, build in CLIENTS.items():
        async with AsyncExitStack() as stack:
            call = await build(stack, url, MAX_CONCURRENT)
            await call("")
            for callers in CALLERS:
                found[f"{name}|{callers}"] = await load(call, callers)
    return found


async def answered_after(call: Call, fault: str) -> int:
    """Play a fault to callers that also cancel calls at random moments; return how many of five later calls succeed."""
    random = Random(7)  # noqa: S311 - a fixed seed, so that each client has the same moments
    ends = time.perf_counter() + FAULT_SECONDS

    async def call_and_leave() -> None:
        while time.perf_counter() < ends:
            try:
                async with asyncio.timeout(random.uniform(0, 0.01)):
                    await call(fault)
            except Exception:  # noqa: BLE001 - each client raises its own kinds of errors
                await asyncio.sleep(0)

    await asyncio.gather(*(call_and_leave() for _ in range(LEAVING_CALLERS)))
    answered = 0
    for _ in range(CALLS_AFTER_FAULT):
        with suppress(Exception):
            async with asyncio.timeout(1):
                await call("")
                answered += 1
    return answered


async def recovery(url: str) -> dict[str, dict[str, int]]:
    """Return, for each HTTP client, how many of five calls succeed after each fault."""
    found: dict[str, dict[str, int]] = {}
    for name, build in CLIENTS.items():
        found[name] = {}
        for fault in FAULTS:
            async with AsyncExitStack() as stack:
                call = await build(stack, url, MAX_CONCURRENT_AT_FAULTS)
                found[name][fault.decode()] = await answered_after(call, fault.decode().lstrip("/"))
    return found


async def main(rounds: int, url: str) -> dict[str, Any]:
    """Return the medians of the load figures over the rounds, and the recovery of each client after the faults."""
    turns = [await turn(url) for _ in range(rounds)]
    load = {key: {value: median(found[key][value] for found in turns) for value in turns[0][key]} for key in turns[0]}
    return {"load": load, "recovery": await recovery(url)}


async def serve(port: int) -> None:
    """Serve as the downstream of the measurement until the process is killed."""
    server = await asyncio.get_running_loop().create_server(Downstream, "127.0.0.1", port, backlog=1000)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        uvloop.run(serve(int(sys.argv[2])))
    else:
        found = uvloop.run(main(int(sys.argv[2]), sys.argv[3]))
        Path(sys.argv[1]).write_text(json.dumps(found), "utf-8")
