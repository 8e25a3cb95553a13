"""A fair queue for database connections: callers wait in turn for the only connection; a caller too many is refused."""

import asyncio
import os

from app.database.pool import FairPool
from app.errors import Unavailable
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

engine = create_async_engine(os.environ["DATABASE_URL"], poolclass=FairPool, pool_size=1, max_overflow=0, max_queue=2)
order: list[str] = []


async def ask(name: str) -> None:
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_sleep(0.05)"))
            order.append(name)
    except Unavailable:
        order.append(f"{name} refused")


async def main() -> None:
    await asyncio.gather(*(ask(name) for name in "abcd"))

    assert order == ["d refused", "a", "b", "c"], order


asyncio.run(main())
