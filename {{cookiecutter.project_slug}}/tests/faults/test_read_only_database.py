"""An administrator makes the database read-only: writes get 503 until it is writable again, and reads continue."""

import asyncio
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.databases import on_database, run_statement
from tests.faults.items_table import SCHEMA, execute, items_service
from tests.http_client import httpx
from tests.server.processes import Service

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

WHERE = ["ALTER DATABASE {database}", "ALTER ROLE {role} IN DATABASE {database}"]


@pytest.fixture(scope="module")
def running(server_url: str, template: str) -> Iterator[tuple[Service, str]]:
    """The service with routes on the table `items`, and the URL of the database that the tests make read-only."""
    with items_service(server_url, template) as (service, url):
        asyncio.run(execute(url, SCHEMA))
        yield service, url


@pytest.mark.parametrize("where", WHERE)
async def test_writes_are_503_while_the_database_is_read_only(
    running: tuple[Service, str], server_url: str, where: str
) -> None:
    """PostgreSQL applies a new read-only default to new sessions only; older pooled sessions must refuse writes too."""
    service, url = running
    address = urlsplit(url)
    change = where.format(database=address.path.strip("/"), role=address.username)
    await execute(url, "DELETE FROM items WHERE id > 10")
    administrator = on_database(server_url, "postgres")
    async with httpx.AsyncClient(base_url=service.url) as client:
        before = await client.post("/items/11")
        await run_statement(administrator, f"{change} SET default_transaction_read_only = on")
        writes = [await client.post(f"/items/{number}") for number in range(12, 22)]
        others = [await client.get("/items/1"), await client.get("/health/ready")]
        await run_statement(administrator, f"{change} RESET default_transaction_read_only")
        after = await client.post("/items/12")

    assert before.status_code == 201
    assert {(answer.status_code, answer.headers.get("retry-after")) for answer in writes} == {(503, "1")}
    assert writes[0].json()["detail"] == "The database is read-only at the moment."
    assert [answer.status_code for answer in others] == [200, 200]
    assert after.status_code == 201
