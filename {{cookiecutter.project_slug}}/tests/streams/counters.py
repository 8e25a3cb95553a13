"""Counters: a small stream topic for tests, so that streams are tested without jobs."""

import re
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import inf
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from sqlalchemy import Row, text

from app.database.reader import Reader
from app.request.principal import get_principal
from app.settings.route_groups import PATHS
from app.streams.lifespan import HUBS
from app.streams.routes import add_stream
from app.streams.sse import StreamRoute

assert isinstance(PATHS, dict)
PATHS["streams"] = (*PATHS["streams"], "/api/v1/counters/*/events")

TABLE = """
    CREATE TABLE counters (
        id uuid PRIMARY KEY, owner text, sequence bigint NOT NULL, updated_at timestamptz,
        value int NOT NULL, total int NOT NULL, note text
    );
    CREATE TRIGGER counters_number_change BEFORE INSERT OR UPDATE ON counters
        FOR EACH ROW EXECUTE FUNCTION app_note_change();
    CREATE TRIGGER counters_tell_change AFTER INSERT OR UPDATE ON counters
        FOR EACH ROW EXECUTE FUNCTION app_note_change('counters');
"""

FORM = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SOME = text("SELECT * FROM counters WHERE id = ANY(:ids)")
CHANGED = text("""
    SELECT * FROM counters
    WHERE (owner = ANY(:owners) OR (owner IS NULL AND :no_owner)) AND sequence > :after
    ORDER BY sequence LIMIT :limit
""")


class Count(BaseModel):
    """The data of a server-sent event about a counter."""

    id: UUID
    value: int
    note: str | None


@dataclass(frozen=True, slots=True)
class CounterState:
    """A row of the table `counters`."""

    id: str
    sequence: int
    owner: str | None
    is_final: bool
    data: Count


class Counters:
    """Reads counters for streams; a counter is final when it has reached its total."""

    topic = "counters"

    async def some(self, reader: Reader, ids: Collection[str]) -> Sequence[CounterState]:
        """Return the counters with these ids."""
        known = [UUID(one) for one in ids if FORM.fullmatch(one)]
        return [state_of(row) for row in await reader.execute(SOME, {"ids": known})]

    async def changed(
        self, reader: Reader, owners: Collection[str | None], *, after: int, limit: int
    ) -> Sequence[CounterState]:
        """Return the counters of these owners that changed after a sequence number."""
        values = {
            "owners": [owner for owner in owners if owner],
            "no_owner": None in owners,
            "after": after,
            "limit": limit,
        }
        return [state_of(row) for row in await reader.execute(CHANGED, values)]


def state_of(row: Row[tuple[Any, ...]]) -> CounterState:
    data = Count(id=row.id, value=row.value, note=row.note)
    return CounterState(str(row.id), row.sequence, row.owner, row.value >= row.total, data)


@dataclass(frozen=True, slots=True)
class Everybody:
    """The principal of every request for counters, with or without authentication."""

    key: str = "everybody"
    owner: str | None = None
    expires_at: float = inf


async def everybody() -> Everybody:
    """Return the principal of every request."""
    return Everybody()


def add_counters(app: FastAPI) -> None:
    """Add the stream topic `counters` to an application with streams."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        HUBS[app].sources["counters"] = Counters()
        yield

    router = APIRouter(lifespan=lifespan, route_class=StreamRoute)
    add_stream(router, "counters")
    app.include_router(router)
    app.dependency_overrides[get_principal] = everybody


@dataclass(frozen=True, slots=True)
class Writer:
    """Changes counters in the database, as a different process would."""

    connection: asyncpg.Connection

    async def add(self, total: int = 3, owner: str | None = None) -> str:
        """Add a counter, and return its id."""
        query = "INSERT INTO counters (id, owner, sequence, value, total) VALUES ($1, $2, 0, 0, $3)"
        new = uuid4()
        await self.connection.execute(query, new, owner, total)
        return str(new)

    async def count(self, counter: str, note: str | None = None) -> int:
        """Add 1 to a counter, and return the change's sequence number."""
        query = "UPDATE counters SET value = value + 1, note = $2 WHERE id = $1 RETURNING sequence"
        number: int = await self.connection.fetchval(query, UUID(counter), note)
        return number


@asynccontextmanager
async def writing(url: str) -> AsyncGenerator[Writer]:
    """Yield a writer of the table `counters`, and close the database connection at the end."""
    connection = await asyncpg.connect(url)
    try:
        yield Writer(connection)
    finally:
        await connection.close()
