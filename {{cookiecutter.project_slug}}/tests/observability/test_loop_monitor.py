"""The loop monitor reports each stall of the event loop with duration, request and stack, even during the stall."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from fastapi import FastAPI

from app.dependencies import SupervisorDep
from app.main import create_app
from app.observability import loop_monitor
from app.observability.loop_monitor import Lines, LoopMonitor
from app.observability.stacks import Sample
from app.work.background import Supervisor
from tests.captured_log import captured_log
from tests.databases import make_settings
from tests.http_client import httpx

HERE = "tests/observability/test_loop_monitor.py:"
ATTEMPTS = 5
"""How many stalls a test causes at most until the sampled stack of a stall shows the blocking function.

A single sample may come too late: when C code releases the GIL, a different thread, such as the loop monitor of a
shared app, may get the GIL first.
"""

STALL_SECONDS = 0.3
"""The threshold of a stall in seconds: beside two busy processes, an unblocked event loop is late by 0.03 s at most."""

BLOCKED_SECONDS = 0.7
"""The duration of a blocking call in seconds: more than twice the threshold of a stall."""

Work = Coroutine[Any, Any, None]
Start = Callable[[Supervisor, Work], Awaitable[None]]
Reports = list[tuple[str, float, Sample | None]]


def compute() -> None:
    """Block the event loop with a computation in Python, which releases the GIL every few milliseconds."""
    end = time.monotonic() + BLOCKED_SECONDS
    while time.monotonic() < end:
        pass


def match() -> None:
    """Block the event loop with a regular expression, a computation in C that never releases the GIL."""
    for length in range(18, 40):
        begin = time.monotonic()
        re.match("(a+)+$", "a" * length + "b")
        if time.monotonic() - begin > BLOCKED_SECONDS:
            return


def sleep() -> None:
    """Block the event loop with a sleep in C, which releases the GIL."""
    time.sleep(BLOCKED_SECONDS)


async def reports_of(block: Callable[[], None]) -> Reports:
    reports: Reports = []
    with LoopMonitor(STALL_SECONDS, lambda *report: reports.append(report)):
        await asyncio.sleep(0.2)
        block()
        await asyncio.sleep(0.2)
    return reports


def shows(sample: Sample | None, function: Callable[[], None]) -> bool:
    """Tell whether a blocking function of this file is among the three innermost frames of the sampled stack."""
    stack = sample.stack.splitlines()[:3] if sample else []
    return any(line.startswith(HERE) and line.endswith(f" {function.__name__}") for line in stack)


@pytest.mark.parametrize("block", [compute, match, sleep])
async def test_a_stall_is_reported_with_its_stack(block: Callable[[], None]) -> None:
    for _ in range(ATTEMPTS):
        event, seconds, sample = max(await reports_of(block), key=lambda report: report[1])
        if shows(sample, block):
            break

    assert event == "event loop was blocked"
    assert STALL_SECONDS < seconds < 30
    assert shows(sample, block)


async def test_a_loop_that_turns_is_not_reported() -> None:
    reports = await reports_of(lambda: None)

    assert reports == []


async def test_a_long_stall_is_reported_while_the_loop_is_blocked() -> None:
    reports = await reports_of(lambda: time.sleep(1.6))
    events = [event for event, _, _ in reports]

    assert events == ["event loop is blocked", "event loop was blocked"]


def test_the_number_of_lines_is_limited_and_a_line_counts_the_skipped_lines() -> None:
    with captured_log(loop_monitor) as lines:
        write = Lines()
        for _ in range(3):
            write("event loop was blocked", 0.2, None)
        write("event loop was blocked", 5.0, None)

    assert [(line["seconds"], line["skipped"]) for line in lines] == [(0.2, 0), (5.0, 2)]


async def test_a_stall_of_the_service_has_its_request_and_is_counted(shared_url: str) -> None:
    """The test uses a plain HTTP client: `client_of` fails each test that blocks the event loop, as this test does."""
    app = create_app(make_settings(shared_url, loop_stall_seconds=STALL_SECONDS))

    @app.get("/blocking/{number}")
    async def block(number: int) -> int:
        sleep()
        return number

    with captured_log(loop_monitor) as lines:
        answer, lags = await requested(app, "/blocking/7?token=canary")

    line = next(line for line in lines if line["event"] == "event loop was blocked")
    assert (line["method"], line["path"]) == ("GET", "/blocking/7")
    assert line["request_id"] == answer.headers["x-request-id"]
    assert "test_loop_monitor.py" in line["stack"]
    assert "canary" not in str(line)
    assert len([lag for lag in lags if STALL_SECONDS <= lag < 30]) == 1


async def in_gather_outcomes(_: Supervisor, work: Work) -> None:
    await asyncio.gather(work)


async def in_a_task_group(_: Supervisor, work: Work) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(work)


async def in_a_background_task(supervisor: Supervisor, work: Work) -> None:
    supervisor.start("work", work)


@pytest.mark.parametrize("start", [in_gather_outcomes, in_a_task_group, in_a_background_task])
async def test_a_stall_in_a_task_that_a_request_started_has_its_request(shared_url: str, start: Start) -> None:
    app = create_app(make_settings(shared_url, loop_stall_seconds=STALL_SECONDS))

    @app.get("/starting")
    async def starting(supervisor: SupervisorDep) -> None:
        await start(supervisor, sleep_in_a_route())

    with captured_log(loop_monitor) as lines:
        answer, *_ = await requested(app, "/starting")

    line = next(line for line in lines if line["event"] == "event loop was blocked")
    assert (line["path"], line["request_id"]) == ("/starting", answer.headers["x-request-id"])
    assert "sleep_in_a_route" in line["stack"]


async def test_the_setting_0_turns_the_loop_monitor_off(shared_url: str) -> None:
    app = create_app(make_settings(shared_url, loop_stall_seconds=0))
    app.get("/blocking")(sleep_in_a_route)
    _, lags = await requested(app, "/blocking")

    assert lags == []


async def sleep_in_a_route() -> None:
    sleep()


async def requested(app: FastAPI, path: str) -> tuple[httpx.Response, list[float]]:
    """Send a GET to the app; return the response, and the event loop lags passed to the metrics."""
    lags: list[float] = []
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://service") as client,
    ):
        monitor: LoopMonitor = app.state.resources.loop_monitor
        monitor.observe = lags.append
        await asyncio.sleep(0.1)
        answer = await client.get(path)
        await asyncio.sleep(0.2)  # longer than 75 ms, the time between two measurements of the lag
        return answer, lags
