"""Blocking-call checks: a test whose app blocks the event loop or leaks a task or a connection fails."""

import asyncio
import pkgutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from fastapi import FastAPI

from app.database.pool import FairPool
from app.main import create_app
from tests.blocking import BlockedLoop
from tests.conftest import client_of
from tests.databases import ROOT, make_settings
from tests.guarded import LeftBehind, guarded
from tests.http_client import httpx

Work = Callable[[], Awaitable[None]]


async def sleep() -> None:
    time.sleep(0.001)  # noqa: ASYNC251 - the blocking-call checks must find this call


async def read_a_file_and_swallow_the_error() -> None:
    with suppress(Exception):
        Path(__file__).read_bytes()  # noqa: ASYNC240 - the blocking-call checks must find this call


async def compute() -> None:
    end = time.thread_time() + 0.4
    while time.thread_time() < end:
        pass


async def run(app: FastAPI, work: Work) -> None:
    app.get("/work")(work)
    async with client_of(app) as client:
        # at the first request, FastAPI builds the routes, which would count as a stall
        await client.get("/health/live")
        await asyncio.sleep(0.1)
        with suppress(Exception):
            await client.get("/work")


@pytest.fixture
def app(shared_url: str) -> FastAPI:
    """The service's app, to which each test adds a route that blocks the event loop or leaks a task."""
    return create_app(make_settings(shared_url))


@pytest.mark.parametrize(
    ("work", "found"),
    [
        (sleep, "Blocking call to time.sleep:\ntests/test_blocking.py"),
        (read_a_file_and_swallow_the_error, "Blocking call to"),
        (compute, "The event loop was blocked for"),
    ],
)
async def test_a_route_that_blocks_fails_the_test(
    app: FastAPI, work: Callable[[], Awaitable[None]], found: str
) -> None:
    with pytest.raises(BlockedLoop, match=found) as failure:
        await run(app, work)

    assert "tests/test_blocking.py" in str(failure.value)
    assert work.__name__ in str(failure.value)


async def test_a_task_that_is_left_running_fails_the_test(app: FastAPI) -> None:
    tasks: list[asyncio.Task[None]] = []

    async def start() -> None:
        tasks.append(asyncio.create_task(asyncio.sleep(30), name="forgotten"))

    with pytest.raises(LeftBehind, match="task forgotten"):
        await run(app, start)
    tasks[0].cancel()


async def test_a_connection_that_is_not_returned_to_the_pool_fails_the_test(app: FastAPI) -> None:
    async with app.router.lifespan_context(app):
        engine = app.state.resources.engine
        assert isinstance(engine.pool, FairPool)
        with pytest.raises(LeftBehind, match="1 database connections"):
            async with guarded(app):
                connection = await engine.connect()
        await connection.close()


def test_a_coroutine_that_is_never_awaited_fails_the_test(tmp_path: Path) -> None:
    test = tmp_path / "test_forgetful.py"
    test.write_text("async def work(): pass\ndef test_it():\n    work()\n")
    command = [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", f"--rootdir={ROOT}"]
    done = subprocess.run(
        [*command, f"--config-file={ROOT / 'pyproject.toml'}", str(test)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "was never awaited" in done.stdout


async def test_a_route_that_does_not_block_passes(committed_client: httpx.AsyncClient) -> None:
    assert (await committed_client.get("/health/ready")).status_code == 200


def test_the_functions_that_the_check_does_not_follow_exist() -> None:
    configured = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hydroid"]
    functions = configured["offload"]["functions"]

    assert functions
    assert [name for name in functions if not callable(pkgutil.resolve_name(name))] == []
