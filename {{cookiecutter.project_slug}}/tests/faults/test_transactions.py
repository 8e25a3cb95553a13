"""Transactions that PostgreSQL refuses: the response is 409 or 503 by the error's class, and no row is stored."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.faults.items_table import SCHEMA, execute, items_service, stored_items
from tests.http_client import httpx
from tests.server.processes import Service

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

TIMES = 10
"""How often a refused request is repeated: more often than the route group has database connections, so that a
connection broken by a refusal would be used again."""

CONFLICT = (409, None, "conflict", "This contradicts what is already stored.")
SERIALIZATION = (503, "1", "unavailable", "The transaction conflicted with a concurrent transaction. Try again.")


@pytest.fixture(scope="module")
def running(server_url: str, template: str) -> Iterator[tuple[Service, str]]:
    """The service with test routes on the table `items`, and the URL of the database; refused statements are logged."""
    with items_service(server_url, template, LOG_LEVEL="info") as (service, url):
        asyncio.run(execute(url, SCHEMA))
        yield service, url


@pytest.fixture
async def two_clients(running: tuple[Service, str]) -> AsyncGenerator[list[httpx.AsyncClient]]:
    """Two HTTP clients of the service, each with a single keep-alive connection."""
    bounds = httpx.Limits(max_connections=1)
    async with AsyncExitStack() as stack:
        clients = [httpx.AsyncClient(base_url=running[0].url, limits=bounds) for _ in range(2)]
        yield [await stack.enter_async_context(client) for client in clients]


def refusal(answer: httpx.Response) -> tuple[int, str | None, str, str]:
    """Return status, Retry-After, code and detail of a problem response, which must have only documented fields."""
    body: dict[str, Any] = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert body == {
        "type": "about:blank",
        "code": body["code"],
        "title": body["title"],
        "status": answer.status_code,
        "detail": body["detail"],
        "request_id": answer.headers["x-request-id"],
    }
    return answer.status_code, answer.headers.get("retry-after"), body["code"], body["detail"]


def local_end(answer: httpx.Response) -> Any:  # noqa: ANN401 - the HTTP library does not type the address
    """Return the client's own address and port of a response's connection, by which a test recognises a connection."""
    return answer.extensions["network_stream"].get_extra_info("client_addr")


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/items/1", id="flush with the commit"),
        pytest.param("/items/1/flushed", id="flush"),
        pytest.param("/items/1/stated", id="statement"),
        pytest.param("/items/3?label=taken", id="commit, unique"),
        pytest.param("/items/3?parent=77", id="commit, foreign key"),
    ],
)
async def test_a_violated_constraint_is_409(
    running: tuple[Service, str], two_clients: list[httpx.AsyncClient], path: str
) -> None:
    http, before = two_clients[0], await stored_items(running[1])
    answers = []
    for _ in range(TIMES):
        answers += [await http.post(path), await http.get("/items/1")]

    assert {refusal(answer) for answer in answers[::2]} == {CONFLICT}
    assert {answer.status_code for answer in answers[1::2]} == {200}
    assert len({local_end(answer) for answer in answers}) == 1
    assert await stored_items(running[1]) == before


@pytest.mark.parametrize(
    ("first", "second", "sqlstate"),
    [
        pytest.param("deadlocked?first=1&second=2", "deadlocked?first=2&second=1", "40P01", id="deadlock"),
        pytest.param("repeatable", "repeatable", "40001", id="statement that cannot be serialized"),
        pytest.param("serializable", "serializable", "40001", id="insert or commit that cannot be serialized"),
    ],
)
async def test_a_transaction_that_loses_to_another_is_503_and_stores_no_row(
    running: tuple[Service, str], two_clients: list[httpx.AsyncClient], first: str, second: str, sqlstate: str
) -> None:
    service, url = running
    known = len([line for line in service.lines("database refused a statement") if line["sqlstate"] == sqlstate])
    ends = set()
    for _ in range(TIMES):
        paths = zip(two_clients, (f"/items/11/{first}", f"/items/12/{second}"), strict=True)
        answers = await asyncio.gather(*(client.post(path) for client, path in paths))
        good = [await client.get("/items/1") for client in two_clients]
        stored = [row[0] for row in await stored_items(url)]
        await execute(url, "DELETE FROM items WHERE id > 10")
        ends |= {local_end(answer) for answer in [*answers, *good]}

        assert sorted(answer.status_code for answer in answers) == [201, 503]
        assert [refusal(answer) for answer in answers if answer.status_code != 201] == [SERIALIZATION]
        assert stored == [1, 2, *(answer.json() for answer in answers if answer.status_code == 201)]
        assert {answer.status_code for answer in good} == {200}
    assert len(ends) == 2
    assert len(service.wait_for("database refused a statement", known + TIMES, sqlstate=sqlstate)) == known + TIMES
