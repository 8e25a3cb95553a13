"""An outbox: a call that follows a write is stored with the write, and made again until it has succeeded."""

import asyncio
import os

from sqlalchemy import text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

transactions, calls = async_sessionmaker(create_async_engine(os.environ["DATABASE_URL"])).begin, []
TABLE = text("CREATE TEMPORARY TABLE outbox (key serial, body text, due timestamp DEFAULT now())")
DUE = "SELECT key FROM outbox WHERE due < now() ORDER BY due LIMIT 1 FOR UPDATE SKIP LOCKED"
TAKE = text(f"UPDATE outbox SET due = now() + interval '0.1 s' WHERE key = ({DUE}) RETURNING key, body")  # noqa: S608 - constants


async def main() -> None:
    async with transactions() as session:
        await session.execute(TABLE)
        await session.execute(text("INSERT INTO outbox (body) VALUES ('order 1')"))  # beside the row of the order
    for dies in (True, False):
        await asyncio.sleep(0.2)
        async with transactions() as session:  # on any number of machines
            message = (await session.execute(TAKE)).one()
        calls.append(tuple(message))  # the call, with `key` as idempotency key; no connection is held meanwhile
        if not dies:  # else the message is due again
            async with transactions() as session:
                await session.execute(text("DELETE FROM outbox WHERE key = :key"), {"key": message.key})
    assert calls == [(1, "order 1")] * 2, calls


asyncio.run(main())
