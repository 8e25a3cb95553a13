"""Reads on a replica that see the client's own writes: a write returns a WAL position, for which a read waits.

Run: DATABASE_URL=postgresql://primary/app REPLICA_URL=postgresql://replica/app uvicorn replicas:app
"""

import asyncio
import os
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

import asyncpg
from fastapi import Cookie, Depends, FastAPI, HTTPException, Request, Response

WAIT_SECONDS = 0.2
"""The longest wait for the replica, in seconds, usually some milliseconds; after that, the read goes to the primary."""

MAX_PRIMARY_READS = 2
"""The most reads that go to the primary at a time: a replica that hangs must not send all reads to the primary."""

Position = Annotated[str | None, Cookie()]
REPLAYED = "SELECT pg_is_in_recovery() AND pg_last_wal_replay_lsn() >= $1::text::pg_lsn"
POSITION = "SELECT pg_current_wal_insert_lsn()::text"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Open a pool for primary and replica at the start, and close both pools at the end."""
    bounds = {"min_size": 1, "max_size": 5, "timeout": 2, "command_timeout": 3}
    async with (
        asyncpg.create_pool(os.environ["DATABASE_URL"], **bounds) as primary,
        asyncpg.create_pool(os.environ["REPLICA_URL"], **bounds) as replica,
    ):
        await primary.execute("CREATE TABLE IF NOT EXISTS notes (id bigint PRIMARY KEY, text text NOT NULL)")
        app.state.primary, app.state.replica = primary, replica
        app.state.primary_reads = asyncio.Semaphore(MAX_PRIMARY_READS)
        yield


async def reading(request: Request, position: Position = None) -> AsyncGenerator[asyncpg.Connection]:
    """Yield a connection that sees this client's last write: to the replica if not behind, else to the primary."""
    state = request.app.state
    async with state.replica.acquire(timeout=1) as connection:
        if await has(connection, position):
            yield connection
            return
    if state.primary_reads.locked():
        raise HTTPException(503, "The replica is too far behind.", {"Retry-After": "1"})
    async with state.primary_reads, state.primary.acquire(timeout=1) as connection:
        yield connection


async def has(replica: asyncpg.Connection, position: str | None) -> bool:
    """Wait a bounded time until the replica has replayed a WAL position, and tell whether this has happened."""
    if position is None or not re.fullmatch(r"[0-9A-F]{1,8}/[0-9A-F]{1,8}", position):
        return True  # no write so far, or a cookie that is no position
    for _ in range(10):
        if await replica.fetchval(REPLAYED, position):
            return True
        await asyncio.sleep(WAIT_SECONDS / 10)
    return False


app = FastAPI(lifespan=lifespan)


@app.put("/notes/{note_id}", status_code=204)
async def write(note_id: int, text: str, request: Request, response: Response) -> None:
    async with request.app.state.primary.acquire(timeout=1) as connection:
        await connection.execute("INSERT INTO notes VALUES ($1, $2)", note_id, text)
        response.set_cookie("position", await connection.fetchval(POSITION), max_age=60, httponly=True)


@app.get("/notes/{note_id}")
async def read(note_id: int, connection: Annotated[asyncpg.Connection, Depends(reading, scope="function")]) -> str:
    text: str | None = await connection.fetchval("SELECT text FROM notes WHERE id = $1", note_id)
    if text is None:
        raise HTTPException(404, "There is no such note.")
    return text
