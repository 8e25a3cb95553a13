"""A table of a test's own, the service of `rows.py` on it, and SQL that goes past that service."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg

from tests.databases import cloned
from tests.server.processes import Service, gunicorn

SCHEMA = """
CREATE TABLE things (
    id bigint PRIMARY KEY,
    name text NOT NULL,
    size integer NOT NULL DEFAULT 0,
    label text UNIQUE DEFERRABLE INITIALLY DEFERRED,
    parent bigint REFERENCES things DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE elsewhere (id bigint PRIMARY KEY);
INSERT INTO things (id, name, label) VALUES (1, 'first', 'taken'), (2, 'second', NULL);
INSERT INTO elsewhere VALUES (1);
"""


async def run(url: str, statement: str) -> None:
    """Run this on a connection of its own; several statements are one transaction."""
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


async def rows(url: str) -> list[tuple[Any, ...]]:
    """Return what is stored."""
    connection = await asyncpg.connect(url)
    found = await connection.fetch("SELECT id, name, label, parent FROM things ORDER BY id")
    await connection.close()
    return [tuple(row) for row in found]


@contextmanager
def things(server_url: str, template: str, **variables: str) -> Iterator[tuple[Service, str]]:
    """Serve them with one worker until the block ends; also return the address of the database, which has no table."""
    settings = {"WEB_CONCURRENCY": "1", "LOG_LEVEL": "error"} | variables
    with (
        cloned(server_url, template) as url,
        gunicorn(url, "--pythonpath=tests/faults", "rows:app", **settings) as service,
    ):
        service.wait_until_serving()
        yield service, url
