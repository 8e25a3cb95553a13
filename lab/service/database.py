"""Routes of the lab with a database: a session for several tasks or for each, and two queues for five connections."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from pydantic import SecretStr
from sqlalchemy import NullPool, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from app.database.pool import FairPool
from app.settings.database_url import asyncpg_url

CONNECTIONS, MAX_QUEUE, LONG = 5, 1000, 30.0
TASKS = 3
FAULT = text("SELECT 1 / 0")
SLEEP = text("SELECT pg_sleep(0.05)")
STATEMENT = text("SELECT pg_sleep(0.02)")
STATEMENTS = 2
"""The number of statements of a request; each takes a connection and gives the connection back, as two reads would."""


def build_router(url: str) -> APIRouter:
    """Return the routes that use a database."""
    address = asyncpg_url(SecretStr(url)).get_secret_value()
    bounds = {"pool_size": CONNECTIONS, "max_overflow": 0, "pool_timeout": LONG}
    plain = create_async_engine(address, **bounds)
    unpooled = create_async_engine(address, poolclass=NullPool)
    fair = create_async_engine(address, **bounds, poolclass=FairPool, max_queue=MAX_QUEUE)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await plain.dispose()
        await fair.dispose()

    router = APIRouter(lifespan=lifespan)
    add_sessions(router, plain, unpooled)
    add_pools(router, plain, fair)
    return router


def add_sessions(router: APIRouter, plain: AsyncEngine, unpooled: AsyncEngine) -> None:
    """Add the routes that run three statements at once, on a shared session or on three sessions."""

    @router.get("/session/new")
    async def shared_session_that_has_to_connect() -> list[str]:
        async with AsyncSession(unpooled) as session:
            return await several(*[session] * TASKS)

    @router.get("/session/used")
    async def shared_session_that_is_connected() -> list[str]:
        async with AsyncSession(plain) as session:
            await session.execute(text("SELECT 1"))
            return await several(*[session] * TASKS)

    @router.get("/session/failing")
    async def shared_session_where_one_task_fails() -> list[str]:
        async with AsyncSession(plain) as session:
            await session.execute(text("SELECT 1"))
            results = await asyncio.gather(
                session.execute(FAULT), session.execute(SLEEP), session.execute(SLEEP), return_exceptions=True
            )
            return outcomes(results)

    @router.get("/session/own")
    async def one_session_each() -> list[str]:
        async with AsyncSession(plain) as one, AsyncSession(plain) as two, AsyncSession(plain) as three:
            return await several(one, two, three)


def add_pools(router: APIRouter, plain: AsyncEngine, fair: AsyncEngine) -> None:
    """Add the routes that wait for a connection, in SQLAlchemy's queue or in the bulkhead's."""

    @router.get("/pool/sqlalchemy")
    async def in_sqlalchemys_queue() -> None:
        await statements(plain)

    @router.get("/pool/bulkhead")
    async def behind_the_bulkhead() -> None:
        await statements(fair)


async def several(*sessions: AsyncSession) -> list[str]:
    """Run a statement in a task for each given session, all at once, and return the outcomes."""
    results = await asyncio.gather(*(session.execute(SLEEP) for session in sessions), return_exceptions=True)
    return outcomes(results)


def outcomes(results: Sequence[object]) -> list[str]:
    """Return, for each result of `asyncio.gather`, `ok` or the first line of the error.

    Raises:
        BaseException: an error that no misuse of a session explains.
    """
    found = []
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, SQLAlchemyError):
            raise result
        failed = isinstance(result, BaseException)
        found.append(f"{type(result).__name__}: {result}".splitlines()[0] if failed else "ok")
    return found


async def statements(engine: AsyncEngine) -> None:
    """Run two statements in sequence, each on a separate connection."""
    for _ in range(STATEMENTS):
        async with engine.connect() as connection:
            await connection.execute(STATEMENT)
