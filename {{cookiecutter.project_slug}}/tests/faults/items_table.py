"""Runs the service of `items_app.py`, and creates, locks and reads its test table `items` on separate connections."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg

from tests.databases import cloned
from tests.faults.timeline import fault
from tests.server.processes import Service, gunicorn

SCHEMA = """
CREATE TABLE items (
    id bigint PRIMARY KEY,
    name text NOT NULL,
    size integer NOT NULL DEFAULT 0,
    label text UNIQUE DEFERRABLE INITIALLY DEFERRED,
    parent bigint REFERENCES items DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE unlocked_items (id bigint PRIMARY KEY);
CREATE TYPE colour AS ENUM ('red', 'blue');
CREATE TABLE coloured_items (id bigint PRIMARY KEY, colour colour);
INSERT INTO coloured_items VALUES (1, 'red');
INSERT INTO items (id, name, label) VALUES (1, 'first', 'taken'), (2, 'second', NULL);
INSERT INTO unlocked_items VALUES (1);
"""


async def execute(url: str, statement: str) -> None:
    """Run SQL on a new connection, not through the service; several statements form one transaction."""
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


async def stored_items(url: str) -> list[tuple[Any, ...]]:
    """Return the rows of the table `items` without the column `size`, ordered by id."""
    connection = await asyncpg.connect(url)
    found = await connection.fetch("SELECT id, name, label, parent FROM items ORDER BY id")
    await connection.close()
    return [tuple(row) for row in found]


@asynccontextmanager
async def locked(url: str) -> AsyncGenerator[None]:
    """Lock the table `items` against reads and writes during the block, as a migration that rewrites rows does."""
    connection = await asyncpg.connect(url)
    async with connection.transaction():
        await connection.execute("LOCK TABLE items IN ACCESS EXCLUSIVE MODE")
        with fault("the table is locked"):
            yield
    await connection.close()


@contextmanager
def items_service(server_url: str, template: str, **variables: str) -> Iterator[tuple[Service, str]]:
    """Run the service of `items_app.py` with one worker; yield the service and the database URL.

    The database has no table `items` yet, so that a test can create it with SCHEMA.
    """
    settings = {"WEB_CONCURRENCY": "1", "LOG_LEVEL": "error"} | variables
    with (
        cloned(server_url, template) as url,
        gunicorn(url, "--pythonpath=tests/faults", "items_app:app", **settings) as service,
    ):
        service.wait_until_serving()
        yield service, url
