"""The gates around every test that runs the app: each finds what it is there for."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from fastapi import FastAPI

from app.downstreams.client import httpx
from app.main import create_app
from app.pool import FairPool
from tests.blocking import BlockedLoop, LeftBehind, guarded
from tests.conftest import client_of
from tests.databases import ROOT, make_settings

Work = Callable[[], Awaitable[None]]


async def sleep() -> None:
    time.sleep(0.001)  # noqa: ASYNC251 - what the gate is there for


async def read_and_hide_it() -> None:
    with suppress(Exception):
        Path(__file__).read_bytes()  # noqa: ASYNC240 - as above


async def compute() -> None:
    end = time.thread_time() + 0.4
    while time.thread_time() < end:
        pass


async def run(app: FastAPI, work: Work) -> None:
    app.get("/work")(work)
    async with client_of(app) as client:
        with suppress(Exception):
            await client.get("/work")


@pytest.fixture
def app(shared_url: str) -> FastAPI:
    """An app that each test spoils."""
    return create_app(make_settings(shared_url))


@pytest.mark.parametrize(
    ("work", "found"),
    [
        (sleep, "Blocking call to time.sleep:\ntests/test_blocking.py"),
        (read_and_hide_it, "Blocking call to"),
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


async def test_a_connection_that_is_not_given_back_fails_the_test(app: FastAPI) -> None:
    async with app.router.lifespan_context(app):
        engine = app.state.resources.engine
        assert isinstance(engine.pool, FairPool)
        with pytest.raises(LeftBehind, match="1 database connections"):
            async with guarded(app):
                connection = await engine.connect()
        await connection.close()


def test_a_coroutine_that_nobody_awaits_fails_the_test(tmp_path: Path) -> None:
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


async def test_what_the_service_does_all_day_passes(committed_client: httpx.AsyncClient) -> None:
    assert (await committed_client.get("/health/ready")).status_code == 200
