"""A transaction that the database refuses: the answer tells its class, no row stays, and nothing internal leaves."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from app.downstreams.client import httpx
from tests.faults.things import SCHEMA, rows, run, things
from tests.server.processes import Service

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

TIMES = 10
"""More often than that family has connections, so that one that was spoilt is met again."""

CONFLICT = (409, None, "Conflict", "This contradicts what is already stored.")
MET = (503, "1", "Service unavailable", "The transaction met another one. Try again.")


@pytest.fixture(scope="module")
def running(server_url: str, template: str) -> Iterator[tuple[Service, str]]:
    """The service, which tells what the database refused, and its database."""
    with things(server_url, template, LOG_LEVEL="info") as (service, url):
        asyncio.run(run(url, SCHEMA))
        yield service, url


@pytest.fixture
async def two(running: tuple[Service, str]) -> AsyncGenerator[list[httpx.AsyncClient]]:
    """Two clients, each with one connection that it keeps."""
    bounds = httpx.Limits(max_connections=1)
    async with AsyncExitStack() as stack:
        clients = [httpx.AsyncClient(base_url=running[0].url, limits=bounds) for _ in range(2)]
        yield [await stack.enter_async_context(client) for client in clients]


def told(answer: httpx.Response) -> tuple[int, str | None, str, str]:
    """Return what a refusal says; anything beside that in its body fails the test."""
    body: dict[str, Any] = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert body == {
        "type": "about:blank",
        "title": body["title"],
        "status": answer.status_code,
        "detail": body["detail"],
        "request_id": answer.headers["x-request-id"],
    }
    return answer.status_code, answer.headers.get("retry-after"), body["title"], body["detail"]


def local_end(answer: httpx.Response) -> Any:  # noqa: ANN401 - a part of the HTTP library's own
    """Return the client's address of the connection: the same for two answers on the same one."""
    return answer.extensions["network_stream"].get_extra_info("client_addr")


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/things/1", id="flush with the commit"),
        pytest.param("/things/1/flushed", id="flush"),
        pytest.param("/things/1/stated", id="statement"),
        pytest.param("/things/3?label=taken", id="commit, unique"),
        pytest.param("/things/3?parent=77", id="commit, foreign key"),
    ],
)
async def test_what_contradicts_the_rows_is_409(
    running: tuple[Service, str], two: list[httpx.AsyncClient], path: str
) -> None:
    http, before = two[0], await rows(running[1])
    answers = []
    for _ in range(TIMES):
        answers += [await http.post(path), await http.get("/things/1")]

    assert {told(answer) for answer in answers[::2]} == {CONFLICT}
    assert {answer.status_code for answer in answers[1::2]} == {200}
    assert len({local_end(answer) for answer in answers}) == 1
    assert await rows(running[1]) == before


@pytest.mark.parametrize(
    ("one", "other", "sqlstate"),
    [
        pytest.param("crossing?first=1&second=2", "crossing?first=2&second=1", "40P01", id="deadlock"),
        pytest.param("repeatable", "repeatable", "40001", id="statement that cannot be serialized"),
        pytest.param("serializable", "serializable", "40001", id="insert or commit that cannot be serialized"),
    ],
)
async def test_one_of_two_that_meet_is_503_and_leaves_no_row(
    running: tuple[Service, str], two: list[httpx.AsyncClient], one: str, other: str, sqlstate: str
) -> None:
    service, url = running
    known = len([line for line in service.lines("database refused") if line["sqlstate"] == sqlstate])
    ends = set()
    for _ in range(TIMES):
        meeting = zip(two, (f"/things/11/{one}", f"/things/12/{other}"), strict=True)
        answers = await asyncio.gather(*(client.post(path) for client, path in meeting))
        good = [await client.get("/things/1") for client in two]
        stored = [row[0] for row in await rows(url)]
        await run(url, "DELETE FROM things WHERE id > 10")
        ends |= {local_end(answer) for answer in [*answers, *good]}

        assert sorted(answer.status_code for answer in answers) == [201, 503]
        assert [told(answer) for answer in answers if answer.status_code != 201] == [MET]
        assert stored == [1, 2, *(answer.json() for answer in answers if answer.status_code == 201)]
        assert {answer.status_code for answer in good} == {200}
    assert len(ends) == 2
    assert len(service.wait_for("database refused", known + TIMES, sqlstate=sqlstate)) == known + TIMES
