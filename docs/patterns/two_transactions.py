"""A write, a call, a write: ten payments share a pool of one connection, as none holds a connection during the call."""

import asyncio
import os

from sqlalchemy import text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

engine = create_async_engine(os.environ["DATABASE_URL"], pool_size=1, max_overflow=0, pool_timeout=3)
transactions, together, keys = async_sessionmaker(engine).begin, asyncio.Barrier(10), set()


async def pay(order: int) -> None:
    async with transactions() as session:
        await session.execute(text("SELECT 'UPDATE orders SET state = paying'"))
        keys.add(f"payment-of-order-{order}")  # the call's key: from the row, so a second attempt has the same key
    await together.wait()  # the call: all ten payments are here at once
    async with transactions() as session:
        await session.execute(text("SELECT 'UPDATE orders SET state = paid'"))


async def main() -> None:
    await asyncio.gather(*(pay(order) for order in range(10)))
    assert len(keys) == 10


asyncio.run(main())
