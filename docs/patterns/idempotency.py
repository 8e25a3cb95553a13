"""Writes that may arrive twice: two requests with the same key have one effect, and the same response."""

import asyncio
import os
from uuid import uuid4

from app.database.base import Base
from app.idempotency.request import IdempotentRequest
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

engine, key, placed = create_async_engine(os.environ["DATABASE_URL"]), uuid4().hex, []


async def place_order(sku: str) -> int:
    request = IdempotentRequest.of(key, operation="POST /orders", request=sku.encode(), seconds=60)
    async with async_sessionmaker(engine).begin() as session:
        if answered := await request.answered(session):
            return answered.status_code
        placed.append(sku)
        return (await request.answer(session, None, status=201, headers={})).status_code


async def main() -> None:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    assert await place_order("TEA-1") == await place_order("TEA-1") == 201
    assert placed == ["TEA-1"], placed


asyncio.run(main())
