"""Reads that cannot write: connections are read-only by a setting, and a transaction that writes says so first."""

import asyncio
import os

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

WRITE = text("CREATE TEMPORARY SEQUENCE numbers_of_the_example")

read_only = {"default_transaction_read_only": "on"}
engine = create_async_engine(os.environ["DATABASE_URL"], connect_args={"server_settings": read_only})
sessions = async_sessionmaker(engine)


async def main() -> None:
    try:
        async with sessions.begin() as reader:
            await reader.execute(WRITE)
        raise AssertionError("the reader wrote")
    except DBAPIError as error:
        assert "read-only transaction" in str(error.orig), error
    async with sessions.begin() as writer:
        await writer.execute(text("SET TRANSACTION READ WRITE"))
        await writer.execute(WRITE)


asyncio.run(main())
