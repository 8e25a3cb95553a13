"""psycopg 3 without an ORM: one pool for the process, COPY from a stream, a pipeline, and notifications.

Run: DATABASE_URL=postgresql://user@127.0.0.1/app uvicorn psycopg_async:app
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request
from fastapi.responses import JSONResponse
from psycopg import AsyncConnection, DataError
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests


async def configure(connection: AsyncConnection[Any]) -> None:
    """Switch to autocommit: without an implicit BEGIN, a read is a single round trip."""
    await connection.set_autocommit(True)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Open the pool at the start and close it at the end."""
    async with AsyncConnectionPool(
        os.environ["DATABASE_URL"],
        min_size=1,
        max_size=5,
        max_waiting=20,  # by default, the queue for a connection has no limit
        timeout=1,  # the default wait for a connection is 30 s
        open=False,  # the `async with` opens the pool
        configure=configure,
        kwargs={"row_factory": dict_row, "connect_timeout": 2, "options": "-c statement_timeout=2500"},
    ) as pool:
        async with pool.connection() as connection:
            await connection.execute("CREATE TABLE IF NOT EXISTS readings (sensor int, value float8)")
        app.state.pool = pool
        yield


async def connect(request: Request) -> AsyncGenerator[AsyncConnection[dict[str, Any]]]:
    """Yield a connection, which is back in the pool before the response starts."""
    async with request.app.state.pool.connection() as connection:
        yield connection


Connection = Annotated[AsyncConnection[dict[str, Any]], Depends(connect, scope="function")]
app = FastAPI(lifespan=lifespan)


@app.exception_handler(PoolTimeout)
@app.exception_handler(TooManyRequests)
async def refuse(_request: Request, _error: Exception) -> JSONResponse:
    return JSONResponse({"detail": "The database is busy."}, 503, {"Retry-After": "1"})


@app.exception_handler(DataError)
async def reject(_request: Request, error: DataError) -> JSONResponse:
    return JSONResponse({"detail": error.diag.context}, 422)


@app.post("/readings", status_code=201)
async def load(request: Request, connection: Connection) -> int:
    """Store lines of `sensor,value` while the request arrives: all lines or, after an error, none."""
    async with connection.cursor() as cursor:
        async with cursor.copy("COPY readings FROM STDIN (FORMAT csv)") as copy:
            async for chunk in request.stream():
                await copy.write(chunk)
        return cursor.rowcount


@app.get("/sensors")
async def highest(connection: Connection, sensor: Annotated[list[int], Query(max_length=100)]) -> list[float | None]:
    """Run a query for each sensor, in a single round trip for all."""
    question = "SELECT max(value) FROM readings WHERE sensor = %s"
    async with connection.pipeline():
        cursors = [await connection.execute(question, [each]) for each in sensor]
    # inside the pipeline, it would cost a round trip
    return [(await cursor.fetchone() or {})["max"] for cursor in cursors]
