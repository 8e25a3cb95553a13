"""Two kinds of database tests: the first rolls back all that the code commits; the second copies a database."""

import asyncio
import os
from uuid import uuid4

from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

URL, FIND = make_url(os.environ["DATABASE_URL"]), text("SELECT to_regclass('notes')")
CREATE, INSERT, COUNT = map(text, ("CREATE TABLE notes AS SELECT 1", "INSERT INTO notes VALUES (2)", "TABLE notes"))


async def main() -> None:
    async with create_async_engine(URL).connect() as connection:
        await connection.begin()
        sessions = async_sessionmaker(connection, join_transaction_mode="create_savepoint")
        async with sessions.begin() as session:
            await session.execute(CREATE)
        async with sessions() as session:
            await session.execute(INSERT)
            await session.rollback()
        assert list(await connection.scalars(COUNT)) == [1]
        await connection.rollback()  # the end of a test: all changes are gone
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        assert await autocommit.scalar(FIND) is None
        await autocommit.execute(text(f"CREATE DATABASE test_{uuid4().hex} TEMPLATE template0 STRATEGY FILE_COPY"))


asyncio.run(main())
