"""The developer's console answers this machine only, runs in development only, and never shows secrets."""

import asyncio
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from starlette.types import Message

from app.dependencies import ReadSession
from devtools import run
from devtools.console import top
from devtools.console.console import Console
from devtools.console.frame import SET_BY_MAKE_RUN, sources_of
from devtools.ports import free_port
from devtools.tests.server_users import run as run_python
from tests.databases import make_settings
from tests.http_client import build_app, httpx
from tests.serving import served

LOCAL = ("127.0.0.1", 50000)


@pytest.fixture
async def console(committed_url: str) -> AsyncGenerator[Console]:
    """The console in front of a started service, whose database has a password."""
    settings = make_settings(committed_url)
    service = build_app(settings)
    found = Console(service, settings)
    async with service.router.lifespan_context(service):
        await found.send_lifespan(ignore, {"type": "lifespan.startup.complete"})
        yield found


async def ignore(_message: Message) -> None:
    """Stand in for the ASGI `send`: drop the message."""


def browser(console: Console, host: str = "127.0.0.1:8000", client: tuple[str, int] = LOCAL) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=console, client=client), base_url=f"http://{host}")


async def frame_of(console: Console) -> dict[str, Any]:
    async with browser(console) as http:
        found: dict[str, Any] = (await http.get("/_console/frame")).json()
    return found


def test_production_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    done = run_python(
        "-c", "import devtools.console.app", ENVIRONMENT="production", DATABASE_URL="postgresql://nobody@127.0.0.1:1/x"
    )
    monkeypatch.setenv("ENVIRONMENT", "production")
    served = run.service_command("127.0.0.1", 8000, production=False)
    monkeypatch.setenv("ENVIRONMENT", "development")
    developed = run.service_command("127.0.0.1", 8000, production=False)

    assert (done.returncode, done.stderr.partition(":")[0]) == (1, "The console is for development only")
    assert (served[3], developed[3]) == ("app.main:app", "devtools.console.app:app")


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000", "localhost"])
async def test_this_machine_is_answered(console: Console, host: str) -> None:
    async with browser(console, host) as http:
        page, script = await http.get("/_console/"), await http.get("/_console/page.js")
        posted = await http.post("/_console/flip", json={}, headers={"Origin": f"http://{host}"})

    assert (page.status_code, script.status_code, posted.status_code) == (200, 200, 409)
    assert page.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
    assert page.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("host", "client", "headers"),
    [
        ("rebound.example:8000", LOCAL, {}),
        ("127.0.0.1.rebound.example", LOCAL, {}),
        ("127.0.0.1:8000", ("192.0.2.7", 50000), {}),
        ("127.0.0.1:8000", LOCAL, {"X-Forwarded-For": "127.0.0.1"}),
        ("127.0.0.1:8000", LOCAL, {"Origin": "http://127.0.0.1:3000"}),
        ("127.0.0.1:8000", LOCAL, {"Origin": "null"}),
    ],
)
async def test_a_stranger_a_forged_host_and_a_foreign_page_are_refused(
    console: Console, host: str, client: tuple[str, int], headers: dict[str, str]
) -> None:
    async with browser(console, host, client) as http:
        answers = [await http.post("/_console/flip", json={}, headers=headers)]
        if "Origin" not in headers:  # a GET needs no check: browsers hide its response from pages of other sites
            answers += [await http.get(f"/_console/{name}", headers=headers) for name in ("", "frame")]

    assert {answer.status_code for answer in answers} == {403}


async def test_secrets_are_hidden(console: Console) -> None:
    password = console.switches.database._url.partition("@")[0].rpartition(":")[2]  # noqa: SLF001 - the test needs the password itself
    frame = await frame_of(console)

    assert ["DATABASE_URL", "hidden"] in [row[:2] for row in frame["settings"]]
    assert password
    assert password not in str(frame)


def test_each_setting_names_its_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=9000\nHOST=localhost\nREPLICAS=2\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    for name, value in {"PORT": "9001", "HOST": "localhost", "LOG_LEVEL": "info", "API_DOCS": "true"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(SET_BY_MAKE_RUN, "API_DOCS,HOST")

    sources = sources_of(make_settings("postgresql://nobody@127.0.0.1:1/x"))
    found = [sources.get(name) for name in ("PORT", "HOST", "REPLICAS", "LOG_LEVEL", "API_DOCS", "WEB_CONCURRENCY")]
    assert found == ["environment", ".env", ".env", "environment", "make run", None]


def add_routes(service: FastAPI) -> None:
    """Add a route with an SQL statement, and a route that blocks the event loop long enough to count as a stall."""

    @service.get("/counted")
    async def count(session: ReadSession) -> None:
        await session.execute(text("SELECT 7"))

    @service.get("/blocking")
    async def block() -> str:
        time.sleep(0.5)  # noqa: ASYNC251 - the stall under test
        return "done"


async def test_a_request_a_stall_and_the_gauges_are_shown(console: Console) -> None:
    add_routes(console.service)
    async with browser(console) as http:
        await http.get("/blocking")
        await asyncio.sleep(0.1)  # the loop monitor reports the stall with its next measurement
        await http.get("/nothing/<b>")
    while (frame := await frame_of(console))["migrations"].startswith("the database does not answer"):
        pass  # ask again: on a busy machine, the database answers late

    blocking, nothing = frame["requests"]
    assert (blocking["path"], blocking["status"], blocking["route"]) == ("/blocking", 200, "/blocking")
    assert blocking["milliseconds"] >= 500
    assert (nothing["status"], nothing["route"]) == (404, "unmatched")
    assert any(one["what"] == "GET /blocking" and "add_routes" in one["stack"] for one in frame["stalls"])
    assert ["GET", "/health/ready", "/health/ready"] in [row[:3] for row in frame["routes"]]
    assert frame["migrations"].startswith("migrations end with ")
    assert {"event loop lag, ms", "connection pool"} <= {one["name"] for one in frame["gauges"]}


async def test_the_timing_of_a_request_is_that_of_its_header(console: Console) -> None:
    add_routes(console.service)
    async with served(console) as url, httpx.AsyncClient() as http:  # type: ignore[arg-type] # the console is an ASGI application too
        await http.get(f"{url}/counted")  # on a new connection, SQLAlchemy sends three statements of its own
        header = (await http.get(f"{url}/counted")).headers["server-timing"]

    _, shown = (await frame_of(console))["requests"]
    assert (shown["timing"], shown["statements"], shown["sql"]) == (header, 1, ["SELECT 7"])
    assert 'statements;desc="1"' in header
    assert float(header.partition("db;dur=")[2].partition(",")[0]) > 0


async def test_what_is_sent_to_a_terminal_cannot_move_its_cursor(console: Console) -> None:
    async with browser(console) as http:
        await http.get("/%1b%5b2J%0aforged")
    shown = [*top.lines(await frame_of(console), [*top.LIVE, *top.TABLES])]

    assert [line for line in shown if "/?[2J?forged" in line]
    assert [line for line in shown if not line.strip("\n").isprintable()] == []


async def test_the_columns_of_a_table_stand_below_each_other(console: Console) -> None:
    shown = [*top.lines(await frame_of(console), ["settings"])][2:]

    assert len({line.rindex("  ") for line in shown}) == 1


def test_without_a_console_make_top_says_what_to_do() -> None:
    port = str(free_port())
    done = run_python("-m", "devtools.console.top", "--once", "--port", port)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"No console answers at port {port}: start `make run`")
