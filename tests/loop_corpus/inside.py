"""Calls the corpus' cases and twins in a service's environment, under one check: `inside tests cases/sleeps ...`.

The output is the JSON of the routes that the check has found: pairs of topic and route.
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
"""The default of the service's setting LOOP_STALL_SECONDS, in seconds."""

AFTER_SECONDS = 0.02
"""The wait after each call, in seconds, for callbacks that a case leaves behind and for the monitor's next measurement.
"""

ROUNDS = 3
"""The calls of each route: on a busy machine the event loop is late by chance, so a twin counts only if found each
time."""

PATIENCE_SECONDS = 10.0

Check = Callable[[], AbstractContextManager[list[str]]]


@contextmanager
def tests_check() -> Iterator[list[str]]:
    """Record the findings of the tests' check: blocking calls by blockbuster, and long stalls."""
    found: list[str] = []
    with (
        suppress(Exception),
        blocking_checks("app") as findings,
    ):  # a case may raise, and so may the check
        try:
            yield found
        finally:
            found += [*findings.calls, *findings.stalls]


@contextmanager
def monitor_check() -> Iterator[list[str]]:
    """Record the findings of the check at run time: the loop monitor that the lifespan starts."""
    found: list[str] = []

    def note(event: str, seconds: float, _sample: object) -> None:
        found.append(f"{event} for {seconds:.3f} s")

    with LoopMonitor(STALL_SECONDS, note), suppress(Exception):  # a case may raise
        yield found


CHECKS: dict[str, Check] = {"tests": tests_check, "monitor": monitor_check}


def applications(module_name: str) -> Iterator[tuple[FastAPI, list[APIRoute]]]:
    """Yield a module's applications with their routes: one made for its router, and those in its variables."""
    module = importlib.import_module(module_name)
    plain = FastAPI()
    plain.include_router(module.router)
    for app, routes in [
        (plain, module.router.routes),
        *((value, value.routes) for value in vars(module).values() if isinstance(value, FastAPI)),
    ]:
        yield app, [route for route in routes if isinstance(route, APIRoute)]


async def notices(check: Check, client: httpx.AsyncClient, route: APIRoute, *, twin: bool) -> bool:
    """Call a route once, and tell whether the check found something; a failing twin counts, as it proves nothing."""
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
    """Tell whether a check finds a route: a case in at least one call, a twin in every call."""
    for _ in range(ROUNDS):
        noticed = await notices(check, client, route, twin=twin)
        if noticed != twin:
            break
    return noticed


async def judge(check: Check, topics: list[str]) -> list[tuple[str, str]]:
    """Return all routes of these topics that the check has found."""
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
    """Judge the topics by the check with this name."""
    with slow.serving():
        print(json.dumps(asyncio.run(judge(CHECKS[name], topics))), flush=True)
    os._exit(0)  # skips the normal exit: threads and children that the cases leave behind would spoil the exit code


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
