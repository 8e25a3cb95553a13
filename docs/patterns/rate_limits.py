"""Rate limits: two workers share a quota in the database; without the database, each worker keeps the quota alone."""

import asyncio
import os
from uuid import uuid4

from app.database.base import Base
from app.rate_limits.gcra import Policy
from app.rate_limits.limiter import Limiter
from app.rate_limits.models import RateLimit  # noqa: F401 - the table
from app.rate_limits.postgres import PostgresStore
from sqlalchemy.ext.asyncio import create_async_engine

engine, policy, client = create_async_engine(os.environ["DATABASE_URL"]), Policy("orders", 50, 3600), uuid4().hex
nowhere = create_async_engine("postgresql+asyncpg://nobody@127.0.0.1:1/none")


async def allowed(limiter: Limiter) -> int:
    return sum(done.allowed for done in await asyncio.gather(*(limiter.take(client, policy) for _ in range(200))))


async def main() -> None:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    first, second = Limiter(PostgresStore(engine)), Limiter(PostgresStore(engine))
    assert await allowed(first) + await allowed(second) == 50
    assert await allowed(Limiter(PostgresStore(nowhere))) == 50


asyncio.run(main())
