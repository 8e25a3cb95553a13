"""Calls the cases and twins of blocking code in a service, under one check: `inside tests cases/sleeps ...`.

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
"""The wait after each call, in seconds: for callbacks that a case leaves behind, and for the monitor's next look."""

ROUNDS = 3
"""How often each route is called.

On a busy machine the event loop is late by chance, so a correct twin counts as found only if every call is found.
"""

PATIENCE_SECONDS = 10.0

Check = Callable[[], AbstractContextManager[list[str]]]


@contextmanager
def tests_check() -> Iterator[list[str]]:
    """Record what the check of the tests finds: blocking calls (by blockbuster), and long stalls of the event loop."""
    found: list[str] = []
    with (
        suppress(Exception),
        blocking_checks("app") as findings,
    ):  # a case may raise an exception, and so may the check
        try:
            yield found
        finally:
            found += [*findings.calls, *findings.stalls]


@contextmanager
def monitor_check() -> Iterator[list[str]]:
    """Record what the check at run time finds: the loop monitor, which the service's lifespan starts."""
    found: list[str] = []

    def note(event: str, seconds: float, _sample: object) -> None:
        found.append(f"{event} for {seconds:.3f} s")

    with LoopMonitor(STALL_SECONDS, note), suppress(Exception):  # a case may raise an exception
        yield found


CHECKS: dict[str, Check] = {"tests": tests_check, "monitor": monitor_check}


def applications(module_name: str) -> Iterator[tuple[FastAPI, list[APIRoute]]]:
    """Yield the applications of a module, each with the routes.

    These are an application made for the module's router, and the applications in the module's variables.
    """
    module = importlib.import_module(module_name)
    plain = FastAPI()
    plain.include_router(module.router)
    for app, routes in [
        (plain, module.router.routes),
        *((value, value.routes) for value in vars(module).values() if isinstance(value, FastAPI)),
    ]:
        yield app, [route for route in routes if isinstance(route, APIRoute)]


async def notices(check: Check, client: httpx.AsyncClient, route: APIRoute, *, twin: bool) -> bool:
    """Call a route once, and tell whether the check found something, or whether a twin failed and so proves nothing."""
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
    """Tell whether a check finds a route: a case in at least one call, a correct twin in every call."""
    for _ in range(ROUNDS):
        noticed = await notices(check, client, route, twin=twin)
        if noticed != twin:
            break
    return noticed


async def judge(check: Check, topics: list[str]) -> list[tuple[str, str]]:
    """Return all routes of the given topics that the check has found."""
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
    """Run the check of this name on the routes of the topics, and print the routes found."""
    with slow.serving():
        print(json.dumps(asyncio.run(judge(CHECKS[name], topics))), flush=True)
    os._exit(0)  # no normal exit: threads and children that cases leave behind would change the exit code


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
