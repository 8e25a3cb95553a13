"""Reads that agree: two counts in a snapshot session are equal, although a row was added in between."""

import asyncio
import os

from sqlalchemy import text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

COUNT = text("SELECT count(*) FROM rows_of_the_example")

engine = create_async_engine(os.environ["DATABASE_URL"])
snapshot_engine = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


async def main() -> None:
    write_sessions, snapshot_sessions = async_sessionmaker(engine), async_sessionmaker(snapshot_engine)
    async with write_sessions.begin() as session:
        await session.execute(text("CREATE TABLE IF NOT EXISTS rows_of_the_example ()"))
    async with snapshot_sessions() as snapshot:
        before = await snapshot.scalar(COUNT)
        async with write_sessions.begin() as session:
            await session.execute(text("INSERT INTO rows_of_the_example DEFAULT VALUES"))
        assert await snapshot.scalar(COUNT) == before


asyncio.run(main())
