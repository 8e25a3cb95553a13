"""The service with routes on the table `items`, in the route group `items`; tests run the app under gunicorn."""

import asyncio
from collections.abc import Mapping
from enum import StrEnum

import structlog
from sqlalchemy import BigInteger, Enum, Executable, String, bindparam, cast, column, select, table, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.database.engine import ReadWriteSession
from app.database.reader import Reader
from app.dependencies import ReadSession, SupervisorDep, WriteSession
from app.main import create_app
from app.settings.load import load_settings
from app.settings.route_groups import PATHS, RouteGroup, RouteGroupsSettings


class ItemsRouteGroups(RouteGroupsSettings):
    """The service's route groups, and the group `items`: requests that wait for a locked table fill only this group."""

    items: RouteGroup = RouteGroup()


class ScratchBase(DeclarativeBase):
    """The declarative base of a test table, apart from the service's base, whose tables need migrations."""


class Item(ScratchBase):
    """A row of the table `items`, without the column `size`, which only SQL of the tests reads and changes."""

    __tablename__ = "items"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]
    label: Mapped[str | None]
    parent: Mapped[int | None]


class Kind(StrEnum):
    """The kind of a statement: a `Reader` runs a SELECT of columns without SQLAlchemy, SQL text through SQLAlchemy."""

    COLUMNS = "columns"
    TEXT = "text"


ITEMS = table("items", column("id"), column("name"), column("size"))
COLOURED = table("coloured_items", column("id"), column("colour"))
FIND: Mapping[Kind, Executable] = {
    Kind.COLUMNS: select(ITEMS).where(ITEMS.c.id == bindparam("number", type_=BigInteger)),
    Kind.TEXT: text("SELECT id, name, size FROM items WHERE id = :number"),
}
COLOUR = cast(bindparam("colour", type_=String), Enum("red", name="colour"))
FIND_COLOUR: Mapping[Kind, Executable] = {
    Kind.COLUMNS: select(COLOURED.c.id).where(COLOURED.c.colour == COLOUR),
    Kind.TEXT: text("SELECT id FROM coloured_items WHERE colour = CAST(:colour AS colour)"),
}
INSERT = text("INSERT INTO items (id, name) VALUES (:number, 'new')")
SET_COLOUR = text("UPDATE coloured_items SET colour = CAST(:colour AS colour) WHERE id = 1")
RENAME = text("UPDATE items SET name = :name WHERE id = :number RETURNING id, name, size")

assert isinstance(PATHS, dict)
PATHS["items"] = ("/items/*", "/items/*/*")
app = create_app(load_settings().model_copy(update={"route_groups": ItemsRouteGroups()}))
log = structlog.get_logger("items")
both_requests_arrived = asyncio.Barrier(2)
"""A barrier at which two concurrent transactions wait for each other, so that they conflict each time."""


@app.get("/unlocked-items")
async def find_unlocked(session: ReadSession) -> int:
    """Read the table `unlocked_items`, which no test locks, in the default route group."""
    found: int = await session.scalar(text("SELECT id FROM unlocked_items"))
    return found


@app.get("/colours/{colour}")
async def find_colour(colour: str, session: ReadSession, kind: Kind = Kind.COLUMNS) -> list[int]:
    """Find items by a value of the type `colour`, which a migration may recreate."""
    return list((await session.scalars(FIND_COLOUR[kind], {"colour": colour})).all())


@app.put("/colours/{colour}")
async def set_colour(colour: str, session: WriteSession) -> None:
    """Store a value of the type `colour`, which a migration may recreate."""
    await session.execute(SET_COLOUR, {"colour": colour})


@app.get("/items/{number}")
async def find(number: int, session: ReadSession, kind: Kind = Kind.COLUMNS) -> list[str]:
    """Return all columns of an item by a statement without the ORM model, so that a changed column type matters."""
    return [str(value) for value in (await session.execute(FIND[kind], {"number": number})).one()]


@app.post("/items/{number}", status_code=201)
async def add(number: int, session: WriteSession, label: str | None = None, parent: int | None = None) -> int:
    """Add an item; the INSERT and the check of deferred constraints (label, parent) happen at commit."""
    session.add(Item(id=number, name="new", label=label, parent=parent))
    return number


@app.post("/items/{number}/flushed", status_code=201)
async def add_and_flush(number: int, session: WriteSession) -> int:
    """Add an item with a flush inside the handler, so that a violated constraint raises before the commit."""
    session.add(Item(id=number, name="new"))
    await session.flush()
    return number


@app.post("/items/{number}/stated", status_code=201)
async def add_with_a_statement(number: int, session: WriteSession) -> int:
    """Add an item with an SQL statement instead of the model: the statement itself violates a constraint."""
    await session.execute(INSERT, {"number": number})
    return number


@app.put("/items/{number}/name")
async def rename(number: int, session: WriteSession) -> list[str]:
    """Set the name of an item, and return the columns of the changed row."""
    found = await session.execute(RENAME, {"number": number, "name": "again"})
    return [str(value) for value in found.one()]


@app.post("/items/{number}/deadlocked", status_code=201)
async def change_two(number: int, first: int, second: int, session: WriteSession) -> int:
    """Add an item, and change two items that a concurrent request changes in the opposite order: a deadlock."""
    await session.execute(INSERT, {"number": number})
    for item in (first, second):
        await session.execute(RENAME, {"number": item, "name": f"by {number}"})
        if item == first:
            await both_requests_arrived.wait()
    return number


@app.post("/items/{number}/repeatable", status_code=201)
async def change_under_repeatable_read(number: int, session: WriteSession) -> int:
    """Add an item, and change an item that a concurrent request changes too, under REPEATABLE READ."""
    await read_together(session, "REPEATABLE READ")
    await session.execute(INSERT, {"number": number})
    await session.execute(RENAME, {"number": 1, "name": f"by {number}"})
    return number


@app.post("/items/{number}/serializable", status_code=201)
async def add_after_a_count(number: int, session: WriteSession) -> int:
    """Count the items and add an item, while a concurrent request does the same, under SERIALIZABLE."""
    await read_together(session, "SERIALIZABLE")
    await session.execute(INSERT, {"number": number})
    return number


async def read_together(session: ReadWriteSession, level: str) -> None:
    """Count the items at an isolation level, and wait until a concurrent transaction has counted the items too."""
    await session.connection(execution_options={"isolation_level": level})
    await session.scalar(text("SELECT count(*) FROM items"))
    await both_requests_arrived.wait()


@app.get("/broken")
async def fail() -> None:
    """Raise an unexpected exception without a database transaction."""
    raise RuntimeError("secret internals")


@app.post("/items/{number}/broken", status_code=201)
async def add_and_fail(number: int, session: WriteSession) -> None:
    """Raise an unexpected exception after an INSERT, which must be rolled back."""
    await session.execute(INSERT, {"number": number})
    raise RuntimeError("secret internals")


@app.post("/items/{number}/looked-for", status_code=201)
async def add_and_look(number: int, session: WriteSession, supervisor: SupervisorDep, reader: ReadSession) -> None:
    """Add an item, and look for its row in a background task, which logs whether the row is visible."""
    await session.execute(INSERT, {"number": number})
    supervisor.start("look", look(reader, number))


async def look(reader: Reader, number: int) -> None:
    """Log how many rows an item has, at level error so that every log level shows the line."""
    log.error(
        "looked for an item", number=number, rows=len((await reader.execute(FIND[Kind.TEXT], {"number": number})).all())
    )
