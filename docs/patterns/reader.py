"""Reads that hold no connection: ten readers share a pool of one connection, while each waits for something else."""

import asyncio
import os

from app.database.reader import Reader
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

pool = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 3}
engine = create_async_engine(os.environ["DATABASE_URL"], isolation_level="AUTOCOMMIT", **pool)


async def main() -> None:
    reader, together = Reader(engine), asyncio.Barrier(10)

    async def read_and_wait() -> int:
        found = await reader.scalar(text("SELECT 1"))
        await asyncio.wait_for(together.wait(), 30)  # all ten readers are here at once: none holds the connection
        return found

    assert await asyncio.gather(*(read_and_wait() for _ in range(10))) == [1] * 10


asyncio.run(main())
