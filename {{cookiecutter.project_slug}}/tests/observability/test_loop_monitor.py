"""What blocks the event loop is told with its duration, its request and its stack, while and after it does."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from fastapi import FastAPI

from app.dependencies import SupervisorDep
from app.downstreams.client import httpx
from app.fanout import at_once
from app.main import create_app
from app.observability import loop_monitor
from app.observability.loop_monitor import Lines, LoopMonitor
from app.observability.stacks import Sample
from app.supervisor import Supervisor
from tests.databases import make_settings
from tests.lines import lines_of

HERE = "tests/observability/test_loop_monitor.py:"
ATTEMPTS = 5
"""When C code gives the lock away, another thread may be first: here the monitor of the app that all tests share."""

Work = Coroutine[Any, Any, None]
Start = Callable[[Supervisor, Work], Awaitable[None]]
Told = list[tuple[str, float, Sample | None]]


def compute() -> None:
    """Hold the interpreter's lock, but for the moments in which it changes hands."""
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        pass


def match() -> None:
    """Hold the lock without such moments, in C."""
    for length in range(18, 40):
        begin = time.monotonic()
        re.match("(a+)+$", "a" * length + "b")
        if time.monotonic() - begin > 0.25:
            return


def sleep() -> None:
    """Give the lock away and wait."""
    time.sleep(0.3)


async def told_of(block: Callable[[], None]) -> Told:
    told: Told = []
    with LoopMonitor(0.1, lambda *what: told.append(what)):
        await asyncio.sleep(0.1)
        block()
        await asyncio.sleep(0.2)
    return told


@pytest.mark.parametrize("block", [compute, match, sleep])
async def test_what_blocks_is_told_with_its_stack(block: Callable[[], None]) -> None:
    for _ in range(ATTEMPTS):
        event, seconds, sample = (await told_of(block))[-1]
        seen = sample.stack.splitlines()[:3] if sample else []
        if any(line.startswith(HERE) and line.endswith(f" {block.__name__}") for line in seen):
            break

    assert event == "event loop was blocked"
    assert 0.15 < seconds < 10
    assert any(line.startswith(HERE) and line.endswith(f" {block.__name__}") for line in seen)


async def test_a_loop_that_turns_is_not_worth_a_line() -> None:
    told = await told_of(lambda: None)

    assert told == []


async def test_a_loop_that_may_never_go_on_is_told_of_while_it_is_blocked() -> None:
    told = await told_of(lambda: time.sleep(1.3))

    assert [event for event, _, _ in told] == ["event loop is blocked", "event loop was blocked"]


def test_lines_are_not_written_too_often_and_say_how_many_are_missing() -> None:
    with lines_of(loop_monitor) as lines:
        write = Lines()
        for _ in range(3):
            write("event loop was blocked", 0.2, None)
        write("event loop was blocked", 5.0, None)

    assert [(line["seconds"], line["skipped"]) for line in lines] == [(0.2, 0), (5.0, 2)]


async def test_a_stall_of_the_service_has_its_request_and_shows_in_readiness(shared_url: str) -> None:
    """Without the guard of the other tests, which would fail it."""
    app = create_app(make_settings(shared_url))

    @app.get("/blocking/{number}")
    async def block(number: int) -> int:
        sleep()
        return number

    with lines_of(loop_monitor) as lines:
        answer, load = await asked(app, "/blocking/7?token=canary")

    line = next(line for line in lines if line["event"] == "event loop was blocked")
    assert (line["method"], line["path"]) == ("GET", "/blocking/7")
    assert line["request_id"] == answer.headers["x-request-id"]
    assert "test_loop_monitor.py" in line["stack"]
    assert "canary" not in str(line)
    assert load["stalls"] == 1
    assert 0.2 < load["lag_seconds"] < 10


async def in_a_fan_out(_: Supervisor, work: Work) -> None:
    await at_once(only=work)


async def in_a_group(_: Supervisor, work: Work) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(work)


async def after_the_response(supervisor: Supervisor, work: Work) -> None:
    supervisor.start("work", work)


@pytest.mark.parametrize("start", [in_a_fan_out, in_a_group, after_the_response])
async def test_a_stall_in_a_task_that_a_request_started_has_its_request(shared_url: str, start: Start) -> None:
    app = create_app(make_settings(shared_url))

    @app.get("/starting")
    async def starting(supervisor: SupervisorDep) -> None:
        await start(supervisor, sleep_in_a_route())

    with lines_of(loop_monitor) as lines:
        answer, _ = await asked(app, "/starting")

    line = next(line for line in lines if line["event"] == "event loop was blocked")
    assert (line["path"], line["request_id"]) == ("/starting", answer.headers["x-request-id"])
    assert "sleep_in_a_route" in line["stack"]


async def test_the_setting_turns_it_off(shared_url: str) -> None:
    app = create_app(make_settings(shared_url, loop_stall_seconds=0))
    app.get("/blocking")(sleep_in_a_route)
    _, load = await asked(app, "/blocking")

    assert load == {"lag_seconds": 0.0, "stalls": 0}


async def sleep_in_a_route() -> None:
    sleep()


async def asked(app: FastAPI, path: str) -> tuple[httpx.Response, dict[str, Any]]:
    """Return the answer, and what readiness says of the loop afterwards."""
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://service") as client,
    ):
        await asyncio.sleep(0.1)
        answer = await client.get(path)
        await asyncio.sleep(0.2)
        return answer, (await client.get("/health/ready?verbose")).json()["event_loop"]
