"""Calls the cases and twins inside a service's environment, behind one check: `inside tests cases/sleeps ...`.

It prints, as JSON, what the check noticed: pairs of a topic and a route.
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

from tests.blocking import blocking_checks

from . import slow

STALL_SECONDS = 0.1
"""The default of the service's setting."""

AFTER_SECONDS = 0.02
"""For callbacks that a case leaves behind, and for the beat of a monitor that is overdue."""

ROUNDS = 3
"""A busy machine makes a loop late now and then: a twin is flagged when it happens in each round."""

PATIENCE_SECONDS = 10.0

Check = Callable[[], AbstractContextManager[list[str]]]


@contextmanager
def tests_check() -> Iterator[list[str]]:
    """The check in tests: blockbuster, and what takes long."""
    found: list[str] = []
    with (
        suppress(Exception),
        blocking_checks("app") as findings,
    ):  # a case may fail in its own way, and the check in its own
        try:
            yield found
        finally:
            found += [*findings.calls, *findings.stalls]


@contextmanager
def monitor_check() -> Iterator[list[str]]:
    """The check at run time: the monitor that the lifespan starts."""
    found: list[str] = []

    def note(event: str, seconds: float, _sample: object) -> None:
        found.append(f"{event} for {seconds:.3f} s")

    with LoopMonitor(STALL_SECONDS, note), suppress(Exception):  # a case may fail in its own way
        yield found


CHECKS: dict[str, Check] = {"tests": tests_check, "monitor": monitor_check}


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


async def notices(check: Check, client: httpx.AsyncClient, route: APIRoute, *, twin: bool) -> bool:
    """Call a route once and tell whether the check noticed something; a twin that fails proves nothing, and counts."""
    failed = False
    with check() as found:
        method = next(iter(route.methods))
        failed = twin
        answer = await asyncio.wait_for(client.request(method, route.path, json={"name": "a"}), PATIENCE_SECONDS)
        failed = twin and answer.is_server_error
        await asyncio.sleep(AFTER_SECONDS)
    await asyncio.sleep(0)
    return bool(found) or failed


async def judge_one(check: Check, client: httpx.AsyncClient, route: APIRoute, *, twin: bool) -> bool:
    """Tell whether a check notices a route: a case at least once, a twin each time."""
    for _ in range(ROUNDS):
        noticed = await notices(check, client, route, twin=twin)
        if noticed != twin:
            break
    return noticed


async def judge(check: Check, topics: list[str]) -> list[tuple[str, str]]:
    """Return every route of these topics that the check noticed."""
    noticed = []
    for topic in topics:
        for app, routes in applications(f"app.loop_corpus.{topic.replace('/', '.')}"):
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://corpus") as client:
                noticed += [
                    (topic, route.name)
                    for route in routes
                    if await judge_one(check, client, route, twin=topic.startswith("twins/"))
                ]
    return noticed


def main(name: str, topics: list[str]) -> None:
    """Judge by the check that is named."""
    with slow.serving():
        print(json.dumps(asyncio.run(judge(CHECKS[name], topics))), flush=True)
    os._exit(0)  # the cases leave threads and children behind, and some of them would spoil the exit code


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
