"""The service with routes on the table of `things.py`, in a family of their own; tests run it under gunicorn."""

import asyncio

from sqlalchemy import text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.database import ReadWriteSession
from app.dependencies import ReadSession, WriteSession
from app.families import PATHS, FamiliesSettings, Family
from app.main import create_app
from app.settings import load_settings


class WithThings(FamiliesSettings):
    """A family for them."""

    things: Family = Family()


class Own(DeclarativeBase):
    """The parent of a table that no migration makes."""


class Thing(Own):
    """One row."""

    __tablename__ = "things"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]
    label: Mapped[str | None]
    parent: Mapped[int | None]


FIND = text("SELECT id, name, size FROM things WHERE id = :number")
INSERT = text("INSERT INTO things (id, name) VALUES (:number, 'new')")
RENAME = text("UPDATE things SET name = :name WHERE id = :number RETURNING id, name, size")

assert isinstance(PATHS, dict)
PATHS["things"] = ("/things/*", "/things/*/*")
app = create_app(load_settings().model_copy(update={"families": WithThings()}))
both_are_here = asyncio.Barrier(2)


@app.get("/elsewhere")
async def find_elsewhere(session: ReadSession) -> int:
    """Read another table, in another family."""
    found: int = await session.scalar(text("SELECT id FROM elsewhere"))
    return found


@app.get("/things/{number}")
async def find(number: int, session: ReadSession) -> list[str]:
    """Read one by its columns."""
    return [str(value) for value in (await session.execute(FIND, {"number": number})).one()]


@app.post("/things/{number}", status_code=201)
async def add(number: int, session: WriteSession, label: str | None = None, parent: int | None = None) -> int:
    """Add one; the flush comes with the commit, which is when its label and its parent are checked."""
    session.add(Thing(id=number, name="new", label=label, parent=parent))
    return number


@app.post("/things/{number}/flushed", status_code=201)
async def add_and_flush(number: int, session: WriteSession) -> int:
    """Add one before the handler goes on."""
    session.add(Thing(id=number, name="new"))
    await session.flush()
    return number


@app.post("/things/{number}/stated", status_code=201)
async def add_with_a_statement(number: int, session: WriteSession) -> int:
    """Add one without a model."""
    await session.execute(INSERT, {"number": number})
    return number


@app.put("/things/{number}/name")
async def rename(number: int, session: WriteSession) -> list[str]:
    """Change one, and show it as it is then."""
    found = await session.execute(RENAME, {"number": number, "name": "again"})
    return [str(value) for value in found.one()]


@app.post("/things/{number}/crossing", status_code=201)
async def change_two(number: int, first: int, second: int, session: WriteSession) -> int:
    """Add one, and change two others; another request has changed its first one when this goes on to the second."""
    await session.execute(INSERT, {"number": number})
    for one in (first, second):
        await session.execute(RENAME, {"number": one, "name": f"by {number}"})
        if one == first:
            await both_are_here.wait()
    return number


@app.post("/things/{number}/repeatable", status_code=201)
async def change_what_was_read(number: int, session: WriteSession) -> int:
    """Add one, and change another that a second request reads and changes at the same time."""
    await read_together(session, "REPEATABLE READ")
    await session.execute(INSERT, {"number": number})
    await session.execute(RENAME, {"number": 1, "name": f"by {number}"})
    return number


@app.post("/things/{number}/serializable", status_code=201)
async def add_after_a_count(number: int, session: WriteSession) -> int:
    """Add one to what a second request counts and adds to at the same time."""
    await read_together(session, "SERIALIZABLE")
    await session.execute(INSERT, {"number": number})
    return number


async def read_together(session: ReadWriteSession, level: str) -> None:
    """Read the table in a transaction of this level, at the same time as another request."""
    await session.connection(execution_options={"isolation_level": level})
    await session.scalar(text("SELECT count(*) FROM things"))
    await both_are_here.wait()


@app.get("/broken")
async def fail() -> None:
    """Raise what nobody expects."""
    raise RuntimeError("secret internals")


@app.post("/things/{number}/broken", status_code=201)
async def add_and_fail(number: int, session: WriteSession) -> None:
    """Do so with a row in a transaction."""
    await session.execute(INSERT, {"number": number})
    raise RuntimeError("secret internals")
