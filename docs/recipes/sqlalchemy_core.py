"""SQLAlchemy Core instead of `databases`: one engine for the process, a connection and a transaction for each request.

Run: DATABASE_URL=postgresql://user@127.0.0.1/app uvicorn sqlalchemy_core:app
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import BigInteger, Column, Identity, MetaData, Table, Text, insert, select
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

metadata, key = MetaData(), Column("id", BigInteger, Identity(), primary_key=True)
notes = Table("notes", metadata, key, Column("text", Text, nullable=False))


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Open the database engine at the start and dispose of the engine at the end."""
    engine = create_async_engine(
        os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+asyncpg:"),
        pool_size=5,
        max_overflow=0,
        pool_timeout=1,  # with the default of 30 s, requests pile up while the pool is empty
        connect_args={"timeout": 2, "command_timeout": 3, "server_settings": {"statement_timeout": "2500"}},
    )
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)  # a real service creates tables by migrations
    app.state.engine = engine
    yield
    await engine.dispose()


async def reading(request: Request) -> AsyncGenerator[AsyncConnection]:
    """Yield a connection on which each statement is one round trip, without a transaction."""
    engine = request.app.state.engine.execution_options(isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        yield connection


async def writing(request: Request) -> AsyncGenerator[AsyncConnection]:
    """Yield a connection in a transaction: committed before the response starts, rolled back after an exception."""
    async with request.app.state.engine.begin() as connection:
        yield connection


Read = Annotated[AsyncConnection, Depends(reading, scope="function")]
Write = Annotated[AsyncConnection, Depends(writing, scope="function")]
app = FastAPI(lifespan=lifespan)


@app.exception_handler(PoolTimeout)
async def refuse(_request: Request, _error: PoolTimeout) -> JSONResponse:
    return JSONResponse({"detail": "The database is busy."}, 503, {"Retry-After": "1"})


class Note(BaseModel):
    """The fields of a note."""

    text: str


@app.post("/notes", status_code=201)
async def create(note: Note, connection: Write) -> int:
    created: int = await connection.scalar(insert(notes).values(text=note.text).returning(notes.c.id))
    return created


@app.get("/notes/{note_id}")
async def read(note_id: int, connection: Read) -> Note:
    row = (await connection.execute(select(notes).where(notes.c.id == note_id))).mappings().one_or_none()
    if row is None:
        raise HTTPException(404, "There is no such note.")
    return Note(**row)
