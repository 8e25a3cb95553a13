"""The service with a slow write route that reads an Idempotency-Key header; tests run the app under gunicorn."""

from fastapi import Response
from pydantic import BaseModel
from sqlalchemy import text

from app.dependencies import IdempotentDep, WriteSession
from app.main import create_app
from app.settings.load import load_settings

app = create_app(load_settings())

INSERT = text("INSERT INTO scratch_entries (name) VALUES (:name) RETURNING id")
SLEEP = text("SELECT 1 FROM pg_sleep(:seconds)")


class NewEntry(BaseModel):
    """The name of a row to insert, and the seconds to sleep both before and after the INSERT."""

    name: str
    seconds: float = 0


class Entry(BaseModel):
    """A row of the table `scratch_entries`, as in the response."""

    id: int
    name: str


@app.post("/entries", status_code=201, response_model=Entry)
async def add_entry(entry: NewEntry, session: WriteSession, idempotent: IdempotentDep) -> Response:
    """Insert a row, or return the stored response of the first request with the same Idempotency-Key."""
    if (answered := await idempotent.answered(session)) is not None:
        return answered
    await session.execute(SLEEP, {"seconds": entry.seconds})
    stored = Entry(id=await session.scalar(INSERT, {"name": entry.name}), name=entry.name)
    await session.execute(SLEEP, {"seconds": entry.seconds})
    return await idempotent.answer(session, stored, status=201, headers={})


@app.post("/unkeyed-entries", status_code=201)
async def add_entry_without_a_key(session: WriteSession) -> None:
    """Insert a row and ignore the Idempotency-Key header, so that a repeated request inserts a second row."""
    await session.execute(INSERT, {"name": "unkeyed"})
