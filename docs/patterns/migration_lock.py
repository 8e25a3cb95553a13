"""Migrations that two processes may start: the second waits, and blocks no CREATE INDEX CONCURRENTLY meanwhile."""

import asyncio
import os
from datetime import timedelta
from threading import Thread

from migrations.turn import wait_for_turn
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

steps: list[int] = []


async def migrate(number: int) -> None:
    engine = create_async_engine(os.environ["DATABASE_URL"], isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.run_sync(wait_for_turn, timedelta(seconds=60))
        steps.append(number)
        await connection.execute(text("CREATE TABLE IF NOT EXISTS turns (number int)"))
        await connection.execute(text("CREATE INDEX CONCURRENTLY ON turns (number)"))
        await asyncio.sleep(0.5)
        steps.append(number)
    await engine.dispose()


threads = [Thread(target=lambda number=number: asyncio.run(migrate(number))) for number in (1, 2)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
assert steps in ([1, 1, 2, 2], [2, 2, 1, 1]), steps
