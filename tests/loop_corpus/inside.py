"""Calls the cases and twins inside a service's environment, behind one gate: `inside tests cases/sleeps ...`.

It prints, as JSON, what the gate noticed: pairs of a family and a route.
"""

import asyncio
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

import httpx
from app.observability.loop_monitor import LoopMonitor
from fastapi import FastAPI
from fastapi.routing import APIRoute

from tests.blocking import gates

from . import slow

STALL_SECONDS = 0.1
"""The default of the service's setting."""

AFTER_SECONDS = 0.02
"""For callbacks that a case leaves behind, and for the beat of a monitor that is overdue."""

ROUNDS = 3
"""A busy machine makes a loop late now and then: a twin is flagged when it happens in each round."""

PATIENCE_SECONDS = 10.0

Gate = Callable[[], AbstractContextManager[list[str]]]


@contextmanager
def tests_gate() -> Iterator[list[str]]:
    """The gate in tests: blockbuster, and what takes long."""
    found: list[str] = []
    with suppress(Exception), gates("app") as findings:  # a case may fail in its own way, and the gate in its own
        try:
            yield found
        finally:
            found += [*findings.calls, *findings.stalls]


@contextmanager
def monitor_gate() -> Iterator[list[str]]:
    """The gate at run time: the monitor that the lifespan starts."""
    found: list[str] = []

    def note(event: str, seconds: float, _sample: object) -> None:
        found.append(f"{event} for {seconds:.3f} s")

    with LoopMonitor(STALL_SECONDS, note), suppress(Exception):  # a case may fail in its own way
        yield found


GATES: dict[str, Gate] = {"tests": tests_gate, "monitor": monitor_gate}


def applications(module_name: str) -> Iterator[tuple[FastAPI, list[APIRoute]]]:
    """Yield the applications of a module, with their routes: one for its router, and those that it made."""
    module = importlib.import_module(module_name)
    plain = FastAPI()
    plain.include_router(module.router)
    for app, routes in [
        (plain, module.router.routes),
        *((value, value.routes) for value in vars(module).values() if isinstance(value, FastAPI)),
    ]:
        yield app, [route for route in routes if isinstance(route, APIRoute)]


async def notices(gate: Gate, client: httpx.AsyncClient, route: APIRoute, *, twin: bool) -> bool:
    """Call a route once and tell whether the gate noticed something; a twin that fails proves nothing, and counts."""
    failed = False
    with gate() as found:
        method = next(iter(route.methods))
        failed = twin
        answer = await asyncio.wait_for(client.request(method, route.path, json={"name": "a"}), PATIENCE_SECONDS)
        failed = twin and answer.is_server_error
        await asyncio.sleep(AFTER_SECONDS)
    await asyncio.sleep(0)
    return bool(found) or failed


async def judge_one(gate: Gate, client: httpx.AsyncClient, route: APIRoute, *, twin: bool) -> bool:
    """Tell whether a gate notices a route: a case at least once, a twin each time."""
    for _ in range(ROUNDS):
        noticed = await notices(gate, client, route, twin=twin)
        if noticed != twin:
            break
    return noticed


async def judge(gate: Gate, families: list[str]) -> list[tuple[str, str]]:
    """Return every route of these families that the gate noticed."""
    noticed = []
    for family in families:
        for app, routes in applications(f"app.loop_corpus.{family.replace('/', '.')}"):
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://corpus") as client:
                noticed += [
                    (family, route.name)
                    for route in routes
                    if await judge_one(gate, client, route, twin=family.startswith("twins/"))
                ]
    return noticed


def main(name: str, families: list[str]) -> None:
    """Judge by the gate that is named."""
    with slow.serving():
        print(json.dumps(asyncio.run(judge(GATES[name], families))), flush=True)
    os._exit(0)  # the cases leave threads and children behind, and some of them would spoil the exit code


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
