"""Keyset pagination: a page starts after the last key, so a row that is added meanwhile shifts no row between pages."""

import asyncio
import os

from sqlalchemy import Column, Identity, Integer, MetaData, Table, insert, select
from sqlalchemy.ext.asyncio import create_async_engine

orders = Table("pages", MetaData(), Column("id", Integer, Identity(), primary_key=True), prefixes=["TEMPORARY"])
newest = select(orders.c.id).order_by(orders.c.id.desc()).limit(2 + 1)  # a row more than the page shows


async def main() -> None:
    async with create_async_engine(os.environ["DATABASE_URL"]).connect() as connection:
        await connection.run_sync(orders.create)
        await connection.execute(insert(orders), [{}] * 5)
        *first, more = await connection.scalars(newest)
        await connection.execute(insert(orders))
        second = await connection.scalars(newest.where(orders.c.id < first[-1]))

        assert first == [5, 4]
        assert more == 3
        assert list(second) == [3, 2, 1]


asyncio.run(main())
